/** What a resolver's answer is. Asked of every answer, and so in the plainest form there is. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const isComposite = (value: unknown): value is object =>
  typeof value === "object" ? value !== null : typeof value === "function"

/** An Effect of a resolver: whatever it needs, the compiler has seen to. */
export const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> =>
  isComposite(value) && Effect.EffectTypeId in value

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  isComposite(value) && "then" in value && typeof value.then === "function"

export const isOption = (value: unknown): value is Option.Option<unknown> =>
  isComposite(value) && Option.TypeId in value

/** A value as graphql-js takes it. */
export const unwrapOption = (value: unknown): unknown => (isOption(value) ? Option.getOrNull(value) : value)
