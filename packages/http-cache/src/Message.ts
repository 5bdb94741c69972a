/**
 * The heads of HTTP messages, as the policy reads them: plain values, no bodies.
 *
 * Field names are lower case. A field that came in several lines may be one
 * string with its lines joined by commas, or an array that keeps them apart;
 * both mean the same ([RFC 9110 §5.3][1]), except to `set-cookie`, which only
 * the array keeps whole. `@effect/platform` headers are already such a record.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9110#section-5.3
 */

/** Header fields by lower-case name. */
export interface Fields {
  readonly [name: string]: string | ReadonlyArray<string> | undefined
}

/** What a caller asks: method in upper case as sent, absolute URL, fields. */
export interface RequestHead {
  readonly method: string
  readonly url: string
  readonly headers: Fields
}

/** What an origin answered. */
export interface ResponseHead {
  readonly status: number
  readonly headers: Fields
  /**
   * The body at hand is not the bytes the head speaks of, because the client
   * below has undone a content coding. Such a body serves no byte ranges.
   */
  readonly decoded?: boolean
}

/** The lines of a field, in order; none when it is absent. */
export const lines = (fields: Fields, name: string): ReadonlyArray<string> => {
  // A name such as "constructor" may reach into a prototype: only strings and arrays are values.
  const value: unknown = fields[name]
  return typeof value === "string" ? [value] : Array.isArray(value) ? value : []
}

/** The whole value of a field, its lines joined by commas; `undefined` when it is absent. */
export const line = (fields: Fields, name: string): string | undefined => {
  const value: unknown = fields[name]
  return typeof value === "string" ? value : Array.isArray(value) ? value.join(", ") : undefined
}

/** Whether `code` may stand in a token ([RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)). */
export const isTokenCode = (code: number): boolean => code < 128 && tokenCodes[code] === 1

const tokenCodes = new Uint8Array(128)
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  tokenCodes[char.charCodeAt(0)] = 1
}

/** Whether `text` is a token and nothing else. */
export const isToken = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    if (!isTokenCode(text.charCodeAt(i))) return false
  }
  return text.length > 0
}

/** Whether `code` is optional whitespace: a space or a tab. */
export const isSpace = (code: number): boolean => code === 32 || code === 9

/** `text` without the spaces and tabs around it; other whitespace is not HTTP's and stays. */
export const trim = (text: string): string => {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return start === 0 && end === text.length ? text : text.slice(start, end)
}

/**
 * The members of a comma-separated list, trimmed, empty ones left out.
 *
 * A comma inside a quoted string does not separate. An unclosed quote reaches
 * to the end.
 */
export const members = (value: string): Array<string> => {
  const result: Array<string> = []
  const add = (from: number, to: number): void => {
    const member = trim(value.slice(from, to))
    if (member !== "") result.push(member)
  }
  let start = 0
  let quoted = false
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code === 34) quoted = !quoted
    else if (quoted && code === 92) i++
    else if (!quoted && code === 44) {
      add(start, i)
      start = i + 1
    }
  }
  add(start, value.length)
  return result
}

/**
 * Reads a number of seconds: digits only, as `delta-seconds` is defined.
 *
 * Anything beyond 2³¹ is 2³¹ ([RFC 9111 §1.2.2][1]); anything else is `-1`.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2
 */
export const seconds = (text: string): number => {
  if (text.length === 0) return -1
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return -1
    if (value < maxSeconds) value = value * 10 + digit
  }
  return Math.min(value, maxSeconds)
}

const maxSeconds = 2_147_483_648
