/**
 * What a stored response is good for at one instant: to answer with, to validate,
 * to complete, or for nothing ([RFC 9111 §4][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4
 */
import * as CacheControl from "./CacheControl.ts"
import * as Entry from "./Entry.ts"
import * as Freshness from "./Freshness.ts"
import * as Plan from "./Plan.ts"
import type { Policy } from "./Policy.ts"
import * as Ranges from "./Ranges.ts"
import * as Selection from "./Selection.ts"

/** Answer with the entry, which is fresh. */
export interface Hit {
  readonly _tag: "Hit"
}

/** Answer with the entry, which is stale; and revalidate it behind the answer if `revalidate`. */
export interface Stale {
  readonly _tag: "Stale"
  readonly revalidate: boolean
}

/** Ask the origin whether the entry is still good. */
export interface Validate {
  readonly _tag: "Validate"
  readonly reason: "stale" | "request"
}

/** Ask the origin for the bytes the entry lacks, as a `Range`. */
export interface Complete {
  readonly _tag: "Complete"
  readonly range: string
}

/** Ask the origin, as if nothing were stored. */
export interface Miss {
  readonly _tag: "Miss"
  readonly reason: Plan.ForwardReason
}

/** The caller wants what is stored and nothing else, and that is not to be had: 504. */
export interface Unavailable {
  readonly _tag: "Unavailable"
}

/** What an entry is good for. */
export type Reuse = Hit | Stale | Validate | Complete | Miss | Unavailable

// Decisions carry so little that each is made once.
const hit: Hit = { _tag: "Hit" }
const stale: Stale = { _tag: "Stale", revalidate: false }
const staleWhileRevalidate: Stale = { _tag: "Stale", revalidate: true }
const staleNow: Validate = { _tag: "Validate", reason: "stale" }
const onRequest: Validate = { _tag: "Validate", reason: "request" }
const uriMiss: Miss = { _tag: "Miss", reason: "uri-miss" }
const varyMiss: Miss = { _tag: "Miss", reason: "vary-miss" }
const partialMiss: Miss = { _tag: "Miss", reason: "partial" }
const staleMiss: Miss = { _tag: "Miss", reason: "stale" }
const requestMiss: Miss = { _tag: "Miss", reason: "request" }
const unavailable: Unavailable = { _tag: "Unavailable" }

/**
 * Weighs the selected entry against the request.
 *
 * Caller's directives are all observed ([RFC 9111 §5.2.1][1]); `max-stale` and
 * `stale-while-revalidate` reach no further than the response permits. The modes
 * `force-cache` and `only-if-cached` take what is stored however stale it is, as
 * the Fetch standard has it. A fresh `immutable` response is not revalidated
 * because of a request's `max-age`, only because of its `no-cache`.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1
 *
 * @param entry what {@link Selection.select} found
 * @param stored how many entries it was chosen from
 */
export const decide = (
  policy: Policy,
  plan: Plan.Lookup,
  entry: Entry.Entry | undefined,
  stored: number,
  now: number
): Reuse => {
  const decision = weigh(policy, plan, entry, stored, now)
  return decision._tag !== "Hit" && decision._tag !== "Stale" && Plan.isCacheOnly(plan) ? unavailable : decision
}

const weigh = (
  policy: Policy,
  plan: Plan.Lookup,
  entry: Entry.Entry | undefined,
  stored: number,
  now: number
): Reuse => {
  if (entry === undefined) return stored === 0 ? uriMiss : varyMiss
  const { directives, mode } = plan
  const isFresh = Freshness.isFresh(entry, now)
  if (entry.range !== undefined && !Selection.covers(policy, plan, entry)) return complete(policy, plan, entry)
  if (entry.range === undefined && plan.range !== undefined && !isSliceable(entry)) return partialMiss
  if (mode === "force-cache" || mode === "only-if-cached") return isFresh ? hit : stale
  if (directives === CacheControl.none && mode === "default") {
    if (isFresh && (entry.flags & Entry.ALWAYS_VALIDATE) === 0) return hit
  } else {
    if (mode === "no-cache" || directives.flags & CacheControl.NO_CACHE) return validate(entry, onRequest)
    if (entry.flags & Entry.ALWAYS_VALIDATE) return validate(entry, staleNow)
    if (!isYoungEnough(directives, entry, isFresh, now)) return validate(entry, onRequest)
    if (isFresh && entry.freshUntil - now >= directives.minFresh * 1000) return hit
    if (isFresh || directives.minFresh >= 0) return validate(entry, isFresh ? onRequest : staleNow)
    if (directives.maxStale >= 0 && mayBeStale(entry, now) && now - entry.freshUntil <= directives.maxStale * 1000)
      return stale
  }
  // A caller with a max-age and no max-stale wants nothing stale (§5.2.1.1).
  return directives.maxAge < 0 && now < entry.staleWhileRevalidateUntil && mayBeStale(entry, now)
    ? staleWhileRevalidate
    : validate(entry, staleNow)
}

