/** Running Effects from code that may or may not be inside a fiber. */
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Runtime from "effect/Runtime"
import * as Tracer from "effect/Tracer"
import { isSet } from "./undiciTracing.ts"

/** Where a call runs: the caller's services and, when it called from a fiber, that fiber's settings. */
export class Site {
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  /** Where spans go; undefined where nobody has set a tracer, or it is off. */
  readonly tracer: Tracer.Tracer | undefined
  private readonly fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined
  private refs: FiberRefs.FiberRefs | undefined

  constructor(
    context: Context.Context<never>,
    clock: Clock.Clock,
    tracer: Tracer.Tracer | undefined,
    fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined,
    refs: FiberRefs.FiberRefs | undefined = undefined
  ) {
    this.context = context
    this.clock = clock
    this.tracer = tracer
    this.fiber = fiber
    this.refs = refs
  }

  /** Taken from the fiber when first asked for: a call that is answered at once has no use for them. */
  get fiberRefs(): FiberRefs.FiberRefs | undefined {
    this.refs ??= this.fiber?.getFiberRefs()
    return this.refs
  }

  /** The same place with other services. */
  within(context: Context.Context<never>): Site {
    return new Site(context, this.clock, this.tracer, undefined, this.fiberRefs)
  }
}

/** The site of a caller without a fiber. */
export const siteOf = (context: Context.Context<never>, clock: Clock.Clock): Site =>
  new Site(context, context.unsafeMap.get(Clock.Clock.key) ?? clock, provided(context), undefined)

/** A tracer that was given as a service, where no fiber has one of its own. */
const provided = ({ unsafeMap }: Context.Context<never>): Tracer.Tracer | undefined => {
  const tracer: Tracer.Tracer | undefined = unsafeMap.get(Tracer.Tracer.key)
  return tracer !== undefined && isSet(tracer) ? tracer : undefined
}

/** The site of a fiber. */
export const siteIn = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Site => {
  const context = fiber.currentContext as Context.Context<never>
  const tracer = isSet(fiber.currentTracer) ? fiber.currentTracer : provided(context)
  const isOn = tracer !== undefined && fiber.getFiberRef(FiberRef.currentTracerEnabled)
  const clock: Clock.Clock = fiber.currentDefaultServices.unsafeMap.get(Clock.Clock.key)
  return new Site(context, clock, isOn ? tracer : undefined, fiber)
}

const live: Clock.Clock = DefaultServices.liveServices.unsafeMap.get(Clock.Clock.key)
/** Whether a clock is the machine's. */
export const isLive = (clock: Clock.Clock): boolean => clock === live

const noRefs = FiberRefs.empty()

const fork = <A, E>(effect: Effect.Effect<A, E>, site: Site) => {
  const own = site.fiberRefs === undefined && site.clock !== live ? Effect.withClock(effect, site.clock) : effect
  return Runtime.runFork(
    Runtime.make({
      context: site.context,
      fiberRefs: site.fiberRefs ?? noRefs,
      runtimeFlags: Runtime.defaultRuntimeFlags
    })
  )(own)
}

/** Runs an Effect: gives its Exit when it ends at once, or else calls `resume` later. Never both. */
export const start = <A, E>(
  effect: Effect.Effect<A, E>,
  site: Site,
  resume: (exit: Exit.Exit<A, E>) => void
): Exit.Exit<A, E> | Fiberless.Leave => {
  if (Exit.isExit(effect)) return effect as Exit.Exit<A, E>
  if (Fiberless.isFiberless(effect)) return effect[Fiberless.TypeId](site.context, resume as never) as never
  const fiber = fork(effect, site)
  const settled = fiber.unsafePoll()
  if (settled !== null) return settled
  fiber.addObserver(resume)
  return () => {
    fiber.removeObserver(resume)
    fiber.unsafeInterruptAsFork(FiberId.none)
  }
}

export const isLeave = <A, E>(started: Exit.Exit<A, E> | Fiberless.Leave): started is Fiberless.Leave =>
  typeof started === "function"

/**
 * What is begun now, as a fiber waits for it. A fiber may make way for others before it comes to wait: an answer that
 * comes meanwhile is kept, and one that is interrupted meanwhile leaves as it ends.
 */
export const inFiber = <A, E>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  begin: (resume: (exit: Exit.Exit<A, E>) => void) => Exit.Exit<A, E> | Fiberless.Leave
): Effect.Effect<A, E> => {
  let leave: Fiberless.Leave | undefined
  let answer: ((exit: Exit.Exit<A, E>) => void) | undefined
  let early: Exit.Exit<A, E> | undefined
  const started = begin((exit) => {
    if (leave !== undefined) fiber.removeObserver(leave)
    if (answer === undefined) early = exit
    else answer(exit)
  })
  if (!isLeave(started)) return started
  leave = started
  fiber.addObserver(started)
  return Effect.async<A, E>((resume) => {
    if (early === undefined) answer = resume
    else resume(early)
    return Effect.sync(started)
  })
}

const longest = 2_147_483_647

/** Calls `f` once `millis` have passed on the site's clock, unless cancelled first. */
export const after = (site: Site, millis: number, f: () => void): (() => void) => {
  if (site.clock === live) {
    const timer = setTimeout(f, Math.min(Math.max(0, Math.ceil(millis)), longest))
    return () => clearTimeout(timer)
  }
  // A clock of the caller's, such as TestClock, moves by its own rules: only a fiber can wait on it.
  const fiber = fork(
    Effect.flatMap(site.clock.sleep(Duration.millis(millis)), () => Effect.sync(f)),
    site
  )
  return () => fiber.unsafeInterruptAsFork(FiberId.none)
}
