/**
 * Whether a response is stored, for whom, and as what ([RFC 9111 §3][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-3
 */
import * as CacheControl from "./CacheControl.ts"
import * as CacheKey from "./CacheKey.ts"
import * as Entry from "./Entry.ts"
import * as Freshness from "./Freshness.ts"
import * as HttpDate from "./HttpDate.ts"
import { AUTHORIZATION, IDENTITY } from "./internal/credentials.ts"
import * as StoredFields from "./internal/storedFields.ts"
import * as Message from "./Message.ts"
import type * as Plan from "./Plan.ts"
import type { Policy } from "./Policy.ts"
import * as Ranges from "./Ranges.ts"
import * as TargetedFields from "./TargetedFields.ts"
import * as Vary from "./Vary.ts"

/** Why a response is not stored. */
export type DiscardReason =
  /** The request, its cache mode, or its URL rules it out. */
  | "request"
  /** Responses to this method are not kept. */
  | "method"
  /** Interim responses, 304, 412 and 416 stand for no representation; a 206 must hold one readable range. */
  | "status"
  | "no-store"
  /** `must-understand`, and the status is not one this cache knows. */
  | "must-understand"
  /** `private`, and the request has no partition. */
  | "private"
  /** The request carried credentials, has no partition, and the response does not permit sharing. */
  | "credentials"
  /** `Vary: *`, or a `Vary` that cannot be read. */
  | "vary"
  /** Nothing permits keeping it: no lifetime, and a status whose lifetime may not be guessed. */
  | "lifetime"
  /** It would never be used: stale on arrival, and without a validator. */
  | "useless"

/** Keep the response as `entry`: for everybody, or for the partition of the request, as `entry.scope` says. */
export interface Store {
  readonly _tag: "Store"
  readonly entry: Entry.Entry
}

/** Do not keep the response. */
export interface Discard {
  readonly _tag: "Discard"
  readonly reason: DiscardReason
}

/** What becomes of a response. */
export type Storing = Store | Discard

/** What came of a request: the times it took, and the partition it was made in, if any. */
export interface Received extends Freshness.Times {
  readonly partition: string | undefined
}

/**
 * Decides about a response to a request that was sent as `plan` has it.
 *
 * What a shared cache may keep is kept for everybody (unless a private cache has
 * a partition for the request), the rest for the partition, if there is one.
 */
export const decide = (
  policy: Policy,
  plan: Plan.Plan,
  request: Message.RequestHead,
  response: Message.ResponseHead,
  received: Received
): Storing => {
  if (!plan.mayStore) return discard("request")
  if (response.status < 200 || notRepresentations.has(response.status)) return discard("status")
  if (plan.method !== "GET" && !plan.bodyKeyed && plan.method !== "POST") return discard("method")
  const sharing =
    policy.mode === "shared" || received.partition === undefined
      ? store(policy, plan, request, response, received, "shared")
      : undefined
  if (sharing?._tag === "Store" || received.partition === undefined) return sharing ?? discard("request")
  return store(policy, plan, request, response, received, "private")
}

const notRepresentations = new Set([304, 412, 416])

/** The final statuses of RFC 9110, whose caching requirements this cache knows. */
const understood = new Set([
  200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407,
  408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 500, 501, 502, 503, 504, 505
])

const discard = (reason: DiscardReason): Discard => ({ _tag: "Discard", reason })

/** Whether a status is one RFC 9110 defines. */
export const isUnderstood = (status: number): boolean => understood.has(status)

/** Makes the entry for one scope, or says why there can be none. */
const store = (
  policy: Policy,
  plan: Plan.Plan,
  request: Message.RequestHead,
  response: Message.ResponseHead,
  times: Freshness.Times,
  scope: "shared" | "private"
): Storing => {
  const vary = Vary.of(policy, request.headers, response.headers)
  if (vary === undefined) return discard("vary")
  if (plan.method === "POST" && !plan.bodyKeyed && !answersGet(policy, plan.key, response)) return discard("method")
  const range = response.status === 206 ? contentRange(response) : undefined
  if (response.status === 206 && range === undefined) return discard("status")
  return make(policy, response, times, {
    scope,
    key: plan.key,
    vary,
    credentials: plan.credentials,
    explicitOnly: plan.method === "POST" && !plan.bodyKeyed,
    range,
    rangeAsked: range === undefined ? "" : (Message.line(request.headers, "range") ?? "")
  })
}

// RFC 9110 §9.3.3: a POST's answer that is a representation of the target serves later GETs.
const answersGet = (policy: Policy, key: string, response: Message.ResponseHead): boolean => {
  const location = Message.line(response.headers, "content-location")
  return response.status === 200 && location !== undefined && CacheKey.resolve(policy, location, key) === key
}

