/**
 * Keeps an upstream, and this process, from being run over: a limit on calls
 * at once with a bounded queue, a circuit breaker, and rate limits learned from
 * what the upstream says. One of each per origin.
 *
 * It is a layer over any `HttpClient`. Place it below an `HttpCache`, so that
 * what the cache can answer is neither counted nor refused.
 *
 * @example
 * import { FetchHttpClient } from "@effect/platform"
 * import { OriginGuard } from "@wellspring/rest"
 * import { Layer } from "effect"
 *
 * const Client = OriginGuard.layer({ maxConcurrent: 50, breaker: {} }).pipe(Layer.provide(FetchHttpClient.layer))
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Breaker from "./Breaker.ts"
import * as RateLimit from "./RateLimit.ts"
import * as RetryAfter from "./RetryAfter.ts"

export interface Options {
  /** Calls to one origin at once, each until its headers are there. Default unlimited. */
  readonly maxConcurrent?: number | undefined
  /** Calls to one origin that may wait for their turn; one more is refused at once. Default ten times `maxConcurrent`. */
  readonly maxQueued?: number | undefined
  /** Opens a circuit when an origin keeps failing (no answer, or status 5xx). Default none. */
  readonly breaker?: Breaker.Settings | undefined
  /** Waits where an upstream says that its rate limit is used up (`RateLimit`, `X-RateLimit-*`, `Retry-After`). Default true. */
  readonly learnRateLimits?: boolean | undefined
  /** The longest that a call waits for a rate limit; one that would have to wait longer is refused. Default 5 seconds. */
  readonly maxRateLimitWait?: Duration.DurationInput | undefined
}

/** Why a call was not sent: the `cause` of the client's `RequestError`. */
export class OriginRefused extends Schema.TaggedError<OriginRefused>()("OriginRefused", {
  host: Schema.String,
  why: Schema.Literal("circuit", "queue", "rate"),
  retryAfterMillis: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    const whys = {
      circuit: "its circuit breaker is open",
      queue: "too many calls to it are waiting",
      rate: "its rate limit is used up"
    }
    return `No call was sent to ${this.host}: ${whys[this.why]}.`
  }
}

interface Guarded {
  breaker: Breaker.State
  queued: number
  /** No call before this instant. */
  closedUntil: number
  readonly permits: Effect.Semaphore | undefined
}

/** Origins remembered at once; the oldest without calls under way is forgotten. */
const maxOrigins = 1000

/** The guarded form of a client. */
export const transform = (client: HttpClient.HttpClient, options: Options = {}): HttpClient.HttpClient => {
  const { maxConcurrent } = options
  const maxQueued = options.maxQueued ?? (maxConcurrent ?? 0) * 10
  const settings = options.breaker === undefined ? undefined : Breaker.make(options.breaker)
  const learns = options.learnRateLimits !== false
  const maxWait = Duration.toMillis(options.maxRateLimitWait ?? Duration.seconds(5))
  const origins = new Map<string, Guarded>()

  const guarded = (origin: string, now: number): Guarded => {
    let found = origins.get(origin)
    if (found === undefined) {
      if (origins.size >= maxOrigins) {
        for (const [name, other] of origins) {
          if (other.queued > 0) continue
          origins.delete(name)
          break
        }
      }
      found = {
        breaker: Breaker.initial(now),
        queued: 0,
        closedUntil: 0,
        permits: maxConcurrent === undefined ? undefined : Effect.unsafeMakeSemaphore(maxConcurrent)
      }
      origins.set(origin, found)
    }
    return found
  }

  const refuse = (
    request: HttpClientRequest.HttpClientRequest,
    why: OriginRefused["why"],
    retryAfterMillis?: number
  ): Effect.Effect<never, HttpClientError.RequestError> => {
    const host = URL.canParse(request.url) ? new URL(request.url).host : "the upstream"
    const cause = new OriginRefused({
      host,
      why,
      ...(retryAfterMillis === undefined ? undefined : { retryAfterMillis })
    })
    return Effect.fail(
      new HttpClientError.RequestError({ request, reason: "Transport", cause, description: cause.message })
    )
  }

  type Sent = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

  /** Waits until the upstream may be asked again, unless that is too long. */
  const afterRateLimit = (request: HttpClientRequest.HttpClientRequest, origin: Guarded, send: Sent): Sent =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const wait = origin.closedUntil - now
      if (wait <= 0) return send
      if (wait > maxWait) return refuse(request, "rate", wait)
      return Effect.zipRight(
        Effect.sleep(Duration.millis(wait)),
        Effect.suspend(() => afterRateLimit(request, origin, send))
      )
    })

  const throughBreaker = (
    request: HttpClientRequest.HttpClientRequest,
    origin: Guarded,
    breaker: Breaker.Breaker,
    send: Sent
  ): Sent =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const [state, admission] = Breaker.admit(breaker, origin.breaker, now)
        origin.breaker = state
        if (admission._tag === "Refuse") return refuse(request, "circuit", admission.retryAfterMillis)
        return Effect.onExit(restore(send), (exit) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            origin.breaker = Breaker.settle(breaker, origin.breaker, admission.round, resultOf(exit), now)
          })
        )
      })
    )

  const inTurn = (request: HttpClientRequest.HttpClientRequest, origin: Guarded, send: Sent): Sent => {
    const { permits } = origin
    if (permits === undefined || maxConcurrent === undefined) return send
    return Effect.suspend(() => {
      if (origin.queued >= maxConcurrent + maxQueued) return refuse(request, "queue")
      origin.queued++
      return Effect.ensuring(
        permits.withPermits(1)(send),
        Effect.sync(() => {
          origin.queued--
        })
      )
    })
  }

  const learn = (origin: Guarded, response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const { headers, status } = response
      const limit = RateLimit.parse(headers, now)
      if (Option.isSome(limit) && limit.value.remaining <= 0) {
        origin.closedUntil = Math.max(origin.closedUntil, limit.value.resetAtMillis)
      }
      const after = headers["retry-after"]
      if ((status === 429 || status === 503) && after !== undefined) {
        const asked = RetryAfter.parse(after, DateTime.unsafeMake(now))
        if (Option.isSome(asked))
          origin.closedUntil = Math.max(origin.closedUntil, now + Duration.toMillis(asked.value))
      }
    })

  return HttpClient.transform(client, (send, request) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const origin = guarded(URL.canParse(request.url) ? new URL(request.url).origin : request.url, now)
      const sent = learns ? Effect.tap(send, (response) => learn(origin, response)) : send
      const broken = settings === undefined ? sent : throughBreaker(request, origin, settings, sent)
      const limited = learns ? afterRateLimit(request, origin, broken) : broken
      return inTurn(request, origin, limited)
    })
  )
}

const resultOf = (
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): Breaker.Result => {
  if (Exit.isSuccess(exit)) return exit.value.status >= 500 ? "failure" : "success"
  if (Cause.isInterruptedOnly(exit.cause)) return "abandoned"
  const failure = Cause.failureOption(exit.cause)
  // A request that could not even be written says nothing about the upstream.
  return Option.isSome(failure) && failure.value._tag === "RequestError" && failure.value.reason !== "Transport"
    ? "abandoned"
    : "failure"
}

/** Guards the {@link HttpClient.HttpClient} below it. */
export const layer = (options?: Options): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) => transform(client, options))
  )
