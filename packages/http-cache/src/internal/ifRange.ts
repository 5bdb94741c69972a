import * as Entry from "../Entry.ts"
import * as HttpDate from "../HttpDate.ts"
import * as Message from "../Message.ts"

/**
 * Whether a part of `entry` will do, as `If-Range` has it: its tag must be strong
 * and the same, its date must be the entry's `Last-Modified`, and old enough to
 * be strong (RFC 9110 §13.1.5).
 */
export const isRangeWanted = (ifRange: string | undefined, entry: Entry.Entry): boolean => {
  if (ifRange === undefined) return true
  const validator = Message.trim(ifRange)
  if (validator.includes('"')) return Entry.isStrong(validator) && validator === entry.etag
  const date = HttpDate.parse(validator, entry.responseTime)
  return date === entry.lastModifiedTime && entry.date - date >= 1000
}
