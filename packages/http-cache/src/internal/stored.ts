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
import type * as Vary from "../Vary.ts"
import type * as Body from "./body.ts"

/** A decoded value kept beside a body, under the decoder it came from. */
export interface Decoded {
  readonly by: object
  readonly exit: Exit.Exit<unknown>
  readonly bytes: number
}

/** What a decoder has made of a stored response, if it has. */
export const decodedBy = ({ decoded }: Stored, decoder: object): Exit.Exit<unknown> | undefined => {
  if (decoded !== undefined) for (const one of decoded) if (one.by === decoder) return one.exit
  return undefined
}

export const noTags: ReadonlyArray<string> = []

/** What most entries of an origin have in common, one object for all that are alike. */
interface Kind {
  readonly scope: Entry.Entry["scope"]
  readonly status: number
  readonly lifetime: number
  readonly flags: number
  readonly vary: Entry.Entry["vary"]
  readonly range: Entry.Range | undefined
  readonly rangeAsked: string
  readonly staleFor: number
  readonly errorFor: number
  readonly tags: ReadonlyArray<string>
}

/** The kinds last met, each in the place its lifetime gives it. */
const kinds: Array<Kind | undefined> = Array.from({ length: 64 })

const kindOf = (entry: Entry.Entry, tags: ReadonlyArray<string>): Kind => {
  const { flags, freshUntil, range, rangeAsked, scope, status, vary } = entry
  const lifetime = freshUntil - entry.responseTime + entry.initialAge
  const staleFor = entry.staleWhileRevalidateUntil - freshUntil
  const errorFor = entry.staleIfErrorUntil - freshUntil
  const place = (lifetime / 1000 + status + vary.length) & 63
  const known = kinds[place]
  if (
    known !== undefined &&
    known.lifetime === lifetime &&
    known.status === status &&
    known.flags === flags &&
    known.scope === scope &&
    known.staleFor === staleFor &&
    known.errorFor === errorFor &&
    known.range === range &&
    known.rangeAsked === rangeAsked &&
    (known.tags === tags || known.tags.length + tags.length === 0) &&
    isAlike(known.vary, vary)
  )
    return known
  const kind: Kind = { scope, status, lifetime, flags, vary, range, rangeAsked, staleFor, errorFor, tags }
  if (range === undefined) kinds[place] = kind
  return kind
}

const isAlike = (one: Vary.Vary, other: Vary.Vary): boolean =>
  one === other ||
  (one.length === other.length &&
    one.every((nominated, index) => {
      const { form, language, name, sent, value } = other[index] as Vary.Nominated
      return (
        nominated.name === name &&
        nominated.value === value &&
        nominated.sent === sent &&
        nominated.form === form &&
        nominated.language === language
      )
    }))

/** Where instants are counted from: the first entry's arrival. */
let epoch: number | undefined

/**
 * An entry with its body and tags, and with what was made of it: the one thing that changes, and never leaves this process.
 *
 * A cache holds many of these, so what they have in common is kept once, and instants as distances: V8 keeps
 * small whole numbers in the object, and gives every other number an object of its own.
 */
export class Stored implements Entry.Entry {
  readonly key: string
  readonly headers: Message.Fields
  readonly initialAge: number
  readonly etag: string
  readonly lastModified: string
  readonly body: Body.Body
  decoded: ReadonlyArray<Decoded> | undefined
  private readonly kind: Kind
  private readonly arrived: number
  private readonly took: number
  private readonly dated: number

  constructor(
    entry: Entry.Entry,
    body: Body.Body,
    tags: ReadonlyArray<string>,
    decoded: ReadonlyArray<Decoded> | undefined
  ) {
    epoch ??= entry.responseTime
    this.key = entry.key
    this.headers = entry.headers
    this.initialAge = entry.initialAge
    this.etag = entry.etag
    this.lastModified = entry.lastModified
    this.body = body
    this.decoded = decoded
    this.kind = kindOf(entry, tags)
    this.arrived = entry.responseTime - epoch
    this.took = entry.responseTime - entry.requestTime
    this.dated = entry.responseTime - entry.date
  }

  get scope(): Entry.Entry["scope"] {
    return this.kind.scope
  }

  get status(): number {
    return this.kind.status
  }

  get lifetime(): number {
    return this.kind.lifetime
  }

  get flags(): number {
    return this.kind.flags
  }

  get vary(): Entry.Entry["vary"] {
    return this.kind.vary
  }

  get range(): Entry.Range | undefined {
    return this.kind.range
  }

  get rangeAsked(): string {
    return this.kind.rangeAsked
  }

  get tags(): ReadonlyArray<string> {
    return this.kind.tags
  }

  get responseTime(): number {
    return this.arrived + (epoch ?? 0)
  }

  get requestTime(): number {
    return this.responseTime - this.took
  }

  get date(): number {
    return this.responseTime - this.dated
  }

  get freshUntil(): number {
    return this.responseTime + this.kind.lifetime - this.initialAge
  }

  get staleWhileRevalidateUntil(): number {
    return this.freshUntil + this.kind.staleFor
  }

  get staleIfErrorUntil(): number {
    return this.freshUntil + this.kind.errorFor
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

export type Slot = ReadonlyArray<Stored>

/** More responses than this under one key, and the oldest go. */
export const mostVariants = 64

/** Whether two values are one entry, which a store elsewhere gives as a new object each time. */
export const isSame = (one: Stored, other: Stored): boolean =>
  one === other ||
  (one.responseTime === other.responseTime && one.requestTime === other.requestTime && one.etag === other.etag)

export const hasValidator = Entry.hasValidator
