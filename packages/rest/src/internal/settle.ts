/** From an answer read whole to a value or a typed failure. */
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as RestError from "../RestError.ts"
import type * as RestSource from "../RestSource.ts"
import * as RetryAfter from "../RetryAfter.ts"
import * as Answer from "./answer.ts"
import * as CacheLink from "./cacheLink.ts"
import * as Decode from "./decode.ts"
import type { ErrorDecoder } from "./definition.ts"
import type { Exchanged, Fault } from "./exchange.ts"
import * as Freeze from "./freeze.ts"
import * as Media from "./media.ts"
import { errorFields, type Prepared } from "./prepare.ts"
import * as Target from "./target.ts"

export type Failure = RestError.RestError | object

export type Settled = Exit.Exit<Answer.Answer, unknown>

/** Told of answers that do not match their schema where the mode is not `strict`. */
export type Report = (error: RestError.RestDecodeError) => void

export interface Told {
  readonly outcome: RestSource.Answered
  readonly timings: RestSource.Timings
  readonly now: number
  readonly report: Report
}

export const details = (prepared: Prepared, exchanged: Exchanged | undefined, told: Told): RestError.Details => {
  const response = exchanged?.response
  const retryAfter = response?.headers["retry-after"]
  return {
    url: Target.redact(prepared.request.url),
    attempts: told.timings.attempts,
    ...(response === undefined ? undefined : { status: response.status, headers: response.headers }),
    ...(retryAfter === undefined
      ? undefined
      : { retryAfter: Option.getOrUndefined(RetryAfter.parse(retryAfter, DateTime.unsafeMake(told.now))) })
  }
}

const decodeError = (
  prepared: Prepared,
  exchanged: Exchanged,
  told: Told,
  path: ReadonlyArray<string | number>,
  problem: string,
  shown: unknown
): RestError.RestDecodeError =>
  RestError.withDetails(
    new RestError.RestDecodeError({
      ...errorFields(prepared.definition),
      status: exchanged.response.status,
      path,
      problem
    }),
    { ...details(prepared, exchanged, told), sample: Media.sample(shown) }
  )

/** The value or failure of an answer; an Effect only where a schema decodes asynchronously. */
export const settle = (
  prepared: Prepared,
  exchanged: Exchanged,
  told: Told
): Settled | Effect.Effect<Answer.Answer, unknown> => {
  const { definition, policy } = prepared
  const { response } = exchanged
  if (exchanged.decoded !== undefined) {
    return Exit.succeed(new Answer.Answer(exchanged.decoded, response, told.outcome, told.timings))
  }
  const { status } = response
  const contentType = HttpCache.contentTypeOf(response)
  const parsed = Media.parse(exchanged.bytes, contentType, policy.reading)
  if (status < 200 || status > 299) {
    return failed(
      prepared,
      exchanged,
      told,
      "value" in parsed ? parsed.value : parsed.text,
      definition.errors.get(status)
    )
  }
  const succeed = (value: unknown): Settled => {
    try {
      Freeze.deep(value)
    } catch {
      return Exit.fail(decodeError(prepared, exchanged, told, [], "it is nested too deeply", ""))
    }
    CacheLink.remember(response, prepared, value)
    return Exit.succeed(Answer.of(value, response, told.outcome, told.timings))
  }
  if (!("value" in parsed)) {
    if (definition.method === "HEAD") return succeed(undefined)
    const error = decodeError(prepared, exchanged, told, [], parsed.problem, parsed.text)
    if (policy.decode === "strict") return Exit.fail(error)
    told.report(error)
    return succeed(parsed.text)
  }
  const raw = parsed.value
  const { failure } = definition
  if (failure?.when(raw) === true) return failed(prepared, exchanged, told, raw, failure.error)
  const finish = (decoded: Either.Either<unknown, ParseResult.ParseIssue>): Settled => {
    if (Either.isRight(decoded)) return succeed(policy.decode === "report" ? raw : decoded.right)
    const { path, problem } = Decode.describe(decoded.left)
    const kind = Media.of(contentType).kind
    const hint = path.length === 0 && kind === "text" ? `${problem} (its media type is not JSON)` : problem
    const error = decodeError(prepared, exchanged, told, path, raw === undefined ? "its body is empty" : hint, raw)
    if (policy.decode === "strict") return Exit.fail(error)
    told.report(error)
    return succeed(raw)
  }
  const decoded = Decode.tryDecode(definition.success, raw)
  return Decode.isAtHand(decoded) ? finish(decoded) : Effect.flatMap(Effect.either(Decode.toEffect(decoded)), finish)
}

