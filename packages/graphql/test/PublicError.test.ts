import { assert, describe, it } from "@effect/vitest"
import { PublicError } from "@wellspring/graphql"
import { Cause, Effect, Exit, FiberId, Option, Runtime, Schema } from "effect"

class Annotated extends Schema.TaggedError<Annotated>()(
  "Annotated",
  { id: Schema.String },
  PublicError.annotations((error: { readonly id: string }) => ({ code: "NOT_FOUND", message: `No ${error.id}.` }))
) {}
class Own extends Schema.TaggedError<Own>()("Own", {}, PublicError.annotations({ code: "OVER_QUOTA" })) {}
class Silent extends Schema.TaggedError<Silent>()("Silent", { secret: Schema.String }) {}
class Foreign extends Error {
  get [Symbol.for("@wellspring/PublicError")]() {
    return { code: "UPSTREAM_UNAVAILABLE", retryAfter: "1500 millis" }
  }
}

const shown = (error: unknown) => Option.getOrUndefined(PublicError.of(error))

describe("PublicError.of", () => {
  it("reads the annotation of an error class, as a value or made from the error", () => {
    assert.deepStrictEqual(shown(new Annotated({ id: "7" })), { code: "NOT_FOUND", message: "No 7." })
    assert.deepStrictEqual(shown(new Own()), { code: "OVER_QUOTA" })
  })

  it("reads the registered symbol from an error of any library", () => {
    assert.deepStrictEqual(shown(new Foreign("secret")), { code: "UPSTREAM_UNAVAILABLE", retryAfter: "1500 millis" })
  })

  it("knows a timeout, a missing element, and the errors of @effect/platform's client", () => {
    const http = (response?: object) => ({ [Symbol.for("@effect/platform/HttpClientError")]: 1, response })
    assert.strictEqual(shown(new Cause.TimeoutException())?.code, "UPSTREAM_TIMEOUT")
    assert.strictEqual(shown(new Cause.NoSuchElementException())?.code, "NOT_FOUND")
    assert.strictEqual(shown(http())?.code, "UPSTREAM_UNAVAILABLE")
    assert.strictEqual(shown(http({ status: 503 }))?.code, "UPSTREAM_UNAVAILABLE")
    assert.strictEqual(shown(http({ status: 429 }))?.code, "RATE_LIMITED")
    assert.strictEqual(shown(http({ status: 200 }))?.code, "BAD_UPSTREAM_RESPONSE")
  })

  it.prop("has nothing to show of anything else", { error: Schema.Unknown }, ({ error }) => {
    assert.isUndefined(shown(error))
  })

  it("has nothing to show of an error that says nothing", () => {
    assert.isUndefined(shown(new Silent({ secret: "hunter2" })))
    assert.isUndefined(shown(new Error("hunter2")))
  })
})

describe("PublicError.reason", () => {
  it("puts a failure before a defect, and a defect before an interruption", () => {
    const failure = Cause.fail(new Own())
    const defect = Cause.die(new Own())
    const interruption = Cause.interrupt(FiberId.none)
    assert.strictEqual(PublicError.reason(Cause.parallel(defect, failure))._tag, "Public")
    assert.strictEqual(PublicError.reason(Cause.parallel(interruption, defect))._tag, "Masked")
    assert.strictEqual(PublicError.reason(interruption)._tag, "Cancelled")
  })

  it("masks a defect even when its class says what it shows", () => {
    assert.strictEqual(PublicError.reason(Cause.die(new Own()))._tag, "Masked")
  })

  it.effect("finds the cause behind a rejected runPromise", () =>
    Effect.gen(function* () {
      const thrown = yield* Effect.flip(
        // What was thrown is what is looked at.
        // @effect-diagnostics-next-line unknownInEffectCatch:off
        Effect.tryPromise({ try: () => Effect.runPromise(Effect.fail(new Own())), catch: (thrown) => thrown })
      )
      assert.isTrue(Runtime.isFiberFailure(thrown))
      assert.deepStrictEqual(Exit.failCause(PublicError.causeOf(thrown)), Exit.fail(new Own()))
    })
  )
})

describe("PublicError.extensionsOf", () => {
  it("rounds the wait up to whole seconds, and lets nothing replace the code", () => {
    assert.deepStrictEqual(
      PublicError.extensionsOf({
        code: "RATE_LIMITED",
        retryAfter: "1001 millis",
        extensions: { code: "X", limit: 5 }
      }),
      { code: "RATE_LIMITED", retryAfter: 2, limit: 5 }
    )
  })

  it("has a sentence for every code, and the masked one for codes of others", () => {
    for (const [code, message] of Object.entries(PublicError.messages)) {
      assert.strictEqual(PublicError.messageOf({ code }), message)
    }
    assert.strictEqual(PublicError.messageOf({ code: "OVER_QUOTA" }), PublicError.messages.INTERNAL_SERVER_ERROR)
  })
})
