/**
 * A span for each time a call is sent, by OpenTelemetry's
 * [semantic conventions for HTTP clients](https://opentelemetry.io/docs/specs/semconv/http/http-spans/),
 * whatever client sends it; and none at all when nobody has set a tracer.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constTrue } from "effect/Function"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Exchanged, Fault } from "./exchange.ts"
import type { Prepared } from "./prepare.ts"
import type * as Run from "./run.ts"
import * as Target from "./target.ts"
import { propagate } from "./undiciTracing.ts"

/** A span begun, with the request that tells the upstream of it. */
export interface Traced {
  readonly span: Tracer.Span
  readonly request: HttpClientRequest.HttpClientRequest
  readonly site: Run.Site
}

const nanos = (site: Run.Site): bigint => site.clock.unsafeCurrentTimeNanos()

/** Begins the span of one sending; `resends` is how often the call was sent before. */
export const begin = (prepared: Prepared, site: Run.Site, resends: number): Traced | undefined => {
  const { tracer } = site
  if (tracer === undefined) return undefined
  const { definition, request } = prepared
  const url = new URL(request.url)
  const parent: Option.Option<Tracer.AnySpan> = Option.fromNullable(site.context.unsafeMap.get(Tracer.ParentSpan.key))
  const span = tracer.span(
    `${definition.method} ${definition.template}`,
    parent,
    Context.empty(),
    [],
    nanos(site),
    "client"
  )
  span.attribute("http.request.method", definition.method)
  // A host alone: the scheme and the port are attributes of their own.
  span.attribute("server.address", url.hostname)
  span.attribute("server.port", url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port))
  span.attribute("url.full", Target.redact(request.url))
  span.attribute("url.scheme", url.protocol.slice(0, -1))
  span.attribute("url.template", definition.template)
  span.attribute("wellspring.endpoint", definition.name)
  if (resends > 0) span.attribute("http.request.resend_count", resends)
  return {
    span,
    request: HttpClientRequest.setHeaders(request, propagate(span)),
    site: site.within(Context.add(site.context, Tracer.ParentSpan, span))
  }
}

/** Ends it with what came of it. */
export const end = (
  { site, span }: Traced,
  exit: Exit.Exit<Exchanged, Fault>,
  outcome: (exchanged: Exchanged) => string
): void => {
  if (Exit.isSuccess(exit)) {
    const { status } = exit.value.response
    span.attribute("http.response.status_code", status)
    span.attribute("wellspring.cache.outcome", outcome(exit.value))
    if (status >= 400) span.attribute("error.type", String(status))
    span.end(nanos(site), Exit.void)
    return
  }
  const fault = Cause.failureOption(exit.cause)
  const type = Option.isSome(fault)
    ? fault.value._tag === "Timeout"
      ? "timeout"
      : fault.value._tag
    : Cause.isInterrupted(exit.cause)
      ? "interrupted"
      : "defect"
  span.attribute("error.type", type)
  span.end(nanos(site), Exit.fail(type))
}

/** A platform client's own span would hold query values: ours stands instead. */
export const quiet = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.locally(effect, HttpClient.currentTracerDisabledWhen, constTrue)
