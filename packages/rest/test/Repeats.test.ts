import { FetchHttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import { Endpoint, RestSource } from "@wellspring/rest"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Operation from "@wellspring/source/Operation"
import { Cause, Context, Effect, Exit, Layer, Schema, TestClock, Tracer } from "effect"
import * as fc from "fast-check"
import { json, soon, stub } from "./support/stub.ts"

const Get = Endpoint.get("Get", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  query: Schema.Struct({ page: Schema.optional(Schema.Number) }),
  success: Schema.Struct({ mark: Schema.String })
})
const Also = Endpoint.get("Also", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  success: Schema.Struct({ mark: Schema.Trim })
})

const baseUrl = "https://api.test/"
const fresh = { headers: { "cache-control": "public, max-age=60" } }

const cached = (below: ReturnType<typeof stub>) =>
  HttpCache.layer().pipe(Layer.provideMerge(Layer.merge(below.layer, CacheStore.layerMemory({ maxBytes: 1_000_000 }))))

/** The answer at hand; fails where one would have to wait. */
const atHand = <A, E>(call: Fiberless.Fiberless<A, E>, context: Context.Context<never> = Context.empty()): A => {
  const started = Fiberless.start(call, context, () => assert.fail("answered later"))
  if (typeof started === "function" || Exit.isFailure(started)) return assert.fail("not at hand")
  return started.value
}

const isAtHand = <A, E>(call: Fiberless.Fiberless<A, E>): boolean => {
  const started = Fiberless.start(call, Context.empty(), () => {})
  if (typeof started !== "function") return Exit.isSuccess(started)
  started()
  return false
}

