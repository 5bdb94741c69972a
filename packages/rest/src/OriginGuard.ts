/**
 * Keeps an upstream, and this process, from being run over: a limit on calls
 * at once with a bounded queue, a circuit breaker, and rate limits learned from
 * what the upstream says. One of each per origin.
 *
 * It is a layer over any `HttpClient`. Place it below an `HttpCache`, so that
 * what the cache can answer is neither counted nor refused. Over `UndiciClient`
 * a call that has to wait for nothing costs no fiber here either.
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
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Breaker from "./Breaker.ts"
import { type Answer, numbers, type Origin, Origins, type Round } from "./internal/origins.ts"
import * as Run from "./internal/run.ts"

export interface Options {
  /**
   * Calls to one origin at once, each until its body has been read, given up or broken; one that is read as an endless
   * stream counts for as long. Default unlimited.
   */
  readonly maxConcurrent?: number | undefined
  /** Calls to one origin that may wait for their turn; one more is refused at once. Default ten times `maxConcurrent`. */
  readonly maxQueued?: number | undefined
  /**
   * How long a response counts whose body nobody begins to read: after that its place goes to a call that waits for one.
   * Default 5 seconds.
   */
  readonly maxUnread?: Duration.DurationInput | undefined
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

type Sent = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
type Startable = Fiberless.Fiberless<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
const interrupted = Exit.interrupt(FiberId.none)

const refuse = (
  request: HttpClientRequest.HttpClientRequest,
  why: OriginRefused["why"],
  retryAfterMillis?: number
): Exit.Exit<never, HttpClientError.RequestError> => {
  const host = URL.canParse(request.url) ? new URL(request.url).host : "the upstream"
  const cause = new OriginRefused({
    host,
    why,
    ...(retryAfterMillis === undefined ? undefined : { retryAfterMillis })
  })
  return Exit.fail(
    new HttpClientError.RequestError({ request, reason: "Transport", cause, description: cause.message })
  )
}

/** Waits for a place, and holds it. Only the wait can be interrupted: a place that was given meanwhile is given back. */
const inTurn = (
  request: HttpClientRequest.HttpClientRequest,
  { places }: Origin,
  restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
) =>
  Effect.withFiberRuntime<void, HttpClientError.RequestError>((fiber) => {
    if (places === undefined || places.take()) return Exit.void
    const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    if (places.isFull(clock.unsafeCurrentTimeMillis())) return refuse(request, "queue")
    const site = Run.siteIn(fiber)
    let leave: Fiberless.Leave | undefined
    const turn = Effect.async<void>((resume) => {
      leave = places.wait(site, () => resume(Exit.void))
    })
    return Effect.onError(restore(turn), () => Effect.sync(() => leave?.()))
  })

/** Waits until the upstream may be asked again, unless that is too long. */
const afterRateLimit = (
  request: HttpClientRequest.HttpClientRequest,
  origin: Origin,
  maxWaitMillis: number
): Effect.Effect<void, HttpClientError.RequestError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const wait = origin.wait(now)
    if (wait <= 0) return Exit.void
    if (wait > maxWaitMillis) return refuse(request, "rate", wait)
    return Effect.zipRight(
      Effect.sleep(Duration.millis(wait)),
      Effect.suspend(() => afterRateLimit(request, origin, maxWaitMillis))
    )
  })

/** A call that may have to wait, in its caller's fiber. */
const patient = (origins: Origins, request: HttpClientRequest.HttpClientRequest, send: Sent): Sent =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const origin = origins.get(originOf(request.url), now)
      const admitted = Effect.flatMap(restore(afterRateLimit(request, origin, origins.settings.maxWaitMillis)), () =>
        Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<Round, HttpClientError.RequestError> => {
          const admission = origin.admit(now)
          return admission._tag === "Pass"
            ? Exit.succeed(admission.round)
            : refuse(request, "circuit", admission.retryAfterMillis)
        })
      )
      return Effect.flatMap(inTurn(request, origin, restore), () =>
        Effect.matchCauseEffect(admitted, {
          onFailure: (cause) => {
            origin.places?.leave()
            return Exit.failCause(cause)
          },
          onSuccess: (round) =>
            Effect.flatMap(Effect.exit(restore(send)), (answer) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) => origin.settle(round, answer, now))
            )
        })
      )
    })
  )

/** A call over a client that needs no fiber: one is needed only to wait. */
class Guarded
  extends Effectable.Class<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
  implements Startable
{
  readonly #origins: Origins
  readonly #request: HttpClientRequest.HttpClientRequest
  readonly #send: Startable
  readonly #clock: Clock.Clock

  constructor(origins: Origins, request: HttpClientRequest.HttpClientRequest, send: Startable, clock: Clock.Clock) {
    super()
    this.#origins = origins
    this.#request = request
    this.#send = send
    this.#clock = clock
  }

  commit(): Sent {
    return patient(this.#origins, this.#request, this.#send)
  }

  [Fiberless.TypeId](context: Context.Context<never>, resume: (answer: Answer) => void): Answer | Fiberless.Leave {
    const clock: Clock.Clock = context.unsafeMap.get(Clock.Clock.key) ?? this.#clock
    const now = clock.unsafeCurrentTimeMillis()
    const origin = this.#origins.get(originOf(this.#request.url), now)
    if (origin.wait(now) > 0 || origin.places?.take() === false) {
      return Run.start(this.commit(), Run.siteOf(context, clock), resume)
    }
    const admission = origin.admit(now)
    if (admission._tag === "Refuse") {
      origin.places?.leave()
      return refuse(this.#request, "circuit", admission.retryAfterMillis)
    }
    const settle = (answer: Answer) => origin.settle(admission.round, answer, clock.unsafeCurrentTimeMillis())
    let isOver = false
    const started = this.#send[Fiberless.TypeId](context, (answer) => {
      isOver = true
      resume(settle(answer))
    })
    if (typeof started !== "function") return settle(started)
    return () => {
      if (isOver) return
      isOver = true
      started()
      settle(interrupted)
    }
  }
}

/** A URL whose origin stands in it as `URL` would write it. */
const written = /^https?:\/\/[a-z0-9.-]+(?::(?!(?:80|443)(?:\D|$))[1-9]\d*)?(?=[/?#]|$)/

const originOf = (url: string): string => written.exec(url)?.[0] ?? (URL.canParse(url) ? new URL(url).origin : url)

const guard = (client: HttpClient.HttpClient, options: Options, clock: Clock.Clock): HttpClient.HttpClient => {
  const origins = new Origins(numbers(options))
  // A client that changes its requests gives ordinary Effects, and the request as it was changed only here.
  const patiently = HttpClient.transform(client, (send, request) => patient(origins, request, send))
  const call = (request: HttpClientRequest.HttpClientRequest): Sent => {
    const send = client.execute(request)
    return Fiberless.isFiberless(send)
      ? new Guarded(origins, request, send as Startable, clock)
      : patiently.execute(request)
  }
  return HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    (request: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
      Exit.isExit(request) && Exit.isSuccess(request)
        ? call(request.value as HttpClientRequest.HttpClientRequest)
        : Effect.flatMap(request, call),
    Effect.succeed
  )
}

/** The guarded form of a client. */
export const transform = (client: HttpClient.HttpClient, options: Options = {}): HttpClient.HttpClient =>
  guard(client, options, Context.get(DefaultServices.liveServices, Clock.Clock))

/** Guards the {@link HttpClient.HttpClient} below it. */
export const layer = (options: Options = {}): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.zipWith(HttpClient.HttpClient, Effect.clock, (client, clock) => guard(client, options, clock))
  )
