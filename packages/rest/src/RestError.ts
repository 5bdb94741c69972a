/**
 * What can go wrong with a call, one class for each thing a caller would
 * handle differently.
 *
 * A message is written for whoever may read it, a client of your server
 * included: it names the endpoint and its path template, never a filled URL,
 * a query, a credential or what the upstream said. What a log needs is in
 * `details`, which neither `JSON.stringify` nor `console.log` prints.
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** What an error keeps for logs and for code that handles it. */
export interface Details {
  /** The URL with user info removed and every query value replaced by `REDACTED`. */
  readonly url?: string | undefined
  readonly status?: number | undefined
  /** Response headers, names in lower case. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  /** The response body, parsed by its media type, for a status nobody declared. */
  readonly body?: unknown
  /** The beginning of what did not decode, with anything that looks like a secret masked. */
  readonly sample?: string | undefined
  /** How many times the call was sent before this error was returned. */
  readonly attempts?: number | undefined
  /** How long the upstream asked to be left alone, if it did. */
  readonly retryAfter?: Duration.Duration | undefined
  readonly cause?: unknown
}

const kept = new WeakMap<object, Details>()
const none: Details = {}

/** @internal Attaches details to an error under construction. */
export const withDetails = <E extends object>(error: E, details: Details): E => {
  kept.set(error, { ...kept.get(error), ...details })
  return error
}

/** The details of any error of a REST call, typed errors of endpoints included; empty when it has none. */
export const details = (error: object): Details => kept.get(error) ?? none

/** The property under which a server finds what it may tell its own clients of an error. */
const PublicError: unique symbol = Symbol.for("@wellspring/PublicError") as never

interface Public {
  readonly code: string
  readonly retryAfter?: Duration.Duration
}

const publicly = (code: string, details?: Details): Public =>
  details?.retryAfter === undefined ? { code } : { code, retryAfter: details.retryAfter }

/** Which side has to do something about a status. A 400 is ours: the call was made by our code. */
const codeOf = (status: number): string => {
  switch (status) {
    case 401:
      return "UNAUTHENTICATED"
    case 403:
      return "FORBIDDEN"
    case 404:
    case 410:
      return "NOT_FOUND"
    case 429:
      return "RATE_LIMITED"
    default:
      return status >= 500 || status === 408 ? "UPSTREAM_UNAVAILABLE" : "BAD_UPSTREAM_RESPONSE"
  }
}

const call = { endpoint: Schema.String, method: Schema.String, template: Schema.String }
const named = (error: { readonly endpoint: string; readonly method: string; readonly template: string }): string =>
  `${error.endpoint} (${error.method} ${error.template})`

/** A parameter was refused before anything was sent: it would have changed the shape of the URL, or has no text form. */
export class RestParameterError extends Schema.TaggedError<RestParameterError>()("RestParameterError", {
  ...call,
  parameter: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${named(this)} was not sent: the parameter ${JSON.stringify(this.parameter)} was refused, ${this.problem}.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("BAD_USER_INPUT")
  }
}

/** The body of the request cannot be written in its media type. */
export class RestBodyError extends Schema.TaggedError<RestBodyError>()("RestBodyError", {
  ...call,
  problem: Schema.String
}) {
  override get message(): string {
    return `${named(this)} was not sent: its body cannot be written, ${this.problem}.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("BAD_USER_INPUT")
  }
}

/** The call would have gone to an origin that the source does not allow. */
export class RestOriginError extends Schema.TaggedError<RestOriginError>()("RestOriginError", {
  ...call,
  host: Schema.String
}) {
  override get message(): string {
    return `${named(this)} was not sent: ${this.host} is neither the host of the base URL nor among allowedOrigins.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("INTERNAL_SERVER_ERROR")
  }
}

/** The upstream redirected in a way the redirect policy does not follow. */
export class RestRedirectError extends Schema.TaggedError<RestRedirectError>()("RestRedirectError", {
  ...call,
  status: Schema.Int,
  problem: Schema.String
}) {
  override get message(): string {
    return `${named(this)} was redirected (status ${this.status}) and not followed: ${this.problem}.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("BAD_UPSTREAM_RESPONSE")
  }
}

/** The upstream answered with a status for which the endpoint declares nothing. */
export class RestStatusError extends Schema.TaggedError<RestStatusError>()("RestStatusError", {
  ...call,
  status: Schema.Int
}) {
  override get message(): string {
    return `${named(this)} was answered with status ${this.status}.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly(codeOf(this.status), this.details)
  }
}

