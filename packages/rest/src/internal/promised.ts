/** Answers as promises. */
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Exit from "effect/Exit"

/** The typed failure or defect itself, so that `catch` sees what Effect code sees. */
const reason = (cause: Cause.Cause<unknown>): unknown =>
  Cause.isInterruptedOnly(cause) ? new DOMException("The call was interrupted.", "AbortError") : Cause.squash(cause)

export const run = <A, E, R>(
  effect: Fiberless.Fiberless<A, E, R>,
  context: Context.Context<R>,
  signal: AbortSignal | undefined
): Promise<A> => {
  if (signal?.aborted === true) return Promise.reject(signal.reason)
  let resolve: ((value: A) => void) | undefined
  let reject: ((reason: unknown) => void) | undefined
  const started = effect[Fiberless.TypeId](context, (exit) => {
    signal?.removeEventListener("abort", abort)
    if (Exit.isSuccess(exit)) resolve?.(exit.value)
    else reject?.(reason(exit.cause))
  })
  if (typeof started !== "function") {
    return Exit.isSuccess(started) ? Promise.resolve(started.value) : Promise.reject(reason(started.cause))
  }
  const abort = (): void => {
    started()
    reject?.(signal?.reason)
  }
  signal?.addEventListener("abort", abort, { once: true })
  return new Promise<A>((yes, no) => {
    resolve = yes
    reject = no
  })
}
