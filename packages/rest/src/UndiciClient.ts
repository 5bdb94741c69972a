/**
 * An `HttpClient` on [undici](https://undici.nodejs.org)'s dispatcher: lean, and
 * bounded in time and size without being asked.
 *
 * A request costs no `fetch`, no `URL`, no `AbortController`, no web stream, and
 * a span only where a tracer is set. Every wait has a deadline and every body a
 * limit; interrupting a request closes its socket or resets its stream at once.
 *
 * - one pool of keep-alive connections for each origin, closed with the layer's scope; HTTP/2 where the origin offers it
 * - `gzip`, `deflate`, `br` (and `zstd`, where Node has it) are asked for and undone; a decoded response no longer has
 *   `content-encoding` and `content-length`
 * - redirects are answers like others: `HttpClient.followRedirects` or the layers above decide
 * - a body that is not larger than 64 KiB frees its connection though nobody reads it
 *
 * Import it by its own path; `undici` is loaded when the layer is built.
 *
 * @example
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import * as Effect from "effect/Effect"
 * import * as UndiciClient from "@wellspring/rest/UndiciClient"
 *
 * const program = Effect.flatMap(HttpClient.get("https://movies-api.example.com/v1/movies/1"), (response) => response.json)
 * const main = Effect.provide(program, UndiciClient.layer({ headersTimeout: "5 seconds" }))
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Fiberless from "@wellspring/source/Fiberless"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { globalValue } from "effect/GlobalValue"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { Pool } from "undici"
import { Deadlines, now } from "./internal/undiciDeadlines.ts"
import { ConnectionLost, type ExchangeFailure, RequestRefused } from "./internal/undiciErrors.ts"
import { Exchange, type Head, type Limits, type Shared } from "./internal/undiciExchange.ts"
import { type Origin, Origins } from "./internal/undiciOrigins.ts"
import * as Request from "./internal/undiciRequest.ts"
import { maxBodyBytes, Response } from "./internal/undiciResponse.ts"
import * as Target from "./internal/undiciTarget.ts"
import * as Tracing from "./internal/undiciTracing.ts"

export {
  BodyTooLarge,
  ConnectionLost,
  DeadlineExceeded,
  EncodingRefused,
  HeadersTooLarge,
  RequestRefused
} from "./internal/undiciErrors.ts"
export { Bytes, IdleMillis, RawHeaders } from "./internal/undiciResponse.ts"
export { RequestAnnotations } from "./internal/undiciTracing.ts"

/**
 * Settings of the client. Each timeout may be `Duration.infinity`, each size
 * `Infinity`, which is no limit.
 *
 * Timeouts are measured on the machine's clock, also under a `TestClock`: a
 * socket does not stand still with it.
 */
export interface Options {
  /** To have a connection: to wait for a free one where `pool.connections` bounds them, to resolve, connect and greet. Default 5 seconds. */
  readonly connectTimeout?: Duration.DurationInput
  /** From sending the request to the last of the final response's headers. Default 30 seconds. */
  readonly headersTimeout?: Duration.DurationInput
  /** Between two pieces of the body. Time in which the reader does not want more is not counted. Default 30 seconds. */
  readonly bodyTimeout?: Duration.DurationInput
  /**
   * From the call to the last byte of a body. A body taken as a stream is free of it from then on, for it may go on
   * for ever. Default 2 minutes.
   */
  readonly totalTimeout?: Duration.DurationInput
  /**
   * The longest body that is read whole, in bytes after decoding. `HttpIncomingMessage.withMaxBodySize` around a call
   * sets another. Default 10 MiB.
   */
  readonly maxBodyBytes?: number
  /** The longest body taken as a stream, in bytes after decoding. Default: any, since the reader sets the pace. */
  readonly maxStreamBytes?: number
  /** The longest response headers, names and values together. Default 16 KiB. */
  readonly maxHeaderBytes?: number
  /** Whether to ask for compressed bodies and to undo the compression, at most five times over. Default true. */
  readonly decompress?: boolean
  /** Whether to speak HTTP/2 with origins that offer it over TLS. Default true. */
  readonly http2?: boolean
  /** Whether to record the histogram `http.client.request.duration`. Default false. */
  readonly metrics?: boolean
  /**
   * Further settings of undici's pools: how many `connections` an origin may have (default: any), `keepAliveTimeout`,
   * and in `connect` those of TLS, such as `ca`, `cert` and `key`.
   */
  readonly pool?: Omit<Pool.Options, "factory" | "allowH2" | "headersTimeout" | "bodyTimeout" | "maxHeaderSize">
}

