/** One string for equal values of fields that many responses have in common. */
import type * as Message from "../Message.ts"

/** Fields whose values most responses of an origin share; none that is one caller's. */
const names = new Set([
  "accept-ranges",
  "access-control-allow-origin",
  "cache-control",
  "content-encoding",
  "content-language",
  "content-length",
  "content-type",
  "date",
  "expires",
  "server",
  "strict-transport-security",
  "vary",
  "via",
  "x-content-type-options",
  "x-frame-options",
  "x-powered-by"
])

const mostValues = 4096
const values = new Map<string, string>()

export const isCommon = (name: string, value: string): boolean => value.length <= 80 && names.has(name)

/** The value, or the equal one that others have already. */
export const share = (name: string, value: string): string => {
  if (!isCommon(name, value)) return value
  const known = values.get(value)
  if (known !== undefined) return known
  if (values.size >= mostValues) values.clear()
  values.set(value, value)
  return value
}

/** The same fields, their values shared. */
export const shareAll = (fields: Message.Fields): Record<string, string | ReadonlyArray<string>> => {
  const shared: Record<string, string | ReadonlyArray<string>> = {}
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    // What is no field of a record of its own would change what the record is.
    if (value !== undefined && name !== "__proto__")
      shared[name] = typeof value === "string" ? share(name, value) : value
  }
  return shared
}
