/**
 * One spelling for every URL that means the same, to key stored responses by.
 *
 * The key of a URL is what the WHATWG URL standard makes of it, without its
 * fragment, and with percent-encoding normalised: hexadecimal digits in upper
 * case, unreserved characters decoded ([RFC 3986 §6.2.2][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2
 */
import type { Policy } from "./Policy.ts"

/**
 * The key of an absolute URL.
 *
 * Empty for a URL that cannot be a key: not absolute, neither http nor https, or
 * with a user name or password in it. Options of the policy sort query
 * parameters by name, or leave some out.
 *
 * @example
 * import { CacheKey } from "@wellspring/http-cache"
 *
 * CacheKey.canonical("HTTP://Example.com:80/%7euser?q=%c3%bc#top") // "http://example.com/~user?q=%C3%BC"
 */
export const of = (policy: Pick<Policy, "sortQuery" | "ignoredParameters">, url: string): string => {
  const key = canonical(url)
  return policy.sortQuery || policy.ignoredParameters.size > 0 ? rewriteQuery(policy, key) : key
}

/** The key of an absolute URL, its query as it is. */
export const canonical = (url: string): string => {
  const end = canonicalUntil(url)
  return end === url.length ? url : end > 0 ? url.slice(0, end) : normalize(url)
}

/** Keys a URL by what a base makes of it; empty when that is no URL. */
export const resolve = (policy: Pick<Policy, "sortQuery" | "ignoredParameters">, url: string, base: string): string => {
  const resolved = parse(url, base)
  return resolved === undefined ? "" : of(policy, resolved.href)
}

/** Scheme, host and port of a key. */
export const origin = (key: string): string => {
  const slash = key.indexOf("/", 8)
  return slash < 0 ? key : key.slice(0, slash)
}

const parse = (url: string, base?: string): URL | undefined => {
  try {
    return new URL(url, base)
  } catch {
    return undefined
  }
}

const normalize = (url: string): string => {
  const parsed = parse(url)
  if (parsed === undefined || (parsed.protocol !== "http:" && parsed.protocol !== "https:")) return ""
  if (parsed.username !== "" || parsed.password !== "") return ""
  const { href } = parsed
  const hash = href.indexOf("#")
  return normalizePercent(hash < 0 ? href : href.slice(0, hash))
}

/** A `%` that begins no triplet could begin one with what is decoded after it: such a text stays as it is. */
const malformed = /%(?![0-9a-fA-F]{2})/

const normalizePercent = (text: string): string =>
  text.includes("%") && !malformed.test(text)
    ? text.replace(/%[0-9a-fA-F]{2}/g, (triplet) => {
        const code = Number.parseInt(triplet.slice(1), 16)
        return unreserved[code] === 1 ? String.fromCharCode(code) : triplet.toUpperCase()
      })
    : text

const rewriteQuery = (policy: Pick<Policy, "sortQuery" | "ignoredParameters">, key: string): string => {
  const mark = key.indexOf("?")
  if (mark < 0) return key
  const nameOf = (pair: string): string => {
    const equals = pair.indexOf("=")
    return equals < 0 ? pair : pair.slice(0, equals)
  }
  const pairs = key
    .slice(mark + 1)
    .split("&")
    .filter((pair) => !policy.ignoredParameters.has(decode(nameOf(pair))))
  if (policy.sortQuery) {
    // Values of one name keep their order: it may mean something.
    pairs.sort((left, right) => (nameOf(left) < nameOf(right) ? -1 : nameOf(left) > nameOf(right) ? 1 : 0))
  }
  return pairs.length === 0 ? key.slice(0, mark) : `${key.slice(0, mark)}?${pairs.join("&")}`
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return text
  }
}

const unreserved = new Uint8Array(256)
for (const char of "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~") {
  unreserved[char.charCodeAt(0)] = 1
}

