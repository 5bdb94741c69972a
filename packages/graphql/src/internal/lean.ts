/**
 * A runtime for many short fibers.
 *
 * It keeps what the application set (services, and FiberRefs such as loggers
 * and the tracer) and leaves out what costs every fiber something and changes
 * no answer: the fiber counters of the runtime metrics, and FiberRefs that hold
 * what every fiber starts with anyway, since a runtime with any FiberRef is
 * copied for each fiber.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Scheduler from "effect/Scheduler"

/** What an empty application's runtime holds: these FiberRefs nobody set. */
const untouched = ManagedRuntime.make(Layer.empty).runSync(Effect.map(Effect.runtime(), (runtime) => runtime.fiberRefs))

/** Given to each fiber anyway. */
const own: ReadonlySet<unknown> = new Set<unknown>([FiberRef.currentContext, FiberRef.currentScheduler])

const set = (fiberRefs: FiberRefs.FiberRefs): FiberRefs.FiberRefs => {
  let kept = fiberRefs
  for (const ref of FiberRefs.fiberRefs(fiberRefs)) {
    const value = FiberRefs.getOrDefault(fiberRefs, ref)
    const asFound = own.has(ref) || Equal.equals(value, FiberRefs.getOrDefault(untouched, ref))
    if (asFound) kept = FiberRefs.delete(kept, ref)
  }
  return kept
}

/** What every operation of one application shares of its runtime. */
export interface Lean {
  readonly runtimeFlags: RuntimeFlags.RuntimeFlags
  readonly fiberRefs: FiberRefs.FiberRefs
}

export const from = (runtime: Runtime.Runtime<never>): Lean => ({
  runtimeFlags: RuntimeFlags.disable(runtime.runtimeFlags, RuntimeFlags.RuntimeMetrics),
  fiberRefs: set(runtime.fiberRefs)
})

export const withContext = <R>(lean: Lean, context: Context.Context<R>): Runtime.Runtime<R> =>
  Runtime.make({ context, ...lean })

/** The default scheduler with one queue for all fibers, where it keeps one for each. */
export const scheduler: Scheduler.Scheduler = {
  shouldYield: (fiber) => Scheduler.defaultScheduler.shouldYield(fiber),
  scheduleTask: (task, priority) => Scheduler.defaultScheduler.scheduleTask(task, priority)
}
