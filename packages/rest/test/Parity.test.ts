/** What people rely on who come from other REST data sources, as far as no other test says it. */
import { HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Body, Endpoint, RestError, RestSource } from "@wellspring/rest"
import * as Operation from "@wellspring/source/Operation"
import { Effect, Schema } from "effect"
import { json, soon, stub } from "./support/stub.ts"

const Get = Endpoint.get("Get", { path: "x", success: Schema.Unknown })
const base = { baseUrl: "https://api.test/v1/", retry: { times: 0 } }
const source = RestSource.make(base)
/** Where a GraphQL server finds what it may tell its clients. */
const PublicError: unique symbol = Symbol.for("@wellspring/PublicError")

describe("a request", () => {
  it.live("is prepared for each caller, and sent once for those who wait together", () => {
    const { calls, layer } = stub(() => soon(json({})))
    let prepared = 0
    return Effect.gen(function* () {
      const api = yield* RestSource.make({
        ...base,
        prepare: (request) =>
          Effect.sync(() => {
            prepared++
            return request
          })
      })
      const both = [api.call(Get()), api.call(Get()), api.call(Get())]
      yield* Operation.scoped(Effect.all(both, { concurrency: "unbounded" }))
      assert.deepStrictEqual([prepared, calls.length], [3, 1])
    }).pipe(Effect.provide(layer))
  })

  it.live("may be changed while it is prepared", () => {
    const { calls, layer, requests } = stub(() => json({}))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({
        ...base,
        prepare: (request) =>
          Effect.succeed(
            request.pipe(
              HttpClientRequest.setHeader("X-Api-Version", "2"),
              HttpClientRequest.setUrlParam("api_key", "k")
            )
          )
      })
      yield* api.call(Get())
      assert.deepStrictEqual(calls, ["GET https://api.test/v1/x?api_key=k"])
      assert.strictEqual(requests[0]?.headers["x-api-version"], "2")
    }).pipe(Effect.provide(layer))
  })

  it.live("has its query in its URL while it is prepared, and parameters set then are added to it", () => {
    const { calls, layer } = stub(() => json({}))
    const List = Endpoint.get("List", { path: "x?a=1", query: Schema.Struct({ b: Schema.Number }) })
    const urls: Array<string> = []
    return Effect.gen(function* () {
      const api = yield* RestSource.make({
        ...base,
        prepare: (request) => {
          urls.push(request.url)
          return HttpClientRequest.setUrlParam(request, "b", "3")
        }
      })
      yield* api.call(List({ b: 2 }))
      assert.deepStrictEqual(urls, ["https://api.test/v1/x?a=1&b=2"])
      assert.deepStrictEqual(calls, ["GET https://api.test/v1/x?a=1&b=2&b=3"])
    }).pipe(Effect.provide(layer))
  })

  it.live("is not sent on where redirects are not to be followed", () => {
    const { calls, layer } = stub(() => new Response(null, { status: 302, headers: { location: "/y" } }))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ ...base, maxRedirects: 0 })
      const error = yield* Effect.flip(api.call(Get()))
      assert.instanceOf(error, RestError.RestStatusError)
      assert.strictEqual(error.status, 302)
      const { headers } = yield* Effect.scoped(api.callRaw(Get()))
      assert.strictEqual(headers["location"], "/y")
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.live("keeps its method while it is prepared: retries and sharing went by it", () => {
    const { calls, layer } = stub(() => json({}))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ ...base, prepare: HttpClientRequest.setMethod("POST") })
      const error = yield* Effect.flip(api.call(Get()))
      assert.strictEqual(error._tag, "RestParameterError")
      assert.deepStrictEqual(calls, [])
    }).pipe(Effect.provide(layer))
  })

  it.live("has a base that may be found out by an Effect", () => {
    const { calls, layer } = stub(() => json({}))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ ...base, baseUrl: Effect.delay(Effect.succeed("https://b.test/"), 1) })
      yield* api.call(Get())
      assert.deepStrictEqual(calls, ["GET https://b.test/x"])
    }).pipe(Effect.provide(layer))
  })

  it.live("of the method DELETE may have a body", () => {
    const { calls, layer, requests } = stub(() => json({}))
    const Remove = Endpoint.del("Remove", { path: "x", body: Schema.Struct({ ids: Schema.Array(Schema.Number) }) })
    return Effect.gen(function* () {
      const api = yield* source
      yield* api.call(Remove({ body: { ids: [1] } }))
      assert.deepStrictEqual(calls, ["DELETE https://api.test/v1/x"])
      assert.strictEqual(requests[0]?.headers["content-type"], "application/json")
    }).pipe(Effect.provide(layer))
  })

  it.live("writes objects without a prototype, arrays and what has toJSON as JSON", () => {
    const { layer, requests } = stub(() => json({}))
    const Post = Endpoint.post("Post", { path: "x", body: Schema.Unknown })
    const bare: Record<string, unknown> = Object.assign(Object.create(null), { a: 1 })
    return Effect.gen(function* () {
      const api = yield* source
      for (const body of [bare, [1, 2], { toJSON: () => ({ b: 2 }) }]) yield* api.call(Post({ body }))
      const sent = requests.map(({ body }) =>
        body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : body._tag
      )
      assert.deepStrictEqual(sent, ['{"a":1}', "[1,2]", '{"b":2}'])
    }).pipe(Effect.provide(layer))
  })

  it.live("hands bytes and text on untouched", () => {
    const { layer, requests } = stub(() => json({}))
    const Bytes = Endpoint.post("Bytes", { path: "x", body: Body.bytes() })
    const Text = Endpoint.post("Text", { path: "x", body: Body.text() })
    return Effect.gen(function* () {
      const api = yield* source
      yield* api.call(Bytes({ body: new Uint8Array([0, 255]) }))
      yield* api.call(Text({ body: "{" }))
      const sent = requests.map(({ body }) => (body._tag === "Uint8Array" ? [...body.body] : []))
      assert.deepStrictEqual(sent, [[0, 255], [123]])
    }).pipe(Effect.provide(layer))
  })
})

