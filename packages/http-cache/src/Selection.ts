/**
 * Which of the stored responses of a URL answers a request ([RFC 9111 §4, §4.1][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.1
 */
import * as Entry from "./Entry.ts"
import { AUTHORIZATION } from "./internal/credentials.ts"
import { isRangeWanted } from "./internal/ifRange.ts"
import type * as Message from "./Message.ts"
import type * as Plan from "./Plan.ts"
import type { Policy } from "./Policy.ts"
import * as Ranges from "./Ranges.ts"
import * as Vary from "./Vary.ts"

/**
 * The best of `entries` for a request; `undefined` when none matches.
 *
 * Those that hold the bytes asked for come before parts that do not, those that
 * name what they vary on before those that do not, then the most recent by
 * `Date`. A response without `Vary` that is older than a sibling with one is
 * taken for an oversight and answers nobody.
 *
 * @param entries what is stored for the request's key, in one scope or in several it may use
 */
export const select = <A extends Entry.Entry>(
  policy: Policy,
  plan: Plan.Plan,
  request: Message.Fields,
  entries: ReadonlyArray<A>
): A | undefined => {
  let best: A | undefined
  let varied = Number.NEGATIVE_INFINITY
  if (entries.length > 1) {
    for (const entry of entries) if (entry.vary.length > 0 && entry.date > varied) varied = entry.date
  }
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as A
    if (!admits(plan, entry) || !Vary.matches(policy, entry.vary, request)) continue
    if (entry.vary.length === 0 && entry.date < varied) continue
    if (best === undefined || isBetter(policy, plan, entry, best)) best = entry
  }
  return best
}

/** Whether `entry` may be shown to whoever asks: entries of a partition to all of it, shared ones as they permit. */
export const admits = (plan: Plan.Plan, entry: Entry.Entry): boolean =>
  plan.credentials === 0 ||
  entry.scope === "private" ||
  (entry.flags & Entry.OPEN_TO_ALL) !== 0 ||
  (plan.credentials === AUTHORIZATION && (entry.flags & Entry.OPEN_TO_AUTHORIZATION) !== 0)

/** Whether `entry` holds what `plan` asks for: all, or the range. */
export const covers = (policy: Policy, plan: Plan.Plan, entry: Entry.Entry): boolean => {
  if (entry.range === undefined) return true
  if (plan.range === undefined || plan.method !== "GET" || !isRangeWanted(plan.ifRange, entry)) return false
  if (Ranges.within(plan.range, entry.range) !== undefined) return true
  return policy.shortRanges && plan.range.text === entry.rangeAsked
}

const isBetter = (policy: Policy, plan: Plan.Plan, entry: Entry.Entry, best: Entry.Entry): boolean => {
  const covering = covers(policy, plan, entry)
  if (covering !== covers(policy, plan, best)) return covering
  if (entry.vary.length > 0 !== best.vary.length > 0) return entry.vary.length > 0
  if (entry.date !== best.date) return entry.date > best.date
  return entry.responseTime >= best.responseTime
}

/**
 * The entries an origin may be asked about when none of them matches: with their
 * strong tags in `If-None-Match` it can say that one of them would do (§4.3.1).
 */
export const candidates = <A extends Entry.Entry>(plan: Plan.Plan, entries: ReadonlyArray<A>): ReadonlyArray<A> =>
  plan.method === "GET" && plan.range === undefined && !plan.conditional
    ? entries
        .filter((entry) => entry.range === undefined && Entry.isStrong(entry.etag) && admits(plan, entry))
        .slice(-mostCandidates)
    : []

const mostCandidates = 8

/**
 * `entries` with `entry` in place of those it replaces, the newest last, at most
 * `most` of them.
 *
 * It replaces whatever would have answered the request that brought it: only the
 * newer one would ever be chosen again. A part does not replace the whole it is
 * part of.
 *
 * @param request the fields of the request that brought `entry`
 */
export const insert = <A extends Entry.Entry>(
  policy: Policy,
  entries: ReadonlyArray<A>,
  entry: A,
  request: Message.Fields,
  most: number
): ReadonlyArray<A> => {
  // A literal is as long as what is in it; an array that something is pushed to is longer, for as long as it is kept.
  if (entries.length === 0) return [entry]
  const matching = (other: A): boolean => Vary.matches(policy, other.vary, request)
  if (
    entry.range !== undefined &&
    entries.some((other) => other.range === undefined && matching(other) && isSamePart(other, entry))
  )
    return entries
  const kept = entries.filter((other) => !matching(other))
  if (kept.length === 0) return [entry]
  kept.push(entry)
  return kept.slice(-most)
}

const isSamePart = (whole: Entry.Entry, part: Entry.Entry): boolean =>
  whole.status === 200 &&
  Entry.strongValidator(part) !== "" &&
  Entry.strongValidator(whole) === Entry.strongValidator(part)
