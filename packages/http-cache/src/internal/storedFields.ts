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
 * The fields of a response that may be stored, with a `date` if it has none.
 *
 * @param except names left out besides those that are never stored
 */
export const of = (headers: Message.Fields, except: ReadonlyArray<string>, responseTime: number): Message.Fields => {
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

/** `stored` with every field `newer` has, apart from those that describe its own message or the stored bytes. */
export const update = (stored: Message.Fields, newer: Message.Fields): Message.Fields => {
  const connection = listed(newer)
  const result: MutableFields = {}
  for (const name in stored) {
    const value = stored[name]
    if (value !== undefined) result[name] = value
  }
  for (const name in newer) {
    const value = newer[name]
    if (value === undefined || isPassing(name) || bodily.has(name) || connection?.has(name)) continue
    result[name] = value
  }
  return result
}

/** A field of this name would change what a record is. */
const isPassing = (name: string): boolean => hopByHop.has(name) || name === "__proto__"
