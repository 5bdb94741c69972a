/** Which header fields of a response are kept (RFC 9111 §3.1), and how newer ones replace them (§3.2). */
import * as HttpDate from "../HttpDate.ts"
import * as Message from "../Message.ts"

/** Fields that belong to one connection or one proxy, and `age`, which is kept as a number. */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "age"
])

/** Fields that describe the bytes as stored; those of a response without these bytes do not replace them. */
const bodily: ReadonlySet<string> = new Set(["content-length", "content-encoding", "content-range"])

/** Names the `Connection` field lists: they end here with it. */
const listed = (headers: Message.Fields): ReadonlySet<string> | undefined => {
  const connection = Message.line(headers, "connection")
  return connection === undefined
    ? undefined
    : new Set(Message.members(connection).map((member) => member.toLowerCase()))
}

type MutableFields = Record<string, string | ReadonlyArray<string>>

/**
 * The fields of a response that may be stored, with a `date` if it has none:
 * the record itself when there is nothing to change about it.
 *
 * @param except names left out besides those that are never stored
 */
export const of = (headers: Message.Fields, except: ReadonlyArray<string>, responseTime: number): Message.Fields => {
  if (isStorable(headers, except)) return headers
  const connection = listed(headers)
  // A long list of names is one an origin made up; looking through it for every field would take it at its word.
  const left = except.length > 8 ? new Set(except) : undefined
  const stored: MutableFields = {}
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || isPassing(name) || connection?.has(name)) continue
    if (left === undefined ? except.includes(name) : left.has(name)) continue
    stored[name] = value
  }
  if (headers["date"] === undefined) stored["date"] = HttpDate.format(responseTime)
  return stored
}

/** Whether every field may be kept, and none is missing. */
const isStorable = (headers: Message.Fields, except: ReadonlyArray<string>): boolean => {
  if (headers["date"] === undefined || except.length > 8) return false
  for (const name in headers) if (headers[name] === undefined || isPassing(name)) return false
  for (let i = 0; i < except.length; i++) if (headers[except[i] as string] !== undefined) return false
  return true
}

/**
 * `stored` with every field `newer` has, apart from those that describe its own message or the stored
 * bytes, and with a `date` of its own if `newer` has none: the record itself when they all say the same.
 */
export const update = (stored: Message.Fields, newer: Message.Fields, responseTime: number): Message.Fields => {
  const connection = listed(newer)
  let result: MutableFields | undefined
  const put = (name: string, value: string | ReadonlyArray<string>): void => {
    if (stored[name] === value) return
    result ??= copy(stored)
    result[name] = value
  }
  for (const name in newer) {
    const value = newer[name]
    if (value === undefined || isPassing(name) || bodily.has(name) || connection?.has(name)) continue
    put(name, value)
  }
  if (newer["date"] === undefined) put("date", HttpDate.format(responseTime))
  return result ?? stored
}

const copy = (fields: Message.Fields): MutableFields => {
  const result: MutableFields = {}
  for (const name in fields) {
    const value = fields[name]
    if (value !== undefined) result[name] = value
  }
  return result
}

/** A field of this name would change what a record is. */
const isPassing = (name: string): boolean => hopByHop.has(name) || name === "__proto__"