describe("an answer", () => {
  it.live("comes with status and headers when asked for whole, and HEAD has no more than these", () => {
    const Head = Endpoint.head("Head", { path: "x" })
    const { layer } = stub(() => new Response(null, { status: 200, headers: { etag: '"1"' } }))
    return Effect.gen(function* () {
      const api = yield* source
      const { headers, outcome, status, value } = yield* api.callFull(Head())
      assert.deepStrictEqual([status, headers["etag"], outcome, value], [200, '"1"', "bypass", undefined])
    }).pipe(Effect.provide(layer))
  })

  it.live.each([
    [401, "UNAUTHENTICATED"],
    [403, "FORBIDDEN"]
  ] as const)("of status %i has the public code %s", ([status, code]) =>
    Effect.gen(function* () {
      const api = yield* source
      const error = yield* Effect.flip(api.call(Get()))
      assert.instanceOf(error, RestError.RestStatusError)
      assert.strictEqual(error.status, status)
      const publicly = (error as { readonly [PublicError]?: unknown })[PublicError]
      assert.deepStrictEqual(publicly, { code })
    }).pipe(Effect.provide(stub(() => json({ reason: "no" }, { status })).layer))
  )

  it.live("outside 2xx keeps URL, status and the parsed body for logs", () =>
    Effect.gen(function* () {
      const api = yield* source
      const error = yield* Effect.flip(api.call(Get()))
      assert.instanceOf(error, RestError.RestStatusError)
      const details = JSON.stringify(RestError.details(error))
      assert.include(details, "418")
      assert.include(details, "short and stout")
      assert.notInclude(error.message, "short and stout")
    }).pipe(Effect.provide(stub(() => json({ reason: "short and stout" }, { status: 418 })).layer))
  )

  it.live("that is kept stays through the write of another URL", () => {
    const Other = Endpoint.put("Other", { path: "y", success: Schema.Void })
    const Kept = Endpoint.get("Kept", { path: "x", success: Schema.Unknown, dedupe: "until-invalidated" })
    const { calls, layer } = stub(() => json({}))
    return Effect.gen(function* () {
      const api = yield* source
      yield* Operation.scoped(Effect.all([api.call(Kept()), api.call(Other()), api.call(Kept())], { discard: true }))
      assert.deepStrictEqual(calls, ["GET https://api.test/v1/x", "PUT https://api.test/v1/y"])
    }).pipe(Effect.provide(layer))
  })

  it.live("is not shared when its endpoint or its call says so", () => {
    const { calls, layer } = stub(() => soon(json({})))
    return Effect.gen(function* () {
      const api = yield* source
      const alone = api.call(Get(), { dedupe: "none" })
      yield* Operation.scoped(Effect.all([alone, alone], { concurrency: "unbounded" }))
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(layer))
  })
})