/** Characters a canonical path may have, and a canonical query besides. */
const PATH = 1
const QUERY = 2
const HOST = 4
const HEX = 8
const classes = new Uint8Array(128)
const classify = (bit: number, chars: string): void => {
  for (const char of chars) {
    const code = char.charCodeAt(0)
    classes[code] = (classes[code] ?? 0) | bit
  }
}
const letters = "abcdefghijklmnopqrstuvwxyz"
classify(PATH | QUERY, `0123456789${letters}${letters.toUpperCase()}-._~!$&'()*+,;=:@/`)
classify(QUERY, "?")
classify(HOST, `0123456789${letters}-.`)
classify(HEX, "0123456789ABCDEF")
// WHATWG encodes a quote in the query of http URLs, and nowhere else.
classes[39] = PATH

/**
 * How far `url` is canonical already: its length when all of it is, the start of
 * its fragment, or `-1` when it has to be parsed to tell.
 *
 * One look at each character, no allocation: this is done for every request.
 */
const canonicalUntil = (url: string): number => {
  const length = url.length
  let at = url.startsWith("https://") ? 8 : url.startsWith("http://") ? 7 : -1
  if (at < 0) return -1
  const hostStart = at
  while (at < length && ((classes[url.charCodeAt(at)] ?? 0) & HOST) !== 0) at++
  // The last label tells names from numbers, which have other spellings; "xn--" has rules of its own.
  if (at === hostStart || !isPlainName(url, hostStart, at)) return -1
  if (url.charCodeAt(at) === 58) {
    const portStart = ++at
    let port = 0
    for (let digit = digitAt(url, at); digit >= 0 && at - portStart < 5; digit = digitAt(url, at)) {
      port = port * 10 + digit
      at++
    }
    if (port === 0 || port > 65535 || url.charCodeAt(portStart) === 48) return -1
    if (port === (hostStart === 8 ? 443 : 80)) return -1
  }
  if (at >= length || url.charCodeAt(at) !== 47) return -1
  let allowed = PATH
  for (; at < length; at++) {
    const code = url.charCodeAt(at)
    if (code >= 128) return -1
    if ((classes[code] ?? 0) & allowed) {
      // A segment that begins with a dot may be one that disappears.
      if (code === 46 && allowed === PATH && url.charCodeAt(at - 1) === 47) return -1
    } else if (code === 63) {
      allowed = QUERY
    } else if (code === 37) {
      if (!isCanonicalTriplet(url, at)) return -1
      at += 2
    } else {
      return code === 35 ? at : -1
    }
  }
  return length
}

const digitAt = (url: string, at: number): number => {
  const digit = url.charCodeAt(at) - 48
  return digit >= 0 && digit <= 9 ? digit : -1
}

const isPlainName = (url: string, start: number, end: number): boolean => {
  let labelStart = start
  for (let i = start; i < end; i++) {
    if (url.charCodeAt(i) === 46) {
      if (i === labelStart) return false
      labelStart = i + 1
    } else if (i === labelStart && url.startsWith("xn--", i)) return false
  }
  if (labelStart >= end) return false
  const first = url.charCodeAt(labelStart)
  if (first >= 97) return true
  return first >= 48 && first <= 57 && isDottedQuad(url, start, end)
}

/** Whether the host is an IPv4 address as the standard writes it. */
const isDottedQuad = (url: string, start: number, end: number): boolean => {
  let parts = 1
  let value = -1
  let digits = 0
  for (let i = start; i < end; i++) {
    const code = url.charCodeAt(i)
    if (code === 46) {
      if (digits === 0) return false
      parts++
      value = -1
      digits = 0
    } else {
      if (code < 48 || code > 57 || value === 0) return false
      value = Math.max(value, 0) * 10 + code - 48
      if (++digits > 3 || value > 255) return false
    }
  }
  return parts === 4 && digits > 0
}

const isCanonicalTriplet = (url: string, at: number): boolean => {
  const high = url.charCodeAt(at + 1)
  const low = url.charCodeAt(at + 2)
  if (!(high < 128 && low < 128)) return false
  if (((classes[high] ?? 0) & (classes[low] ?? 0) & HEX) === 0) return false
  const digit = (code: number): number => (code <= 57 ? code - 48 : code - 55)
  return unreserved[digit(high) * 16 + digit(low)] !== 1
}
