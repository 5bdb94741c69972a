/**
 * Effects that can also be answered by callback, without starting a fiber.
 *
 * The form is agreed by its symbol with `Fiberless` of `@wellspring/source`,
 * so that the rooms above recognise a store's answers without this room depending on theirs.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"

export const TypeId: unique symbol = Symbol.for("@wellspring/source/Fiberless")

/** The answer at hand, or what takes the caller out of the wait. `resume` is not called before it returns. */
export type Start<A, E> = (
  context: Context.Context<never>,
  resume: (exit: Exit.Exit<A, E>) => void
) => Exit.Exit<A, E> | (() => void)

export interface Fiberless<out A, out E = never> extends Effect.Effect<A, E> {
  readonly [TypeId]: Start<A, E>
}

class FiberlessEffect<A, E> extends Effectable.Class<A, E> implements Fiberless<A, E> {
  readonly [TypeId]: Start<A, E>
  constructor(start: Start<A, E>) {
    super()
    this[TypeId] = start
  }
  commit(): Effect.Effect<A, E> {
    return Effect.async((resume) => {
      const started = this[TypeId](Context.empty(), resume)
      if (typeof started !== "function") return resume(started)
      return Effect.sync(started)
    })
  }
}

export const make = <A, E = never>(start: Start<A, E>): Fiberless<A, E> => new FiberlessEffect(start)

export const isFiberless = <A, E>(effect: Effect.Effect<A, E>): effect is Fiberless<A, E> =>
  Predicate.hasProperty(effect, TypeId)
