/** Makes the entry of a response for one scope, or finds what forbids that (RFC 9111 §3, §3.5). */
import * as CacheControl from "../CacheControl.ts"
import * as Entry from "../Entry.ts"
import * as Freshness from "../Freshness.ts"
import * as HttpDate from "../HttpDate.ts"
import * as Message from "../Message.ts"
import type { Policy } from "../Policy.ts"
import type { Discard, DiscardReason, Storing } from "../Storing.ts"
import * as TargetedFields from "../TargetedFields.ts"
import type * as Vary from "../Vary.ts"
import { AUTHORIZATION, IDENTITY } from "./credentials.ts"
import * as StoredFields from "./storedFields.ts"

const discard = (reason: DiscardReason): Discard => ({ _tag: "Discard", reason })

/** The final statuses of RFC 9110, whose caching requirements this cache knows. */
const understood = new Set([
  200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407,
  408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 500, 501, 502, 503, 504, 505
])

/** What an entry takes over from the request, or from the entry it replaces. */
export interface Basis {
  readonly scope: "shared" | "private"
  readonly key: string
  readonly vary: Vary.Vary
  readonly credentials: number
  /** Whether only a lifetime that was given counts. */
  readonly explicitOnly: boolean
  readonly range: Entry.Range | undefined
  readonly rangeAsked: string
}

/** Makes an entry of `response`, or says why `scope` may not have it. */
export const makeEntry = (
  policy: Policy,
  response: Message.ResponseHead,
  times: Freshness.Times,
  basis: Basis
): Storing => {
  const { headers, status } = response
  const shared = basis.scope === "shared"
  const { directives, targeted } = directivesFor(policy, headers, shared)
  const { flags } = directives
  const refused = refusal(directives, status, shared, basis.credentials)
  if (refused !== undefined) return discard(refused)
  const date = Freshness.dateOf(headers, times.responseTime)
  const { responseTime } = times
  const age = Freshness.initialAge(headers, times, date)
  const given = Freshness.lifetime(policy, response, directives, { shared, targeted, date, age, responseTime })
  const isPrivate = !shared && (flags & CacheControl.PRIVATE) !== 0
  const permitted =
    given._tag === "Explicit" ||
    (!basis.explicitOnly && (Freshness.isHeuristic(status) || isPrivate || (flags & CacheControl.PUBLIC) !== 0))
  if (!permitted) return discard("lifetime")
  const entryFlags = flagsOf(directives, status, shared) | (given._tag === "Heuristic" ? Entry.HEURISTIC : 0)
  const adjusted = adjust(policy, given, status, entryFlags | (response.decoded ? Entry.DECODED : 0), age)
  const entry = entryOf(policy, response, times, basis, directives, adjusted, date, age)
  // Even a response that may not be used without its origin is of use: it says that an origin which is lost ends in a 504.
  const useful =
    Entry.hasValidator(entry) ||
    entry.lifetime > 0 ||
    Math.max(entry.staleWhileRevalidateUntil, entry.staleIfErrorUntil) > times.responseTime
  return useful ? { _tag: "Store", entry } : discard("useless")
}

/** The directives that speak to a cache of this kind. */
const directivesFor = (
  policy: Policy,
  headers: Message.Fields,
  shared: boolean
): { readonly directives: CacheControl.ResponseDirectives; readonly targeted: boolean } => {
  const targeted = shared ? TargetedFields.read(headers, policy.targetedFields) : undefined
  return targeted === undefined
    ? { directives: CacheControl.parseResponse(Message.lines(headers, "cache-control")), targeted: false }
    : { directives: targeted, targeted: true }
}

/** What of RFC 9111 §3 and §3.5 forbids keeping a response. */
const refusal = (
  { flags, sMaxage }: CacheControl.ResponseDirectives,
  status: number,
  shared: boolean,
  credentials: number
): DiscardReason | undefined => {
  if (flags & CacheControl.MUST_UNDERSTAND && !understood.has(status)) return "must-understand"
  if (flags & CacheControl.NO_STORE && (flags & CacheControl.OVERRIDES_NO_STORE) === 0) return "no-store"
  if (!shared) return undefined
  if (flags & CacheControl.PRIVATE) return "private"
  if (flags & CacheControl.PUBLIC) return undefined
  if (credentials & IDENTITY) return "credentials"
  if (credentials & AUTHORIZATION && sMaxage < 0 && (flags & CacheControl.MUST_REVALIDATE) === 0) return "credentials"
  return undefined
}

