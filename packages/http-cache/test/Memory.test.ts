import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { HttpCache } from "@wellspring/http-cache"
import { Effect } from "effect"

const full = process.env["WELLSPRING_FULL"] === "1"
const megabyte = 1_000_000

const origin = HttpClient.make((request) =>
  Effect.sync(() => {
    const body = `{"id":"${request.url.slice(-12)}","title":"${"x".repeat(180)}"}`
    const headers = {
      "cache-control": "max-age=6000",
      "content-length": String(body.length),
      etag: `"${request.url.slice(-8)}"`
    }
    return HttpClientResponse.fromWeb(request, new Response(body, { headers }))
  })
)

const collect = () => (globalThis as { gc?: () => void }).gc?.()

describe("HttpCache in memory", () => {
  it.scoped(
    "stays within its bytes, keys and fields counted, whatever the number of URLs",
    () =>
      Effect.gen(function* () {
        const maxBytes = full ? 256 * megabyte : 4 * megabyte
        const { open: _, usage } = yield* CacheStore.CacheStore
        const cache = yield* HttpCache.make(origin)
        collect()
        const before = process.memoryUsage().heapUsed
        for (let index = 0; index < (full ? megabyte : 8_000); index++) {
          yield* cache.execute(HttpClientRequest.get(`http://origin.test/${index}/${String(index).padStart(12, "0")}`))
        }
        const { bytes, entries } = yield* usage
        assert.isAtMost(bytes, maxBytes)
        assert.isAbove(entries, full ? 100_000 : 1_500)
        collect()
        // Without a collector at hand the figure says nothing.
        const grown = process.memoryUsage().heapUsed - before
        if (full && "gc" in globalThis) assert.isAtMost(grown, 1.3 * maxBytes)
      }).pipe(Effect.provide(CacheStore.layerMemory({ maxBytes: full ? 256 * megabyte : 4 * megabyte }))),
    { timeout: full ? 600_000 : 20_000 }
  )

  it.scoped("keeps every variant of a URL, up to a bound", () =>
    Effect.gen(function* () {
      const varying = HttpClient.make((request) =>
        Effect.sync(() => {
          const body = String(request.headers["accept-language"])
          const headers = {
            "cache-control": "max-age=60",
            vary: "accept-language",
            "content-length": String(body.length)
          }
          return HttpClientResponse.fromWeb(request, new Response(body, { headers }))
        })
      )
      const cache = yield* HttpCache.make(varying)
      const get = (language: number) =>
        Effect.flatMap(
          cache.execute(
            HttpClientRequest.get("http://origin.test/", { headers: { "accept-language": `l${language}` } })
          ),
          (response) => Effect.map(response.text, (text) => [text, response.headers["cache-status"]?.includes("hit")])
        )
      for (let language = 0; language < 500; language++) yield* get(language)
      for (let language = 440; language < 500; language++)
        assert.deepStrictEqual(yield* get(language), [`l${language}`, true])
      assert.deepStrictEqual(yield* get(0), ["l0", false])
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )
})
