/** Calls whose answer is read as it comes. */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as ParseResult from "effect/ParseResult"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Endpoint from "../Endpoint.ts"
import * as EventStream from "../EventStream.ts"
import * as RestError from "../RestError.ts"
import * as Collect from "./collect.ts"
import * as Decode from "./decode.ts"
import type { Engine, Opened } from "./engine.ts"
import type { Fault } from "./exchange.ts"
import * as Freeze from "./freeze.ts"
import * as Json from "./json.ts"
import * as Media from "./media.ts"
import * as Opening from "./opening.ts"
import { errorFields } from "./prepare.ts"
import type { RequestImpl } from "./request.ts"
import * as Settle from "./settle.ts"

type Options = Endpoint.Policy | undefined

const told = (opened: Opened) => ({
  outcome: "bypass" as const,
  timings: { headersMillis: undefined, totalMillis: 0, attempts: 1 },
  now: opened.call.begun,
  report: () => {}
})

/** Given up with its scope once it is there. Until then it may be interrupted, by its deadline too. */
const opened = (engine: Engine, request: RequestImpl, options: Options) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.tap(restore(engine.open(request, options)), ({ call, response }) =>
      Effect.addFinalizer(() => Effect.sync(() => Collect.abandon(response, call.plan.site)))
    )
  )

export const raw = (
  engine: Engine,
  request: RequestImpl,
  options: Options
): Effect.Effect<HttpClientResponse.HttpClientResponse, unknown, unknown> =>
  Effect.map(opened(engine, request, options), ({ response }) => response)

/** The pieces of a 2xx answer; any other status is the failure it stands for. */
const pieces = <A, E>(
  engine: Engine,
  request: RequestImpl,
  options: Options,
  read: (body: Stream.Stream<Uint8Array, Fault>, opened: Opened) => Stream.Stream<A, E | Fault>
): Stream.Stream<A, unknown, Exclude<unknown, Scope.Scope>> =>
  Stream.unwrapScoped(
    Effect.flatMap(opened(engine, request, options), (opened): Effect.Effect<Stream.Stream<A, unknown>, unknown> => {
      const { call, response } = opened
      if (response.status < 200 || response.status > 299) return engine.refusal(opened)
      return Effect.succeed(
        Stream.mapError(read(Opening.body(call, response), opened), (error) =>
          isFault(error) ? Settle.failure(call.prepared, error, told(opened)) : error
        )
      )
    })
  )

const faults: ReadonlySet<unknown> = new Set<Fault["_tag"]>([
  "Transport",
  "Timeout",
  "TooLarge",
  "Undecodable",
  "Redirect",
  "Refused"
])
const isFault = (error: unknown): error is Fault =>
  typeof error === "object" && error !== null && "_tag" in error && faults.has(error._tag)

export const bytes = (
  engine: Engine,
  request: RequestImpl,
  options: Options
): Stream.Stream<Uint8Array, unknown, unknown> => pieces(engine, request, options, (body) => body)

/** A line must fit into what a whole body might be: there is no other end to it. */
const lines = (body: Stream.Stream<Uint8Array, Fault>, { call }: Opened): Stream.Stream<string, Fault> =>
  Stream.mapError(
    EventStream.lines(call.plan.limits.maxBodyBytes)(body),
    (error): Fault =>
      error instanceof EventStream.LineTooLong
        ? { _tag: "TooLarge", what: "body", limitBytes: error.limitBytes }
        : error
  )

/** One piece of data, decoded as the endpoint's answer is. */
const decoded = (
  data: string,
  index: number,
  { call, response }: Opened
): Effect.Effect<unknown, RestError.RestDecodeError> => {
  const { definition, policy } = call.prepared
  const wrong = (path: ReadonlyArray<string | number>, problem: string) =>
    RestError.withDetails(
      new RestError.RestDecodeError({
        ...errorFields(definition),
        status: response.status,
        path: [index, ...path],
        problem
      }),
      { sample: Media.sample(data) }
    )
  const finish = (
    result: Either.Either<unknown, ParseResult.ParseIssue>
  ): Either.Either<unknown, RestError.RestDecodeError> => {
    if (Either.isRight(result)) {
      try {
        return Either.right(Freeze.deep(result.right))
      } catch {
        return Either.left(wrong([], "it is nested too deeply"))
      }
    }
    const { path, problem } = Decode.describe(result.left)
    return Either.left(wrong(path, problem))
  }
  const attempt = (input: unknown): Effect.Effect<unknown, RestError.RestDecodeError> => {
    const result = Decode.tryDecode(definition.success, input)
    return Decode.isAtHand(result) ? finish(result) : Effect.flatMap(Effect.either(Decode.toEffect(result)), finish)
  }
  if (policy.reading === "text") return attempt(data)
  let parsed: unknown
  try {
    parsed = Json.parse(data)
  } catch {
    // Events may carry plain text; the schema says whether that is what was meant.
    return Effect.mapError(attempt(data), () => wrong([], "it is not valid JSON"))
  }
  return Effect.catchAll(attempt(parsed), (error) =>
    typeof parsed === "object" ? Effect.fail(error) : Effect.mapError(attempt(data), () => error)
  )
}

export const ndjson = (
  engine: Engine,
  request: RequestImpl,
  options: Options
): Stream.Stream<unknown, unknown, unknown> =>
  pieces(engine, request, options, (body, opened) =>
    lines(body, opened).pipe(
      Stream.filter((line) => line.trim() !== ""),
      Stream.zipWithIndex,
      Stream.mapEffect(([line, index]) => decoded(line, index, opened))
    )
  )

export const events = (
  engine: Engine,
  request: RequestImpl,
  options: Options
): Stream.Stream<EventStream.Event<unknown>, unknown, unknown> =>
  pieces(engine, request, options, (body, opened) =>
    EventStream.events(lines(body, opened)).pipe(
      Stream.zipWithIndex,
      Stream.mapEffect(([event, index]) =>
        Effect.map(decoded(event.data, index, opened), (data) => ({ ...event, data }))
      )
    )
  )
