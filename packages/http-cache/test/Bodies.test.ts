import { createHash, randomBytes } from "node:crypto"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { CacheOptions, Decoded, HttpCache } from "@wellspring/http-cache"
import { Chunk, Effect, Exit, Layer, Option, Stream } from "effect"
import * as Origin from "./origin.ts"

const live = (options?: HttpCache.Options, memory?: CacheStore.MemoryOptions) =>
  HttpCache.layer(options).pipe(
    Layer.provideMerge(Layer.mergeAll(FetchHttpClient.layer, CacheStore.layerMemory(memory)))
  )

const outcome = (response: Parameters<typeof HttpCache.outcomeOf>[0]) =>
  Option.getOrThrow(HttpCache.outcomeOf(response)).outcome

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

describe("HttpCache, bodies", () => {
  it.scoped("are the same bytes on hit and miss: empty, text, binary, large, in chunks", () =>
    Effect.gen(function* () {
      const bodies: Record<string, Buffer> = {
        "/empty": Buffer.alloc(0),
        "/ascii": Buffer.from('{"a":1}'),
        "/text": Buffer.from("Größe 🙂"),
        "/binary": randomBytes(1000),
        "/large": randomBytes(3_000_000)
      }
      const origin = yield* Origin.make((request, response) => {
        response.setHeader("cache-control", "max-age=60")
        const [path = "", query] = request.url.split("?")
        const body = bodies[path] ?? Buffer.alloc(0)
        if (query === undefined) response.setHeader("content-length", body.byteLength)
        for (let at = 0; at < body.byteLength; at += 50_000) response.write(body.subarray(at, at + 50_000))
        response.end()
      })
      for (const [path, body] of Object.entries(bodies)) {
        for (const url of [`${origin.url}${path}`, `${origin.url}${path}?chunked`]) {
          for (const expected of ["miss", "hit"]) {
            const response = yield* HttpClient.get(url)
            assert.strictEqual(outcome(response), expected, url)
            assert.deepStrictEqual(Buffer.from(yield* response.arrayBuffer), body)
            if (expected === "hit") {
              const chunks = yield* Stream.runCollect(response.stream)
              assert.deepStrictEqual(Buffer.concat(Chunk.toReadonlyArray(chunks)), body)
              assert.strictEqual(yield* response.text, body.toString("utf8"))
            }
          }
        }
      }
    }).pipe(Effect.provide(live()))
  )

  it.scoped("belong to the caller, who may change what it was given", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(Buffer.from([1, 2, 3, 200]))
      })
      for (let round = 0; round < 3; round++) {
        const response = yield* HttpClient.get(origin.url)
        const bytes = new Uint8Array(yield* response.arrayBuffer)
        assert.deepStrictEqual([...bytes], [1, 2, 3, 200])
        bytes.fill(0)
      }
      assert.strictEqual(origin.asked.length, 1)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("are the caller's own while they stream, too", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.write("hel")
        setTimeout(() => response.end("lo"), 10)
      })
      const first = yield* HttpClient.get(origin.url)
      yield* Stream.runForEach(first.stream, (chunk) => Effect.sync(() => chunk.fill(0)))
      const second = yield* HttpClient.get(origin.url)
      assert.strictEqual(outcome(second), "hit")
      assert.strictEqual(yield* second.text, "hello")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("that are not kept and that nobody reads any further end the call", () =>
    Effect.gen(function* () {
      let closed = 0
      const endless = Stream.repeatValue(new Uint8Array(10_000)).pipe(Stream.ensuring(Effect.sync(() => closed++)))
      const origin = HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(
            request,
            new Response(Stream.toReadableStream(endless), { headers: { "cache-control": "max-age=60" } })
          )
        )
      )
      const cache = yield* HttpCache.make(origin, { maxEntryBytes: 100_000 })
      const response = yield* cache.execute(HttpClientRequest.get("http://origin.test/"))
      yield* Stream.runDrain(Stream.take(response.stream, 20))
      while (closed === 0) yield* turn
      assert.strictEqual(closed, 1)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("longer than maxEntryBytes pass through whole and unstored, at the reader's pace", () =>
    Effect.gen(function* () {
      const body = randomBytes(2_000_000)
      const digest = createHash("sha256").update(body).digest("hex")
      const origin = yield* Origin.make((request, response) => {
        response.setHeader("cache-control", "max-age=60")
        if (request.url === "/declared") response.setHeader("content-length", body.byteLength)
        response.write(body.subarray(0, 1_000_000))
        response.end(body.subarray(1_000_000))
      })
      const store = yield* CacheStore.CacheStore
      for (const path of ["/declared", "/chunked"]) {
        for (let round = 0; round < 2; round++) {
          const response = yield* HttpClient.get(`${origin.url}${path}`)
          assert.strictEqual(outcome(response), "miss")
          const hash = createHash("sha256")
          yield* Stream.runForEach(response.stream, (chunk) =>
            Effect.zipRight(
              turn,
              Effect.sync(() => hash.update(chunk))
            )
          )
          assert.strictEqual(hash.digest("hex"), digest)
        }
      }
      assert.strictEqual((yield* store.usage).entries, 0)
    }).pipe(Effect.provide(live({ maxEntryBytes: 100_000 })))
  )

  it.scoped("are stored even when the caller looks at the status alone", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.write("in ")
        setTimeout(() => response.end("chunks"), 5)
      })
      yield* HttpClient.get(origin.url)
      const store = yield* CacheStore.CacheStore
      while ((yield* store.usage).entries === 0) yield* turn
      const response = yield* HttpClient.get(origin.url)
      assert.strictEqual(outcome(response), "hit")
      assert.strictEqual(yield* response.text, "in chunks")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("that break off are an error to the caller and are not stored", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response, index) => {
        response.setHeader("cache-control", "max-age=60")
        if (request.url === "/declared") response.setHeader("content-length", 10)
        if (index % 2 === 1) return void response.end("0123456789")
        response.write("01234")
        setTimeout(() => response.destroy(), 5)
      })
      for (const path of ["/declared", "/chunked"]) {
        const broken = yield* Effect.exit(Effect.flatMap(HttpClient.get(`${origin.url}${path}`), ({ text }) => text))
        assert.isTrue(Exit.isFailure(broken))
        const response = yield* HttpClient.get(`${origin.url}${path}`)
        assert.strictEqual(outcome(response), "miss")
        assert.strictEqual(yield* response.text, "0123456789")
      }
    }).pipe(Effect.provide(live()))
  )

  it.scoped("keep their header lines apart, on hit and miss", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.setHeader("set-cookie", ["a=1; Path=/", "b=2"])
        response.setHeader("x-list", ["1", "2"])
        response.end("body")
      })
      for (const expected of ["miss", "hit"]) {
        const response = yield* HttpClient.get(origin.url)
        assert.strictEqual(outcome(response), expected)
        assert.strictEqual(response.headers["x-list"], "1, 2")
        assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a", "b"])
      }
    }).pipe(Effect.provide(live({ setCookie: "keep" })))
  )

  it.scoped("keep their decoded value beside them, counted, until they go", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(JSON.stringify({ title: "x" }))
      })
      const store = yield* CacheStore.CacheStore
      const decoder = {}
      let decoded = 0
      const movie = Effect.flatMap(HttpClient.get(origin.url), (response) =>
        Decoded.of(response, decoder, ({ json }) => Effect.tap(json, () => Effect.sync(() => decoded++)), {
          bytes: () => 5000
        })
      )
      const first = yield* movie
      const [second, usage] = [yield* movie, yield* store.usage]
      assert.strictEqual(first, second)
      assert.strictEqual(decoded, 1)
      assert.isAbove(usage.bytes, 5000)
      const other = {}
      const response = yield* HttpClient.get(origin.url)
      assert.strictEqual(Decoded.peek(response, other), undefined)
      assert.deepStrictEqual(Decoded.peek(response, decoder), Exit.succeed(first))
      yield* HttpCache.invalidate({ url: origin.url })
      assert.notStrictEqual(yield* movie, first)
      assert.strictEqual(decoded, 2)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("of POST and QUERY are part of the key when the caller says so, and only then", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response, index) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(`${request.body} ${index}`)
      })
      const post = (body: string) =>
        HttpClientRequest.post(origin.url).pipe(
          HttpClientRequest.bodyText(body),
          HttpClient.execute,
          Effect.flatMap(({ text }) => text)
        )
      const keyed = (body: string) => post(body).pipe(CacheOptions.with({ bodyInKey: true }))
      assert.strictEqual(yield* keyed("a"), "a 0")
      assert.strictEqual(yield* keyed("b"), "b 1")
      assert.strictEqual(yield* keyed("a"), "a 0")
      assert.strictEqual(yield* post("a"), "a 2")
      assert.strictEqual(yield* post("a"), "a 3")
    }).pipe(Effect.provide(live()))
  )
})