const millis = (input: Duration.DurationInput | undefined, fallback: Duration.DurationInput): number =>
  Duration.toMillis(input ?? fallback)

const limitsOf = (options: Options): Limits => ({
  connectMillis: millis(options.connectTimeout, "5 seconds"),
  headersMillis: millis(options.headersTimeout, "30 seconds"),
  idleMillis: millis(options.bodyTimeout, "30 seconds"),
  totalMillis: millis(options.totalTimeout, "2 minutes"),
  maxHeaderBytes: options.maxHeaderBytes ?? 16_384,
  maxBodyBytes: options.maxBodyBytes ?? 10_485_760,
  maxStreamBytes: options.maxStreamBytes ?? Number.POSITIVE_INFINITY,
  decompress: options.decompress ?? true
})

type Answer = Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
type Answered = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/** Where `HttpClient.withScope` keeps what ends a request with its scope. */
const scoped = globalValue(
  "@effect/platform/HttpClient/scopedRequests",
  () => new WeakMap<HttpClientRequest.HttpClientRequest, AbortController>()
)

interface Client extends Shared {
  readonly origins: Origins
  readonly measures: boolean
  /** Those of the fiber that built the client, for calls that come without one. */
  readonly runtime: Runtime.Runtime<never>
  readonly isTraced: boolean
}

interface Sending {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly origin: Origin
  readonly target: Target.Target
}

const requestError = (
  request: HttpClientRequest.HttpClientRequest,
  reason: "Transport" | "Encode" | "InvalidUrl",
  cause: Error
): HttpClientError.RequestError =>
  new HttpClientError.RequestError({ request, reason, cause, description: cause.message })

const toError = (
  request: HttpClientRequest.HttpClientRequest,
  failure: ExchangeFailure
): HttpClientError.HttpClientError =>
  requestError(request, failure._tag === "RequestRefused" ? "Encode" : "Transport", failure)

const resolve = (
  client: Client,
  request: HttpClientRequest.HttpClientRequest
): Either.Either<Sending, HttpClientError.RequestError> => {
  const target = Target.of(request)
  if (Either.isLeft(target)) return Either.left(requestError(request, "InvalidUrl", target.left))
  const origin = client.origins.get(target.right.origin)
  if (Either.isLeft(origin)) {
    const reason = origin.left instanceof ConnectionLost ? "Transport" : "InvalidUrl"
    return Either.left(requestError(request, reason, origin.left))
  }
  return Either.right({ request, origin: origin.right, target: target.right })
}

/** Sends the request; `resume` hears once of the response's head. The function returned gives up. */
const send = (
  client: Client,
  { request, origin, target }: Sending,
  context: Context.Context<never>,
  propagated: Readonly<Record<string, string>> | undefined,
  runtime: () => Runtime.Runtime<never>,
  resume: (answer: Answer) => void
): Exchange => {
  const { limits, measures } = client
  const limitBytes = maxBodyBytes(context, limits.maxBodyBytes)
  const startedAt = measures ? now() : 0
  const signal = scoped.get(request)?.signal
  const exchange = new Exchange(client, request, limitBytes, (result: Head | ExchangeFailure) => {
    const answer: Answer = "_tag" in result ? Exit.fail(toError(request, result)) : Exit.succeed(respond(result))
    if (measures) Tracing.measure(request, origin, answer, (now() - startedAt) / 1000)
    resume(answer)
  })
  const respond = (head: Head): Response => {
    const response = new Response(head, limitBytes)
    exchange.tie(response)
    return response
  }
  const giveUp = (cause: unknown) =>
    exchange.abort(new RequestRefused({ reason: cause instanceof Error ? cause.message : "it cannot be sent", cause }))
  if (signal !== undefined) {
    if (signal.aborted) exchange.leave()
    else signal.addEventListener("abort", () => exchange.leave(), { once: true })
  }
  try {
    const { body, headers } = Request.body(request.body, runtime)
    origin.dispatcher.dispatch(
      {
        path: target.path,
        method: request.method,
        headers: Request.headers(request, limits.decompress, headers, propagated),
        body
      },
      exchange
    )
  } catch (cause) {
    giveUp(cause)
  }
  return exchange
}

