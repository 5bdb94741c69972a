import { assert, describe, it } from "@effect/vitest"
import { Endpoint, RestError, RestSource } from "@wellspring/rest"
import { Effect, FastCheck as fc, Schema } from "effect"
import { json, stub } from "./support/stub.ts"

type Body = string | Uint8Array

type AnySchema = Schema.Schema.AnyNoContext

interface Described extends Endpoint.Policy {
  readonly path?: string
  readonly success?: AnySchema
  readonly failure?: { readonly when: (answer: unknown) => boolean; readonly error: AnySchema }
}

const answered = (response: () => Response, options: Described = {}, source: Partial<RestSource.Options> = {}) =>
  Effect.gen(function* () {
    const api = yield* RestSource.make({ baseUrl: "https://api.test/", retry: { times: 0 }, ...source })
    const { failure, success = Schema.Unknown as AnySchema, ...policy } = options
    const Get =
      failure === undefined
        ? Endpoint.get("Get", { ...policy, path: "x", success })
        : Endpoint.get("Get", { ...policy, path: "x", success, failure })
    return yield* api.call(Get())
  }).pipe(Effect.provide(stub(() => response()).layer))

const typed =
  (body: Body, contentType?: string, status = 200) =>
  () =>
    new Response(body, { status, headers: contentType === undefined ? {} : { "content-type": contentType } })

describe("media types", () => {
  it.live.each([
    ["application/json", '{"a":1}', { a: 1 }],
    ["Application/JSON; Charset=UTF-8", '{"a":1}', { a: 1 }],
    ["application/problem+json; charset=utf-8", '{"a":1}', { a: 1 }],
    ["text/json", '{"a":1}', { a: 1 }],
    ["application/json-seq", "\u001e{}", new Uint8Array([0x1e, 0x7b, 0x7d])],
    ["text/plain", '{"a":1}', '{"a":1}'],
    ["text/html", "<p>", "<p>"],
    ["application/x-www-form-urlencoded", "a=1&b=2&b=3", { a: "1", b: ["2", "3"] }],
    ["application/octet-stream", "\u0001", new Uint8Array([1])],
    ["application/json", "", undefined],
    ["text/plain; charset=latin1", new Uint8Array([0xe9]), "é"],
    ["", '{"a":1}', { a: 1 }],
    ["", "{oops", "{oops"]
  ] as ReadonlyArray<readonly [string, Body, unknown]>)("%s is read as what it is", ([type, body, value]) =>
    Effect.gen(function* () {
      const read = yield* answered(typed(body, type))
      assert.deepEqual(read, value)
    })
  )

  it.live("204 and HEAD have no value", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* answered(() => new Response(null, { status: 204 })))
    })
  )

  it.live("a 502 with a body that is no JSON keeps its status", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(answered(typed("<html>", "application/json", 502)))
      assert.instanceOf(error, RestError.RestStatusError)
      assert.propertyVal(error, "status", 502)
    })
  )
})

