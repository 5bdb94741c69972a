/**
 * `Cache-Control`, read once into numbers and bits.
 *
 * Directive names match in any case and values may be tokens or quoted strings;
 * what stands inside a quoted string is never taken for a directive
 * ([RFC 9111 §5.2][1]). Whatever cannot be parsed is read in its most
 * restrictive sense: a lifetime that is not digits is zero, `private=""` is
 * `private`, and in a member that has junk in it (`private; max-age=60`) what
 * forbids still counts and what allows does not. One pass, however hostile the
 * value.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-5.2
 */
import * as Message from "./Message.ts"

/** A response's directives. Durations are seconds, `-1` where absent; `flags` combines the constants of this module. */
export interface ResponseDirectives {
  readonly flags: number
  readonly maxAge: number
  readonly sMaxage: number
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  /** Lower-case names listed by `no-cache="…"`; irrelevant when the unqualified form is set. */
  readonly noCacheFields: ReadonlyArray<string>
  /** Lower-case names listed by `private="…"`; irrelevant when the unqualified form is set. */
  readonly privateFields: ReadonlyArray<string>
}

/** A request's directives. Durations are seconds, `-1` where absent; `maxStale` is infinite when it came without a value. */
export interface RequestDirectives {
  readonly flags: number
  readonly maxAge: number
  readonly minFresh: number
  readonly maxStale: number
  readonly staleIfError: number
}

/** `no-store`, of a request or a response. */
export const NO_STORE = 1
/** `no-cache` without names, of a request or a response. */
export const NO_CACHE = 2
/** `private` without names. */
export const PRIVATE = 4
/** `public`. */
export const PUBLIC = 8
/** `must-revalidate`. */
export const MUST_REVALIDATE = 16
/** `proxy-revalidate`. */
export const PROXY_REVALIDATE = 32
/** The response wants a cache that knows its status code; with {@link OVERRIDES_NO_STORE}, such a cache may ignore `no-store`. */
export const MUST_UNDERSTAND = 64
/** `must-understand` in a form that could be parsed. */
export const OVERRIDES_NO_STORE = 128
/** `immutable` (RFC 8246). */
export const IMMUTABLE = 256
/** `no-transform`, of a request or a response; this cache transforms nothing. */
export const NO_TRANSFORM = 512
/** `only-if-cached`, of a request. */
export const ONLY_IF_CACHED = 1024

/** Directives being collected. */
interface Mutable {
  flags: number
  maxAge: number
  sMaxage: number
  staleWhileRevalidate: number
  staleIfError: number
  minFresh: number
  maxStale: number
  readonly noCacheFields: Array<string>
  readonly privateFields: Array<string>
}

const empty = (): Mutable => ({
  flags: 0,
  maxAge: -1,
  sMaxage: -1,
  staleWhileRevalidate: -1,
  staleIfError: -1,
  minFresh: -1,
  maxStale: -1,
  noCacheFields: [],
  privateFields: []
})

/** No directives at all. */
export const none: ResponseDirectives & RequestDirectives = empty()

/** Reads the lines of a response's `Cache-Control`. */
export const parseResponse = (lines: ReadonlyArray<string>): ResponseDirectives => {
  if (lines.length === 0) return none
  const [only = ""] = lines
  return lines.length === 1 && only.length <= longestKnown ? parseKnown(only) : parseLines(lines)
}

const parseLines = (lines: ReadonlyArray<string>): ResponseDirectives => {
  const directives = empty()
  for (const line of lines) scan(line, directives, applyToResponse)
  return directives
}

/** What the values mean that were read already: an origin has few of them, and sends them with every response. */
const known = new Map<string, ResponseDirectives>()
const mostKnown = 512
const longestKnown = 256

const parseKnown = (line: string): ResponseDirectives => {
  const before = known.get(line)
  if (before !== undefined) return before
  const directives = parseLines([line])
  if (known.size >= mostKnown) known.clear()
  known.set(line, directives)
  return directives
}

/** Reads the lines of a request's `Cache-Control`. */
export const parseRequest = (lines: ReadonlyArray<string>): RequestDirectives => {
  if (lines.length === 0) return none
  const directives = empty()
  for (const line of lines) scan(line, directives, applyToRequest)
  return directives
}

/** One directive, as some grammar found it. */
export interface Directive {
  /** In lower case. */
  readonly name: string
  /** Its argument; `undefined` when it came without one. */
  readonly value: string | undefined
  /** Whether the argument is a string, rather than a token or a number. */
  readonly quoted: boolean
  /** Whether something about it could not be parsed. */
  readonly broken: boolean
}

/** Puts a response's directives together that came in another form than a `Cache-Control` field. */
export const collect = (found: Iterable<Directive>): ResponseDirectives => {
  const directives = empty()
  for (const { broken, name, quoted, value } of found) applyToResponse(directives, name, value, quoted, broken)
  return directives
}

