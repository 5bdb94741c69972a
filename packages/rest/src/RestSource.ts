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
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Fiberless from "@wellspring/source/Fiberless"
import type * as Operation from "@wellspring/source/Operation"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Endpoint from "./Endpoint.ts"
import type * as EventStream from "./EventStream.ts"
import * as Call from "./internal/call.ts"
import { Engine } from "./internal/engine.ts"
import * as Place from "./internal/place.ts"
import * as Promised from "./internal/promised.ts"
import * as Redirecting from "./internal/redirecting.ts"
import { definitionOf, type RequestImpl } from "./internal/request.ts"
import * as Streaming from "./internal/streaming.ts"
import * as Target from "./internal/target.ts"
import * as TestSource from "./internal/testSource.ts"
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
  /**
   * The response as it came, whatever its status, with its body unread. It is
   * let go of when the scope closes. Neither shared, retried nor decoded; of
   * the deadlines, `headers` holds.
   */
  readonly callRaw: <A, E1>(
    request: Endpoint.Request<A, E1, unknown>,
    options?: Endpoint.Policy
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, E | RestError.RestError, R | Scope.Scope>
  /** The body of a 2xx answer as bytes, as they come. Of the deadlines, `headers` and `bodyIdle` hold; its size is not limited. */
  readonly callStream: <A, E1>(
    request: Endpoint.Request<A, E1, unknown>,
    options?: Endpoint.Policy
  ) => Stream.Stream<Uint8Array, E | E1 | RestError.RestError, R>
  /** Line-delimited JSON, each line decoded as the endpoint's `success`; empty lines are skipped. */
  readonly callNdjson: <A, E1>(
    request: Endpoint.Request<A, E1, unknown>,
    options?: Endpoint.Policy
  ) => Stream.Stream<A, E | E1 | RestError.RestError, R>
  /** Server-sent events, the data of each decoded as the endpoint's `success`: from JSON, or from text where that is a string. */
  readonly callEvents: <A, E1>(
    request: Endpoint.Request<A, E1, unknown>,
    options?: Endpoint.Policy
  ) => Stream.Stream<EventStream.Event<A>, E | E1 | RestError.RestError, R>
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
  /** Sees every response that came for a call, retries excepted. It cannot change or fail the call. */
  readonly onResponse?:
    | ((response: HttpClientResponse.HttpClientResponse) => Effect.Effect<void> | undefined)
    | undefined
  /**
   * Renews credentials when the upstream answers 401. Run once for all callers
   * that were prepared the same; each is then prepared anew and sent once more.
   */
  readonly refresh?: Effect.Effect<void, E, R> | undefined
  /** Told of answers that do not match their schema, in the modes `lenient` and `report`. Default: logged as a warning. */
  readonly onReport?: ((error: RestError.RestDecodeError) => void) | undefined
}

const isUnauthorized = (tried: Exit.Exit<{ readonly response: { readonly status: number } }, unknown>): boolean =>
  Exit.isSuccess(tried) && tried.value.response.status === 401

const logged = (error: RestError.RestDecodeError): void => {
  Effect.runFork(Effect.logWarning(error.message).pipe(Effect.annotateLogs({ endpoint: error.endpoint })))
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
          report: options.onReport ?? logged,
          onResponse: options.onResponse,
          refresh:
            options.refresh === undefined
              ? undefined
              : { isDue: isUnauthorized, run: options.refresh as Effect.Effect<void, unknown> }
        })
        return fromEngine<E, R>(engine)
      })
    )
  )

const fromEngine = <E, R>(engine: Engine): Service<E, R> => {
  type Of<A, E1> = Endpoint.Request<A, E1, unknown>
  const impl = (request: unknown) => request as RequestImpl
  const call = <A, E1>(request: Of<A, E1>, options?: Endpoint.Policy) =>
    new Call.Call<A, E | E1 | RestError.RestError, R>(engine, impl(request), options, Call.value)
  return {
    call,
    callFull: <A, E1>(request: Of<A, E1>, options?: Endpoint.Policy) =>
      new Call.Call<Answer<A>, E | E1 | RestError.RestError, R>(engine, impl(request), options, Call.whole),
    callOption: (request, options) =>
      Effect.catchIf(
        Effect.asSome(call(request, options)),
        (error) => typeof error === "object" && error !== null && RestError.details(error).status === 404,
        () => Effect.succeedNone
      ),
    callRaw: (request, options) => Streaming.raw(engine, impl(request), options) as never,
    callStream: (request, options) => Streaming.bytes(engine, impl(request), options) as never,
    callNdjson: (request, options) => Streaming.ndjson(engine, impl(request), options) as never,
    callEvents: (request, options) => Streaming.events(engine, impl(request), options) as never
  }
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
    Effect.flatMap(Effect.context<R>(), (context) => make(closed(options, context)))
  )

