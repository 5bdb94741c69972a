/**
 * Joining parts of one representation ([RFC 9111 §3.4][1], [RFC 9110 §15.3.7.3][2]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-3.4
 * [2]: https://www.rfc-editor.org/rfc/rfc9110#section-15.3.7.3
 */
import * as Entry from "./Entry.ts"
import * as StoredFields from "./internal/storedFields.ts"
import type * as Message from "./Message.ts"
import * as Ranges from "./Ranges.ts"

/**
 * The entry that holds what `older` and `newer` hold together; `Ranges.concat`
 * joins their bodies.
 *
 * `undefined` unless both are parts with the same strong validator, in the same
 * scope, that touch or overlap. Fields are the older's, replaced by what the newer
 * brings; if the older is the beginning of a 200 that broke off, its fields stay.
 * All parts together are a 200 with its length.
 *
 * @param options `sameForSure`: `newer` answers an `If-Range` with the validator of `older`, so one it leaves out is that one
 */
export const join = (
  older: Entry.Entry,
  newer: Entry.Entry,
  options: { readonly sameForSure?: boolean } = {}
): Entry.Entry | undefined => {
  if (older.range === undefined || newer.range === undefined) return undefined
  if (older.scope !== newer.scope || older.key !== newer.key) return undefined
  const validator = Entry.strongValidator(older)
  const isUntold = newer.etag === "" && (older.etag !== "" || newer.lastModified === "")
  if (validator === "" || (Entry.strongValidator(newer) !== validator && !(options.sameForSure === true && isUntold)))
    return undefined
  const range = Ranges.join(older.range, newer.range)
  if (range === undefined) return undefined
  const base = older.status === 200 ? older : newer
  const headers =
    older.status === 200 ? older.headers : StoredFields.update(older.headers, newer.headers, newer.responseTime)
  const isWhole = Ranges.isWhole(range)
  const lastModified = newer.lastModified === "" ? older : newer
  return {
    ...base,
    status: isWhole ? 200 : 206,
    headers: withLength(headers, isWhole ? undefined : range, range),
    etag: older.etag,
    lastModified: lastModified.lastModified,
    lastModifiedTime: lastModified.lastModifiedTime,
    range: isWhole ? undefined : range,
    rangeAsked: ""
  }
}

const withLength = (headers: Message.Fields, part: Entry.Range | undefined, held: Entry.Range): Message.Fields => {
  const result: Record<string, string | ReadonlyArray<string>> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && name !== "content-range") result[name] = value
  }
  result["content-length"] = String(held.last - held.first + 1)
  if (part !== undefined) result["content-range"] = Ranges.contentRange(part, part.size)
  return result
}