/** The answer arrived whole and is not what the endpoint's schema says. */
export class RestDecodeError extends Schema.TaggedError<RestDecodeError>()("RestDecodeError", {
  ...call,
  status: Schema.Int,
  /** Where in the answer, such as `["items", 3, "title"]`; empty for the answer itself. */
  path: Schema.Array(Schema.Union(Schema.String, Schema.Number)),
  problem: Schema.String
}) {
  override get message(): string {
    const where = this.path.length === 0 ? "" : ` at ${this.path.join(".")}`
    return `${named(this)} was answered with something unexpected${where}: ${this.problem}.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("BAD_UPSTREAM_RESPONSE")
  }
}

/** No whole answer arrived: the connection was refused, reset or ended early. */
export class RestTransportError extends Schema.TaggedError<RestTransportError>()("RestTransportError", {
  ...call,
  /** What was under way: getting an answer to begin, or reading its body. */
  phase: Schema.Literal("request", "response")
}) {
  override get message(): string {
    return this.phase === "request"
      ? `${named(this)} could not reach the upstream; see details.cause.`
      : `${named(this)} lost the upstream in the middle of its answer; see details.cause.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("UPSTREAM_UNAVAILABLE")
  }
}

/** A deadline passed. `phase` says which of {@link Timeouts} it was. */
export class RestTimeout extends Schema.TaggedError<RestTimeout>()("RestTimeout", {
  ...call,
  phase: Schema.Literal("total", "attempt", "headers", "body"),
  millis: Schema.Number
}) {
  override get message(): string {
    return `${named(this)} timed out: ${phases[this.phase]} ${this.millis} ms.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("UPSTREAM_TIMEOUT")
  }
}

const phases = {
  total: "it was not answered within",
  attempt: "an attempt took longer than",
  headers: "the upstream did not begin to answer within",
  body: "the upstream stopped sending its answer for"
}

/** The answer, after decompression, is larger than the endpoint accepts; nothing of it was kept. */
export class RestTooLarge extends Schema.TaggedError<RestTooLarge>()("RestTooLarge", {
  ...call,
  what: Schema.Literal("body", "headers"),
  limitBytes: Schema.Number
}) {
  override get message(): string {
    return `${named(this)} was answered with ${this.what} larger than ${this.limitBytes} bytes.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("BAD_UPSTREAM_RESPONSE")
  }
}

/** The call was not sent: the origin's circuit breaker is open. */
export class RestCircuitOpen extends Schema.TaggedError<RestCircuitOpen>()("RestCircuitOpen", { ...call }) {
  override get message(): string {
    return `${named(this)} was not sent: the upstream has been failing and is left alone for now.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("UPSTREAM_UNAVAILABLE", this.details)
  }
}

/** The call was not sent: as many as allowed run, and as many as allowed wait. */
export class RestQueueFull extends Schema.TaggedError<RestQueueFull>()("RestQueueFull", { ...call }) {
  override get message(): string {
    return `${named(this)} was not sent: too many calls to the upstream are under way.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("UPSTREAM_UNAVAILABLE", this.details)
  }
}

/** The call was not sent: the upstream's rate limit is used up for longer than a call may wait. */
export class RestRateLimited extends Schema.TaggedError<RestRateLimited>()("RestRateLimited", { ...call }) {
  override get message(): string {
    return `${named(this)} was not sent: the upstream's rate limit is used up.`
  }
  get details(): Details {
    return details(this)
  }
  get [PublicError](): Public {
    return publicly("RATE_LIMITED", this.details)
  }
}

/** Everything a call may fail with besides what its endpoint declares. */
export type RestError =
  | RestParameterError
  | RestBodyError
  | RestOriginError
  | RestRedirectError
  | RestStatusError
  | RestDecodeError
  | RestTransportError
  | RestTimeout
  | RestTooLarge
  | RestCircuitOpen
  | RestQueueFull
  | RestRateLimited

const tags: ReadonlySet<unknown> = new Set<RestError["_tag"]>([
  "RestParameterError",
  "RestBodyError",
  "RestOriginError",
  "RestRedirectError",
  "RestStatusError",
  "RestDecodeError",
  "RestTransportError",
  "RestTimeout",
  "RestTooLarge",
  "RestCircuitOpen",
  "RestQueueFull",
  "RestRateLimited"
])

/** Whether a value is one of the errors above. */
export const isRestError = (value: unknown): value is RestError =>
  value instanceof Error && "_tag" in value && tags.has(value._tag)
