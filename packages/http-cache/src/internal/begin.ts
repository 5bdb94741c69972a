/**
 * Running an Effect by callback, without a fiber where it can do without.
 *
 * An `Exit` is its own answer. An Effect that carries a callback form under the
 * shared symbol is started in it. Everything else gets a fiber, with the caller's context and fiber refs.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"

/** Takes the caller out of the wait; its callback is not called any more. Harmless when repeated. */
export type Leave = () => void

/** By this symbol packages recognise each other's callback forms without importing each other. */
export const FiberlessTypeId: unique symbol = Symbol.for("@wellspring/source/Fiberless")

/** An Effect that carries its callback form. */
interface Startable<A, E> {
  readonly [FiberlessTypeId]: (context: Context.Context<never>, resume: Resume<A, E>) => Begun<A, E>
}

/** Whether an Effect can be started without a fiber. */
export const isStartable = <A, E>(effect: Effect.Effect<A, E>): effect is Effect.Effect<A, E> & Startable<A, E> =>
  FiberlessTypeId in effect

/** How a callback form gives its answer. */
export type Resume<A, E> = (exit: Exit.Exit<A, E>) => void

/** The answer at hand, or how to leave while it is waited for. */
export type Begun<A, E> = Exit.Exit<A, E> | Leave

/** Something to be begun, as often as wanted; each time it answers once, unless left. */
export type Work<A, E> = (resume: Resume<A, E>) => Begun<A, E>

/** Goes on with `next` when `first` has answered. Leaving leaves whichever of them is under way. */
export const andThen =
  <A, E, B, F>(first: Work<A, E>, next: (exit: Exit.Exit<A, E>) => Work<B, F>): Work<B, F> =>
  (resume) => {
    let left = false
    let leave: Leave | undefined
    const begun = first((exit) => {
      if (left) return
      const second = next(exit)(resume)
      if (typeof second === "function") leave = second
      else resume(second)
    })
    if (typeof begun !== "function") return next(begun)(resume)
    leave = begun
    return () => {
      left = true
      leave?.()
    }
  }

/** As {@link andThen}, begun at once, and with a step that takes whom to answer itself: no closure but this one's. */
export const after = <A, E, B, F>(
  first: Work<A, E>,
  resume: Resume<B, F>,
  next: (exit: Exit.Exit<A, E>, resume: Resume<B, F>) => Begun<B, F>
): Begun<B, F> => {
  let left = false
  let leave: Leave | undefined
  const begun = first((exit) => {
    if (left) return
    const second = next(exit, resume)
    if (typeof second === "function") leave = second
    else resume(second)
  })
  if (typeof begun !== "function") return next(begun, resume)
  leave = begun
  return () => {
    left = true
    leave?.()
  }
}

/** Runs an Effect: in place, by its callback form, or in a fiber of its own. */
export const run =
  <A, E>(effect: Effect.Effect<A, E>, runtime: Runtime.Runtime<never>): Work<A, E> =>
  (resume) => {
    if (Exit.isExit(effect)) return effect as Exit.Exit<A, E>
    if (isStartable(effect)) return effect[FiberlessTypeId](runtime.context, resume)
    const fiber = Runtime.runFork(runtime)(effect)
    const exit = fiber.unsafePoll()
    if (exit !== null) return exit
    let waiting = true
    fiber.addObserver((exit) => {
      if (waiting) resume(exit)
    })
    return () => {
      if (!waiting) return
      waiting = false
      fiber.unsafeInterruptAsFork(FiberId.none)
    }
  }

/** The runtime an Effect runs in, taken from its fiber: context, fiber refs, flags. */
export const runtimeOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Runtime.Runtime<never> =>
  Runtime.make({
    context: fiber.currentContext as Context.Context<never>,
    fiberRefs: fiber.getFiberRefs(),
    runtimeFlags: Runtime.defaultRuntimeFlags
  })

/** The runtime of a caller that has a context and no fiber. */
export const runtimeWith = (context: Context.Context<never>): Runtime.Runtime<never> =>
  context.unsafeMap.size === 0 ? Runtime.defaultRuntime : Runtime.make({ ...Runtime.defaultRuntime, context })

type StartIn<A, E> = (runtime: Runtime.Runtime<never>, resume: Resume<A, E>) => Begun<A, E>

class Fiberless<A, E> extends Effectable.Class<A, E> {
  readonly start: StartIn<A, E>

  constructor(start: StartIn<A, E>) {
    super()
    this.start = start
  }

  [FiberlessTypeId](context: Context.Context<never>, resume: Resume<A, E>): Begun<A, E> {
    return this.start(runtimeWith(context), resume)
  }

  override commit(): Effect.Effect<A, E> {
    return Effect.withFiberRuntime<A, E>((fiber) => {
      const runtime = runtimeOf(fiber)
      let settle: Resume<A, E> | undefined
      let early: Exit.Exit<A, E> | undefined
      const started = this.start(runtime, (exit) => {
        fiber.removeObserver(leave)
        if (settle === undefined) early = exit
        else settle(exit)
      })
      if (typeof started !== "function") return started
      const leave = started
      // `Effect.async` does not know how to leave until it waits, and on its way there the fiber may make way for others:
      // interrupted then, it leaves as it ends.
      fiber.addObserver(leave)
      return Effect.async<A, E>((resume) => {
        // The answer may have come meanwhile.
        if (early === undefined) settle = resume
        else resume(early)
        return Effect.sync(leave)
      })
    })
  }
}

/** An Effect of a callback form, which whoever knows the symbol can start without a fiber. */
export const fiberless = <A, E>(start: StartIn<A, E>): Effect.Effect<A, E> => new Fiberless(start)