const flagsOf = ({ flags, sMaxage }: CacheControl.ResponseDirectives, status: number, shared: boolean): number => {
  let result = 0
  if (flags & CacheControl.NO_CACHE) result |= Entry.ALWAYS_VALIDATE | Entry.NEVER_STALE
  if (flags & CacheControl.MUST_REVALIDATE) result |= Entry.NEVER_STALE
  if (flags & CacheControl.IMMUTABLE) result |= Entry.IMMUTABLE
  if (!shared) return result
  // §5.2.2.10: s-maxage implies proxy-revalidate.
  if (flags & CacheControl.PROXY_REVALIDATE || sMaxage >= 0) result |= Entry.NEVER_STALE
  // That somebody was refused says nothing about a caller who brings credentials.
  if (status === 401 || status === 403 || status === 407) return result
  if (flags & CacheControl.PUBLIC) result |= Entry.OPEN_TO_ALL
  if (flags & CacheControl.MUST_REVALIDATE || sMaxage >= 0) result |= Entry.OPEN_TO_AUTHORIZATION
  return result
}

/** 2³¹ seconds, the longest RFC 9111 §1.2.2 has use for. */
const longest = 2_147_483_648_000

interface Adjusted {
  readonly lifetime: number
  readonly flags: number
}

/**
 * Applies the policy's own wishes about lifetimes. They count from the arrival of
 * the response, however old it was by then.
 */
const adjust = (policy: Policy, given: Freshness.Lifetime, status: number, flags: number, age: number): Adjusted => {
  const { assumeFresh, atLeast, atMost } = policy.lifetimes
  if (assumeFresh !== undefined && Freshness.isHeuristic(status) && status < 400) {
    return { lifetime: Math.min(assumeFresh + age, longest), flags: flags & ~Entry.ALWAYS_VALIDATE }
  }
  let lifetime = given.length
  // Longer than the origin said is stale, which the caller may allow and the origin may forbid (§4.2.4).
  if (atLeast !== undefined && Freshness.isHeuristic(status) && (flags & Entry.NEVER_STALE) === 0)
    lifetime = Math.max(lifetime, atLeast + age)
  if (atMost !== undefined) lifetime = Math.min(lifetime, atMost + age)
  return { lifetime: Math.min(lifetime, longest), flags }
}

// Arguments one by one: spreading them into an object costs more than all the rest of storing.
const entryOf = (
  policy: Policy,
  response: Message.ResponseHead,
  times: Freshness.Times,
  basis: Basis,
  directives: CacheControl.ResponseDirectives,
  { flags, lifetime }: Adjusted,
  date: number,
  initialAge: number
): Entry.Entry => {
  const { headers } = response
  const freshUntil = times.responseTime + lifetime - initialAge
  const staleFor = (seconds: number): number =>
    seconds > 0 && (flags & Entry.NEVER_STALE) === 0 ? freshUntil + seconds * 1000 : freshUntil
  const lastModified = Message.line(headers, "last-modified") ?? ""
  return {
    scope: basis.scope,
    key: basis.key,
    status: response.status,
    headers: StoredFields.of(headers, excluded(policy, directives, basis.scope), times.responseTime),
    vary: basis.vary,
    requestTime: times.requestTime,
    responseTime: times.responseTime,
    date,
    initialAge,
    lifetime,
    freshUntil,
    staleWhileRevalidateUntil: staleFor(directives.staleWhileRevalidate),
    staleIfErrorUntil: staleFor(directives.staleIfError),
    flags,
    etag: Message.line(headers, "etag") ?? "",
    lastModified,
    lastModifiedTime: lastModified === "" ? Number.NaN : HttpDate.parse(lastModified, times.responseTime),
    range: basis.range,
    rangeAsked: basis.rangeAsked
  }
}

/** Fields of this response that may not be stored: qualified `no-cache` and `private`, and cookies for others. */
const excluded = (
  policy: Policy,
  directives: CacheControl.ResponseDirectives,
  scope: "shared" | "private"
): ReadonlyArray<string> => {
  const { noCacheFields, privateFields } = directives
  if (scope === "private") return noCacheFields
  const kept = policy.setCookie === "keep" ? none : cookies
  return noCacheFields.length + privateFields.length === 0 ? kept : [...noCacheFields, ...privateFields, ...kept]
}

const none: ReadonlyArray<string> = []
const cookies: ReadonlyArray<string> = ["set-cookie", "set-cookie2"]