describe("decoding", () => {
  const success = Schema.Struct({ items: Schema.Array(Schema.Struct({ id: Schema.Number })) })
  const wrong = () => json({ items: [{ id: 1 }, { id: "two" }], token: "s3cr3t-s3cr3t" })

  it.live("names the field, and quotes the value to nobody but the log", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(answered(wrong, { path: "x", success }))
      assert.instanceOf(error, RestError.RestDecodeError)
      if (!(error instanceof RestError.RestDecodeError)) return
      assert.deepStrictEqual(error.path, ["items", 1, "id"])
      assert.strictEqual(
        error.message,
        "Get (GET x) was answered with something unexpected at items.1.id: expected number, got string."
      )
      assert.include(error.details.sample, "items")
      assert.notInclude(error.details.sample, "s3cr3t")
    })
  )

  it.live("in the mode lenient, reports and hands on what came", () =>
    Effect.gen(function* () {
      const reported: Array<RestError.RestDecodeError> = []
      const value = yield* answered(
        wrong,
        { path: "x", success, decode: "lenient" },
        { onReport: (error) => reported.push(error) }
      )
      assert.deepInclude(value, { items: [{ id: 1 }, { id: "two" }] })
      assert.strictEqual(reported.length, 1)
    })
  )

  it.live("in the mode report, hands on what came even where it fits", () =>
    Effect.gen(function* () {
      const reported: Array<unknown> = []
      const options = { path: "x", success: Schema.Struct({ at: Schema.Date }), decode: "report" } as const
      const value = yield* answered(() => json({ at: "2020-01-01" }), options, {
        onReport: (error) => reported.push(error)
      })
      assert.deepStrictEqual(value, { at: "2020-01-01" })
      assert.strictEqual(reported.length, 0)
    })
  )

  it.live("a 200 that is an error inside fails with what it is", () => {
    class Failed extends Schema.TaggedError<Failed>()("Failed", { reason: Schema.String }) {}
    const isFailure = (answer: unknown) => typeof answer === "object" && answer !== null && "reason" in answer
    return Effect.gen(function* () {
      const error = yield* Effect.flip(
        answered(() => json({ reason: "quota" }), { path: "x", failure: { when: isFailure, error: Failed } })
      )
      assert.deepEqual(error, new Failed({ reason: "quota" }) as unknown)
    })
  })

  it.live("JSON does not reach for prototypes", () =>
    Effect.gen(function* () {
      const text =
        '{"__proto__":{"admin":true},"a":{"constructor":{"prototype":{"admin":true}}},"\\u005f_proto__":{"admin":true}}'
      const record = Schema.Record({ key: Schema.String, value: Schema.Unknown })
      const value = yield* answered(typed(text, "application/json"), { path: "x", success: record })
      assert.deepStrictEqual(Object.getPrototypeOf(value), Object.prototype)
      assert.strictEqual(JSON.stringify(value), '{"a":{}}')
      assert.notProperty({}, "admin")
    })
  )

  it.live("nesting beyond the stack is a decode error", () =>
    Effect.gen(function* () {
      const text = "[".repeat(200_000) + "]".repeat(200_000)
      assert.instanceOf(yield* Effect.flip(answered(typed(text, "application/json"))), RestError.RestDecodeError)
    })
  )

  it.effect.prop(
    "whatever an upstream sends comes to a value or a typed error",
    [
      fc.uint8Array({ maxLength: 64 }),
      fc.constantFrom(
        "application/json",
        "text/plain",
        "",
        "x",
        "a/b; charset=utf-16le",
        "text/plain;charset=nonsense"
      ),
      fc.constantFrom(200, 201, 299, 400, 404, 500)
    ],
    ([bytes, type, status]) =>
      Effect.gen(function* () {
        const result = yield* Effect.either(answered(typed(bytes, type, status), { path: "x", success }))
        assert.isTrue(result._tag === "Right" || RestError.isRestError(result.left))
      }),
    { fastCheck: { numRuns: process.env["WELLSPRING_FULL"] === undefined ? 100 : 10_000 } }
  )
})

describe("what errors tell", () => {
  it.live("no client hears of URLs' queries, credentials or upstream bodies", () =>
    Effect.gen(function* () {
      const canary = "CANARY"
      const failures = [
        answered(() => json({ sql: canary }, { status: 500, headers: { "x-debug": canary } })),
        answered(() => json({ sql: canary }), { path: "x", success: Schema.Number })
      ]
      for (const failure of failures) {
        const error = yield* Effect.flip(failure)
        assert.notInclude(`${String(error)}${JSON.stringify(error)}`, canary)
      }
    })
  )

  it("each error class says publicly which kind it is", () => {
    const call = { endpoint: "Get", method: "GET", template: "x" }
    const code = (error: object) =>
      (error as Record<symbol, { readonly code: string }>)[Symbol.for("@wellspring/PublicError")]?.code
    assert.strictEqual(code(new RestError.RestStatusError({ ...call, status: 404 })), "NOT_FOUND")
    assert.strictEqual(code(new RestError.RestStatusError({ ...call, status: 503 })), "UPSTREAM_UNAVAILABLE")
    assert.strictEqual(code(new RestError.RestTimeout({ ...call, phase: "total", millis: 1 })), "UPSTREAM_TIMEOUT")
    assert.strictEqual(code(new RestError.RestRateLimited(call)), "RATE_LIMITED")
  })
})
