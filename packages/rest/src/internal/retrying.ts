/** Sending a call again: when it is worth it, after how long, and how often. */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as RetryAfter from "../RetryAfter.ts"
import { Exchange, type Exchanged, type Fault, type Plan } from "./exchange.ts"
import type { Prepared } from "./prepare.ts"

export interface Call {
  readonly prepared: Prepared
  readonly plan: Plan
  readonly begun: number
}

type Tried = Exit.Exit<Exchanged, Fault>

/** Whether an attempt ended in a way that another may mend. */
export const isWorthIt = ({ prepared }: Call, exit: Tried): boolean => {
  const { retry } = prepared.policy
  if (retry.times === 0) return false
  if (Exit.isSuccess(exit)) return retry.statuses.has(exit.value.response.status)
  const fault = Cause.failureOption(exit.cause)
  if (Option.isNone(fault)) return false
  switch (fault.value._tag) {
    case "Transport":
      return true
    case "Timeout":
      return fault.value.phase !== "total"
    default:
      return false
  }
}

/** One attempt as an Effect. Never fails: what came of it is its value. */
export const attempt = ({ plan, prepared }: Call): Effect.Effect<Tried> =>
  Effect.async((resume) => {
    const exchange = new Exchange(plan, (exit) => resume(Effect.succeed(exit)))
    exchange.send(prepared.request)
    return Effect.sync(() => exchange.stop())
  })

/** The rest of a call whose first attempt was not good enough: its last outcome, and how many attempts there were. */
export const again = (call: Call, first: Tried): Effect.Effect<readonly [Tried, attempts: number]> => {
  const { retry } = call.prepared.policy
  const step = (last: Tried, attempts: number): Effect.Effect<readonly [Tried, number]> => {
    if (attempts > retry.times || !isWorthIt(call, last)) return Effect.succeed([last, attempts])
    return Effect.flatMap(pause(call, last, attempts), (millis) => {
      const now = call.plan.site.clock.unsafeCurrentTimeMillis()
      if (millis === undefined || now + millis >= call.plan.callEnd) return Effect.succeed([last, attempts] as const)
      return Effect.flatMap(Effect.zipRight(Effect.sleep(Duration.millis(millis)), attempt(call)), (next) =>
        step(next, attempts + 1)
      )
    })
  }
  return step(first, 1)
}

/** Milliseconds before the next attempt; undefined when the upstream asks for more patience than the policy has. */
const pause = (call: Call, last: Tried, attempts: number): Effect.Effect<number | undefined> => {
  const { retry } = call.prepared.policy
  const asked = askedFor(call, last)
  if (asked !== undefined && asked > retry.maxBackoffMillis) return Effect.succeed(undefined)
  const ceiling = Math.min(retry.maxBackoffMillis, retry.backoffMillis * 2 ** attempts)
  // Full jitter: callers that failed together do not come back together.
  return Effect.map(Random.next, (share) => Math.max(asked ?? 0, Math.round(share * ceiling)))
}

const askedFor = ({ plan }: Call, last: Tried): number | undefined => {
  if (Exit.isFailure(last)) return undefined
  const value = last.value.response.headers["retry-after"]
  if (value === undefined) return undefined
  const now = DateTime.unsafeMake(plan.site.clock.unsafeCurrentTimeMillis())
  return Option.getOrUndefined(Option.map(RetryAfter.parse(value, now), Duration.toMillis))
}

/** An attempt, and a second beside it when the first is slow; the first good answer wins and the other is stopped. */
export const hedged = (call: Call): Effect.Effect<Tried> => {
  const { hedge } = call.prepared.policy
  if (hedge === undefined) return attempt(call)
  const good = Effect.flatMap(attempt(call), (tried) =>
    isWorthIt(call, tried) ? Effect.fail(tried) : Effect.succeed(tried)
  )
  return Effect.catchAll(
    Effect.raceFirst(good, Effect.zipRight(Effect.sleep(Duration.millis(hedge.afterMillis)), good)),
    (tried) => Effect.succeed(tried)
  )
}
