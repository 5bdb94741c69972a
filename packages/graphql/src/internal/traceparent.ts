import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/

/**
 * The caller's span from a W3C `traceparent` header.
 *
 * Version `ff`, all-zero ids and anything of another shape are no parent
 * (https://www.w3.org/TR/trace-context/#traceparent-header); a higher version
 * may carry more fields than we read, version 00 may not.
 */
export const parse = (header: string | undefined): Option.Option<Tracer.ExternalSpan> => {
  const match = pattern.exec(header?.trim() ?? "")
  if (match === null) return Option.none()
  const [, version = "", traceId = "", spanId = "", flags = ""] = match
  if (version === "ff" || (version === "00" && match[0].length !== 55)) return Option.none()
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return Option.none()
  return Option.some(Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }))
}
