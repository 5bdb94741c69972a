/**
 * Where requests are answered: a base URL, credentials, and how calls are made.
 *
 * A source is a value made by {@link make}, to be kept in a service of yours;
 * or the service {@link RestSource} itself, provided by {@link layer}, for
 * requests that are run as Effects. Either way tests swap the layer.
 */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Fiberless from "@wellspring/source/Fiberless"
import type * as Operation from "@wellspring/source/Operation"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type * as FiberRefs from "effect/FiberRefs"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Endpoint from "./Endpoint.ts"
import type { Answer as AnswerImpl } from "./internal/answer.ts"
import { Engine } from "./internal/engine.ts"
import * as Redirecting from "./internal/redirecting.ts"
import type { RequestImpl } from "./internal/request.ts"
import * as Target from "./internal/target.ts"
import * as RestError from "./RestError.ts"

/** Who answered: `memo` and `joined` are this Operation, the others are a cache's words; `miss` and `bypass` are the origin. */
export type Answered = "memo" | "joined" | Operation.Outcome

/** How long a call took, on the Clock it ran by. */
export interface Timings {
  /** From the call to the headers of its answer; undefined when none came. */
  readonly headersMillis: number | undefined
  /** From the call to its decoded answer. */
  readonly totalMillis: number
  /** How many times it was sent. */
  readonly attempts: number
}

/** An answer with what came around it. */
export interface Answer<out A> {
  readonly value: A
  readonly status: number
  /** Names in lower case. */
  readonly headers: Headers.Headers
  readonly outcome: Answered
  readonly timings: Timings
}

/**
 * A source. `E` is what its base URL and `prepare` may fail with, `R` the
 * services they use, which come from whoever makes the call: in a server, the
 * viewer of the request at hand.
 */
export interface Service<out E = never, in out R = never> {
  /** The decoded value. Answered without a fiber where that is possible; shared values are read-only. */
  readonly call: <A, E1>(
    request: Endpoint.Request<A, E1, unknown>,
    options?: Endpoint.Policy
  ) => Fiberless.Fiberless<A, E | E1 | RestError.RestError, R>
  /** The decoded value with status, headers, who answered, and how long it took. */
  readonly callFull: <A, E1>(
    request: Endpoint.Request<A, E1, unknown>,
    options?: Endpoint.Policy
  ) => Fiberless.Fiberless<Answer<A>, E | E1 | RestError.RestError, R>
  /** The decoded value, or `None` for status 404. */
  readonly callOption: <A, E1>(
    request: Endpoint.Request<A, E1, unknown>,
    options?: Endpoint.Policy
  ) => Effect.Effect<Option.Option<A>, E | E1 | RestError.RestError, R>
}

/** What makes a source. */
export interface Options<E = never, R = never> extends Endpoint.Policy {
  /** What paths are resolved against, as links on a page are: end it with a slash to have paths below it. May be an Effect, run for every call. */
  readonly baseUrl: string | URL | Effect.Effect<string | URL, E, R>
  /**
   * Sees every request before it is sent, and gives the one to send. Whatever
   * it sets counts as the caller's identity: two calls that were prepared
   * differently never share an answer, unless the difference is `neutral`.
   */
  readonly prepare?:
    | ((
        request: HttpClientRequest.HttpClientRequest
      ) => HttpClientRequest.HttpClientRequest | Effect.Effect<HttpClientRequest.HttpClientRequest, E, R>)
    | undefined
  /** Headers and query parameters that say nothing about who asks, such as a request id. */
  readonly neutral?:
    | { readonly headers?: ReadonlyArray<string> | undefined; readonly query?: ReadonlyArray<string> | undefined }
    | undefined
  /** Origins besides the base's that templates, `prepare`, redirects and page links may lead to. */
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  /** The most redirects followed for one call. Default 5; zero hands redirects on as they are. */
  readonly maxRedirects?: number | undefined
  /** Told of answers that do not match their schema, in the modes `lenient` and `report`. Default: logged as a warning. */
  readonly onReport?: ((error: RestError.RestDecodeError) => void) | undefined
}

/** Makes a source over the {@link HttpClient.HttpClient} at hand; put an `HttpCache` layer below for caching. */
export const make = <E = never, R = never>(
  options: Options<E, R>
): Effect.Effect<Service<E, R>, never, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    Effect.clockWith((clock) =>
      Effect.sync(() => {
        const allowed = new Set((options.allowedOrigins ?? []).map((origin) => new URL(origin).origin))
        const base = Effect.isEffect(options.baseUrl) ? options.baseUrl : Target.base(options.baseUrl)
        if (!Effect.isEffect(base)) allowed.add(base.origin)
        const isAllowed = (origin: string) => allowed.has(origin)
        const engine = new Engine({
          client,
          clock,
          base,
          prepare: options.prepare,
          neutral: {
            headers: new Set(options.neutral?.headers?.map((name) => name.toLowerCase())),
            query: new Set(options.neutral?.query)
          },
          isAllowed,
          policy: options,
          redirects: Redirecting.make({ max: options.maxRedirects ?? 5, isAllowed }),
          report: options.onReport ?? (() => {})
        })
        return fromEngine<E, R>(engine)
      })
    )
  )

