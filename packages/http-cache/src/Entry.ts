/**
 * A stored response without its body: the head as stored, and everything the
 * policy asks of it per request, worked out once and kept as numbers.
 *
 * Entries never change; freshening one makes another. Instants are milliseconds
 * since 1970, spans are milliseconds.
 */
import type * as Message from "./Message.ts"
import type * as Vary from "./Vary.ts"

/** Which part of a representation an entry holds. */
export interface Range {
  readonly first: number
  /** The last byte's position, so `first` to `last` counts one more than their difference. */
  readonly last: number
  /** Bytes in the whole representation; `-1` when the origin did not say. */
  readonly size: number
}

/** A stored response: its head, and what follows from it. */
export interface Entry {
  /** `shared` answers anybody the flags let in, `private` only the partition it is stored under. */
  readonly scope: "shared" | "private"
  /** The canonical URL it answers. */
  readonly key: string
  readonly status: number
  /** What is sent on reuse, apart from `age` and `cache-status`. */
  readonly headers: Message.Fields
  /** The request fields the origin chose by; never `*`. */
  readonly vary: Vary.Vary
  readonly requestTime: number
  readonly responseTime: number
  /** The `Date` of the response, or when it arrived. */
  readonly date: number
  /** `corrected_initial_age` of RFC 9111 §4.2.3. */
  readonly initialAge: number
  /** How long the response is fresh, counted from its generation. */
  readonly lifetime: number
  /** From this instant on the response is stale. */
  readonly freshUntil: number
  /** Until here it may be served while it is revalidated; equal to `freshUntil` where that was not allowed. */
  readonly staleWhileRevalidateUntil: number
  /** Until here it may stand in for an error; equal to `freshUntil` where that was not allowed. */
  readonly staleIfErrorUntil: number
  /** Combines the constants of this module. */
  readonly flags: number
  /** As received; empty when there was none. */
  readonly etag: string
  /** As received; empty when there was none. */
  readonly lastModified: string
  /** `NaN` when there was none, or no valid one. */
  readonly lastModifiedTime: number
  /** `undefined` for a complete response. */
  readonly range: Range | undefined
  /** The `Range` of the request that brought a partial response; empty otherwise. */
  readonly rangeAsked: string
}

/** Never used without validation (`no-cache`). */
export const ALWAYS_VALIDATE = 1
/** Not used stale, whoever permits it (`must-revalidate` and what implies it here). */
export const NEVER_STALE = 2
/** Not revalidated while fresh because of a request's `max-age` (RFC 8246). */
export const IMMUTABLE = 4
/** A shared entry that may answer requests with `Authorization` (RFC 9111 §3.5). */
export const OPEN_TO_AUTHORIZATION = 8
/** A shared entry that may answer requests with any credentials (`public`). */
export const OPEN_TO_ALL = 16
/** The lifetime was guessed, not given. */
export const HEURISTIC = 32
/** The body is not the bytes the head speaks of: no ranges of it. */
export const DECODED = 64

/** Whether `entry` has `flag`. */
export const has = (entry: Entry, flag: number): boolean => (entry.flags & flag) !== 0

/** Whether the origin can be asked if `entry` is still good. */
export const hasValidator = (entry: Entry): boolean => entry.etag !== "" || entry.lastModified !== ""

/** Whether `entity` is a strong entity tag: quoted and without `W/`. */
export const isStrong = (entityTag: string): boolean =>
  entityTag.length >= 2 && entityTag.startsWith('"') && entityTag.endsWith('"')

/**
 * What tells this very representation from every other: a strong entity tag, or,
 * where there is no tag, a `Last-Modified` at least a second before `Date`
 * ([RFC 9110 §8.8.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.2.2)).
 * Empty when there is neither.
 */
export const strongValidator = (entry: Entry): string => {
  if (entry.etag !== "") return isStrong(entry.etag) ? entry.etag : ""
  return isDatedStrongly(entry) ? entry.lastModified : ""
}

/** Whether `Last-Modified` is old enough to tell this representation from every other. */
export const isDatedStrongly = (entry: Entry): boolean => entry.date - entry.lastModifiedTime >= 1000