const contentRange = (response: Message.ResponseHead): Entry.Range | undefined =>
  response.decoded ? undefined : Ranges.parseContent(Message.line(response.headers, "content-range"))

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
export const make = (policy: Policy, response: Message.ResponseHead, times: Freshness.Times, basis: Basis): Storing => {
  const { headers, status } = response
  const shared = basis.scope === "shared"
  const { directives, targeted } = directivesFor(policy, headers, shared)
  const { flags } = directives
  const refused = refusal(directives, status, shared, basis.credentials)
  if (refused !== undefined) return discard(refused)
  const date = Freshness.dateOf(headers, times.responseTime)
  const { responseTime } = times
  const given = Freshness.lifetime(policy, response, directives, { shared, targeted, date, responseTime })
  const isPrivate = !shared && (flags & CacheControl.PRIVATE) !== 0
  const permitted =
    given._tag === "Explicit" ||
    (!basis.explicitOnly && (Freshness.isHeuristic(status) || isPrivate || (flags & CacheControl.PUBLIC) !== 0))
  if (!permitted) return discard("lifetime")
  const entryFlags = flagsOf(directives, status, shared) | (given._tag === "Heuristic" ? Entry.HEURISTIC : 0)
  const adjusted = adjust(policy, given, status, entryFlags | (response.decoded ? Entry.DECODED : 0))
  const entry = entryOf(policy, response, times, basis, directives, { ...adjusted, date })
  const useful =
    Entry.hasValidator(entry) ||
    ((entry.flags & Entry.ALWAYS_VALIDATE) === 0 &&
      Math.max(entry.freshUntil, entry.staleWhileRevalidateUntil, entry.staleIfErrorUntil) > times.responseTime)
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

/** Applies the policy's own wishes about lifetimes. */
const adjust = (policy: Policy, given: Freshness.Lifetime, status: number, flags: number): Adjusted => {
  const { assumeFresh, atLeast, atMost } = policy.lifetimes
  if (assumeFresh !== undefined && Freshness.isHeuristic(status) && status < 400) {
    return { lifetime: Math.min(assumeFresh, longest), flags: flags & ~Entry.ALWAYS_VALIDATE }
  }
  let lifetime = given.length
  // Longer than the origin said is stale, which the caller may allow and the origin may forbid (§4.2.4).
  if (atLeast !== undefined && Freshness.isHeuristic(status) && (flags & Entry.NEVER_STALE) === 0)
    lifetime = Math.max(lifetime, atLeast)
  if (atMost !== undefined) lifetime = Math.min(lifetime, atMost)
  return { lifetime: Math.min(lifetime, longest), flags }
}

const entryOf = (
  policy: Policy,
  response: Message.ResponseHead,
  times: Freshness.Times,
  basis: Basis,
  directives: CacheControl.ResponseDirectives,
  { date, flags, lifetime }: Adjusted & { readonly date: number }
): Entry.Entry => {
  const { headers } = response
  const initialAge = Freshness.initialAge(headers, times, date)
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

/**
 * Settles an entry once its body has ended.
 *
 * A body shorter than the head promised is no complete response. With a strong
 * validator its beginning is kept as a part ([RFC 9111 §3.3][1]), without one
 * nothing is; a body longer than promised is not kept either. A part that holds
 * less than its `Content-Range` says, or ends before the range asked for, is
 * kept only if the policy takes short ranges.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-3.3
 *
 * @param bytes how many bytes of body arrived
 * @param complete whether the body ended as it should
 */
export const settle = (
  policy: Policy,
  entry: Entry.Entry,
  bytes: number,
  complete: boolean
): Entry.Entry | undefined => {
  if (entry.range !== undefined) {
    const { first, last, size } = entry.range
    const promised = last - first + 1
    if (bytes === promised && complete) return entry
    if (bytes === 0 || bytes > promised || !(policy.shortRanges || Entry.isStrong(entry.etag))) return undefined
    if (complete && !policy.shortRanges) return undefined
    return { ...entry, range: { first, last: first + bytes - 1, size } }
  }
  if (Entry.has(entry, Entry.DECODED)) return complete ? entry : undefined
  const length = Message.line(entry.headers, "content-length")
  const promised = length === undefined ? -1 : size(length)
  if (complete && (promised < 0 || promised === bytes)) return entry
  if (entry.status !== 200 || bytes === 0 || !Entry.isStrong(entry.etag)) return undefined
  if (promised >= 0 && bytes >= promised) return undefined
  return { ...entry, range: { first: 0, last: bytes - 1, size: promised } }
}

const size = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : -1)
