import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { CacheOptions, HttpCache } from "@wellspring/http-cache"
import { Effect, Exit, Layer, Option, TestClock } from "effect"
import * as Origin from "./origin.ts"

const live = (options?: HttpCache.Options) =>
  HttpCache.layer(options).pipe(Layer.provide([FetchHttpClient.layer, CacheStore.layerMemory()]))

const get = (url: string, headers: Record<string, string> = {}) =>
  Effect.flatMap(HttpClient.execute(HttpClientRequest.get(url, { headers })), (response) => response.text)

/** An origin whose answers count up, each with the fields given. */
const counting = (fields: (request: Origin.Asked) => Record<string, string>) =>
  Origin.make((request, response, index) => {
    for (const [name, value] of Object.entries({ "cache-control": "max-age=600", ...fields(request) }))
      response.setHeader(name, value)
    response.end(String(index))
  })

describe("HttpCache.invalidate", () => {
  it.scoped("forgets a URL for everybody, however it is written", () =>
    Effect.gen(function* () {
      const origin = yield* counting(() => ({}))
      const alice = { authorization: "alice" }
      assert.strictEqual(yield* get(`${origin.url}/a`), "0")
      assert.strictEqual(yield* get(`${origin.url}/a`, alice), "1")
      assert.strictEqual(yield* get(`${origin.url}/b`), "2")
      yield* HttpCache.invalidate({ url: `${origin.url.toUpperCase().replace("HTTP", "http")}/%61#x` })
      assert.strictEqual(yield* get(`${origin.url}/a`), "3")
      assert.strictEqual(yield* get(`${origin.url}/a`, alice), "4")
      assert.strictEqual(yield* get(`${origin.url}/b`), "2")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("forgets by prefix and by tag, from fields, options and a function", () =>
    Effect.gen(function* () {
      const origin = yield* counting(({ url }) => (url === "/tagged" ? { "surrogate-key": "one two" } : {}))
      const optional = get(`${origin.url}/optional`).pipe(CacheOptions.with({ tags: ["two"] }))
      assert.strictEqual(yield* get(`${origin.url}/tagged`), "0")
      assert.strictEqual(yield* optional, "1")
      assert.strictEqual(yield* get(`${origin.url}/movies/1`), "2")
      yield* HttpCache.invalidate({ tag: "two" })
      assert.strictEqual(yield* get(`${origin.url}/tagged`), "3")
      assert.strictEqual(yield* optional, "4")
      assert.strictEqual(yield* get(`${origin.url}/movies/1`), "2")
      yield* HttpCache.invalidate({ tag: "at /movies/1" })
      assert.strictEqual(yield* get(`${origin.url}/movies/1`), "5")
      yield* HttpCache.invalidate({ prefix: `${origin.url}/mov` })
      assert.strictEqual(yield* get(`${origin.url}/movies/1`), "6")
      assert.strictEqual(yield* get(`${origin.url}/tagged`), "3")
      yield* HttpCache.invalidate({ everything: true })
      assert.strictEqual(yield* get(`${origin.url}/tagged`), "7")
    }).pipe(Effect.provide(live({ tags: (request) => [`at ${new URL(request.url).pathname}`] })))
  )

  it.scoped("is a defect of the request where the function for tags throws, and leaves nobody waiting", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make(({ url }, response) => {
        response.setHeader("cache-control", "max-age=600")
        if (url === "/short") response.setHeader("content-length", "4")
        response.end("body")
      })
      for (const path of ["/short", "/recorded"]) {
        const both = [get(`${origin.url}${path}`), get(`${origin.url}${path}`)].map(Effect.exit)
        for (const exit of yield* Effect.all(both, { concurrency: "unbounded" })) {
          assert.deepStrictEqual(exit, Exit.die("no tags"))
        }
      }
    }).pipe(
      Effect.provide(
        live({
          tags: () => {
            throw "no tags"
          }
        })
      )
    )
  )

  it.scoped("follows an unsafe request that succeeds, for every partition, and not one that fails", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response, index) => {
        response.setHeader("cache-control", "max-age=600")
        if (request.method === "POST") response.setHeader("location", "/made")
        if (request.method === "DELETE") response.statusCode = 500
        response.end(String(index))
      })
      const all = ["/a", "/made", "/b"]
      const bob = { cookie: "bob" }
      for (const path of all) yield* get(`${origin.url}${path}`)
      yield* get(`${origin.url}/a`, bob)
      yield* HttpClient.post(`${origin.url}/a`, {})
      const after = yield* Effect.forEach(all, (path) => get(`${origin.url}${path}`))
      assert.deepStrictEqual(after, ["5", "6", "2"])
      assert.strictEqual(yield* get(`${origin.url}/a`, bob), "7")
      yield* HttpClient.del(`${origin.url}/b`)
      assert.strictEqual(yield* get(`${origin.url}/b`), "2")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("keeps a read that began before it from filling the cache after it", () =>
    Effect.gen(function* () {
      const pending: Array<() => void> = []
      const origin = yield* Origin.make((_, response, index) => {
        response.setHeader("cache-control", "max-age=600")
        response.setHeader("cache-tag", "t")
        if (index < 300 && index % 2 === 0) pending.push(() => response.end("old"))
        else response.end("new")
      })
      const kinds: ReadonlyArray<(url: string) => HttpCache.Target> = [
        (url) => ({ url }),
        () => ({ tag: "t" }),
        (url) => ({ prefix: url })
      ]
      for (let round = 0; round < 30; round++) {
        const url = `${origin.url}/${round}`
        const slow = yield* Effect.fork(get(url))
        while (pending.length === 0) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        const target = kinds[round % kinds.length]
        if (target !== undefined) yield* HttpCache.invalidate(target(url))
        pending.pop()?.()
        assert.strictEqual(yield* slow, "old")
        assert.strictEqual(yield* get(url), "new")
      }
    }).pipe(Effect.provide(live()))
  )
})

