import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { CacheOptions, HttpCache } from "@wellspring/http-cache"
import { Effect, Layer, Option, TestClock } from "effect"
import * as Origin from "./origin.ts"

const live = (options?: HttpCache.Options) =>
  HttpCache.layer(options).pipe(Layer.provide([FetchHttpClient.layer, CacheStore.layerMemory()]))

const get = (url: string, headers: Record<string, string> = {}) =>
  Effect.flatMap(HttpClient.execute(HttpClientRequest.get(url, { headers })), (response) =>
    Effect.map(response.text, (text) => `${Option.getOrThrow(HttpCache.outcomeOf(response)).outcome} ${text}`)
  )

const until = (condition: () => boolean) =>
  Effect.promise(async () => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  })

describe("HttpCache, stale responses", () => {
  it.scoped("RFC 5861 §3: are served while one revalidation runs behind them", () =>
    Effect.gen(function* () {
      const held: Array<() => void> = []
      const origin = yield* Origin.make((_, response, index) => {
        response.setHeader("cache-control", "max-age=10, stale-while-revalidate=60")
        if (index === 1) held.push(() => response.end(String(index)))
        else response.end(String(index))
      })
      assert.strictEqual(yield* get(origin.url), "miss 0")
      yield* TestClock.adjust("20 seconds")
      const answers = yield* Effect.all(
        Array.from({ length: 50 }, () => get(origin.url)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...new Set(answers)], ["stale 0"])
      yield* until(() => held.length === 1)
      assert.strictEqual(origin.asked.length, 2)
      held[0]?.()
      let answer = yield* get(origin.url)
      while (answer === "stale 0") {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        answer = yield* get(origin.url)
      }
      assert.strictEqual(answer, "hit 1")
      assert.strictEqual(origin.asked.length, 2)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* get(origin.url), "miss 2")
    }).pipe(Effect.provide(live()))
  )

  it.effect("are not revalidated any further once the layer has ended", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const origin = HttpClient.make((request) =>
        events.push("asked") === 1
          ? Effect.succeed(
              HttpClientResponse.fromWeb(
                request,
                new Response("body", {
                  headers: { "cache-control": "max-age=10, stale-while-revalidate=60", "content-length": "4" }
                })
              )
            )
          : Effect.onInterrupt(Effect.never, () => Effect.sync(() => events.push("interrupted")))
      )
      yield* Effect.gen(function* () {
        const cache = yield* HttpCache.make(origin)
        const answer = Effect.map(cache.execute(HttpClientRequest.get("http://origin.test/")), HttpCache.outcomeOf)
        yield* answer
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(Option.getOrThrow(yield* answer).outcome, "stale")
        assert.deepStrictEqual(events, ["asked", "asked"])
      }).pipe(Effect.scoped, Effect.provide(CacheStore.layerMemory()))
      yield* Effect.yieldNow()
      assert.deepStrictEqual(events, ["asked", "asked", "interrupted"])
    })
  )

  it.scoped("RFC 5861 §4: stand in for errors of the origin, and not for refusals", () =>
    Effect.gen(function* () {
      let status = 200
      const origin = yield* Origin.make((_, response) => {
        response.statusCode = status
        if (status === 200) response.setHeader("cache-control", "max-age=10, stale-if-error=600")
        response.end(String(status))
      })
      assert.strictEqual(yield* get(origin.url), "miss 200")
      yield* TestClock.adjust("20 seconds")
      for (status of [500, 502, 503, 504]) assert.strictEqual(yield* get(origin.url), "stale 200")
      status = 403
      assert.strictEqual(yield* get(origin.url), "miss 403")
      // After a refusal nothing older comes back.
      status = 503
      assert.strictEqual(yield* get(origin.url), "miss 503")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("RFC 9111 §4.2.4: are served when the origin is lost, or are a 504 where that is forbidden", () =>
    Effect.gen(function* () {
      let isLost = false
      const origin = yield* Origin.make((request, response) => {
        if (isLost) return void response.destroy()
        const isStrict = request.url === "/strict"
        response.setHeader("cache-control", isStrict ? "max-age=10, must-revalidate" : "max-age=10")
        if (isStrict) response.setHeader("etag", '"1"')
        response.end("body")
      })
      yield* get(`${origin.url}/`)
      yield* get(`${origin.url}/strict`)
      yield* TestClock.adjust("20 seconds")
      isLost = true
      assert.strictEqual(yield* get(`${origin.url}/`), "stale body")
      const error = yield* Effect.flip(get(`${origin.url}/strict`))
      assert.strictEqual(error._tag === "ResponseError" && error.response.status, 504)
      const never = yield* Effect.flip(get(`${origin.url}/never`))
      assert.strictEqual(never._tag === "RequestError" && never.reason, "Transport")
      const reload = yield* Effect.flip(get(`${origin.url}/`, { "cache-control": "no-cache" }))
      assert.strictEqual(reload._tag, "RequestError")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("are an error like any other when staleWhenDisconnected is off", () =>
    Effect.gen(function* () {
      let isLost = false
      const origin = yield* Origin.make((_, response) => {
        if (isLost) return void response.destroy()
        response.setHeader("cache-control", "max-age=10")
        response.end("body")
      })
      yield* get(origin.url)
      yield* TestClock.adjust("20 seconds")
      isLost = true
      assert.strictEqual((yield* Effect.flip(get(origin.url)))._tag, "RequestError")
    }).pipe(Effect.provide(live({ staleWhenDisconnected: false })))
  )
})

describe("CacheOptions", () => {
  const counting = (control: string | undefined, extra: Record<string, string> = {}) =>
    Origin.make((_, response, index) => {
      if (control !== undefined) response.setHeader("cache-control", control)
      for (const [name, value] of Object.entries(extra)) response.setHeader(name, value)
      response.end(String(index))
    })

  it.scoped("mode: has the meanings of the Fetch standard", () =>
    Effect.gen(function* () {
      const origin = yield* counting("max-age=10")
      const as = (mode: CacheOptions.Mode) => get(origin.url).pipe(CacheOptions.with({ mode }))
      const missing = yield* HttpClient.get(origin.url).pipe(CacheOptions.with({ mode: "only-if-cached" }))
      assert.strictEqual(missing.status, 504)
      assert.strictEqual(yield* as("no-store"), "bypass 0")
      assert.strictEqual(yield* as("default"), "miss 1")
      assert.strictEqual(yield* as("reload"), "miss 2")
      assert.strictEqual(yield* as("default"), "hit 2")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* as("force-cache"), "stale 2")
      assert.strictEqual(yield* as("only-if-cached"), "stale 2")
      assert.strictEqual(yield* as("no-cache"), "miss 3")
      const [, reload] = origin.asked.slice(-2)
      assert.strictEqual(reload?.headers["cache-control"], "max-age=0")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("lifetime: shortens, lengthens and supplies, within what the response permits", () =>
    Effect.gen(function* () {
      const minute = yield* counting("max-age=60")
      const strict = yield* counting("max-age=60, must-revalidate")
      const silent = yield* counting(undefined)
      const forbidden = yield* counting("no-store")
      const atMost = get(`${minute.url}/1`).pipe(CacheOptions.with({ lifetime: { atMost: "10 seconds" } }))
      const atLeast = (url: string) => get(url).pipe(CacheOptions.with({ lifetime: { atLeast: "10 minutes" } }))
      const whenMissing = (url: string) => get(url).pipe(CacheOptions.with({ lifetime: { whenMissing: "1 hour" } }))
      assert.deepStrictEqual(
        [yield* atMost, yield* atLeast(minute.url), yield* atLeast(strict.url), yield* whenMissing(silent.url)],
        ["miss 0", "miss 1", "miss 0", "miss 0"]
      )
      yield* whenMissing(forbidden.url)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(
        [yield* atMost, yield* atLeast(minute.url), yield* atLeast(strict.url), yield* whenMissing(silent.url)],
        ["miss 2", "hit 1", "miss 1", "hit 0"]
      )
      assert.strictEqual(yield* whenMissing(forbidden.url), "miss 1")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("lifetime.assumeFresh: overrides lifetimes, and neither no-store nor private nor credentials", () =>
    Effect.gen(function* () {
      const assume = (url: string, headers = {}) =>
        get(url, headers).pipe(CacheOptions.with({ lifetime: { assumeFresh: "1 hour" } }))
      const silent = yield* counting("no-cache, max-age=0")
      const secret = yield* counting("private, max-age=60")
      const never = yield* counting("no-store")
      yield* assume(silent.url)
      assert.strictEqual(yield* assume(silent.url), "hit 0")
      yield* assume(secret.url)
      assert.strictEqual(yield* assume(secret.url), "miss 1")
      yield* assume(never.url)
      assert.strictEqual(yield* assume(never.url), "miss 1")
      yield* assume(`${silent.url}/mine`, { authorization: "alice" })
      assert.strictEqual(yield* assume(`${silent.url}/mine`, { authorization: "alice" }), "hit 1")
      assert.strictEqual(yield* assume(`${silent.url}/mine`, { authorization: "bob" }), "miss 2")
      assert.strictEqual(yield* assume(`${silent.url}/mine`), "miss 3")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("with: inner options win over outer ones, one by one", () =>
    Effect.gen(function* () {
      const seen = yield* Effect.flatMap(CacheOptions.Current, Effect.succeed).pipe(
        CacheOptions.with({ mode: "reload", lifetime: { atMost: 1 } }),
        CacheOptions.with({ mode: "no-store", tags: ["t"], lifetime: { atLeast: 2 } })
      )
      assert.deepStrictEqual(seen, { mode: "reload", tags: ["t"], lifetime: { atMost: 1, atLeast: 2 } })
    })
  )
})
