/** Entity tags (RFC 9110 §8.8.3): quoted, without escapes, perhaps weak. */

/**
 * The tags of an `If-None-Match`, as they were sent; `*` for any.
 *
 * What is not a tag is kept as it stands, up to the next comma: some origins
 * forget the quotes, and their callers repeat what they were given.
 */
export const parse = (value: string): Array<string> => {
  const tags: Array<string> = []
  let at = 0
  while (at < value.length) {
    const code = value.charCodeAt(at)
    if (code === 44 || code === 32 || code === 9) {
      at++
      continue
    }
    const start = at
    if (value.startsWith("W/", at)) at += 2
    if (value.charCodeAt(at) === 34) {
      const close = value.indexOf('"', at + 1)
      at = close < 0 ? value.length : close + 1
    }
    while (at < value.length && value.charCodeAt(at) !== 44) at++
    tags.push(value.slice(start, at).trimEnd())
  }
  return tags
}

/** Whether two tags name equivalent representations: weak or strong, the same name. */
export const weaklyEqual = (left: string, right: string): boolean => opaque(left) === opaque(right)

const opaque = (tag: string): string => (tag.startsWith("W/") ? tag.slice(2) : tag)
