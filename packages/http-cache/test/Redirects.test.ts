import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { CacheOptions, HttpCache } from "@wellspring/http-cache"
import { Effect, Layer } from "effect"
import * as Origin from "./origin.ts"

const Live = HttpCache.layer().pipe(Layer.provide([FetchHttpClient.layer, CacheStore.layerMemory()]))

describe("HttpCache, redirects", () => {
  it.scoped("are followed hop by hop, each stored under its own URL", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response) => {
        const to: Record<string, string> = { "/1": "/2", "/2": "3" }
        const location = to[request.url]
        response.setHeader("cache-control", request.url === "/2" ? "no-store" : "max-age=60")
        if (location !== undefined) response.writeHead(301, { location }).end()
        else response.end(request.url)
      })
      for (let round = 0; round < 2; round++) {
        const response = yield* HttpClient.get(`${origin.url}/1`)
        assert.strictEqual(yield* response.text, "/3")
        assert.strictEqual(response.request.url, `${origin.url}/3`)
      }
      assert.deepStrictEqual(
        origin.asked.map(({ url }) => url),
        ["/1", "/2", "/3", "/2"]
      )
      const manual = yield* HttpClient.get(`${origin.url}/1`).pipe(CacheOptions.with({ redirect: "manual" }))
      assert.strictEqual(manual.status, 301)
      const refused = yield* Effect.flip(
        HttpClient.get(`${origin.url}/1`).pipe(CacheOptions.with({ redirect: "error" }))
      )
      assert.strictEqual(refused._tag, "ResponseError")
    }).pipe(Effect.provide(Live))
  )

  it.scoped("to another origin carry no credentials and no body", () =>
    Effect.gen(function* () {
      const elsewhere = yield* Origin.make((_, response) => void response.end("there"))
      const origin = yield* Origin.make(
        (request, response) =>
          void response.writeHead(Number(request.url.slice(1)), { location: `${elsewhere.url}/x` }).end()
      )
      const headers = {
        authorization: "Bearer secret",
        cookie: "secret",
        "x-api-key": "secret",
        "x-session-token": "secret",
        "x-plain": "kept"
      }
      for (const status of [301, 302, 303, 307, 308]) {
        yield* HttpClient.execute(HttpClientRequest.get(`${origin.url}/${status}`, { headers }))
      }
      assert.strictEqual(elsewhere.asked.length, 5)
      for (const { headers } of elsewhere.asked) {
        assert.notInclude(JSON.stringify(headers), "secret")
        assert.strictEqual(headers["x-plain"], "kept")
      }
      const post = HttpClientRequest.post(`${origin.url}/307`, { headers }).pipe(HttpClientRequest.bodyText("body"))
      assert.strictEqual((yield* HttpClient.execute(post)).status, 307)
      assert.strictEqual(elsewhere.asked.length, 5)
    }).pipe(Effect.provide(Live))
  )

  it.scoped("make a GET of a POST where browsers do, and keep the method elsewhere", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response) => {
        const status = Number(request.url.slice(1))
        if (status > 0) response.writeHead(status, { location: "/end" }).end()
        else response.end(`${request.method} ${request.body} ${request.headers["content-type"] ?? ""}`)
      })
      const answers = yield* Effect.forEach([301, 302, 303, 307, 308], (status) =>
        HttpClientRequest.post(`${origin.url}/${status}`).pipe(
          HttpClientRequest.bodyText("b"),
          HttpClient.execute,
          Effect.flatMap(({ text }) => text)
        )
      )
      assert.deepStrictEqual(answers, ["GET  ", "GET  ", "GET  ", "POST b text/plain", "POST b text/plain"])
    }).pipe(Effect.provide(Live))
  )

  it.scoped("that do not end are an error", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => void response.writeHead(302, { location: "/again" }).end())
      const error = yield* Effect.flip(HttpClient.get(origin.url))
      assert.match(String(error.message), /redirect/)
      assert.isAtMost(origin.asked.length, 22)
    }).pipe(Effect.provide(Live))
  )
})
