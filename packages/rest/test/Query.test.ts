import { assert, describe, it } from "@effect/vitest"
import { Body, Endpoint, RestError, RestSource } from "@wellspring/rest"
import { Effect, Schema } from "effect"
import { json, stub } from "./support/stub.ts"

const search = (arrays: "repeat" | "comma" | "brackets") =>
  Endpoint.get("Search", {
    path: "search?sort=asc",
    query: Schema.Struct({
      text: Schema.optional(Schema.String),
      page: Schema.optional(Schema.Number),
      adult: Schema.optional(Schema.Boolean),
      since: Schema.optional(Schema.DateFromSelf),
      ids: Schema.optional(Schema.Array(Schema.Number)),
      none: Schema.optional(Schema.NullOr(Schema.String)),
      odd: Schema.optional(Schema.Unknown)
    }),
    arrays
  })

const urlOf = (request: ReturnType<ReturnType<typeof search>>) => {
  const { calls, layer } = stub(() => json({}))
  return Effect.gen(function* () {
    const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
    yield* api.call(request)
    return calls[0]?.slice("GET https://api.test/search?".length)
  }).pipe(Effect.provide(layer))
}

describe("Query", () => {
  it.effect("writes scalars as text, leaves out what is missing, and sorts by name after the path's own query", () =>
    Effect.gen(function* () {
      // A Date is what is to be written.
      // @effect-diagnostics-next-line globalDateInEffect:off
      const request = search("repeat")({ text: "a b&c", page: 2, adult: false, since: new Date(0), none: null })
      assert.strictEqual(
        yield* urlOf(request),
        "sort=asc&adult=false&page=2&since=1970-01-01T00%3A00%3A00.000Z&text=a%20b%26c"
      )
    })
  )

  it.effect.each([
    ["repeat", "sort=asc&ids=1&ids=2"],
    ["comma", "sort=asc&ids=1%2C2"],
    ["brackets", "sort=asc&ids%5B%5D=1&ids%5B%5D=2"]
  ] as const)("writes arrays in the style %s", ([style, text]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* urlOf(search(style)({ ids: [1, 2] })), text)
      assert.strictEqual(yield* urlOf(search(style)({ ids: [] })), "sort=asc")
    })
  )

  it.effect.each([{ odd: { a: 1 } }, { page: Number.NaN }, { odd: [new Map()] }])("refuses %j by name", (input) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(urlOf(search("repeat")(input)))
      assert.instanceOf(error, RestError.RestParameterError)
      assert.propertyVal(error, "parameter", Object.keys(input)[0])
    })
  )
})

describe("Body", () => {
  const send = <A>(body: Body.Body<A>, value: A, headers?: { readonly "content-type": string }) => {
    const { layer, requests } = stub(() => json({}))
    const Post = Endpoint.post("Post", {
      path: "x",
      body,
      headers: Schema.Struct({ "content-type": Schema.optional(Schema.String) })
    })
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      yield* api.call(Post({ body: value, headers: headers ?? {} } as never))
      const [request] = requests
      const text = request?.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : undefined
      return { request, text, contentType: request?.headers["content-type"] }
    }).pipe(Effect.provide(layer))
  }

  it.effect("writes JSON with its media type", () =>
    Effect.gen(function* () {
      // A Date is what is to be written.
      // @effect-diagnostics-next-line globalDateInEffect:off
      const sent = yield* send(Body.json(Schema.Unknown), { a: [1, null], b: undefined, c: new Date(0) })
      assert.strictEqual(sent.text, '{"a":[1,null],"c":"1970-01-01T00:00:00.000Z"}')
      assert.strictEqual(sent.contentType, "application/json")
    })
  )

  it.effect("lets a content-type of the caller's stand, once", () =>
    Effect.gen(function* () {
      const sent = yield* send(Body.json(Schema.Unknown), {}, { "content-type": "application/merge-patch+json" })
      assert.strictEqual(sent.contentType, "application/merge-patch+json")
    })
  )

  it.effect.each([
    [new Map(), "Map"],
    [{ a: { b: () => {} } }, "a.b"],
    [{ n: 1n }, "bigint"],
    [{ n: Number.NaN }, "finite"],
    [new FormData(), "FormData"]
  ] as ReadonlyArray<readonly [unknown, string]>)("refuses %s as JSON and says why", ([value, why]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(send(Body.json(Schema.Unknown), value))
      assert.instanceOf(error, RestError.RestBodyError)
      assert.include(String(error), why)
    })
  )

  it.effect("refuses a circle", () =>
    Effect.gen(function* () {
      const circle: { self?: unknown } = {}
      circle.self = circle
      assert.instanceOf(yield* Effect.flip(send(Body.json(Schema.Unknown), circle)), RestError.RestBodyError)
    })
  )

  it.effect("writes forms", () =>
    Effect.gen(function* () {
      const form = Body.form(Schema.Struct({ b: Schema.String, a: Schema.Number }))
      const sent = yield* send(form, { b: "x y&z", a: 1 })
      assert.strictEqual(sent.text, "a=1&b=x+y%26z")
      assert.strictEqual(sent.contentType, "application/x-www-form-urlencoded")
    })
  )

  it.effect("hands a native FormData on, with its files", () =>
    Effect.gen(function* () {
      const { request, contentType } = yield* send(Body.multipart, {
        title: "Up",
        poster: new File(["png"], "poster.png", { type: "image/png" })
      })
      assert.strictEqual(request?.body._tag, "FormData")
      // The boundary is the client's to choose.
      assert.isUndefined(contentType)
    })
  )
})
