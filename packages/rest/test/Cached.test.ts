import { HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import { Endpoint, RestSource } from "@wellspring/rest"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Operation from "@wellspring/source/Operation"
import { Context, Effect, Exit, Layer, Schema, Tracer } from "effect"
import { json, soon, stub } from "./support/stub.ts"

const Get = Endpoint.get("Get", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  success: Schema.Struct({ mark: Schema.String }),
  cache: { tags: ["all"] }
})
const Put = Endpoint.put("Put", { path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`, success: Schema.Void })

const cached = (below: ReturnType<typeof stub>) =>
  HttpCache.layer().pipe(Layer.provide([below.layer, CacheStore.layerMemory({ maxBytes: 1_000_000, maxEntries: 100 })]))
const fresh = { headers: { "cache-control": "public, max-age=60" } }

describe("over an HttpCache", () => {
  it.live("a hit is the one value decoded before, at hand without a fiber", () => {
    const below = stub((_, call) => soon(json({ mark: String(call) }, fresh)))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const first = yield* api.callFull(Get({ id: "1" }))
      assert.strictEqual(first.outcome, "miss")
      const second = yield* api.callFull(Get({ id: "1" }))
      assert.strictEqual(second.outcome, "hit")
      assert.strictEqual(second.value, first.value)
      const started = api.call(Get({ id: "1" }))[Fiberless.TypeId](Context.empty(), () => assert.fail("not at hand"))
      assert.deepStrictEqual(started, Exit.succeed(first.value))
      const promised = yield* Effect.promise(() => RestSource.toPromises(api, Context.empty()).call(Get({ id: "1" })))
      assert.strictEqual(promised, first.value)
      assert.strictEqual(below.calls.length, 1)
    }).pipe(Effect.provide(cached(below)))
  })

  it.live("a write makes the next read go to the origin, and so do tags and modes", () => {
    const below = stub((request, call) =>
      soon(request.method === "PUT" ? new Response(null, { status: 204 }) : json({ mark: String(call) }, fresh))
    )
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      yield* api.call(Get({ id: "1" }))
      yield* api.call(Put({ id: "1" }))
      assert.strictEqual((yield* api.call(Get({ id: "1" }))).mark, "3")
      yield* HttpCache.invalidate({ tag: "all" })
      assert.strictEqual((yield* api.call(Get({ id: "1" }))).mark, "4")
      assert.strictEqual((yield* api.call(Get({ id: "1" }), { cache: { mode: "reload" } })).mark, "5")
      assert.strictEqual((yield* api.call(Get({ id: "1" }))).mark, "5")
    }).pipe(Effect.provide(cached(below)))
  })

  it.live("callers who are told apart by any header have entries of their own, unless the answer is public", () => {
    class Tenant extends Context.Tag("Tenant")<Tenant, string>() {}
    const below = stub((request) =>
      soon(json({ mark: request.headers["x-tenant"] }, { headers: { "cache-control": "max-age=60" } }))
    )
    return Effect.gen(function* () {
      const api = yield* RestSource.make({
        baseUrl: "https://api.test/",
        prepare: (request) => Effect.map(Tenant, (tenant) => HttpClientRequest.setHeader(request, "X-Tenant", tenant))
      })
      const as = (tenant: string) => Effect.provideService(api.call(Get({ id: "1" })), Tenant, tenant)
      const marks = yield* Effect.forEach(["a", "b", "a", "b"], as)
      assert.deepStrictEqual(
        marks.map(({ mark }) => mark),
        ["a", "b", "a", "b"]
      )
    }).pipe(Effect.provide(cached(below)))
  })

  it.live("what came with renewed credentials is kept under these, not under those that were refused", () => {
    let token = "old"
    const below = stub(({ headers }, call) =>
      soon(
        headers["authorization"] === "Bearer old"
          ? json({}, { status: 401 })
          : json({ mark: String(call) }, { headers: { "cache-control": "private, max-age=60" } })
      )
    )
    return Effect.gen(function* () {
      const api = yield* RestSource.make({
        baseUrl: "https://api.test/",
        prepare: (request) => HttpClientRequest.bearerToken(request, token),
        refresh: Effect.sync(() => {
          token = "new"
        })
      })
      const call = api.call(Get({ id: "1" }))
      assert.strictEqual((yield* call).mark, "2")
      assert.strictEqual((yield* call).mark, "2")
      token = "old"
      assert.strictEqual((yield* call).mark, "2")
      // The one call that was refused, its repetition, and one more that had to be refused.
      assert.strictEqual(below.calls.length, 3)
    }).pipe(Effect.provide(cached(below)))
  })

  it.live("the Operation learns how its calls were answered, and for how long that holds", () => {
    const below = stub(() => soon(json({ mark: "" }, { headers: { "cache-control": "private, max-age=60" } })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const operation = yield* Operation.Operation
      yield* api.call(Get({ id: "1" }))
      assert.strictEqual(Operation.account(operation).calls, 1)
      const lifetime = Operation.lifetime(operation)
      assert.include(JSON.stringify(lifetime), "private")
    }).pipe(Operation.scoped, Effect.provide(below.layer))
  })
})

describe("spans", () => {
  const recording = (spans: Array<Tracer.Span>) =>
    Tracer.make({
      context: (f) => f(),
      span: (name, parent, context, links, startTime, kind) => {
        const attributes = new Map<string, unknown>()
        const span = {
          _tag: "Span" as const,
          name,
          spanId: "1234567890abcdef",
          traceId: "1234567890abcdef1234567890abcdef",
          parent,
          context,
          status: { _tag: "Started" as const, startTime },
          attributes,
          links,
          sampled: true,
          kind,
          end: () => {},
          attribute: (key: string, value: unknown) => void attributes.set(key, value),
          event: () => {},
          addLinks: () => {}
        }
        spans.push(span)
        return span
      }
    })

  it.live("are those of the caller's tracer for a source that was given its services", () => {
    const spans: Array<Tracer.Span> = []
    const below = stub(() => soon(json({ mark: "" })))
    return Effect.gen(function* () {
      const api = RestSource.provide(yield* RestSource.make({ baseUrl: "https://api.test/" }), Context.empty())
      yield* Effect.withTracer(api.call(Get({ id: "1" })), recording(spans))
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["GET x/:id"]
      )
    }).pipe(Effect.provide(below.layer))
  })

  it.live("carry the names that dashboards know, and no secret", () => {
    const spans: Array<Tracer.Span> = []
    const tracer = recording(spans)
    const below = stub(() => soon(json({ mark: "" })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({
        baseUrl: "https://api.test:8443/",
        prepare: HttpClientRequest.setUrlParam("api_key", "SECRET")
      })
      yield* Effect.withTracer(api.call(Get({ id: "1" })), tracer)
      assert.strictEqual(spans.length, 1)
      const [span] = spans
      assert.strictEqual(span?.name, "GET x/:id")
      assert.deepStrictEqual(Object.fromEntries(span?.attributes ?? []), {
        "http.request.method": "GET",
        "server.address": "api.test",
        "server.port": 8443,
        "url.full": "https://api.test:8443/x/1?api_key=REDACTED",
        "url.scheme": "https",
        "url.template": "x/:id",
        "wellspring.endpoint": "Get",
        "http.response.status_code": 200,
        "wellspring.cache.outcome": "bypass"
      })
      assert.isDefined(below.requests[0]?.headers["traceparent"])
      yield* api.call(Get({ id: "1" }))
      assert.strictEqual(spans.length, 1)
    }).pipe(Effect.provide(below.layer))
  })
})