/** The request as an Effect, and as a callback for those who have no fiber. */
class Execution
  extends Effectable.Class<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
  implements Fiberless.Fiberless<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
{
  readonly client: Client
  readonly request: HttpClientRequest.HttpClientRequest

  constructor(client: Client, request: HttpClientRequest.HttpClientRequest) {
    super()
    this.client = client
    this.request = request
  }

  commit(): Answered {
    return Effect.withFiberRuntime((fiber) => {
      const sending = resolve(this.client, this.request)
      if (Either.isLeft(sending)) return Exit.fail(sending.left)
      if (!Tracing.isOn(fiber, this.request)) {
        const isInherited = fiber.currentSpan !== undefined && fiber.getFiberRef(HttpClient.currentTracerPropagation)
        return this.#within(fiber, sending.right, isInherited ? Tracing.inherited(fiber.currentContext) : undefined)
      }
      const { request, origin, target } = sending.right
      return Tracing.withSpan(fiber, request, origin, target, (propagated) =>
        this.#within(fiber, sending.right, propagated)
      )
    })
  }

  readonly [Fiberless.TypeId]: Fiberless.Start<
    HttpClientResponse.HttpClientResponse,
    HttpClientError.HttpClientError,
    never
  > = (context, resume) => {
    // Only a fiber has what a span needs.
    if (this.client.isTraced) return this.#forked(context, resume)
    const sending = resolve(this.client, this.request)
    if (Either.isLeft(sending)) return Exit.fail(sending.left)
    let isWaiting = true
    const own = () => Runtime.make({ ...this.client.runtime, context })
    const exchange = send(this.client, sending.right, context, Tracing.inherited(context), own, (answer) =>
      // After undici's parser is done with what came together with the head: often the whole body.
      queueMicrotask(() => {
        if (!isWaiting) return
        isWaiting = false
        resume(answer)
      })
    )
    return () => {
      if (!isWaiting) return
      isWaiting = false
      exchange.leave()
    }
  }

  #within(
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    sending: Sending,
    propagated: Readonly<Record<string, string>> | undefined
  ): Answered {
    const context = fiber.currentContext
    const own = () => Runtime.make({ ...this.client.runtime, context, fiberRefs: fiber.getFiberRefs() })
    return Effect.uninterruptibleMask((restore) => {
      let exchange: Exchange | undefined
      return Effect.matchCauseEffect(
        restore(
          Effect.async<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>((resume) => {
            exchange = send(this.client, sending, context, propagated, own, resume)
          })
        ),
        {
          onSuccess: (response) => {
            exchange = undefined
            return Exit.succeed(response)
          },
          onFailure: (cause) => {
            exchange?.leave()
            return Exit.failCause(cause)
          }
        }
      )
    })
  }

  #forked(context: Context.Context<never>, resume: (answer: Answer) => void): Fiberless.Leave {
    const fiber = Runtime.runFork(Runtime.make({ ...this.client.runtime, context }))(this.commit())
    const observer = (answer: Answer) => resume(answer)
    fiber.addObserver(observer)
    return () => {
      fiber.removeObserver(observer)
      fiber.unsafeInterruptAsFork(fiber.id())
    }
  }
}

/**
 * A client whose connections close, and whose running requests fail, when the scope does.
 *
 * `execute` gives a `Fiberless` as long as the client is used as it is: a client
 * made from it by `HttpClient.mapRequest` and its like gives ordinary Effects.
 *
 * It fails with `RequestError` until there is a response and with `ResponseError`
 * of reason `Decode` while its body is read. Their `cause` tells why:
 * {@link DeadlineExceeded}, {@link ConnectionLost}, {@link BodyTooLarge},
 * {@link HeadersTooLarge}, {@link EncodingRefused} or {@link RequestRefused}.
 */
export const make = (options: Options = {}): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const undici = yield* Effect.promise(() => import("undici"))
    const limits = limitsOf(options)
    const origins = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Origins({
            undici,
            pool: { ...options.pool, maxHeaderSize: limits.maxHeaderBytes },
            connectMillis: limits.connectMillis,
            isHttp2Allowed: options.http2 ?? true
          })
      ),
      (origins) => Effect.promise(() => origins.destroy())
    )
    const tracer = yield* Effect.tracer
    const client: Client = {
      limits,
      origins,
      deadlines: new Deadlines(),
      headerName: undici.util.headerNameToString,
      abandoned: new FinalizationRegistry((exchange) => exchange.leave()),
      measures: options.metrics ?? false,
      runtime: yield* Effect.runtime<never>(),
      isTraced: Tracing.isSet(tracer)
    }
    return HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
      (request: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
        Exit.isExit(request) && Exit.isSuccess(request)
          ? new Execution(client, request.value as HttpClientRequest.HttpClientRequest)
          : Effect.flatMap(request, (request) => new Execution(client, request)),
      Effect.succeed
    )
  })

/** {@link make} as the application's `HttpClient`. */
export const layer = (options: Options = {}): Layer.Layer<HttpClient.HttpClient> =>
  Layer.scoped(HttpClient.HttpClient, make(options))
