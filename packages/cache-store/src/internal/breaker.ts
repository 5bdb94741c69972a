/**
 * When to leave a backend alone, as a pure function of what its commands came to.
 *
 * It opens after a run of failures, or when half of the recent commands failed;
 * nothing but a probe that is answered closes it.
 */
import * as Data from "effect/Data"

export type Breaker = Data.TaggedEnum<{
  /** `recent`: the last commands as bits, the newest lowest, set where one failed. */
  Closed: { readonly run: number; readonly recent: number }
  Open: { readonly since: number; readonly probes: number }
}>

const { Closed, Open } = Data.taggedEnum<Breaker>()

const remembered = 20
const mask = (1 << remembered) - 1

export interface Limits {
  /** So many failures in a row open it. */
  readonly failures: number
}

export const closed: Breaker = Closed({ run: 0, recent: 0 })

export const isOpen = (breaker: Breaker): boolean => breaker._tag === "Open"

/** A command was answered. An answer that comes while the breaker is open is to a command of before: it closes nothing. */
export const succeeded = (breaker: Breaker): Breaker => {
  if (breaker._tag === "Open" || (breaker.recent === 0 && breaker.run === 0)) return breaker
  const recent = (breaker.recent << 1) & mask
  return recent === 0 ? closed : Closed({ run: 0, recent })
}

/** A command failed, or was not answered in time. */
export const failed = (breaker: Breaker, now: number, limits: Limits): Breaker => {
  if (breaker._tag === "Open") return breaker
  const run = breaker.run + 1
  const recent = ((breaker.recent << 1) | 1) & mask
  return run >= limits.failures || countBits(recent) >= Math.max(limits.failures, remembered / 2)
    ? Open({ since: now, probes: 0 })
    : Closed({ run, recent })
}

/** What a probe came to. */
export const probed = (breaker: Breaker, answered: boolean): Breaker =>
  answered || breaker._tag === "Closed" ? closed : Open({ since: breaker.since, probes: breaker.probes + 1 })

const countBits = (bits: number): number => {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count++
  return count
}
