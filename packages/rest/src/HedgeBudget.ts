/**
 * How many calls of an origin may be hedged: sent a second time because the
 * first is slow.
 *
 * Hedges have a budget of their own beside that for retries. When an upstream
 * slows down every call is due for a hedge, and when it fails every call is
 * due for a retry: neither must use up what the other is there for. A budget
 * is kept per origin and found in the context.
 */
import * as Context from "effect/Context"
import * as RetryBudget from "./RetryBudget.ts"

export interface Options {
  /** Hedges as a share of the calls of the last ten seconds that might have been hedged. Default 0.1. */
  readonly share?: number | undefined
  /** Hedges a second that are always allowed. Default 1. */
  readonly perSecond?: number | undefined
}

/** A budget of its own, for a source that must not be affected by others: provide it as {@link HedgeBudget}. */
export const make = (options?: Options): RetryBudget.Budget =>
  RetryBudget.make({ share: options?.share ?? 0.1, perSecond: options?.perSecond ?? 1 })

/** The budget that hedges draw from: one for the process, unless another is provided. */
export class HedgeBudget extends Context.Reference<HedgeBudget>()("@wellspring/rest/HedgeBudget", {
  defaultValue: (): RetryBudget.Budget => make()
}) {}
