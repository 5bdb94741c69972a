/**
 * Byte ranges: what is asked for, what an entry holds, and how pieces join
 * ([RFC 9110 §14][1], [RFC 9111 §3.3, §3.4][2]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9110#section-14
 * [2]: https://www.rfc-editor.org/rfc/rfc9111#section-3.3
 */
import type * as Entry from "./Entry.ts"
import * as Message from "./Message.ts"

/** A request for one range: from `first` to `last`, to the end when `last` is infinite, or the last `-first` bytes when `first` is negative. */
export interface Asked {
  readonly first: number
  readonly last: number
  /** The field as it came. */
  readonly text: string
}

/** Positions of the first and the last byte. */
export interface Span {
  readonly first: number
  readonly last: number
}

/**
 * Reads a `Range` field that asks for one range of bytes.
 *
 * `undefined` for everything else: several ranges, other units, and what is not
 * valid. Those are the origin's to answer.
 */
export const parse = (text: string): Asked | undefined => {
  const equals = text.indexOf("=")
  if (equals < 0 || Message.trim(text.slice(0, equals)).toLowerCase() !== "bytes") return undefined
  const specs = Message.members(text.slice(equals + 1))
  const spec = specs[0]
  if (spec === undefined || specs.length > 1) return undefined
  const dash = spec.indexOf("-")
  if (dash < 0) return undefined
  const left = spec.slice(0, dash)
  const right = spec.slice(dash + 1)
  const from = position(left)
  const to = position(right)
  if (left === "") return to > 0 ? { first: -to, last: Number.POSITIVE_INFINITY, text } : undefined
  if (from < 0 || (right !== "" && to < from)) return undefined
  return { first: from, last: right === "" ? Number.POSITIVE_INFINITY : to, text }
}

/** Reads the `Content-Range` of a 206; `undefined` unless it names a range of bytes that can be. */
export const parseContent = (text: string | undefined): Entry.Range | undefined => {
  const match = text === undefined || text.length > 80 ? null : /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(text)
  if (match === null) return undefined
  const first = Number(match[1])
  const last = Number(match[2])
  const size = match[3] === "*" ? -1 : Number(match[3])
  return Number.isSafeInteger(last) && first <= last && (size < 0 || (last < size && Number.isSafeInteger(size)))
    ? { first, last, size }
    : undefined
}

/** The bytes `asked` means in a representation of `size` bytes; `undefined` when it has none of them. */
export const resolve = (asked: Asked, size: number): Span | undefined => {
  if (asked.first < 0) return size === 0 ? undefined : { first: Math.max(0, size + asked.first), last: size - 1 }
  return asked.first >= size ? undefined : { first: asked.first, last: Math.min(asked.last, size - 1) }
}

/** The bytes `asked` means, if all of them are in a partial `range`. */
export const within = (asked: Asked, range: Entry.Range): Span | undefined => {
  if (range.size < 0 && (asked.first < 0 || asked.last === Number.POSITIVE_INFINITY)) return undefined
  const span = range.size < 0 ? { first: asked.first, last: asked.last } : resolve(asked, range.size)
  return span !== undefined && span.first >= range.first && span.last <= range.last ? span : undefined
}

/**
 * The value of a `Range` field that asks for what `range` lacks.
 *
 * `undefined` when nothing is missing, when the whole size is unknown and the
 * beginning is missing, and when both ends are missing: one request could not
 * bring both.
 */
export const missing = (range: Entry.Range): string | undefined => {
  const { first, last, size } = range
  if (first === 0) return size >= 0 && last >= size - 1 ? undefined : `bytes=${last + 1}-`
  return size >= 0 && last === size - 1 ? `bytes=0-${first - 1}` : undefined
}

/**
 * The union of two ranges of one representation; `undefined` when they leave a
 * gap or disagree about the size.
 */
export const join = (left: Entry.Range, right: Entry.Range): Entry.Range | undefined => {
  if (left.size >= 0 && right.size >= 0 && left.size !== right.size) return undefined
  const [low, high] = left.first <= right.first ? [left, right] : [right, left]
  if (high.first > low.last + 1) return undefined
  return { first: low.first, last: Math.max(low.last, high.last), size: Math.max(left.size, right.size) }
}

/** Whether `range` is all of its representation. */
export const isWhole = (range: Entry.Range): boolean =>
  range.first === 0 && range.size >= 0 && range.last >= range.size - 1

/** The value of `Content-Range` for `span` of `size` bytes. */
export const contentRange = (span: Span, size: number): string =>
  `bytes ${span.first}-${span.last}/${size < 0 ? "*" : size}`

/**
 * Joins the bytes of two parts whose ranges touch; where they overlap, those of `newer` count.
 *
 * @returns the bytes of `join(older.range, newer.range)`
 */
export const concat = (
  older: { readonly range: Entry.Range; readonly body: Uint8Array },
  newer: { readonly range: Entry.Range; readonly body: Uint8Array }
): Uint8Array => {
  const first = Math.min(older.range.first, newer.range.first)
  const last = Math.max(older.range.last, newer.range.last)
  const bytes = new Uint8Array(last - first + 1)
  bytes.set(older.body, older.range.first - first)
  bytes.set(newer.body, newer.range.first - first)
  return bytes
}

const position = (text: string): number => {
  if (text === "" || !/^\d{1,16}$/.test(text)) return -1
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : -1
}
