/**
 * How many retries an origin gets, over everything that calls it.
 *
 * Retries help against a fault that passes and hurt against one that does not:
 * an upstream that is down would be sent three times its load just then. A
 * budget allows retries as a share of calls, plus a few a second so that
 * quiet services may retry too. It is kept per origin and found in the
 * context, so that sources above one another draw from the same one.
 */
import * as Context from "effect/Context"

/** Takes no time and never fails: an instant in milliseconds is given with each call. */
export interface Budget {
  /** A call is sent for the first time. */
  readonly deposit: (origin: string, nowMillis: number) => void
  /** Asks for one retry; false when the budget is used up. */
  readonly withdraw: (origin: string, nowMillis: number) => boolean
}

export interface Options {
  /** Retries as a share of the calls of the last ten seconds. Default 0.2. */
  readonly share?: number | undefined
  /** Retries a second that are always allowed. Default 10. */
  readonly perSecond?: number | undefined
}

const windowSeconds = 10
/** Origins remembered; the one not used for the longest time is forgotten, and begins anew. */
const maxOrigins = 1000

interface Account {
  /** Calls less retries paid with them, by second. */
  readonly calls: Float64Array
  second: number
  reserve: number
  reservedAt: number
}

/** Takes one from the calls. The oldest are spent first: they would be lost first. */
const spend = ({ calls, second }: Account): void => {
  let due = 1
  for (let back = windowSeconds - 1; back >= 0 && due > 0; back--) {
    const slot = (((second - back) % windowSeconds) + windowSeconds) % windowSeconds
    const taken = Math.min(due, calls[slot] ?? 0)
    calls[slot] = (calls[slot] ?? 0) - taken
    due -= taken
  }
}

/** A budget of its own, for a source that must not be affected by others: provide it as {@link RetryBudget}. */
export const make = (options?: Options): Budget => {
  const share = options?.share ?? 0.2
  const perSecond = options?.perSecond ?? 10
  const accounts = new Map<string, Account>()

  const account = (origin: string, now: number): Account => {
    let found = accounts.get(origin)
    if (found === undefined) {
      found = {
        calls: new Float64Array(windowSeconds),
        second: Math.floor(now / 1000),
        reserve: perSecond,
        reservedAt: now
      }
      if (accounts.size >= maxOrigins) {
        for (const oldest of accounts.keys()) {
          accounts.delete(oldest)
          break
        }
      }
      accounts.set(origin, found)
    }
    const second = Math.floor(now / 1000)
    for (let passed = Math.min(second - found.second, windowSeconds); passed > 0; passed--) {
      found.calls[(second - passed + 1) % windowSeconds] = 0
    }
    found.second = Math.max(found.second, second)
    return found
  }

  return {
    deposit: (origin, now) => {
      const { calls, second } = account(origin, now)
      const slot = second % windowSeconds
      calls[slot] = (calls[slot] ?? 0) + share
    },
    withdraw: (origin, now) => {
      const found = account(origin, now)
      // Shares such as 0.2 do not add up to whole numbers exactly.
      if (found.calls.reduce((sum, left) => sum + left, 0) >= 1 - 1e-9) {
        spend(found)
        return true
      }
      found.reserve = Math.min(perSecond, found.reserve + (Math.max(0, now - found.reservedAt) / 1000) * perSecond)
      found.reservedAt = Math.max(found.reservedAt, now)
      if (found.reserve < 1 - 1e-9) return false
      found.reserve -= 1
      return true
    }
  }
}

/** The budget that calls draw from: one for the process, unless another is provided. */
export class RetryBudget extends Context.Reference<RetryBudget>()("@wellspring/rest/RetryBudget", {
  defaultValue: (): Budget => make()
}) {}