describe("a call that the cache has answered before", () => {
  it.effect("is answered anew as soon as what it read is no longer fresh, or has been invalidated", () => {
    const below = stub((_, call) => soon(json({ mark: String(call) }, fresh)))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl })
      const call = () => api.call(Get({ id: "1" }))
      yield* call()
      assert.deepStrictEqual(
        [1, 2, 3].map(() => atHand(call()).mark),
        ["1", "1", "1"]
      )
      yield* TestClock.adjust("60 seconds")
      assert.isFalse(isAtHand(call()))
      assert.strictEqual((yield* call()).mark, String(below.calls.length))
      atHand(call())
      yield* HttpCache.invalidate({ url: `${baseUrl}x/1` })
      assert.isFalse(isAtHand(call()))
    }).pipe(Effect.provide(cached(below)))
  })

  it.effect("is told from calls of other parameters, of another query and of another endpoint", () => {
    const below = stub((request) => soon(json({ mark: ` ${request.url.slice(baseUrl.length)} ` }, fresh)))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl })
      const calls = [
        () => api.call(Get({ id: "1" })),
        () => api.call(Get({ id: "1", page: 2 })),
        () => api.call(Get({ id: "2" })),
        () => api.call(Also({ id: "1" }))
      ]
      for (const call of calls) yield* call()
      for (let round = 0; round < 3; round++) {
        assert.deepStrictEqual(
          calls.map((call) => atHand(call()).mark),
          [" x/1 ", " x/1?page=2 ", " x/2 ", "x/1"]
        )
      }
    }).pipe(Effect.provide(cached(below)))
  })

  it.effect("is never shown to a caller who was prepared differently, whatever carries the difference", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom("header", "cookie", "query", "url"),
          fc.array(fc.tuple(fc.constantFrom("a", "b", "a;b", "a:1:b"), fc.constantFrom("1", "2")), { maxLength: 12 }),
          async (carrier, schedule) => {
            let viewer = ""
            const below = stub((request) => {
              const url = new URL(request.url)
              const seen = [
                request.headers["x-viewer"],
                request.headers["cookie"],
                url.searchParams.get("viewer"),
                url.hash
              ]
              const asked = url.pathname.split("/")
              const mark = seen.find((text) => typeof text === "string" && text !== "") ?? asked[2] ?? ""
              return soon(json({ mark: `${mark} ${asked.at(-1)}` }, { headers: { "cache-control": "max-age=60" } }))
            })
            const prepare = (request: HttpClientRequest.HttpClientRequest) => {
              switch (carrier) {
                case "header":
                  return HttpClientRequest.setHeader(request, "X-Viewer", viewer)
                case "cookie":
                  return HttpClientRequest.setHeader(request, "Cookie", viewer)
                case "query":
                  return HttpClientRequest.setUrlParam(request, "viewer", viewer)
                default:
                  return HttpClientRequest.setUrl(
                    request,
                    request.url.replace("/x/", `/for/${encodeURIComponent(viewer)}/`)
                  )
              }
            }
            const program = Effect.gen(function* () {
              const api = yield* RestSource.make({ baseUrl, prepare })
              for (const [as, id] of schedule) {
                viewer = as
                const shown = carrier === "url" ? encodeURIComponent(as) : as
                assert.strictEqual((yield* api.call(Get({ id }))).mark, `${shown} ${id}`)
              }
            })
            await Effect.runPromise(program.pipe(Effect.provide(cached(below))))
          }
        ),
        { numRuns: 100 }
      )
    )
  )

  it.effect("goes through prepare each time", () => {
    const below = stub(() => soon(json({ mark: "" }, fresh)))
    return Effect.gen(function* () {
      let prepared = 0
      const prepare = (request: HttpClientRequest.HttpClientRequest) => {
        prepared++
        return HttpClientRequest.setHeader(request, "accept", "application/json")
      }
      const api = yield* RestSource.make({ baseUrl, prepare })
      yield* api.call(Get({ id: "1" }))
      for (let round = 0; round < 3; round++) atHand(api.call(Get({ id: "1" })))
      assert.strictEqual(prepared, 4)
    }).pipe(Effect.provide(cached(below)))
  })

  it.effect("obeys the cache options of whoever makes it now", () => {
    const below = stub((_, call) => soon(json({ mark: String(call) }, fresh)))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl })
      const call = api.call(Get({ id: "1" }))
      yield* call
      assert.strictEqual(atHand(call).mark, "1")
      const reloaded = yield* CacheOptions.with(call, { mode: "reload" })
      assert.strictEqual(reloaded.mark, "2")
      assert.strictEqual(atHand(call).mark, "2")
      const reloadedByPolicy = yield* api.call(Get({ id: "1" }), { cache: { mode: "reload" } })
      assert.strictEqual(reloadedByPolicy.mark, "3")
    }).pipe(Effect.provide(cached(below)))
  })

  it.effect("is not joined on its way by a caller who told the cache of another identity, or of another mode", () => {
    const below = stub((_, call) => soon(json({ mark: String(call) }, { headers: { "cache-control": "max-age=60" } })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl })
      const call = api.call(Get({ id: "1" }))
      const as = (identity: string) => CacheOptions.with(call, { identity })
      const all = [as("a"), as("b"), as("a"), call, call, CacheOptions.with(call, { mode: "reload" })]
      const marks = yield* Effect.map(Effect.all(all, { concurrency: "unbounded" }), (all) =>
        all.map(({ mark }) => mark)
      )
      assert.deepStrictEqual(marks, ["1", "2", "1", "3", "3", "4"])
    }).pipe(Operation.scoped, Effect.provide(cached(below)))
  })

  it.effect("is told from those of callers whose fetch is given fields of its own, on its way and in the cache", () => {
    const below = stub((_, call) => soon(json({ mark: String(call) }, { headers: { "cache-control": "max-age=60" } })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl })
      const call = api.call(Get({ id: "1" }))
      const as = (token: string) =>
        Effect.provideService(call, FetchHttpClient.RequestInit, { headers: new Headers({ authorization: token }) })
      const all = [as("a"), as("b"), as("a"), call]
      for (let round = 0; round < 3; round++) {
        const marks = yield* Effect.all(all, { concurrency: "unbounded" })
        assert.deepStrictEqual(
          marks.map(({ mark }) => mark),
          ["1", "2", "1", "3"]
        )
      }
    }).pipe(Operation.scoped, Effect.provide(cached(below)))
  })

  it.effect("is accounted for in the Operation of each caller", () => {
    const below = stub(() => soon(json({ mark: "" }, fresh)))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl })
      yield* api.call(Get({ id: "1" }))
      atHand(api.call(Get({ id: "1" })))
      const account = Effect.gen(function* () {
        const operation = yield* Operation.Operation
        for (let round = 0; round < 3; round++) yield* api.call(Get({ id: "1" }))
        return [Operation.account(operation).outcomes.hit, Operation.lifetime(operation)] as const
      })
      const [hits, lifetime] = yield* Operation.scoped(account)
      assert.strictEqual(hits, 3)
      assert.deepStrictEqual(lifetime, { secondsLeft: 60, scope: "public" })
    }).pipe(Effect.provide(cached(below)))
  })

  it.effect("is not answered after the end of its Operation, as no call is", () => {
    const below = stub(() => soon(json({ mark: "" }, fresh)))
    return Effect.gen(function* () {
      const plain = yield* RestSource.make({ baseUrl })
      const prepare = HttpClientRequest.setHeader("accept", "application/json")
      const prepared = yield* RestSource.make({ baseUrl, prepare })
      for (const api of [plain, prepared]) {
        const call = api.call(Get({ id: "1" }))
        const operation = yield* Operation.scoped(Effect.zipRight(Effect.all([call, call, call]), Operation.Operation))
        const exit = yield* Effect.exit(Effect.provideService(call, Operation.Operation, operation))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      }
    }).pipe(Effect.provide(cached(below)))
  })

  it.effect("has a span where somebody has set a tracer", () => {
    const below = stub(() => soon(json({ mark: "" }, fresh)))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl })
      for (let round = 0; round < 2; round++) yield* api.call(Get({ id: "1" }))
      const names: Array<string> = []
      const builtIn = yield* Effect.tracer
      const tracer = Tracer.make({
        context: (f) => f(),
        span: (name, ...rest) => {
          names.push(name)
          return builtIn.span(name, ...rest)
        }
      })
      yield* Effect.withTracer(api.call(Get({ id: "1" })), tracer)
      assert.deepStrictEqual(names, ["GET x/:id"])
    }).pipe(Effect.provide(cached(below)))
  })
})

describe("RestSource.layer", () => {
  it.effect("takes the services of prepare from where it is built, and nothing of whoever built it", () => {
    class Token extends Context.Tag("Token")<Token, string>() {}
    const below = stub((request) => soon(json({ mark: request.headers["authorization"] })))
    const layer = RestSource.layer({
      baseUrl,
      prepare: (request) =>
        Effect.map(Effect.all([Token, Effect.serviceOption(Operation.Operation)]), ([token, operation]) =>
          HttpClientRequest.bearerToken(request, `${token} ${operation._tag}`)
        )
    }).pipe(Layer.provide([below.layer, Layer.succeed(Token, "secret")]))
    return Effect.gen(function* () {
      const services = yield* Operation.scoped(Layer.build(layer))
      const { mark } = yield* Effect.provide(Get({ id: "1" }), services)
      assert.strictEqual(mark, "Bearer secret None")
    }).pipe(Effect.scoped)
  })
})
