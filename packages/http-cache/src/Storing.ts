/**
 * Whether a response is stored, for whom, and as what ([RFC 9111 §3][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-3
 */
import * as CacheKey from "./CacheKey.ts"
import * as Entry from "./Entry.ts"
import type * as Freshness from "./Freshness.ts"
import { IDENTITY } from "./internal/credentials.ts"
import { makeEntry } from "./internal/makeEntry.ts"
import * as Message from "./Message.ts"
import type * as Plan from "./Plan.ts"
import type { Policy } from "./Policy.ts"
import * as Ranges from "./Ranges.ts"
import * as Vary from "./Vary.ts"

/** Why a response is not stored. */
export type DiscardReason =
  /** The request, its cache mode, or its URL rules it out. */
  | "request"
  /** Responses to this method are not kept. */
  | "method"
  /** Interim responses, 304, 412, 416 and invalid statuses stand for no representation; a 206 must hold one readable range. */
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
  /** It would never be used: no lifetime, and no validator. */
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
  if (!isStorable(response.status)) return discard("status")
  if (plan.method !== "GET" && !plan.bodyKeyed && plan.method !== "POST") return discard("method")
  const sharing =
    policy.mode === "shared" || received.partition === undefined
      ? store(policy, plan, request, response, received, "shared")
      : undefined
  if (sharing?._tag === "Store" || received.partition === undefined) return sharing ?? discard("request")
  return store(policy, plan, request, response, received, "private")
}

const notRepresentations = new Set([304, 412, 416])

/** Final statuses end at 599 (RFC 9110 §15); what is beyond is invalid, and may be handed through but not repeated. */
const isStorable = (status: number): boolean => status >= 200 && status < 600 && !notRepresentations.has(status)

const discard = (reason: DiscardReason): Discard => ({ _tag: "Discard", reason })

/** Makes the entry for one scope, or says why there can be none. */
const store = (
  policy: Policy,
  plan: Plan.Plan,
  request: Message.RequestHead,
  response: Message.ResponseHead,
  received: Received,
  scope: "shared" | "private"
): Storing => {
  const vary = Vary.of(policy, request.headers, response.headers)
  if (vary === undefined) return discard("vary")
  if (plan.method === "POST" && !plan.bodyKeyed && !answersGet(policy, plan.key, response)) return discard("method")
  const range = response.status === 206 ? contentRange(response) : undefined
  if (response.status === 206 && range === undefined) return discard("status")
  // Whoever has a partition is somebody, even if no field of the request says so.
  const credentials = plan.credentials === 0 && received.partition !== undefined ? IDENTITY : plan.credentials
  return makeEntry(policy, response, received, {
    scope,
    key: plan.key,
    vary,
    credentials,
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
    if (bytes === 0 || bytes > promised || !(policy.shortRanges || Entry.strongValidator(entry) !== ""))
      return undefined
    if (complete && !policy.shortRanges) return undefined
    return { ...entry, range: { first, last: first + bytes - 1, size } }
  }
  if (Entry.has(entry, Entry.DECODED)) return complete ? entry : undefined
  const length = Message.line(entry.headers, "content-length")
  const promised = length === undefined ? -1 : size(length)
  if (complete && (promised < 0 || promised === bytes)) return entry
  if (entry.status !== 200 || bytes === 0 || Entry.strongValidator(entry) === "") return undefined
  if (promised >= 0 && bytes >= promised) return undefined
  return { ...entry, range: { first: 0, last: bytes - 1, size: promised } }
}

const size = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : -1)
