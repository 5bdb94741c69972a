/**
 * An Effect that can also be answered by callback, without starting a fiber.
 *
 * Run by Effect it is an ordinary Effect. An adapter that would otherwise pay
 * a fiber for every call (a GraphQL executor, a Promise facade) hands it a
 * context and a callback instead, and gets its `Exit` at once when the answer
 * is at hand.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"

export const TypeId: unique symbol = Symbol.for("@wellspring/source/Fiberless")
export type TypeId = typeof TypeId

/** Takes the caller out of the wait: its callback is not called any more. Calling it twice is harmless. */
export type Leave = () => void

/**
 * Begins the work for one caller. Either the answer is at hand and returned,
 * and `resume` is never called; or `resume` is called once, later, unless the
 * caller leaves first. Never throws, never calls `resume` before it returns.
 */
export type Start<A, E, R> = (
  context: Context.Context<R>,
  resume: (exit: Exit.Exit<A, E>) => void
) => Exit.Exit<A, E> | Leave

export interface Fiberless<out A, out E = never, out R = never> extends Effect.Effect<A, E, R> {
  readonly [TypeId]: Start<A, E, R>
}

/** How a {@link Joinable} is joined. */
export const JoinId: unique symbol = Symbol.for("@wellspring/source/Fiberless/join")

/** An answer on its way, the same object for everyone who waits for it. */
export interface Pending<out A = unknown, out E = unknown> {
  /** The answer, once readers have been told of it. */
  readonly exit: Exit.Exit<A, E>
  /** Takes a reader out of the wait. */
  leave(reader: Reader): void
}

/** A caller that waits for many answers at once. It waits once for each, however often it joins. */
export interface Reader {
  /** Called when a pending answer that it joined is there. */
  told(pending: Pending): void
}

/**
 * A Fiberless Effect whose answer may be on its way for somebody else already.
 *
 * For an adapter with many calls in flight: it joins with one reader of its own
 * and no callback for each call, and sees by the object it gets which of its
 * calls wait for the same answer. `undefined` when the call has to be started
 * in the ordinary way, as one has to that a resolver makes for its batch.
 */
export interface Joinable<out A, out E = never, in out R = never> {
  readonly [JoinId]: (context: Context.Context<R>, reader: Reader) => Exit.Exit<A, E> | Pending<A, E> | undefined
}

/** Whether a Fiberless Effect can be joined. */
export const isJoinable = (value: object): value is Joinable<unknown, unknown, never> => JoinId in value

class FiberlessEffect<A, E, R> extends Effectable.Class<A, E, R> implements Fiberless<A, E, R> {
  readonly [TypeId]: Start<A, E, R>
  constructor(start: Start<A, E, R>) {
    super()
    this[TypeId] = start
  }
  commit(): Effect.Effect<A, E, R> {
    return toEffect(this[TypeId])
  }
}

/** Whether a value is an Effect that can be answered without a fiber. */
export const isFiberless = (value: unknown): value is Fiberless<unknown, unknown, never> =>
  (typeof value === "object" || typeof value === "function") && value !== null && TypeId in value

/** An Effect from the callback form alone. */
export const make = <A, E = never, R = never>(start: Start<A, E, R>): Fiberless<A, E, R> => new FiberlessEffect(start)

/** Begins the work of a Fiberless Effect for one caller: see {@link Start}. */
export const start = <A, E, R>(
  self: Fiberless<A, E, R>,
  context: Context.Context<R>,
  resume: (exit: Exit.Exit<A, E>) => void
): Exit.Exit<A, E> | Leave => self[TypeId](context, resume)

/**
 * The fiber form of a callback form.
 *
 * An interrupted caller leaves when its fiber ends, after the finalizers that
 * stand around the wait. That costs a fourth of what a finalizer of its own would.
 */
export const toEffect = <A, E, R>(start: Start<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) => {
    let answer: ((exit: Exit.Exit<A, E>) => void) | undefined
    let early: Exit.Exit<A, E> | undefined
    const started = start(fiber.currentContext as Context.Context<R>, (exit) => {
      fiber.removeObserver(started as Leave)
      if (answer === undefined) early = exit
      else answer(exit)
    })
    if (typeof started !== "function") return started
    fiber.addObserver(started)
    return Effect.async<A, E>((resume) => {
      // The fiber may have made way for others before it came here, and the answer may have come meanwhile.
      if (early === undefined) answer = resume
      else resume(early)
    })
  })

/** The fiber form, for a class of its own that implements {@link Fiberless}. */
export const run = <A, E, R>(self: Fiberless<A, E, R>): Effect.Effect<A, E, R> =>
  toEffect((context, resume) => self[TypeId](context, resume))

/**
 * Changes the answer and stays fiberless, where `Effect.map` would need a fiber.
 *
 * A function that throws gives a defect, as with `Effect.map`.
 */
export const map: {
  <A, B>(f: (value: A) => B): <E, R>(self: Fiberless<A, E, R>) => Fiberless<B, E, R>
  <A, E, R, B>(self: Fiberless<A, E, R>, f: (value: A) => B): Fiberless<B, E, R>
} = dual(2, <A, E, R, B>(self: Fiberless<A, E, R>, f: (value: A) => B): Fiberless<B, E, R> => {
  const over = (exit: Exit.Exit<A, E>): Exit.Exit<B, E> => {
    if (Exit.isFailure(exit)) return Exit.failCause(exit.cause)
    try {
      return Exit.succeed(f(exit.value))
    } catch (defect) {
      return Exit.die(defect)
    }
  }
  return make((context, resume) => {
    const started = self[TypeId](context, (exit) => resume(over(exit)))
    return typeof started === "function" ? started : over(started)
  })
})
