/**
 * What a caller is given from a stored response: all of it, a part, or word that
 * the caller's own copy is still good.
 *
 * Preconditions come before ranges, and both are for successful responses only
 * ([RFC 9110 §13.2][1], [RFC 9111 §4.3.2][2]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9110#section-13.2
 * [2]: https://www.rfc-editor.org/rfc/rfc9111#section-4.3.2
 */
import * as Entry from "./Entry.ts"
import * as HttpDate from "./HttpDate.ts"
import * as EntityTag from "./internal/entityTag.ts"
import { isRangeWanted } from "./internal/ifRange.ts"
import * as Message from "./Message.ts"
import type * as Plan from "./Plan.ts"
import * as Ranges from "./Ranges.ts"

/** The stored response as it is; without its body to a HEAD. */
export interface Whole {
  readonly _tag: "Whole"
}

/** 304: the caller's copy is good. */
export interface NotModified {
  readonly _tag: "NotModified"
}

/** 206: the bytes of `span`, counted in the whole representation of `size` bytes, `-1` if unknown. */
export interface Part {
  readonly _tag: "Part"
  readonly span: Ranges.Span
  readonly size: number
}

/** 416: the representation has none of the bytes asked for. */
export interface Unsatisfiable {
  readonly _tag: "Unsatisfiable"
  readonly size: number
}

/** What a caller is given. */
export type Answer = Whole | NotModified | Part | Unsatisfiable

const whole: Whole = { _tag: "Whole" }
const notModified: NotModified = { _tag: "NotModified" }

/**
 * Chooses the answer an entry gives to a request it was selected for.
 *
 * @param bytes the length of the stored body
 */
export const of = (plan: Plan.Plan, request: Message.Fields, entry: Entry.Entry, bytes: number): Answer => {
  if (!plan.conditional && plan.range === undefined && entry.range === undefined) return whole
  if (plan.conditional && isSuccess(entry) && isUnmodified(request, entry)) return notModified
  if (plan.range === undefined || plan.method !== "GET") return whole
  if (entry.range !== undefined) {
    const span = Ranges.within(plan.range, entry.range)
    // A short 206 is sent again as it came.
    return { _tag: "Part", span: span ?? entry.range, size: entry.range.size }
  }
  if (entry.status !== 200 || Entry.has(entry, Entry.DECODED) || !isRangeWanted(plan.ifRange, entry)) return whole
  const span = Ranges.resolve(plan.range, bytes)
  return span === undefined ? { _tag: "Unsatisfiable", size: bytes } : { _tag: "Part", span, size: bytes }
}

const isSuccess = (entry: Entry.Entry): boolean => entry.status === 200 || entry.status === 206

/**
 * Whether the caller's validators match the entry: `If-None-Match` if there is
 * one, by weak comparison, otherwise `If-Modified-Since` against `Last-Modified`,
 * `Date`, or the time of arrival, whichever comes first.
 */
export const isUnmodified = (request: Message.Fields, entry: Entry.Entry): boolean => {
  const tags = Message.line(request, "if-none-match")
  if (tags !== undefined) {
    return EntityTag.parse(tags).some(
      (tag) => tag === "*" || (entry.etag !== "" && EntityTag.weaklyEqual(tag, entry.etag))
    )
  }
  const since = HttpDate.parse(Message.line(request, "if-modified-since") ?? "", entry.responseTime)
  return (Number.isNaN(entry.lastModifiedTime) ? entry.date : entry.lastModifiedTime) <= since
}

/** The status an answer is sent with. */
export const status = (answer: Answer, entry: Entry.Entry): number => {
  switch (answer._tag) {
    case "NotModified":
      return 304
    case "Part":
      return 206
    case "Unsatisfiable":
      return 416
    case "Whole":
      return entry.status
  }
}

/**
 * The fields an answer is sent with, before `age` and `cache-status`.
 *
 * @param headers what is known of the representation: the entry's fields, or these as a 304 just updated them
 */
export const headers = (answer: Answer, headers: Message.Fields): Message.Fields => {
  switch (answer._tag) {
    case "Whole":
      return headers
    case "NotModified":
      return without(headers, describesBody)
    case "Part": {
      const { first, last } = answer.span
      return {
        ...headers,
        "content-range": Ranges.contentRange(answer.span, answer.size),
        "content-length": String(last - first + 1)
      }
    }
    case "Unsatisfiable":
      return { ...without(headers, describesBody), "content-range": `bytes */${answer.size}`, "content-length": "0" }
  }
}

/** What RFC 9110 §15.4.5 would not have in a 304: it describes a body that is not sent. */
const describesBody: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-language",
  "content-length",
  "content-range",
  "content-type"
])

const without = (headers: Message.Fields, names: ReadonlySet<string>): Message.Fields => {
  const rest: Record<string, string | ReadonlyArray<string>> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && !names.has(name)) rest[name] = value
  }
  return rest
}
