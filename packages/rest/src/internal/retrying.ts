/** Sending a call, and sending it again: when it is worth it, after how long, and how often. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { HedgeBudget } from "../HedgeBudget.ts"
import * as RetryAfter from "../RetryAfter.ts"
import { RetryBudget } from "../RetryBudget.ts"
import * as CacheLink from "./cacheLink.ts"
import { Exchange, type Exchanged, type Fault, type Plan } from "./exchange.ts"
import * as Place from "./place.ts"
import type { Prepared } from "./prepare.ts"
import * as Tracing from "./tracing.ts"

export interface Call {
  readonly prepared: Prepared
  readonly plan: Plan
  readonly begun: number
  readonly origin: string
}

type Tried = Exit.Exit<Exchanged, Fault>

/** Sends once. The callback may be called before this returns; the function returned stops down to the socket. */
export const launch = (call: Call, resends: number, resume: (tried: Tried) => void): (() => void) => {
  const { plan, prepared } = call
  const site = resends === 0 ? plan.site : plan.site.within(Place.resent(plan.site.context, prepared, resends))
  const traced = Tracing.begin(prepared, site, resends)
  if (traced === undefined) {
    const exchange = new Exchange(site === plan.site ? plan : { ...plan, site }, resume)
    exchange.send(prepared.request)
    return () => exchange.stop()
  }
  let isOver = false
  const end = (tried: Tried): void => {
    if (isOver) return
    isOver = true
    Tracing.end(traced, tried, ({ response }) => CacheLink.outcomeOf(response))
  }
  const exchange = new Exchange({ ...plan, site: traced.site, isTraced: true }, (tried) => {
    end(tried)
    resume(tried)
  })
  exchange.send(traced.request)
  return () => {
    exchange.stop()
    end(Exit.interrupt(FiberId.none))
  }
}

/** Whether a call is to be sent again after this attempt. */
export const isWorthIt = (call: Call, tried: Tried): boolean =>
  call.prepared.policy.retry.times > 0 && isMendable(call, tried)

/** Whether an attempt ended in a way that another may mend. */
const isMendable = ({ prepared }: Call, tried: Tried): boolean => {
  const { retry } = prepared.policy
  if (Exit.isSuccess(tried)) return retry.statuses.has(tried.value.response.status)
  const fault = Cause.failureOption(tried.cause)
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
const attempt = (call: Call, resends: number): Effect.Effect<Tried> =>
  Effect.async((resume) => {
    const stop = launch(call, resends, (tried) => resume(Effect.succeed(tried)))
    return Effect.sync(stop)
  })

const budgetOf = ({ plan }: Call) => Context.get(plan.site.context, RetryBudget)
const now = ({ plan }: Call): number => plan.site.clock.unsafeCurrentTimeMillis()

/** Counts a call. One that a source above makes, or sends again, is not counted: it must not earn further retries. */
export const count = (call: Call): void => budgetOf(call).deposit(call.origin, call.begun)

/** The rest of a call whose first attempt was not good enough: its last outcome, and how many attempts there were. */
export const again = (call: Call, first: Tried, sent = 1): Effect.Effect<readonly [Tried, attempts: number]> => {
  const { retry } = call.prepared.policy
  const step = (last: Tried, attempts: number): Effect.Effect<readonly [Tried, number]> => {
    if (attempts > retry.times || !isWorthIt(call, last)) return Effect.succeed([last, attempts])
    return Effect.flatMap(pause(call, last, attempts), (millis) => {
      const isInTime = millis !== undefined && now(call) + millis < call.plan.callEnd
      if (!isInTime || !budgetOf(call).withdraw(call.origin, now(call))) {
        return Effect.succeed([last, attempts] as const)
      }
      return Effect.sleep(Duration.millis(millis)).pipe(
        Effect.zipRight(attempt(call, attempts)),
        Effect.flatMap((next) => step(next, attempts + 1))
      )
    })
  }
  return step(first, sent)
}

/** A call that was sent before, sent again from its beginning. */
export const rest = (call: Call, resends: number): Effect.Effect<readonly [Tried, attempts: number]> =>
  Effect.flatMap(attempt(call, resends), (tried) => again(call, tried, resends + 1))

/** Milliseconds before the next attempt; undefined when the upstream asks for more patience than the policy has. */
const pause = (call: Call, last: Tried, attempts: number): Effect.Effect<number | undefined> => {
  const { retry } = call.prepared.policy
  const asked = askedFor(call, last)
  if (asked !== undefined && asked > retry.maxBackoffMillis) return Effect.succeed(undefined)
  const ceiling = Math.min(retry.maxBackoffMillis, retry.backoffMillis * 2 ** attempts)
  // Full jitter: callers that failed together do not come back together.
  return Effect.map(Random.next, (share) => (asked ?? 0) + Math.round(share * ceiling))
}

const askedFor = (call: Call, last: Tried): number | undefined => {
  if (Exit.isFailure(last)) return undefined
  const value = last.value.response.headers["retry-after"]
  if (value === undefined) return undefined
  return Option.getOrUndefined(Option.map(RetryAfter.parse(value, DateTime.unsafeMake(now(call))), Duration.toMillis))
}

/**
 * An attempt, and a second beside it when the first is slow; the first good
 * answer wins and the other is stopped. When neither is good, the first to end says so.
 */
export const hedged = (call: Call): Effect.Effect<Tried> => {
  const { hedge } = call.prepared.policy
  if (hedge === undefined) return attempt(call, 0)
  return Effect.suspend(() => {
    const budget = Context.get(call.plan.site.context, HedgeBudget)
    if (Place.resends(call.plan.site.context) === 0) budget.deposit(call.origin, call.begun)
    let isHedged = false
    const good = (resends: number) =>
      Effect.flatMap(attempt(call, resends), (tried) =>
        // Alone, a bad answer is not worth waiting for: what is to be sent again is a retry's to send.
        isHedged && isMendable(call, tried) ? Effect.fail(tried) : Effect.succeed(tried)
      )
    const second = Effect.suspend(() => {
      isHedged = budget.withdraw(call.origin, now(call))
      return isHedged ? good(1) : Effect.never
    })
    return Effect.merge(Effect.race(good(0), Effect.delay(second, Duration.millis(hedge.afterMillis))))
  })
}
