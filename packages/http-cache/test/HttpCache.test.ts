import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { Decoded, HttpCache } from "@wellspring/http-cache"
import { Context, Effect, Exit, Layer, Option, TestClock } from "effect"
import * as Origin from "./origin.ts"

const live = (options?: HttpCache.Options) =>
  HttpCache.layer(options).pipe(Layer.provide([FetchHttpClient.layer, CacheStore.layerMemory()]))

class Tenant extends Context.Reference<Tenant>()("test/Tenant", {
  defaultValue: (): Option.Option<string> => Option.none()
}) {}

const outcome = (response: Parameters<typeof HttpCache.outcomeOf>[0]) =>
  Effect.map(HttpCache.outcomeOf(response), ({ outcome }) => outcome)

describe("HttpCache.layer", () => {
  it.scoped("answers from the store while the response is fresh", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(JSON.stringify({ n: 1 }))
      })
      const get = HttpClient.get(`${origin.url}/a`)
      const first = yield* get
      assert.strictEqual(yield* outcome(first), "miss")
      assert.deepStrictEqual(yield* first.json, { n: 1 })
      yield* TestClock.adjust("59 seconds")
      const second = yield* get
      assert.strictEqual(yield* outcome(second), "hit")
      assert.deepStrictEqual(yield* second.json, { n: 1 })
      assert.strictEqual(second.headers["age"], "59")
      assert.match(second.headers["cache-status"] ?? "", /^wellspring;hit;ttl=1;key=/)
      assert.strictEqual(origin.asked.length, 1)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* outcome(yield* get), "miss")
      assert.strictEqual(origin.asked.length, 2)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("asks for validation with the entity tag, and adds nothing else to the request", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response) => {
        response.setHeader("etag", '"1"')
        response.setHeader("cache-control", "max-age=10")
        if (request.headers["if-none-match"] === '"1"') response.writeHead(304).end()
        else response.end("body")
      })
      const get = HttpClient.execute(HttpClientRequest.get(`${origin.url}/a`))
      yield* get
      yield* TestClock.adjust("11 seconds")
      const second = yield* get
      assert.strictEqual(yield* outcome(second), "revalidated")
      assert.strictEqual(yield* second.text, "body")
      assert.strictEqual(second.status, 200)
      assert.strictEqual(yield* outcome(yield* get), "hit")
      assert.strictEqual(origin.asked.length, 2)
      assert.strictEqual(origin.asked[1]?.headers["cache-control"], undefined)
      assert.strictEqual(origin.asked[1]?.headers["pragma"], undefined)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("shows somebody whom only a function can tell nothing that was answered to others", () => {
    let who = Option.none<string>()
    return Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(Option.getOrElse(who, () => "nobody"))
      })
      const bodies: Array<string> = []
      for (const asking of [
        Option.none(),
        Option.some("alice"),
        Option.some("alice"),
        Option.some("bob"),
        Option.none()
      ]) {
        who = asking
        const response = yield* HttpClient.get(`${origin.url}/a`)
        bodies.push(yield* response.text)
      }
      assert.deepStrictEqual(bodies, ["nobody", "alice", "alice", "bob", "nobody"])
      assert.strictEqual(origin.asked.length, 3)
    }).pipe(Effect.provide(live({ partition: () => Effect.sync(() => who) })))
  })

  it.scoped("asks a service for whom a request speaks, when the service itself is what the function gives", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response, index) => {
        response.setHeader("cache-control", "private, max-age=60")
        response.end(String(index))
      })
      const as = (name: string) =>
        HttpClient.get(`${origin.url}/a`).pipe(
          Effect.flatMap((response) => response.text),
          Effect.provideService(Tenant, Option.some(name))
        )
      assert.strictEqual(yield* as("alice"), "0")
      assert.strictEqual(yield* as("bob"), "1")
      assert.strictEqual(yield* as("alice"), "0")
    }).pipe(Effect.provide(live({ mode: "private", partition: () => Tenant })))
  )

  it.scoped("keeps nothing of a no-store response, and says so", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "no-store, max-age=60")
        response.end("body")
      })
      const get = HttpClient.get(`${origin.url}/a`)
      yield* get
      const second = yield* get
      assert.strictEqual(yield* outcome(second), "miss")
      assert.strictEqual(yield* second.text, "body")
      assert.match(second.headers["cache-status"] ?? "", /^wellspring;fwd=uri-miss;key=/)
      assert.strictEqual(origin.asked.length, 2)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("keeps those apart whose fetch is given fields of its own, which no request shows", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(request.headers["authorization"])
      })
      const as = (token: string) =>
        HttpClient.get(origin.url).pipe(
          Effect.flatMap(({ text }) => text),
          Effect.provideService(FetchHttpClient.RequestInit, { headers: { Authorization: token } })
        )
      const bodies = yield* Effect.forEach(["ann", "bob", "ann", "bob"], as)
      assert.deepStrictEqual(bodies, ["ann", "bob", "ann", "bob"])
      assert.strictEqual(origin.asked.length, 2)
      yield* Effect.all(["eve", "joe"].map(as), { concurrency: "unbounded" }).pipe(
        Effect.map((bodies) => assert.deepStrictEqual(bodies, ["eve", "joe"]))
      )
    }).pipe(Effect.provide(live()))
  )

  it.scoped("looks a request that was taken in once up as often as wanted, as things are then", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end("body")
      })
      const cache = yield* HttpCache.HttpCache
      const request = HttpClientRequest.get(`${origin.url}/a`)
      const { decoded, look } = Option.getOrThrow(cache.inquire(request))
      assert.isUndefined(look())
      yield* cache.execute(request)
      assert.strictEqual(yield* outcome(look() ?? assert.fail("nothing is held")), "hit")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(look()?.headers["age"], "20")
      const decoder = {}
      assert.isUndefined(decoded(decoder))
      Decoded.keep(look() ?? assert.fail("nothing is held"), decoder, "decoded")
      assert.deepStrictEqual(decoded(decoder), {
        _tag: "Kept",
        exit: Exit.succeed("decoded"),
        outcome: "hit",
        lifetime: { secondsLeft: 40, scope: "public" }
      })
      assert.isUndefined(decoded({}))
      yield* cache.invalidate({ url: `${origin.url}/a` })
      assert.isUndefined(look())
      assert.isUndefined(decoded(decoder))
      yield* cache.execute(request)
      yield* TestClock.adjust("60 seconds")
      assert.isUndefined(look())
      assert.isTrue(Option.isNone(cache.inquire(HttpClientRequest.post(origin.url))))
      assert.isTrue(Option.isNone(cache.inquire(request, { mode: "no-store" })))
    }).pipe(Effect.provide(live()))
  )

  it.effect("is told from other clients, and from those that do more than a cache's", () =>
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      assert.strictEqual(Option.getOrThrow(HttpCache.of(client)), yield* HttpCache.HttpCache)
      const more = HttpClient.mapRequest(client, HttpClientRequest.setHeader("x-more", "1"))
      assert.isTrue(Option.isNone(HttpCache.of(more)))
    }).pipe(Effect.provide(live()))
  )

  it.scoped("answers a lookup by an Exit at hand, with a response only when it is fresh in memory", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response) => {
        response.setHeader("cache-control", "max-age=60")
        if (request.url === "/moved") response.writeHead(301, { location: "/a", "content-length": 0 }).end()
        else response.end("body")
      })
      const cache = yield* HttpCache.HttpCache
      const request = HttpClientRequest.get(`${origin.url}/a`)
      assert.deepStrictEqual(cache.lookup(request), Exit.succeed(Option.none()))
      yield* cache.execute(request)
      const found = Option.getOrThrow(Exit.getOrElse(cache.lookup(request), Option.none))
      assert.strictEqual(yield* found.text, "body")
      yield* cache.execute(HttpClientRequest.get(`${origin.url}/moved`))
      const moved = HttpClientRequest.get(`${origin.url}/moved`)
      assert.deepStrictEqual(cache.lookup(moved), Exit.succeed(Option.none()))
      const redirect = Exit.getOrElse(cache.lookup(moved, { redirect: "manual" }), Option.none)
      assert.strictEqual(Option.getOrThrow(redirect).status, 301)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(cache.lookup(request), Exit.succeed(Option.none()))
    }).pipe(Effect.provide(live()))
  )

  it.scoped("gives an Effect that is lazy, and can be started without a fiber", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end("body")
      })
      const client = yield* HttpClient.HttpClient
      const get = client.execute(HttpClientRequest.get(origin.url))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(origin.asked.length, 0)
      assert.strictEqual(yield* outcome(yield* get), "miss")
      assert.strictEqual(yield* outcome(yield* get), "hit")
      const start = Reflect.get(get, Symbol.for("@wellspring/source/Fiberless"))
      const answer = start.call(get, Context.empty(), () => assert.fail("it was at hand"))
      assert.isTrue(Exit.isExit(answer) && Exit.isSuccess(answer))
    }).pipe(Effect.provide(live()))
  )

  it.scoped("works over any client: requests with parameters share the key of the URL they make", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end("body")
      })
      yield* HttpClient.get(`${origin.url}/a`, { urlParams: { q: "a b", n: 1 } })
      assert.strictEqual(yield* outcome(yield* HttpClient.get(`${origin.url}/a?q=a+b&n=1#top`)), "hit")
      assert.deepStrictEqual(
        origin.asked.map(({ url }) => url),
        ["/a?q=a+b&n=1"]
      )
    }).pipe(Effect.provide(live()))
  )
})
