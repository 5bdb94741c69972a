/**
 * Targeted cache control: fields such as `CDN-Cache-Control` that speak to one
 * kind of cache and replace `Cache-Control` and `Expires` there ([RFC 9213][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9213
 */
import { type BareItem, type Dictionary, isInnerList, parseDictionary } from "structured-headers"
import * as CacheControl from "./CacheControl.ts"
import * as Message from "./Message.ts"

/**
 * The directives of the first field in `targets` that the response carries in valid form.
 *
 * `undefined` when there is none: an empty field, or one that is no Structured
 * Field dictionary, counts as absent ([RFC 9213 §2.1][1]). Names are then
 * lower case and values typed: seconds are integers, `no-store` stands alone,
 * and a value of another type is read in its most restrictive sense. So is a
 * field longer than 16 kB, which nobody means well: as `no-store`.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9213#section-2.1
 *
 * @param targets lower-case field names, the most specific first
 */
export const read = (
  headers: Message.Fields,
  targets: ReadonlyArray<string>
): CacheControl.ResponseDirectives | undefined => {
  for (const target of targets) {
    const value = Message.line(headers, target)
    if (value === undefined) continue
    if (value.length > longest) return noStore
    const dictionary = parse(value)
    if (dictionary !== undefined) return directives(dictionary, value)
  }
  return undefined
}

/** A Structured Fields parser must take a thousand members; a field of directives has a few. */
const longest = 16_384

const noStore = CacheControl.collect([{ name: "no-store", value: undefined, quoted: false, broken: false }])

const parse = (value: string): Dictionary | undefined => {
  try {
    const dictionary = parseDictionary(value)
    return dictionary.size === 0 ? undefined : dictionary
  } catch {
    return undefined
  }
}

/** Durations written as decimals, which the parser gives as the same number as integers. */
const decimals = /(max-age|s-maxage|stale-while-revalidate|stale-if-error)=-?\d+\./g

const directives = (dictionary: Dictionary, text: string): CacheControl.ResponseDirectives => {
  const inexact = new Set(Array.from(text.matchAll(decimals), ([, name]) => name))
  return CacheControl.collect(
    Array.from(dictionary, ([name, member]) =>
      directive(name, isInnerList(member) || inexact.has(name) ? false : member[0])
    )
  )
}

const directive = (name: string, item: BareItem): CacheControl.Directive => {
  if (item === true) return { name, value: undefined, quoted: false, broken: false }
  if (typeof item === "number" && Number.isInteger(item))
    return { name, value: String(item), quoted: false, broken: false }
  // A string lists field names; it is no number of seconds.
  if (typeof item === "string")
    return { name, value: item, quoted: true, broken: name !== "private" && name !== "no-cache" }
  return { name, value: "", quoted: false, broken: true }
}
