/** Names for calls, by which equal ones are found before they are described, prepared and keyed. */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import type * as Context from "effect/Context"
import * as Option from "effect/Option"
import { Problem } from "../Path.ts"
import type { Described, Neutral } from "./prepare.ts"
import type { RequestImpl } from "./request.ts"

export interface Alias {
  readonly text: string
  readonly added: string
}

// Two line breaks end what would be sent: neither URLs nor JSON have one, and there is at most one between them.
export const whole = ({ added, text }: Alias): string => (added === "" ? text : `${text}\n\n${added}`)

/** What a request without a body would send, which tells it from every other of its endpoint; undefined where more than that counts. */
export const textOf = ({ definition, location, wire }: RequestImpl): string | undefined =>
  definition.method !== "GET" ||
  definition.key !== undefined ||
  location !== undefined ||
  wire instanceof Problem ||
  wire.body !== undefined
    ? undefined
    : wire.identity

/**
 * What `prepare` made of a request, as a text that no other outcome has; empty when it left it alone. Undefined where that
 * cannot be told, or is not all that counts.
 */
export const added = (
  { request }: Described,
  given: HttpClientRequest.HttpClientRequest,
  neutral: Neutral
): string | undefined => {
  if (given === request) return ""
  if (given.method !== request.method || given.body !== request.body || Option.isSome(given.hash)) return undefined
  // Neutral parameters are told apart by the key alone.
  if (neutral.query.size > 0 && (given.url !== request.url || given.urlParams.length > 0)) return undefined
  // Lengths keep one value's end from being taken for another's beginning.
  let text = given.url === request.url ? "\n" : `${given.url}\n`
  for (const [name, value] of given.urlParams) text += `${name.length}:${name}=${value.length}:${value}&`
  for (const name in given.headers) {
    const value = given.headers[name]
    if (value === undefined || neutral.headers.has(name)) return undefined
    text += `${name}:${value.length}:${value};`
  }
  return text
}

/** What the caller asks of caches below, and tells clients below of itself, that decides which answer it is given; empty where there is none. */
export const asked = (context: Context.Context<never>): string => {
  const options: CacheOptions.CacheOptions | undefined = context.unsafeMap.get(CacheOptions.Current.key)
  const unseen = CacheOptions.unseen(context)
  if (options === undefined && unseen === undefined) return ""
  return `\n${JSON.stringify([options?.mode, options?.identity, unseen])}`
}
