/**
 * What a stored value is wrapped in, so that it proves itself whole, in time
 * and the one that was asked for. Bodies stay raw behind a fixed header:
 *
 * | bytes | |
 * | --- | --- |
 * | 0–1 | `WS` |
 * | 2 | version of this layout |
 * | 3 | flags: 1 = body deflated |
 * | 4–7 | CRC-32 of everything from byte 8, begun with version and flags |
 * | 8–15 | when it expires, epoch milliseconds as a double |
 * | 16–19 | length of the body before deflating |
 * | 20–41 | the hash of its key |
 * | 42 | number of tags |
 * | 43– | the hashes of its tags, for tiers in front of the store |
 * | | body |
 *
 * The checksum finds damage, not forgery: who can write to the store can write entries.
 */
import { crc32, deflateRaw, inflateRawSync } from "node:zlib"

const version = 1
const deflated = 1
const tagsAt = 42
const hashBytes = 22

export interface Opened {
  readonly body: Uint8Array
  readonly expiresAt: number
  readonly tags: ReadonlyArray<string>
}

/** What is said of a body. Hashes are {@link hashBytes} ASCII characters; tags over 255 do not fit. */
export interface Label {
  readonly keyHash: string
  readonly expiresAt: number
  readonly tags: ReadonlyArray<string>
}

/** Wraps a body; `original` is its length before it was deflated. */
export const seal = ({ expiresAt, keyHash, tags }: Label, body: Uint8Array, original?: number): Uint8Array => {
  const bodyAt = tagsAt + 1 + tags.length * hashBytes
  const sealed = Buffer.allocUnsafe(bodyAt + body.byteLength)
  sealed[0] = 0x57
  sealed[1] = 0x53
  sealed[2] = version
  sealed[3] = original === undefined ? 0 : deflated
  sealed.writeDoubleBE(expiresAt, 8)
  sealed.writeUInt32BE(original ?? body.byteLength, 16)
  sealed.write(keyHash, 20, hashBytes, "latin1")
  sealed[tagsAt] = tags.length
  if (tags.length > 0) sealed.write(tags.join(""), tagsAt + 1, "latin1")
  sealed.set(body, bodyAt)
  sealed.writeUInt32BE(checksum(sealed), 4)
  return sealed
}

/** As {@link seal}, the body deflated where that makes it smaller. Off the event loop. */
export const sealDeflated = (label: Label, body: Uint8Array, done: (sealed: Uint8Array) => void): void =>
  deflateRaw(body, (error, smaller) =>
    done(
      error === null && smaller.byteLength < body.byteLength ? seal(label, smaller, body.byteLength) : seal(label, body)
    )
  )

/** What was wrapped, or `undefined` when these bytes are not a whole entry of this key in this version. */
export const open = (keyHash: string, bytes: Uint8Array): Opened | undefined => {
  const sealed = asBuffer(bytes)
  if (sealed.length <= tagsAt || sealed[0] !== 0x57 || sealed[1] !== 0x53 || sealed[2] !== version) return undefined
  if (sealed.readUInt32BE(4) !== checksum(sealed) || sealed.toString("latin1", 20, tagsAt) !== keyHash) return undefined
  const expiresAt = sealed.readDoubleBE(8)
  const length = sealed.readUInt32BE(16)
  const count = sealed[tagsAt] ?? 0
  const tags = count === 0 ? noTags : tagsOf(sealed, count)
  const body = sealed.subarray(tagsAt + 1 + count * hashBytes)
  if (sealed[3] === 0) return body.length === length ? { body: detached(body), expiresAt, tags } : undefined
  if (sealed[3] !== deflated) return undefined
  try {
    const inflated = inflateRawSync(body, { maxOutputLength: Math.max(1, length) })
    return inflated.length === length ? { body: inflated, expiresAt, tags } : undefined
  } catch {
    return undefined
  }
}

const noTags: ReadonlyArray<string> = []

const tagsOf = (sealed: Buffer, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => {
    const at = tagsAt + 1 + index * hashBytes
    return sealed.toString("latin1", at, at + hashBytes)
  })

const checksum = (sealed: Buffer): number => crc32(sealed.subarray(8), ((sealed[2] ?? 0) << 8) | (sealed[3] ?? 0))

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A client's answer is often a view of a much larger chunk, which whoever keeps the body would keep as well. */
const detached = (body: Uint8Array): Uint8Array =>
  body.buffer.byteLength > 2 * body.byteLength + 1024 ? new Uint8Array(body) : body
