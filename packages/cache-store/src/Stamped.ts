/**
 * Entries that know when they were begun, for backends whose clear and tags
 * are generations: nothing is searched for and deleted, what is old is just not good any more.
 *
 * A namespace has a count of its invalidations. An entry carries the count at
 * the time its value was begun, its position, and the names of its tags.
 * Clearing the namespace, or removing a tag, writes the new count into a
 * stamp. An entry is good while no stamp of it is above its position; a stamp that is missing, as after an eviction, makes it a miss.
 *
 * | bytes | |
 * | --- | --- |
 * | 0–7 | position, as two 32-bit numbers, the higher first |
 * | 8–15 | position again: a flipped bit in it could make an old entry good |
 * | 16 | number of tags |
 * | 17– | the tags, 22 characters each |
 * | | the bytes |
 */
const positionBytes = 8
const tagsAt = 2 * positionBytes
const tagBytes = 22

export interface Stamped {
  /** Not negative, below 2⁵³. */
  readonly position: number
  readonly tags: ReadonlyArray<string>
  readonly bytes: Uint8Array
}

const noTags: ReadonlyArray<string> = []

/** The number of tags and their names as they stand in an entry, or `undefined` when it has no room to name them. */
export const encodeTags = (tags: ReadonlyArray<string>): Uint8Array | undefined =>
  tags.length > 255 || tags.some((tag) => tag.length !== tagBytes)
    ? undefined
    : Buffer.concat([Buffer.of(tags.length), Buffer.from(tags.join(""), "latin1")])

/** The whole entry, or `undefined` when it has no room to name its tags. */
export const encode = ({ bytes, position, tags }: Stamped): Uint8Array | undefined => {
  const named = encodeTags(tags)
  if (named === undefined) return undefined
  const head = Buffer.allocUnsafe(tagsAt)
  const high = Math.floor(position / 2 ** 32)
  for (const at of [0, positionBytes]) {
    head.writeUInt32BE(high, at)
    head.writeUInt32BE(position % 2 ** 32, at + 4)
  }
  return Buffer.concat([head, named, bytes])
}

/** The entry again, its bytes a view of what was given; `undefined` when these bytes are not one. */
export const decode = (stored: Uint8Array): Stamped | undefined => {
  if (stored.length <= tagsAt) return undefined
  const buffer = Buffer.isBuffer(stored) ? stored : Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  const high = buffer.readUInt32BE(0)
  const low = buffer.readUInt32BE(4)
  if (high !== buffer.readUInt32BE(8) || low !== buffer.readUInt32BE(12)) return undefined
  const position = high * 2 ** 32 + low
  const count = buffer[tagsAt] ?? 0
  const bytesAt = tagsAt + 1 + count * tagBytes
  if (count === 0) return { position, tags: noTags, bytes: buffer.subarray(bytesAt) }
  if (bytesAt > buffer.length) return undefined
  const tags = Array.from({ length: count }, (_, index) => {
    const at = tagsAt + 1 + index * tagBytes
    return buffer.toString("latin1", at, at + tagBytes)
  })
  return { position, tags, bytes: buffer.subarray(bytesAt) }
}
