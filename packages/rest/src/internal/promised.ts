/** Answers as promises. */
import type * as Fiberless from "@wellspring/source/Fiberless"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"

/** The typed failure or defect itself, so that `catch` sees what Effect code sees. */
const reason = (cause: Cause.Cause<unknown>): unknown =>
  Cause.isInterruptedOnly(cause) ? new DOMException("The call was interrupted.", "AbortError") : Cause.squash(cause)

type Start<A, E> = (resume: (exit: Exit.Exit<A, E>) => void) => Exit.Exit<A, E> | Fiberless.Leave

/** A promise of what is known already. */
export const settled = <A, E>(exit: Exit.Exit<A, E>): Promise<A> =>
  Exit.isSuccess(exit) ? Promise.resolve(exit.value) : Promise.reject(reason(exit.cause))

/** A promise of what is begun now, and cannot be left. */
export const of = <A, E>(start: Start<A, E>): Promise<A> => {
  let resolve: ((value: A) => void) | undefined
  let reject: ((reason: unknown) => void) | undefined
  const started = start((exit) => {
    if (Exit.isSuccess(exit)) resolve?.(exit.value)
    else reject?.(reason(exit.cause))
  })
  if (typeof started !== "function") return settled(started)
  return new Promise<A>((yes, no) => {
    resolve = yes
    reject = no
  })
}

/** The same, which the signal leaves. */
export const until = <A, E>(signal: AbortSignal, start: Start<A, E>): Promise<A> => {
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const started = start((exit) => {
      signal.removeEventListener("abort", abort)
      if (Exit.isSuccess(exit)) resolve(exit.value)
      else reject(reason(exit.cause))
    })
    const abort = (): void => {
      if (typeof started === "function") started()
      reject(signal.reason)
    }
    if (typeof started === "function") signal.addEventListener("abort", abort, { once: true })
    else resolve(settled(started))
  })
}