const isYoungEnough = (
  directives: CacheControl.RequestDirectives,
  entry: Entry.Entry,
  isFresh: boolean,
  now: number
): boolean =>
  directives.maxAge < 0 ||
  (isFresh && Entry.has(entry, Entry.IMMUTABLE)) ||
  Freshness.age(entry, now) <= directives.maxAge * 1000

// Of an entry from the future nobody knows how stale it is.
const mayBeStale = (entry: Entry.Entry, now: number): boolean =>
  (entry.flags & Entry.NEVER_STALE) === 0 && now > entry.responseTime - 1000

const validate = (entry: Entry.Entry, decision: Validate): Reuse =>
  Entry.hasValidator(entry) ? decision : decision === staleNow ? staleMiss : requestMiss

/** Only a 200 has parts, and only bytes as sent can be counted (RFC 9110 §14.2). */
const isSliceable = (entry: Entry.Entry): boolean => entry.status !== 200 || !Entry.has(entry, Entry.DECODED)

const complete = (policy: Policy, plan: Plan.Plan, entry: Entry.Entry): Reuse => {
  if (!policy.completePartials || plan.range !== undefined || plan.method !== "GET" || plan.conditional)
    return partialMiss
  if (Entry.strongValidator(entry) === "" || entry.range === undefined) return partialMiss
  const range = Ranges.missing(entry.range)
  return range === undefined ? partialMiss : { _tag: "Complete", range }
}

/** What failed while a stale entry was being replaced: the origin was not reached, or answered with this status. */
export type Failure = { readonly _tag: "Disconnected" } | { readonly _tag: "Answered"; readonly status: number }

/** What to do about a {@link Failure}: serve the entry, pass the failure on, or answer 504 because serving is forbidden. */
export type Recovery = "serve-stale" | "pass-on" | "gateway-timeout"

/**
 * Decides whether a stale entry stands in for an origin that failed.
 *
 * `stale-if-error`, in the response or in the request, covers lost connections
 * and the statuses 500, 502, 503 and 504 ([RFC 5861 §4][1]); every other status,
 * 401 and 403 above all, is an answer. A lost connection alone permits stale
 * responses as well ([RFC 9111 §4.2.4][2]), unless the policy or the response
 * forbids it: then a request that had something stored ends in a 504.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc5861#section-4
 * [2]: https://www.rfc-editor.org/rfc/rfc9111#section-4.2.4
 */
export const recover = (
  policy: Policy,
  plan: Plan.Plan,
  entry: Entry.Entry | undefined,
  failure: Failure,
  now: number
): Recovery => {
  if (failure._tag === "Answered" && !standsForFailure(failure.status)) return "pass-on"
  // A caller who wants no stored response wants no stale one either.
  if (entry === undefined || plan._tag !== "Lookup" || !Selection.covers(policy, plan, entry)) return "pass-on"
  const refuses = plan.mode === "no-cache" || (plan.directives.flags & CacheControl.NO_CACHE) !== 0
  if (!refuses && mayBeStale(entry, now)) {
    const asked = plan.directives.staleIfError
    if (now < entry.staleIfErrorUntil || (asked > 0 && now < entry.freshUntil + asked * 1000)) return "serve-stale"
    if (failure._tag === "Disconnected" && policy.staleWhenDisconnected) return "serve-stale"
  }
  return failure._tag === "Disconnected" && Entry.has(entry, Entry.NEVER_STALE) ? "gateway-timeout" : "pass-on"
}

/** Whether a status says that the origin failed, rather than that it decided. */
export const standsForFailure = (status: number): boolean =>
  status === 500 || status === 502 || status === 503 || status === 504
