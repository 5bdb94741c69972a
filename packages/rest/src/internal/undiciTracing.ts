/**
 * Spans, trace context and measurements, by OpenTelemetry's
 * [semantic conventions for HTTP clients](https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import type { Origin } from "./undiciOrigins.ts"
import type { Target } from "./undiciTarget.ts"

/** What a caller knows of a request and its spans should say. */
export class RequestAnnotations extends Context.Reference<RequestAnnotations>()(
  "@wellspring/rest/UndiciClient/RequestAnnotations",
  {
    defaultValue: (): {
      /** The path with its parameters unfilled, such as `/movies/{id}`: `url.template`. */
      readonly urlTemplate?: string
      /** How often this request has been sent before: `http.request.resend_count`. */
      readonly resendCount?: number
    } => ({})
  }
) {}

/** Effect's built-in tracer makes spans that nobody sees. */
const builtIn = Context.get(DefaultServices.liveServices, Tracer.Tracer)
const BuiltInSpan = builtIn.span("", Option.none(), Context.empty(), [], 0n, "internal").constructor

/** Whether somebody has set a tracer. */
export const isSet = (tracer: Tracer.Tracer): boolean => tracer !== builtIn

/** Whether the request gets a span: somebody must have set a tracer, and nobody turned it off. */
export const isOn = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  request: HttpClientRequest.HttpClientRequest
): boolean =>
  isSet(fiber.currentTracer) &&
  fiber.getFiberRef(FiberRef.currentTracerEnabled) &&
  !fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)

/** The headers that tell the upstream of a span. */
export const propagate = (span: Tracer.AnySpan): Readonly<Record<string, string>> =>
  span._tag === "Span"
    ? HttpTraceContext.toHeaders(span)
    : { traceparent: `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}` }

/**
 * What the upstream is told when the request has no span of its own: the trace
 * that the caller takes part in goes on, unless it is one that nobody sees.
 */
export const inherited = (context: Context.Context<never>): Readonly<Record<string, string>> | undefined => {
  let span: Tracer.AnySpan | undefined = context.unsafeMap.get(Tracer.ParentSpan.key)
  while (span?._tag === "Span" && span.constructor === BuiltInSpan) span = Option.getOrUndefined(span.parent)
  return span === undefined ? undefined : propagate(span)
}

const redacted = "REDACTED"

/** Parameter names stay, for they say which call it was; values go, for some are credentials. */
const redactQuery = (path: string): string => {
  const question = path.indexOf("?")
  if (question === -1) return path
  const names = path.slice(question + 1).split("&")
  return `${path.slice(0, question)}?${names.map((pair) => `${pair.split("=", 1)[0]}=${redacted}`).join("&")}`
}

/** A low-cardinality name for a failure: undici's and Node's codes, the failure's own tag. */
export const errorType = (error: HttpClientError.HttpClientError): string => {
  const { cause } = error
  if (Predicate.hasProperty(cause, "_tag") && typeof cause._tag === "string") {
    if (cause._tag === "DeadlineExceeded") return "timeout"
    const root = Predicate.hasProperty(cause, "cause") ? cause.cause : undefined
    if (Predicate.hasProperty(root, "code") && typeof root.code === "string") return root.code
    return cause._tag
  }
  return error.reason
}

/** Runs the request within its span. */
export const withSpan = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  request: HttpClientRequest.HttpClientRequest,
  origin: Origin,
  target: Target,
  run: (
    propagated: Readonly<Record<string, string>> | undefined
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  const { urlTemplate, resendCount = 0 } = Context.get(fiber.currentContext, RequestAnnotations)
  const attributes: Record<string, unknown> = {
    "http.request.method": request.method,
    "server.address": origin.address,
    "server.port": origin.port,
    "url.full": `${origin.text}${redactQuery(target.path)}`,
    "url.scheme": origin.scheme
  }
  if (urlTemplate !== undefined) attributes["url.template"] = urlTemplate
  if (resendCount > 0) attributes["http.request.resend_count"] = resendCount
  // Headers are opt-in by the conventions, and where credentials are.
  const name = Context.get(fiber.currentContext, HttpClient.SpanNameGenerator)(request)
  return Effect.useSpan(name, { kind: "client", captureStackTrace: false, attributes }, (span) => {
    const propagated = fiber.getFiberRef(HttpClient.currentTracerPropagation) ? propagate(span) : undefined
    return Effect.withParentSpan(
      Effect.tapBoth(run(propagated), {
        onSuccess: (response) =>
          Effect.sync(() => {
            span.attribute("http.response.status_code", response.status)
            if (response.status >= 400) span.attribute("error.type", String(response.status))
          }),
        onFailure: (error) => Effect.sync(() => span.attribute("error.type", errorType(error)))
      }),
      span
    )
  })
}

/** Seconds from sending to the response's headers, or to failing. */
const duration = Metric.histogram(
  "http.client.request.duration",
  MetricBoundaries.fromIterable([0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]),
  "Duration of HTTP client requests, in seconds"
)

/** Records one exchange. */
export const measure = (
  request: HttpClientRequest.HttpClientRequest,
  origin: Origin,
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>,
  seconds: number
): void => {
  const labels = [
    MetricLabel.make("http.request.method", request.method),
    MetricLabel.make("server.address", origin.address),
    MetricLabel.make("server.port", String(origin.port))
  ]
  if (Exit.isSuccess(exit)) {
    labels.push(MetricLabel.make("http.response.status_code", String(exit.value.status)))
    if (exit.value.status >= 400) labels.push(MetricLabel.make("error.type", String(exit.value.status)))
  } else if (exit.cause._tag === "Fail") labels.push(MetricLabel.make("error.type", errorType(exit.cause.error)))
  duration.unsafeUpdate(seconds, labels)
}
