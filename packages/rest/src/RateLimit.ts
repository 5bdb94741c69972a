/**
 * What an upstream says about how often it may still be asked.
 */
import * as Option from "effect/Option"
import { parseDictionary, parseList } from "structured-headers"

/** Calls left, and when there will be more, in milliseconds on the clock given to {@link parse}. */
export interface RateLimit {
  readonly remaining: number
  readonly resetAtMillis: number
}

type Fields = Readonly<Record<string, string | undefined>>

/**
 * Reads the fields in use: `RateLimit` in its structured forms (`"default";r=50;t=30`, and the older
 * `limit=100, remaining=50, reset=30`), `RateLimit-*`, and `X-RateLimit-*`, whose
 * reset may be seconds from now or an instant. Of several limits the one that is used up
 * longest counts. Anything unreadable is `None`.
 *
 * @param headers names in lower case
 * @param nowMillis when the response arrived
 */
export const parse = (headers: Fields, nowMillis: number): Option.Option<RateLimit> => {
  const structured = headers["ratelimit"]
  if (structured !== undefined && structured.length < 1000) {
    const limit = fromStructured(structured, nowMillis)
    if (limit !== undefined) return Option.some(limit)
  }
  for (const prefix of ["ratelimit-", "x-ratelimit-", "x-rate-limit-"]) {
    const remaining = whole(headers[`${prefix}remaining`])
    const reset = whole(headers[`${prefix}reset`])
    if (remaining !== undefined && reset !== undefined) {
      return Option.some({ remaining, resetAtMillis: instant(reset, nowMillis) })
    }
  }
  return Option.none()
}

const whole = (text: string | undefined): number | undefined =>
  text !== undefined && /^\s*\d{1,15}(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined

/** Upstreams write seconds from now, seconds since 1970, or milliseconds since 1970. */
const instant = (reset: number, nowMillis: number): number =>
  reset > 1e12 ? reset : reset > 1e9 ? reset * 1000 : nowMillis + reset * 1000

const fromStructured = (text: string, nowMillis: number): RateLimit | undefined => {
  try {
    const limits = parseList(text).flatMap(([, parameters]) => {
      const [remaining, reset] = [parameters.get("r"), parameters.get("t")]
      return typeof remaining === "number" && typeof reset === "number"
        ? [{ remaining, resetAtMillis: nowMillis + reset * 1000 }]
        : []
    })
    if (limits.length > 0) {
      return limits.reduce((a, b) =>
        b.remaining < a.remaining || (b.remaining === a.remaining && b.resetAtMillis > a.resetAtMillis) ? b : a
      )
    }
  } catch {
    // Perhaps the older form.
  }
  try {
    const fields = parseDictionary(text)
    const [remaining, reset] = [fields.get("remaining")?.[0], fields.get("reset")?.[0]]
    if (typeof remaining === "number" && typeof reset === "number") {
      return { remaining, resetAtMillis: nowMillis + reset * 1000 }
    }
  } catch {
    return undefined
  }
  return undefined
}
