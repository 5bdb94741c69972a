/** `Accept-Language` by what it means: ranges with weights, order and case aside (RFC 9110 §12.5.4). */
import * as Message from "../Message.ts"

interface Preference {
  readonly range: string
  readonly weight: number
}

const read = (value: string): Array<Preference> =>
  Message.members(value).map((member) => {
    const [range = "", ...parameters] = member.toLowerCase().split(";")
    let weight = 1
    for (const parameter of parameters) {
      const match = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(Message.trim(parameter))
      // A weight that cannot be read keeps the preference apart from every readable one.
      weight = match === null ? Number.NaN : Number(match[1])
    }
    return { range: Message.trim(range), weight }
  })

/** A longer value is nobody's list of languages, and not worth being understood. */
const longest = 4096

/** One spelling for all values that mean the same. */
export const normalize = (value: string): string => {
  if (value.length > longest) return value
  const preferences = read(value)
  if (preferences.some(({ weight }) => Number.isNaN(weight))) return value
  return preferences
    .map(({ range, weight }) => `${range};q=${weight}`)
    .sort()
    .join(",")
}

/** The tag of a `Content-Language` that names one language. */
export const single = (contentLanguage: string | undefined): string | undefined => {
  if (contentLanguage === undefined || contentLanguage.length > longest) return undefined
  const tags = Message.members(contentLanguage)
  return tags.length === 1 ? tags[0]?.toLowerCase() : undefined
}

/** Whether no language is wanted more than `tag`, which is lower case. */
export const prefers = (value: string, tag: string): boolean => {
  if (value.length > longest) return false
  const preferences = read(value)
  let most = 0
  let here = 0
  for (const { range, weight } of preferences) {
    if (Number.isNaN(weight)) return false
    if (weight > most) most = weight
    if ((range === tag || tag.startsWith(`${range}-`)) && weight > here) here = weight
  }
  return here > 0 && here === most
}
