/** How long an upstream asks to be left alone. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

const imf = /^(?:[A-Z][a-z]{2,8}, |[A-Z][a-z]{2} [A-Z][a-z]{2} )/

/**
 * Reads `Retry-After`.
 *
 * The field carries whole seconds or an HTTP date. A date that has passed is
 * zero. Anything else is `None`, not a failure: a bad header must not cost the
 * response it came with ([RFC 9110 §10.2.3][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 *
 * @param value the field's value, in either form
 * @param now when the response arrived; dates count from here
 *
 * @example
 * import { RetryAfter } from "@wellspring/rest"
 * import { DateTime } from "effect"
 *
 * RetryAfter.parse("120", DateTime.unsafeMake("2026-01-01T00:00:00Z")) // Some(2 minutes)
 */
export const parse = (value: string, now: DateTime.DateTime): Option.Option<Duration.Duration> => {
  const text = value.trim()
  if (/^\d{1,15}$/.test(text)) return Option.some(Duration.seconds(Number(text)))
  if (!imf.test(text)) return Option.none()
  const until = Date.parse(text)
  return Number.isNaN(until)
    ? Option.none()
    : Option.some(Duration.millis(Math.max(0, until - DateTime.toEpochMillis(now))))
}
