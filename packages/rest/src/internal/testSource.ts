/** A source that answers from functions, for tests of the code above it. */
import * as Headers from "@effect/platform/Headers"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as RestError from "../RestError.ts"
import * as Answer from "./answer.ts"
import type { Definition } from "./definition.ts"
import * as Freeze from "./freeze.ts"
import type { RequestImpl } from "./request.ts"
import * as Run from "./run.ts"

export interface Handler {
  readonly definition: Definition
  readonly handle: (input: never) => unknown
}

/** An Effect, and the same begun by callback. */
class TestCall extends Effectable.Class<unknown, unknown, unknown> {
  readonly #effect: Effect.Effect<unknown, unknown, unknown>
  constructor(effect: Effect.Effect<unknown, unknown, unknown>) {
    super()
    this.#effect = effect
  }
  get [Fiberless.TypeId](): Fiberless.Start<unknown, unknown, never> {
    return (context: Context.Context<never>, resume) =>
      Run.start(
        this.#effect as Effect.Effect<unknown, unknown>,
        Run.siteOf(context as Context.Context<never>, live),
        resume
      )
  }
  commit(): Effect.Effect<unknown, unknown, unknown> {
    return this.#effect
  }
}

const live = Clock.make()

/** The status a declared error comes with, found by its tag. */
const statusOf = (definition: Definition, error: unknown): number | undefined => {
  if (!Predicate.hasProperty(error, "_tag")) return undefined
  for (const [status, { tag }] of definition.errors) if (tag === error._tag) return status
  return undefined
}

export const make = (handlers: ReadonlyArray<Handler>) => {
  const byDefinition = new Map(handlers.map((handler) => [handler.definition, handler]))
  const names = handlers.map(({ definition }) => definition.name).join(", ")
  const run = (request: unknown): Effect.Effect<unknown, unknown, unknown> => {
    const { definition, input } = request as RequestImpl
    const handler = byDefinition.get(definition)
    if (handler === undefined) {
      const hint = names === "" ? "No endpoint is handled." : `Handled are: ${names}.`
      return Effect.die(new Error(`The test did not expect a call of ${definition.name}. ${hint}`))
    }
    return Effect.suspend(() => {
      const answer = handler.handle(input as never)
      return Effect.isEffect(answer) ? answer : Exit.succeed(answer)
    }).pipe(
      Effect.map(Freeze.deep),
      Effect.tapError((error) =>
        Effect.sync(() => {
          const status = statusOf(definition, error)
          if (status !== undefined) RestError.withDetails(error as object, { status })
        })
      )
    )
  }
  const unanswerable = (request: unknown) =>
    Effect.die(new Error(`${String(request)} has no response in this test: it is answered with a value.`))
  const timings = { headersMillis: 0, totalMillis: 0, attempts: 1 }
  return {
    call: (request: unknown) => new TestCall(run(request)),
    callFull: (request: unknown) =>
      new TestCall(
        Effect.map(run(request), (value) =>
          Answer.of(value, { status: 200, headers: Headers.empty }, "bypass", timings)
        )
      ),
    callOption: (request: unknown) =>
      Effect.catchIf(
        Effect.asSome(run(request)),
        (error) => Predicate.isObject(error) && RestError.details(error).status === 404,
        () => Effect.succeedNone
      ),
    callRaw: unanswerable,
    callStream: (request: unknown) => Stream.fromEffect(unanswerable(request)),
    callNdjson: (request: unknown) => Stream.fromEffect(unanswerable(request)),
    callEvents: (request: unknown) => Stream.fromEffect(unanswerable(request))
  }
}