/** A typed error where the endpoint declares one and the answer fits it; otherwise the status as it is. */
const failed = (
  prepared: Prepared,
  exchanged: Exchanged,
  told: Told,
  body: unknown,
  declared: ErrorDecoder | undefined
): Settled | Effect.Effect<Answer.Answer, unknown> => {
  const known = { ...details(prepared, exchanged, told), body }
  const unexpected = (cause: unknown) =>
    Exit.fail(
      RestError.withDetails(
        new RestError.RestStatusError({ ...errorFields(prepared.definition), status: exchanged.response.status }),
        cause === undefined ? known : { ...known, cause }
      )
    )
  if (declared === undefined) return unexpected(undefined)
  const finish = (decoded: Either.Either<unknown, unknown>): Settled => {
    if (Either.isLeft(decoded)) return unexpected(decoded.left)
    const error = decoded.right
    if (typeof error === "object" && error !== null) RestError.withDetails(error, known)
    return Exit.fail(error)
  }
  const candidates =
    typeof body === "object" && body !== null && !Array.isArray(body)
      ? [merged(prepared, body, declared)]
      : [body, merged(prepared, {}, declared)]
  for (const [index, candidate] of candidates.entries()) {
    const decoded = Decode.tryDecode(declared.decode, candidate)
    if (!Decode.isAtHand(decoded)) return Effect.flatMap(Effect.either(Decode.toEffect(decoded)), finish)
    if (Either.isRight(decoded) || index === candidates.length - 1) return finish(decoded)
  }
  return unexpected(undefined)
}

/** The fields an error is decoded from: the body's, then the call's parameters for those it lacks, and the tag it asks for. */
const merged = (prepared: Prepared, body: object, declared: ErrorDecoder): unknown => {
  const { body: _, headers: __, ...parameters } = prepared.impl.input
  return declared.tag === undefined ? { ...parameters, ...body } : { ...parameters, ...body, _tag: declared.tag }
}

/** A fault of the exchange, in the endpoint's terms. */
export const failure = (prepared: Prepared, fault: Fault, told: Told): RestError.RestError => {
  const fields = errorFields(prepared.definition)
  const known = details(prepared, undefined, told)
  switch (fault._tag) {
    case "Transport":
      return RestError.withDetails(new RestError.RestTransportError({ ...fields, phase: fault.phase }), {
        ...known,
        cause: fault.cause
      })
    case "Timeout":
      return RestError.withDetails(
        new RestError.RestTimeout({ ...fields, phase: fault.phase, millis: fault.millis }),
        known
      )
    case "TooLarge":
      return RestError.withDetails(
        new RestError.RestTooLarge({ ...fields, what: fault.what, limitBytes: fault.limitBytes }),
        known
      )
    case "Undecodable":
      return RestError.withDetails(
        new RestError.RestDecodeError({ ...fields, status: fault.status, path: [], problem: fault.problem }),
        known
      )
    case "Redirect":
      return RestError.withDetails(
        new RestError.RestRedirectError({ ...fields, status: fault.status, problem: fault.problem }),
        { ...known, status: fault.status }
      )
    case "Refused": {
      const refusal = {
        circuit: RestError.RestCircuitOpen,
        queue: RestError.RestQueueFull,
        rate: RestError.RestRateLimited
      }
      return RestError.withDetails(new refusal[fault.why](fields), {
        ...known,
        ...(fault.retryAfterMillis === undefined ? undefined : { retryAfter: Duration.millis(fault.retryAfterMillis) })
      })
    }
  }
}
