/**
 * An entry as Redis holds it: its position twice, its tags, its bytes.
 *
 * The position stands there twice, because a flipped bit in it could make an
 * old entry good again; a flipped bit in a tag makes it a miss.
 */
const positionBytes = 8
const tagsAt = 2 * positionBytes
const tagBytes = 22

export interface Value {
  readonly position: number
  readonly tags: ReadonlyArray<string>
  readonly bytes: Uint8Array
}

/** The tags as they stand in an entry. `undefined` when there are more than an entry has room to name. */
export const encodeTags = (tags: ReadonlyArray<string>): Buffer | undefined =>
  tags.length > 255 || tags.some((tag) => tag.length !== tagBytes)
    ? undefined
    : Buffer.concat([Buffer.of(tags.length), Buffer.from(tags.join(""), "latin1")])

const noTags: ReadonlyArray<string> = []

export const decode = (stored: Buffer): Value | undefined => {
  if (stored.length <= tagsAt) return undefined
  const high = stored.readUInt32BE(0)
  const low = stored.readUInt32BE(4)
  if (high !== stored.readUInt32BE(8) || low !== stored.readUInt32BE(12)) return undefined
  const position = high * 4294967296 + low
  const count = stored[tagsAt] ?? 0
  const bytesAt = tagsAt + 1 + count * tagBytes
  if (count === 0) return { position, tags: noTags, bytes: stored.subarray(bytesAt) }
  const tags = Array.from({ length: count }, (_, index) => {
    const at = tagsAt + 1 + index * tagBytes
    return stored.toString("latin1", at, at + tagBytes)
  })
  return { position, tags, bytes: stored.subarray(bytesAt) }
}
