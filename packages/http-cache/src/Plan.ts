/**
 * The first decision: what a request wants from the cache, before anything is
 * looked up.
 */
import * as CacheControl from "./CacheControl.ts"
import * as CacheKey from "./CacheKey.ts"
import {
  AUTHORIZATION,
  CACHE_CONTROL,
  CONDITIONAL,
  IDENTITY,
  ORIGIN_CONDITIONAL,
  PRAGMA,
  RANGE
} from "./internal/credentials.ts"
import * as Message from "./Message.ts"
import type { Policy } from "./Policy.ts"
import * as Ranges from "./Ranges.ts"

/** The [Fetch standard's](https://fetch.spec.whatwg.org/#concept-request-cache-mode) cache modes. */
export type CacheMode = "default" | "no-store" | "reload" | "no-cache" | "force-cache" | "only-if-cached"

/** Why a request goes to the origin, in the words of [RFC 9211 §2.2](https://www.rfc-editor.org/rfc/rfc9211#section-2.2). */
export type ForwardReason = "bypass" | "method" | "uri-miss" | "vary-miss" | "miss" | "request" | "stale" | "partial"

interface Base {
  /** The canonical URL; empty when the URL is none that can be cached. */
  readonly key: string
  readonly method: string
  readonly mode: CacheMode
  /** Whether the request says who is asking: by `Authorization` (1), otherwise (2), or both (3). */
  readonly credentials: number
  readonly directives: CacheControl.RequestDirectives
  /** Whether the response may be stored as far as the request is concerned. */
  readonly mayStore: boolean
  /** Whether a successful answer invalidates what is stored. */
  readonly unsafe: boolean
  /** Whether the key has to cover the body as well. */
  readonly bodyKeyed: boolean
  /** Whether the caller brings validators a cache may answer. */
  readonly conditional: boolean
  /** The one range of bytes asked for. */
  readonly range: Ranges.Asked | undefined
  /** What must hold for the range to be wanted; only beside `range`. */
  readonly ifRange: string | undefined
}

/** Look for a stored response. */
export interface Lookup extends Base {
  readonly _tag: "Lookup"
  readonly reason: undefined
}

/** Ask the origin without looking; what it answers may be stored. */
export interface Forward extends Base {
  readonly _tag: "Forward"
  readonly reason: ForwardReason
}

/** Nothing stored may answer, and the caller does not want the origin asked: 504. */
export interface Unavailable extends Base {
  readonly _tag: "Unavailable"
  readonly reason: ForwardReason
}

/** What a request wants. */
export type Plan = Lookup | Forward | Unavailable

/** Methods that IANA lists as safe and that this cache has no other use for. */
const safeMethods = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"])

/** What a caller asks of the cache besides what the request says. */
export interface Wishes {
  /** @default "default" */
  readonly mode?: CacheMode | undefined
  /** The request is a read whatever its method, and its body says what is read. @default false */
  readonly bodyKeyed?: boolean | undefined
  /** The request speaks for somebody, whatever its fields say. @default false */
  readonly identified?: boolean | undefined
  /** The key of the request's URL, where the caller has asked `CacheKey.of` already. */
  readonly key?: string | undefined
}

const noWishes: Wishes = {}

/**
 * Decides what is to be done for a request.
 *
 * A URL that is not http(s), or that carries a user name or password, is never
 * cached. Conditions that only the origin can judge (`If-Match`,
 * `If-Unmodified-Since`) and ranges other than one of bytes go to the origin.
 * Without `Cache-Control`, `Pragma: no-cache` counts as `no-cache`.
 */
export const of = (policy: Policy, request: Message.RequestHead, wishes: Wishes = noWishes): Plan => {
  const { headers, method } = request
  const mode = wishes.mode ?? "default"
  let bits = 0
  for (const name in headers) bits |= policy.classify(name)
  const key = wishes.key ?? CacheKey.of(policy, request.url)
  const directives =
    bits & CACHE_CONTROL
      ? CacheControl.parseRequest(Message.lines(headers, "cache-control"))
      : bits & PRAGMA
        ? readPragma(headers)
        : CacheControl.none
  const bodyKeyed = wishes.bodyKeyed === true || policy.bodyKeyedMethods.has(method)
  const readable = method === "GET" || method === "HEAD" || bodyKeyed
  const hasRange = (bits & RANGE) !== 0 && method === "GET"
  const range = hasRange ? Ranges.parse(Message.line(headers, "range") ?? "") : undefined
  const forOrigin = (bits & ORIGIN_CONDITIONAL) !== 0 || (hasRange && range === undefined)
  const reason: ForwardReason | undefined =
    key === "" || mode === "no-store"
      ? "bypass"
      : !readable
        ? "method"
        : mode === "reload" || forOrigin
          ? "request"
          : undefined
  // One literal, one shape: this is made for every request.
  const plan = {
    _tag: reason === undefined ? "Lookup" : isCacheOnly({ mode, directives }) ? "Unavailable" : "Forward",
    reason,
    key,
    method,
    mode,
    credentials: (bits & (AUTHORIZATION | IDENTITY)) | (wishes.identified === true ? IDENTITY : 0),
    directives,
    mayStore: key !== "" && mode !== "no-store" && (directives.flags & CacheControl.NO_STORE) === 0,
    unsafe: !readable && !safeMethods.has(method),
    bodyKeyed,
    conditional: (bits & CONDITIONAL) !== 0,
    range,
    ifRange: range === undefined ? undefined : Message.line(headers, "if-range")
  }
  return plan as Plan
}

/** Whether the caller wants a stored response or none. */
export const isCacheOnly = (plan: Pick<Plan, "mode" | "directives">): boolean =>
  plan.mode === "only-if-cached" || (plan.directives.flags & CacheControl.ONLY_IF_CACHED) !== 0

/** Whether a request in `partition` (`undefined`: none) is answered from, and fills, what everybody shares. */
export const usesShared = (policy: Policy, partition: string | undefined): boolean =>
  policy.mode === "shared" || partition === undefined

const noCache: CacheControl.RequestDirectives = { ...CacheControl.none, flags: CacheControl.NO_CACHE }

const readPragma = (headers: Message.Fields): CacheControl.RequestDirectives =>
  Message.members(Message.line(headers, "pragma") ?? "").some((member) => member.toLowerCase() === "no-cache")
    ? noCache
    : CacheControl.none
