/**
 * A slot as bytes: for every response a head in JSON and its body untouched,
 * each after its length.
 *
 * What comes back is taken apart by hand and checked field by field: it may come from a
 * store that others write to.
 */
import type * as Codec from "@wellspring/cache-store/Codec"
import { stringBytes } from "@wellspring/cache-store/Codec"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Entry from "../Entry.ts"
import type * as Message from "../Message.ts"
import * as Vary from "../Vary.ts"
import * as Body from "./body.ts"
import * as Common from "./common.ts"
import * as Stored from "./stored.ts"

const numbers = [
  "status",
  "requestTime",
  "responseTime",
  "date",
  "initialAge",
  "lifetime",
  "freshUntil",
  "staleWhileRevalidateUntil",
  "staleIfErrorUntil",
  "flags"
] as const
const strings = ["key", "etag", "lastModified", "rangeAsked"] as const

const isStrings = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every(Predicate.isString)

const isFields = (value: unknown): value is Message.Fields =>
  Predicate.isRecord(value) && Object.values(value).every((field) => Predicate.isString(field) || isStrings(field))

const isRange = (value: unknown): value is Entry.Range =>
  Predicate.isRecord(value) &&
  Number.isInteger(value["first"]) &&
  Number.isInteger(value["last"]) &&
  Number.isInteger(value["size"])

const isNominated = (value: unknown): boolean =>
  Predicate.isRecord(value) &&
  Predicate.isString(value["name"]) &&
  (value["form"] === "list" || value["form"] === "digest" || value["form"] === "language")

/** What JSON leaves of an entry: what was `undefined` or `NaN` is absent. */
type Parsed = Omit<Entry.Entry, "range" | "lastModifiedTime"> & {
  readonly range?: Entry.Range
  readonly lastModifiedTime?: number
  readonly tags: ReadonlyArray<string>
}

const isParsed = (value: unknown): value is Parsed =>
  Predicate.isRecord(value) &&
  (value["scope"] === "shared" || value["scope"] === "private") &&
  numbers.every((name) => Number.isFinite(value[name])) &&
  strings.every((name) => Predicate.isString(value[name])) &&
  isFields(value["headers"]) &&
  isStrings(value["tags"]) &&
  Array.isArray(value["vary"]) &&
  value["vary"].every(isNominated) &&
  (value["range"] === undefined || isRange(value["range"])) &&
  (value["lastModifiedTime"] === undefined || Number.isFinite(value["lastModifiedTime"]))

const encode = (slot: Stored.Slot): Uint8Array => {
  const parts: Array<Uint8Array> = []
  for (const stored of slot) {
    // JSON has no NaN; the other numbers are finite. Decoded values stay in this process.
    const { lastModifiedTime, ...rest } = { ...Stored.entryOf(stored), tags: stored.tags }
    const head = Buffer.from(
      JSON.stringify(Number.isNaN(lastModifiedTime) ? rest : { ...rest, lastModifiedTime }),
      "utf8"
    )
    const bytes = Body.view(stored.body)
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32BE(head.byteLength, 0)
    lengths.writeUInt32BE(bytes.byteLength, 4)
    parts.push(lengths, head, bytes)
  }
  return Buffer.concat(parts)
}

const decode = (bytes: Uint8Array): Option.Option<Stored.Slot> => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const slot: Array<Stored.Stored> = []
  for (let offset = 0; offset < buffer.byteLength; ) {
    if (offset + 8 > buffer.byteLength || slot.length === Stored.mostVariants) return Option.none()
    const headEnd = offset + 8 + buffer.readUInt32BE(offset)
    const bodyEnd = headEnd + buffer.readUInt32BE(offset + 4)
    if (bodyEnd > buffer.byteLength) return Option.none()
    const head: unknown = JSON.parse(buffer.toString("utf8", offset + 8, headEnd))
    if (!isParsed(head)) return Option.none()
    const entry: Entry.Entry = {
      ...head,
      headers: Common.shareAll(head.headers),
      vary: head.vary.length === 0 ? Vary.none : head.vary,
      range: head.range,
      lastModifiedTime: head.lastModifiedTime ?? Number.NaN
    }
    slot.push(Stored.make(entry, Body.fromBytes(buffer.subarray(headEnd, bodyEnd)), head.tags))
    offset = bodyEnd
  }
  return slot.length === 0 ? Option.none() : Option.some(slot)
}

/** The entry and its slot, as measured; a field's place, and its value's too where entries have one in common. */
const entryBytes = 300
const fieldBytes = 24

const fieldsSize = (fields: Message.Fields): number => {
  let bytes = 0
  for (const name in fields) {
    const value = fields[name]
    bytes += fieldBytes
    if (typeof value === "string") bytes += Common.isCommon(name, value) ? 0 : stringBytes(value)
    else if (value !== undefined) for (const line of value) bytes += 8 + stringBytes(line)
  }
  return bytes
}

const size = (slot: Stored.Slot): number => {
  let bytes = 32
  for (const { body, decoded, headers, vary } of slot) {
    bytes += 8 + entryBytes + fieldsSize(headers) + Body.size(body)
    for (const { value } of vary) bytes += 96 + stringBytes(value ?? "")
    if (decoded !== undefined) for (const one of decoded) bytes += 64 + one.bytes
  }
  return bytes
}

export const codec: Codec.Codec<Stored.Slot> = { name: "http-1", encode, decode, size }
