/**
 * The `Cache-Status` field, which says how a cache handled a request ([RFC 9211][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9211
 */
import { serializeItem, Token } from "structured-headers"
import type { ForwardReason } from "./Plan.ts"

/** What happened: answered from the store, or forwarded and why. */
export interface CacheStatus {
  /** Whether the answer came from the store without the origin having been asked. */
  readonly hit?: boolean | undefined
  /** Why the request went to the origin. */
  readonly fwd?: ForwardReason | undefined
  /** What the origin answered, where the caller gets another status. */
  readonly fwdStatus?: number | undefined
  /** Whether the response was stored. */
  readonly stored?: boolean | undefined
  /** Whether another request's answer served this one. */
  readonly collapsed?: boolean | undefined
  /** Seconds the response stays fresh; negative when it is stale. */
  readonly ttl?: number | undefined
  /** The key it is stored under. */
  readonly key?: string | undefined
  /** Anything else, in the words of this cache. */
  readonly detail?: string | undefined
}

/**
 * Writes the member this cache adds to the field.
 *
 * @param name the cache's own, as {@link identify} makes it
 */
export const serialize = (name: string, status: CacheStatus): string => {
  let text = name
  // A response is a hit or was forwarded, never both (§2.1).
  if (status.hit === true) text += ";hit"
  else if (status.fwd !== undefined) text += `;fwd=${status.fwd}`
  if (status.fwdStatus !== undefined) text += `;fwd-status=${status.fwdStatus}`
  if (status.ttl !== undefined) text += `;ttl=${clamp(status.ttl)}`
  if (status.stored === true) text += ";stored"
  if (status.collapsed === true) text += ";collapsed"
  if (status.key !== undefined) text += `;key=${quote(status.key)}`
  if (status.detail !== undefined) text += `;detail=${quote(status.detail)}`
  return text
}

/** A cache's name as a Structured Field: a token if it can be one, otherwise a string. */
export const identify = (name: string): string => {
  try {
    return serializeItem(new Token(name))
  } catch {
    return quote(name)
  }
}

/** Adds this cache's member after those of the caches nearer to the origin. */
export const append = (existing: string | ReadonlyArray<string> | undefined, member: string): string => {
  const before = typeof existing === "string" ? existing : (existing ?? []).join(", ")
  return before.trim() === "" ? member : `${before}, ${member}`
}

const clamp = (seconds: number): number => Math.max(-999_999_999_999, Math.min(999_999_999_999, Math.floor(seconds)))

/** Structured strings are printable ASCII: the rest is percent-encoded, as in a URL. */
const quote = (text: string): string => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return quoteAny(text)
  }
  return `"${text}"`
}

const quoteAny = (text: string): string =>
  serializeItem(
    text.replace(/[^\x20-\x7e]/gu, (char) => (isLoneSurrogate(char) ? "%EF%BF%BD" : encodeURIComponent(char)))
  )

const isLoneSurrogate = (char: string): boolean => char.length === 1 && char >= "\ud800" && char <= "\udfff"