describe("HttpCache.inspect", () => {
  it.scoped("says what would happen and why, and changes nothing", () =>
    Effect.gen(function* () {
      const origin = yield* counting(() => ({ etag: '"1"', vary: "accept" }))
      const request = HttpClientRequest.get(`${origin.url}/a`)
      const empty = yield* HttpCache.inspect(request)
      assert.deepStrictEqual([empty.decision?._tag, empty.entries.length, empty.key], ["Miss", 0, `${origin.url}/a`])
      yield* get(`${origin.url}/a`)
      yield* TestClock.adjust("1 minute")
      const fresh = yield* HttpCache.inspect(request)
      assert.strictEqual(fresh.decision?._tag, "Hit")
      assert.deepInclude(fresh.entries[0], {
        ageSeconds: 60,
        secondsLeft: 540,
        vary: ["accept"],
        bodyBytes: 1,
        scope: "shared",
        isSelected: true
      })
      yield* TestClock.adjust("1 hour")
      const stale = yield* HttpCache.inspect(request)
      assert.match(stale.summary, /asked whether the stored response, stale for 3060 s, is still good/)
      assert.strictEqual((yield* HttpCache.inspect(request, { mode: "no-store" })).plan, "Forward")
      assert.strictEqual(origin.asked.length, 1)
    }).pipe(Effect.provide(live()))
  )
})

describe("HttpCache.outcomeOf", () => {
  it.scoped("gives what is left of the lifetime, and for whom", () =>
    Effect.gen(function* () {
      const origin = yield* counting(({ url }) =>
        url === "/private" ? { "cache-control": "private, max-age=60" } : {}
      )
      const of = (path: string, headers = {}) =>
        Effect.map(HttpClient.execute(HttpClientRequest.get(`${origin.url}${path}`, { headers })), (response) =>
          Option.getOrThrow(HttpCache.outcomeOf(response))
        )
      yield* of("/a")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* of("/a"), { outcome: "hit", lifetime: { secondsLeft: 590, scope: "public" } })
      yield* of("/private", { cookie: "x" })
      assert.deepStrictEqual(yield* of("/private", { cookie: "x" }), {
        outcome: "hit",
        lifetime: { secondsLeft: 60, scope: "private" }
      })
      assert.strictEqual((yield* of("/private")).lifetime, undefined)
    }).pipe(Effect.provide(live()))
  )
})