/** The same options, whose Effects have their services already. */
const closed = <E, R>(
  { baseUrl, prepare, refresh, ...others }: Options<E, R>,
  context: Context.Context<R>
): Options<E> => {
  const services = Place.lasting(context)
  const close = <A>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E> =>
    // An Exit needs nothing, and is worth keeping: it is at hand.
    Exit.isExit(effect) ? (effect as Exit.Exit<A, E>) : Effect.provide(effect, services)
  return {
    ...others,
    baseUrl: Effect.isEffect(baseUrl) ? close(baseUrl) : baseUrl,
    refresh: refresh && close(refresh),
    prepare:
      prepare &&
      ((request) => {
        const prepared = prepare(request)
        return Effect.isEffect(prepared) ? close(prepared) : prepared
      })
  }
}

/** A source whose `prepare` has its services from here on: callers need none, and share what they are given. */
export const provide = <E, R>(source: Service<E, R>, context: Context.Context<R>): Service<E> => {
  const services = Place.lasting(context)
  const merged = new WeakMap<Context.Context<never>, Context.Context<R>>()
  const within = (own: Context.Context<never>): Context.Context<R> => {
    const known = merged.get(own)
    if (known !== undefined) return known
    const both = Context.merge(own, services)
    merged.set(own, both)
    return both
  }
  const close = <A, E1>(effect: Fiberless.Fiberless<A, E1, R>): Fiberless.Fiberless<A, E1> =>
    new Call.Within(effect, within)
  return {
    call: (request, options) => close(source.call(request, options)),
    callFull: (request, options) => close(source.callFull(request, options)),
    callOption: (request, options) => Effect.provide(source.callOption(request, options), services),
    callRaw: (request, options) =>
      Effect.mapInputContext(source.callRaw(request, options), (own: Context.Context<Scope.Scope>) =>
        Context.merge(own, services)
      ),
    callStream: (request, options) => Stream.provideSomeContext(source.callStream(request, options), services),
    callNdjson: (request, options) => Stream.provideSomeContext(source.callNdjson(request, options), services),
    callEvents: (request, options) => Stream.provideSomeContext(source.callEvents(request, options), services)
  }
}

/**
 * A source of your own that requests can name.
 *
 * @example
 * import { HttpClientRequest } from "@effect/platform"
 * import { Endpoint, RestSource } from "@wellspring/rest"
 * import { Context, Effect, Schema } from "effect"
 *
 * class Viewer extends Context.Tag("Viewer")<Viewer, { readonly token: string }>() {}
 *
 * class MoviesApi extends RestSource.Tag("MoviesApi")<MoviesApi, never, Viewer>() {}
 *
 * const Live = MoviesApi.layer({
 *   baseUrl: "https://movies-api.example.com/v1/",
 *   prepare: (request) => Effect.map(Viewer, ({ token }) => HttpClientRequest.bearerToken(request, token))
 * })
 *
 * const title = Effect.gen(function* () {
 *   const api = yield* MoviesApi
 *   const GetTitle = Endpoint.get("GetTitle", { path: "title", success: Schema.String })
 *   return yield* api.call(GetTitle())
 * })
 */
export const Tag =
  <const Id extends string>(id: Id) =>
  <Self, E = never, R = never>(): Context.TagClass<Self, Id, Service<E, R>> & {
    /** Provides the source. What `prepare` needs is asked of whoever makes a call. */
    readonly layer: (options: Options<E, R>) => Layer.Layer<Self, never, HttpClient.HttpClient>
    /** Answers from functions, for tests; see {@link layerTest}. */
    readonly layerTest: (handlers: ReadonlyArray<Handler>) => Layer.Layer<Self>
  } => {
    const tag = Context.Tag(id)<Self, Service<E, R>>()
    return Object.assign(tag, {
      layer: (options: Options<E, R>) => Layer.effect(tag, make(options)),
      layerTest: (handlers: ReadonlyArray<Handler>) => Layer.succeed(tag, testSource<E, R>(handlers))
    })
  }