const applyToResponse = (
  directives: Mutable,
  name: string,
  value: string | undefined,
  quoted: boolean,
  broken: boolean
): void => {
  switch (name) {
    case "max-age":
      directives.maxAge = shorter(directives.maxAge, lifetime(value, broken))
      break
    case "s-maxage":
      directives.sMaxage = shorter(directives.sMaxage, lifetime(value, broken))
      break
    case "stale-while-revalidate":
      directives.staleWhileRevalidate = shorter(directives.staleWhileRevalidate, lifetime(value, broken))
      break
    case "stale-if-error":
      directives.staleIfError = shorter(directives.staleIfError, lifetime(value, broken))
      break
    case "no-store":
      directives.flags |= NO_STORE
      break
    case "must-revalidate":
      directives.flags |= MUST_REVALIDATE
      break
    case "proxy-revalidate":
      directives.flags |= PROXY_REVALIDATE
      break
    case "no-transform":
      directives.flags |= NO_TRANSFORM
      break
    case "must-understand":
      directives.flags |= broken || value !== undefined ? MUST_UNDERSTAND : MUST_UNDERSTAND | OVERRIDES_NO_STORE
      break
    case "public":
      if (!broken && value === undefined) directives.flags |= PUBLIC
      break
    case "immutable":
      if (!broken && value === undefined) directives.flags |= IMMUTABLE
      break
    case "no-cache": {
      const names = fieldNames(value, quoted, broken)
      if (names === undefined) directives.flags |= NO_CACHE
      else for (const field of names) directives.noCacheFields.push(field)
      break
    }
    case "private": {
      const names = fieldNames(value, quoted, broken)
      if (names === undefined) directives.flags |= PRIVATE
      else for (const field of names) directives.privateFields.push(field)
      break
    }
  }
}

const applyToRequest = (
  directives: Mutable,
  name: string,
  value: string | undefined,
  _quoted: boolean,
  broken: boolean
): void => {
  switch (name) {
    case "max-age":
      directives.maxAge = shorter(directives.maxAge, lifetime(value, broken))
      break
    case "min-fresh": {
      const asked = broken || value === undefined ? -1 : Message.seconds(value)
      // Unreadable: nothing is fresh enough.
      directives.minFresh = Math.max(directives.minFresh, asked < 0 ? Number.POSITIVE_INFINITY : asked)
      break
    }
    case "max-stale":
      directives.maxStale = shorter(
        directives.maxStale,
        !broken && value === undefined ? Number.POSITIVE_INFINITY : lifetime(value, broken)
      )
      break
    case "stale-if-error":
      directives.staleIfError = shorter(directives.staleIfError, lifetime(value, broken))
      break
    case "no-store":
      directives.flags |= NO_STORE
      break
    case "no-cache":
      directives.flags |= NO_CACHE
      break
    case "only-if-cached":
      directives.flags |= ONLY_IF_CACHED
      break
    case "no-transform":
      directives.flags |= NO_TRANSFORM
      break
  }
}

/** Of two values given for one directive the shorter counts: RFC 9111 §4.2.1 lets a cache take the first, or none at all. */
const shorter = (known: number, next: number): number => (known < 0 ? next : Math.min(known, next))

const lifetime = (value: string | undefined, broken: boolean): number =>
  broken || value === undefined ? 0 : Math.max(0, Message.seconds(value))

/** The field names a qualified directive lists; `undefined` when it must be read as unqualified. */
const fieldNames = (value: string | undefined, quoted: boolean, broken: boolean): Array<string> | undefined => {
  // A token (`private=true`) is more likely a slip than a list of one field.
  if (value === undefined || !quoted || broken || value !== Message.trim(value)) return undefined
  const names: Array<string> = []
  for (const part of value.split(",")) {
    const name = Message.trim(part).toLowerCase()
    if (name === "") continue
    if (!Message.isToken(name)) return undefined
    names.push(name)
  }
  return names.length === 0 ? undefined : names
}

type Apply = (directives: Mutable, name: string, value: string | undefined, quoted: boolean, broken: boolean) => void

const COMMA = 44
const QUOTE = 34
const EQUALS = 61
const BACKSLASH = 92

/** Walks over the members of a `Cache-Control` value from left to right, never back by more than one string. */
const scan = (text: string, directives: Mutable, apply: Apply): void => {
  const end = text.length
  let at = 0
  // Junk makes the rest of its member untrustworthy, a quote that never closes the rest of the value.
  let brokenMember = false
  let brokenValue = false
  while (at < end) {
    const code = text.charCodeAt(at)
    if (code === COMMA) {
      brokenMember = false
      at++
      continue
    }
    if (Message.isSpace(code)) {
      at++
      continue
    }
    const nameStart = at
    while (at < end && Message.isTokenCode(text.charCodeAt(at))) at++
    if (at === nameStart) {
      brokenMember = true
      at++
      continue
    }
    const name = text.slice(nameStart, at).toLowerCase()
    let value: string | undefined
    let quoted = false
    if (at < end && text.charCodeAt(at) === EQUALS) {
      at++
      if (at < end && text.charCodeAt(at) === QUOTE && !brokenValue) {
        const close = closingQuote(text, at + 1)
        if (close < 0) {
          brokenValue = true
          at++
        } else {
          quoted = true
          value = unquote(text, at + 1, close)
          at = close + 1
        }
      } else {
        const valueStart = at
        while (at < end && Message.isTokenCode(text.charCodeAt(at))) at++
        value = text.slice(valueStart, at)
      }
    }
    while (at < end && Message.isSpace(text.charCodeAt(at))) at++
    if (at < end && text.charCodeAt(at) !== COMMA) brokenMember = true
    apply(directives, name, value, quoted, brokenMember || brokenValue)
  }
}

const closingQuote = (text: string, from: number): number => {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === BACKSLASH) i++
    else if (code === QUOTE) return i
  }
  return -1
}

const unquote = (text: string, start: number, end: number): string => {
  const raw = text.slice(start, end)
  return raw.includes("\\") ? raw.replace(/\\([\s\S])/g, "$1") : raw
}