class Call<A, E, R> extends Effectable.Class<A, E, R> implements Fiberless.Fiberless<A, E, R> {
  readonly #engine: Engine
  readonly #request: RequestImpl
  readonly #options: Endpoint.Policy | undefined
  readonly #view: (answer: AnswerImpl) => Exit.Exit<unknown>
  constructor(
    engine: Engine,
    request: RequestImpl,
    options: Endpoint.Policy | undefined,
    view: (answer: AnswerImpl) => Exit.Exit<unknown>
  ) {
    super()
    this.#engine = engine
    this.#request = request
    this.#options = options
    this.#view = view
  }
  get [Fiberless.TypeId](): Fiberless.Start<A, E, R> {
    return (context, resume) => this.#begin(context, undefined, resume)
  }
  commit(): Effect.Effect<A, E, R> {
    return Effect.withFiberRuntime<A, E, R>((fiber) =>
      Effect.async<A, E>((resume) => {
        const started = this.#begin(fiber.currentContext as Context.Context<R>, fiber.getFiberRefs(), resume)
        if (typeof started !== "function") return resume(started)
        return Effect.sync(started)
      })
    )
  }
  #begin(
    context: Context.Context<R>,
    fiberRefs: FiberRefs.FiberRefs | undefined,
    resume: (exit: Exit.Exit<A, E>) => void
  ): Exit.Exit<A, E> | Fiberless.Leave {
    const see = (exit: Exit.Exit<AnswerImpl, unknown>) =>
      (Exit.isFailure(exit) ? exit : this.#view(exit.value)) as Exit.Exit<A, E>
    const site = this.#engine.site(context as Context.Context<never>, fiberRefs)
    const started = this.#engine.start(this.#request, this.#options, site, (exit) => resume(see(exit)))
    return typeof started === "function" ? started : see(started)
  }
}

const valueOf = (answer: AnswerImpl): Exit.Exit<unknown> => answer.exit
const whole = (answer: AnswerImpl): Exit.Exit<unknown> => Exit.succeed(answer)

const fromEngine = <E, R>(engine: Engine): Service<E, R> => {
  type Of<A, E1> = Endpoint.Request<A, E1, unknown>
  const impl = (request: unknown) => request as RequestImpl
  const call = <A, E1>(request: Of<A, E1>, options?: Endpoint.Policy) =>
    new Call<A, E | E1 | RestError.RestError, R>(engine, impl(request), options, valueOf)
  const callFull = <A, E1>(request: Of<A, E1>, options?: Endpoint.Policy) =>
    new Call<Answer<A>, E | E1 | RestError.RestError, R>(engine, impl(request), options, whole)
  const callOption = <A, E1>(request: Of<A, E1>, options?: Endpoint.Policy) =>
    Effect.catchIf(
      Effect.asSome(call(request, options)),
      (error) => typeof error === "object" && error !== null && RestError.details(error).status === 404,
      () => Effect.succeedNone
    )
  return { call, callFull, callOption }
}

/** The source of requests that name no other. */
export class RestSource extends Context.Tag("@wellspring/rest/RestSource")<RestSource, Service>() {}

/**
 * Provides {@link RestSource}. Services that `prepare` uses are taken when the
 * layer is built; for services that differ from call to call, use {@link Tag}.
 */
export const layer = <R = never>(
  options: Options<never, R>
): Layer.Layer<RestSource, never, HttpClient.HttpClient | R> =>
  Layer.effect(
    RestSource,
    Effect.flatMap(Effect.context<R>(), (context) => Effect.map(make(options), (source) => provide(source, context)))
  ) as Layer.Layer<RestSource, never, HttpClient.HttpClient | R>

/** A source whose `prepare` has its services from here on: callers need none, and share what they are given. */
export const provide = <E, R>(source: Service<E, R>, context: Context.Context<R>): Service<E> => {
  const close = <A, E1>(effect: Fiberless.Fiberless<A, E1, R>): Fiberless.Fiberless<A, E1> => {
    const start = effect[Fiberless.TypeId]
    return Fiberless.make((own, resume) => start(Context.merge(own, context), resume))
  }
  return {
    call: (request, options) => close(source.call(request, options)),
    callFull: (request, options) => close(source.callFull(request, options)),
    callOption: (request, options) => Effect.provide(source.callOption(request, options), context)
  }
}
