/**
 * What one key of the store holds: every variant and part of one resource.
 *
 * Kept in one value, the newest last, so that a lookup is one read, and choosing
 * between variants, freshening them and throwing them away need no second one.
 */
import type * as Exit from "effect/Exit"
import * as Entry from "../Entry.ts"
import * as HttpDate from "../HttpDate.ts"
import type * as Message from "../Message.ts"
import type * as Body from "./body.ts"

/** A decoded value kept beside a body, under the decoder it came from. */
export interface Decoded {
  readonly by: object
  readonly exit: Exit.Exit<unknown>
  readonly bytes: number
}

export const noTags: ReadonlyArray<string> = []

/**
 * An entry with its body and tags, and with what was made of it: the one thing that changes, and never leaves this process.
 *
 * A cache holds many of these, so instants are kept as distances from the arrival: V8 keeps
 * small whole numbers in the object, and gives every other number an object of its own.
 */
export class Stored implements Entry.Entry {
  readonly scope: Entry.Entry["scope"]
  readonly key: string
  readonly status: number
  readonly headers: Message.Fields
  readonly vary: Entry.Entry["vary"]
  readonly responseTime: number
  readonly initialAge: number
  readonly lifetime: number
  readonly flags: number
  readonly etag: string
  readonly lastModified: string
  readonly range: Entry.Range | undefined
  readonly rangeAsked: string
  readonly body: Body.Body
  readonly tags: ReadonlyArray<string>
  decoded: ReadonlyArray<Decoded> | undefined
  private readonly took: number
  private readonly dated: number
  private readonly staleFor: number
  private readonly errorFor: number

  constructor(
    entry: Entry.Entry,
    body: Body.Body,
    tags: ReadonlyArray<string>,
    decoded: ReadonlyArray<Decoded> | undefined
  ) {
    this.scope = entry.scope
    this.key = entry.key
    this.status = entry.status
    this.headers = intern(entry.headers)
    this.vary = entry.vary
    this.responseTime = entry.responseTime
    this.initialAge = entry.initialAge
    this.lifetime = entry.freshUntil - entry.responseTime + entry.initialAge
    this.flags = entry.flags
    this.etag = entry.etag
    this.lastModified = entry.lastModified
    this.range = entry.range
    this.rangeAsked = entry.rangeAsked
    this.body = body
    this.tags = tags
    this.decoded = decoded
    this.took = entry.responseTime - entry.requestTime
    this.dated = entry.responseTime - entry.date
    this.staleFor = entry.staleWhileRevalidateUntil - entry.freshUntil
    this.errorFor = entry.staleIfErrorUntil - entry.freshUntil
  }

  get requestTime(): number {
    return this.responseTime - this.took
  }

  get date(): number {
    return this.responseTime - this.dated
  }

  get freshUntil(): number {
    return this.responseTime + this.lifetime - this.initialAge
  }

  get staleWhileRevalidateUntil(): number {
    return this.freshUntil + this.staleFor
  }

  get staleIfErrorUntil(): number {
    return this.freshUntil + this.errorFor
  }

  get lastModifiedTime(): number {
    return this.lastModified === "" ? Number.NaN : HttpDate.parse(this.lastModified, this.responseTime)
  }
}

/** The entry as a plain value, for those who make another one of it. */
export const entryOf = (stored: Stored): Entry.Entry => ({
  scope: stored.scope,
  key: stored.key,
  status: stored.status,
  headers: stored.headers,
  vary: stored.vary,
  requestTime: stored.requestTime,
  responseTime: stored.responseTime,
  date: stored.date,
  initialAge: stored.initialAge,
  lifetime: stored.lifetime,
  freshUntil: stored.freshUntil,
  staleWhileRevalidateUntil: stored.staleWhileRevalidateUntil,
  staleIfErrorUntil: stored.staleIfErrorUntil,
  flags: stored.flags,
  etag: stored.etag,
  lastModified: stored.lastModified,
  lastModifiedTime: stored.lastModifiedTime,
  range: stored.range,
  rangeAsked: stored.rangeAsked
})

export const make = (
  entry: Entry.Entry,
  body: Body.Body,
  tags: ReadonlyArray<string>,
  decoded?: ReadonlyArray<Decoded>
): Stored => new Stored(entry, body, tags, decoded)

/** Fields whose values most responses of an origin have in common; none that is one caller's. */
const common = new Set([
  "accept-ranges",
  "access-control-allow-origin",
  "cache-control",
  "content-encoding",
  "content-language",
  "content-length",
  "content-type",
  "date",
  "expires",
  "server",
  "strict-transport-security",
  "vary",
  "via",
  "x-content-type-options",
  "x-frame-options",
  "x-powered-by"
])

const mostValues = 4096
const values = new Map<string, string>()

export const isCommon = (name: string, value: string): boolean => value.length <= 80 && common.has(name)

/** The same fields, with one string for equal values. */
const intern = (headers: Message.Fields): Message.Fields => {
  const fields: { [name: string]: string | ReadonlyArray<string> } = {}
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === "string" && isCommon(name, value)) {
      const known = values.get(value)
      if (known === undefined) {
        if (values.size >= mostValues) values.clear()
        values.set(value, value)
      }
      fields[name] = known ?? value
    } else if (value !== undefined) fields[name] = value
  }
  return fields
}

export type Slot = ReadonlyArray<Stored>

/** More responses than this under one key, and the oldest go. */
export const mostVariants = 64

/** Whether two values are one entry, which a store elsewhere gives as a new object each time. */
export const isSame = (one: Stored, other: Stored): boolean =>
  one === other ||
  (one.responseTime === other.responseTime && one.requestTime === other.requestTime && one.etag === other.etag)

export const hasValidator = Entry.hasValidator