/** How a test answers one endpoint; made by {@link handler}. */
export interface Handler {
  readonly [handlerOf]: TestSource.Handler
}

const handlerOf: unique symbol = Symbol.for("@wellspring/rest/RestSource/Handler")

/** Answers the calls of one endpoint from a function of its parameters: with a value, or an Effect. */
export const handler = <I, A, E>(
  endpoint: Endpoint.Endpoint<string, I, A, E, unknown>,
  handle: (input: I) => NoInfer<A> | Effect.Effect<NoInfer<A>, NoInfer<E> | RestError.RestError>
): Handler => ({ [handlerOf]: { definition: definitionOf(endpoint), handle } })

/**
 * {@link RestSource} for tests of code that uses it: nothing is sent, encoded
 * or decoded. A call that no handler is for is a defect that says so. To test
 * what is sent as well, script an `Upstream` of `@wellspring/testing` instead.
 *
 * @example
 * import { Endpoint, RestSource } from "@wellspring/rest"
 * import { Schema } from "effect"
 *
 * const GetTitle = Endpoint.get("GetTitle", {
 *   path: Endpoint.path`titles/${Endpoint.param("id", Schema.String)}`,
 *   success: Schema.String
 * })
 *
 * const Test = RestSource.layerTest([RestSource.handler(GetTitle, ({ id }) => `Movie ${id}`)])
 */
export const layerTest = (handlers: ReadonlyArray<Handler>): Layer.Layer<RestSource> =>
  Layer.succeed(RestSource, testSource<never, never>(handlers))

const testSource = <E, R>(handlers: ReadonlyArray<Handler>): Service<E, R> =>
  TestSource.make(handlers.map((handler) => handler[handlerOf])) as unknown as Service<E, R>

/** A source for code that is not Effect. */
export interface Promises {
  /** Rejects with the typed error itself. */
  readonly call: <A, E1>(request: Endpoint.Request<A, E1, unknown>, options?: PromiseOptions) => Promise<A>
  readonly callFull: <A, E1>(request: Endpoint.Request<A, E1, unknown>, options?: PromiseOptions) => Promise<Answer<A>>
  /** `undefined` for status 404. */
  readonly callOption: <A, E1>(
    request: Endpoint.Request<A, E1, unknown>,
    options?: PromiseOptions
  ) => Promise<A | undefined>
}

export interface PromiseOptions extends Endpoint.Policy {
  /** Ends the call, down to the socket; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The promise form of a source. A value at hand costs one promise and no fiber.
 *
 * @param context the services that `prepare` needs; with an `Operation` in it, the calls share as those of that Operation
 */
export const toPromises = <E, R>(source: Service<E, R>, context: Context.Context<R>): Promises => {
  const call: Promises["call"] = (request, options) => {
    const { policy, signal } = apart(options)
    return promise(source.call(request, policy), context, signal)
  }
  return {
    call,
    callFull: (request, options) => {
      const { policy, signal } = apart(options)
      return promise(source.callFull(request, policy), context, signal)
    },
    callOption: (request, options) =>
      call(request, options).catch((error: unknown) => {
        if (typeof error === "object" && error !== null && RestError.details(error).status === 404) return undefined
        throw error
      })
  }
}

const promise = <A, E, R>(
  effect: Fiberless.Fiberless<A, E, R>,
  context: Context.Context<R>,
  signal: AbortSignal | undefined
): Promise<A> => {
  if (signal !== undefined) return Promised.until(signal, (resume) => Fiberless.start(effect, context, resume))
  return effect instanceof Call.Call
    ? effect.promise(context)
    : Promised.of((resume) => Fiberless.start(effect, context, resume))
}

interface Apart {
  readonly policy: Endpoint.Policy | undefined
  readonly signal: AbortSignal | undefined
}

const bare: Apart = { policy: undefined, signal: undefined }

/** The policy and the signal. A call with nothing but a signal is as one without options, and shares with those. */
const apart = (options: PromiseOptions | undefined): Apart => {
  if (options === undefined) return bare
  const { signal, ...policy } = options
  return { policy: Object.keys(policy).length === 0 ? undefined : policy, signal }
}

export { type From, type FromApi, type FromEndpoint, type FromGroup, fromApi } from "./FromApi.ts"
