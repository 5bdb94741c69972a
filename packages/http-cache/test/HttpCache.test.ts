import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { HttpCache } from "@wellspring/http-cache"
import { Effect, Layer, TestClock } from "effect"
import * as Origin from "./origin.ts"

const live = (options?: HttpCache.Options) =>
  HttpCache.layer(options).pipe(Layer.provide([FetchHttpClient.layer, CacheStore.layerMemory()]))

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
})
