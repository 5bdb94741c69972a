/**
 * An HTTP cache ([RFC 9111][1]) between any `HttpClient` and the network.
 *
 * Provide its layer over a client and a `CacheStore`, and everything that
 * uses `HttpClient` is cached as the origins' headers say: hand-written calls,
 * `HttpApiClient`, generated clients.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as CacheOptions from "./CacheOptions.ts"
import type { Inspection } from "./Inspection.ts"
import { fiberless } from "./internal/begin.ts"
import { Cache } from "./internal/cache.ts"
import { inspect } from "./internal/inspect.ts"
import { CacheResponse } from "./internal/response.ts"
import * as MakeFetch from "./MakeFetch.ts"
import type * as Message from "./Message.ts"
import type { Outcome } from "./Outcome.ts"
import type * as Policy from "./Policy.ts"

/** The settings of a cache. All have defaults that are safe for a server with many callers. */
export interface Options extends Omit<Policy.Options, "digest" | "lifetimes" | "heuristic"> {
  /**
   * How long a response without a lifetime is fresh: this share of the time since it was modified, and no longer than that. Default a tenth, at most 1 day.
   */
  readonly heuristic?: { readonly fraction: number; readonly atMost: Duration.DurationInput } | undefined
  /** Lifetimes for every request; a request's own, in `CacheOptions`, come before them. */
  readonly lifetime?: CacheOptions.Lifetime | undefined
  /**
   * Keys the hashes by which callers are told apart. Set it when the store outlives the process or is shared by several, so that
   * they come to the same hashes. Default: random, for this layer alone.
   */
  readonly secret?: Redacted.Redacted | undefined
  /**
   * Whom a request speaks for. Default: whoever its credentials say, by a keyed hash. A text makes all
   * requests one principal, for a program with a single user. A function may look anywhere; `None` is nobody, who gets no private entries.
   */
  readonly partition?:
    | string
    | ((request: HttpClientRequest.HttpClientRequest) => Effect.Effect<Option.Option<string>>)
    | undefined
  /** Longer bodies pass through unstored. Default 8 MiB. */
  readonly maxEntryBytes?: number | undefined
  /** How long a stale entry is kept when it can be validated, or serve while the origin is away. Default 1 day. */
  readonly keepStale?: Duration.DurationInput | undefined
  /**
   * How long a caller waits for the answer to somebody else's equal request before it makes its own; `false`
   * makes everybody's own. Default 10 seconds.
   */
  readonly collapse?: Duration.DurationInput | false | undefined
  /** Whether redirects are followed, each hop cached under its own URL. Default `follow`. */
  readonly redirect?: "follow" | "manual" | "error" | undefined
  /** Response fields that carry tags, separated by spaces or commas. Default `["surrogate-key", "cache-tag"]`. */
  readonly tagHeaders?: ReadonlyArray<string> | undefined
  /** More tags for a response. */
  readonly tags?:
    | ((request: HttpClientRequest.HttpClientRequest, response: Message.ResponseHead) => ReadonlyArray<string>)
    | undefined
  /** The place in the store; caches that share it share their entries. Default `http`. */
  readonly namespace?: string | undefined
}

/** What to forget: one URL, all that begin alike, all with a tag, or everything. In every partition. */
export type Target =
  | { readonly url: string }
  /** The beginning of canonical URLs, such as `https://api.example.com/movies/`. */
  | { readonly prefix: string }
  | { readonly tag: string }
  | { readonly everything: true }

/** A request that was taken in. What changes between two looks (time, entries, invalidations) is seen by the second. */
export interface Inquiry {
  /** A fresh response that this process holds; `undefined` when the origin, or a store further away, has to be asked. */
  readonly look: () => HttpClientResponse.HttpClientResponse | undefined
  /**
   * What `decoder` has made of that response, if it is successful; see `Decoded.keep`. The response is not made for it. `undefined`
   * when there is no such value: then {@link look}.
   */
  readonly decoded: (decoder: object) => Kept | undefined
}

/** A decoded value beside a fresh entry. */
export interface Kept {
  readonly _tag: "Kept"
  readonly exit: Exit.Exit<unknown>
  readonly outcome: "hit"
  readonly lifetime: NonNullable<Outcome["lifetime"]>
}

export interface Service {
  /**
   * Answers a request, from the store or from the origin. A hit in memory needs no fiber: the Effect can be started by its callback form.
   *
   * @param options in place of those of the context
   */
  readonly execute: (
    request: HttpClientRequest.HttpClientRequest,
    options?: CacheOptions.CacheOptions
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
  /**
   * A fresh response that this process holds, as an `Exit` at hand. `None` when the origin, or a store
   * further away, has to be asked: then `execute`.
   */
  readonly lookup: (
    request: HttpClientRequest.HttpClientRequest,
    options?: CacheOptions.CacheOptions
  ) => Exit.Exit<Option.Option<HttpClientResponse.HttpClientResponse>>
  /**
   * Takes a request in once, for a caller who makes it again and again: its URL, partition and plan are not worked out anew each
   * time. `None` when it is nothing to look up, or whom it speaks for has to be asked each time.
   */
  readonly inquire: (
    request: HttpClientRequest.HttpClientRequest,
    options?: CacheOptions.CacheOptions
  ) => Option.Option<Inquiry>
  /** Forgets entries, and refuses those that are on their way. */
  readonly invalidate: (target: Target) => Effect.Effect<void>
  /** What would happen to this request now, and why. Nothing is sent and nothing changes. */
  readonly inspect: (
    request: HttpClientRequest.HttpClientRequest,
    options?: CacheOptions.CacheOptions
  ) => Effect.Effect<Inspection>
}

export class HttpCache extends Context.Tag("@wellspring/http-cache/HttpCache")<HttpCache, Service>() {}

const nothing = Exit.succeed(Option.none())

const defaults: CacheOptions.CacheOptions = {}

const service = (cache: Cache): Service => ({
  execute: (request, options) =>
    fiberless((runtime, resume) =>
      cache.answering(request, options ?? Context.get(runtime.context, CacheOptions.Current), runtime)(resume)
    ),
  lookup: (request, options = defaults) => {
    const response = cache.peek(request, options)
    return response === undefined ? nothing : Exit.succeed(Option.some(response))
  },
  inquire: (request, options = defaults) => Option.fromNullable(cache.inquire(request, options)),
  invalidate: (target) => cache.invalidate(target),
  inspect: (request, options = defaults) => inspect(cache, request, options)
})

const ServiceId: unique symbol = Symbol.for("@wellspring/http-cache/HttpCache/Service")

const clientOf = (service: Service): HttpClient.HttpClient => {
  const { execute } = service
  const client = HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    (effect) => (isReady(effect) ? execute(effect.value) : Effect.flatMap(effect, (request) => execute(request))),
    (request) => Effect.succeed(request)
  )
  return Object.assign(client, { [ServiceId]: service })
}

/** The cache that a client is. `None` for any other client, and for one that was made of a cache's by a combinator: it may do more. */
export const of = (client: HttpClient.HttpClient): Option.Option<Service> =>
  Option.fromNullable((client as { readonly [ServiceId]?: Service })[ServiceId])

const isReady = <A>(effect: Effect.Effect<A>): effect is Exit.Success<A, never> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/** The cache over a client, as a service of its own. Ends, with what it does behind responses, with the scope. */
export const make = (
  client: HttpClient.HttpClient,
  options: Options = {}
): Effect.Effect<Service, never, CacheStore.CacheStore | Scope.Scope> =>
  Effect.map(Cache.make(client, options), service)

/**
 * A client that asks `client` only when what is stored does not do.
 *
 * @example
 * import { HttpClient } from "@effect/platform"
 * import { HttpCache } from "@wellspring/http-cache"
 * import { Effect } from "effect"
 *
 * export const cached = Effect.flatMap(HttpClient.HttpClient, (client) => HttpCache.transform(client))
 */
export const transform = (
  client: HttpClient.HttpClient,
  options: Options = {}
): Effect.Effect<HttpClient.HttpClient, never, CacheStore.CacheStore | Scope.Scope> =>
  Effect.map(make(client, options), clientOf)

/**
 * Caches what goes through the `HttpClient` it is provided with.
 *
 * @example
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { CacheStore } from "@wellspring/cache-store"
 * import { HttpCache } from "@wellspring/http-cache"
 * import { Effect, Layer } from "effect"
 *
 * const Live = HttpCache.layer().pipe(
 *   Layer.provide([FetchHttpClient.layer, CacheStore.layerMemory({ maxBytes: 64_000_000 })])
 * )
 *
 * export const program = HttpClient.get("https://api.example.com/movies").pipe(Effect.provide(Live))
 */
export const layer = (
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient | HttpCache, never, HttpClient.HttpClient | CacheStore.CacheStore> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const cache = yield* make(yield* HttpClient.HttpClient, options)
      return Context.make(HttpCache, cache).pipe(Context.add(HttpClient.HttpClient, clientOf(cache)))
    })
  )

/** Forgets entries, by URL, prefix or tag. */
export const invalidate = (target: Target): Effect.Effect<void, never, HttpCache> =>
  Effect.flatMap(HttpCache, (cache) => cache.invalidate(target))

/** What would happen to this request now, and why. */
export const inspect_ = (
  request: HttpClientRequest.HttpClientRequest,
  options?: CacheOptions.CacheOptions
): Effect.Effect<Inspection, never, HttpCache> => Effect.flatMap(HttpCache, (cache) => cache.inspect(request, options))

export { inspect_ as inspect }

/** The same cache as a WHATWG `fetch` function; see `MakeFetch`. */
export const makeFetch = MakeFetch.make

/**
 * What answered, without parsing a header. `None` for a response that did not
 * come through the cache.
 *
 * @example
 * import { HttpClient } from "@effect/platform"
 * import { HttpCache } from "@wellspring/http-cache"
 * import { Effect } from "effect"
 *
 * export const program = HttpClient.get("https://api.example.com/movies").pipe(Effect.map(HttpCache.outcomeOf))
 */
export const outcomeOf = (response: HttpClientResponse.HttpClientResponse): Option.Option<Outcome> =>
  response instanceof CacheResponse ? Option.some(response.outcome) : Option.none()

/** The `content-type` of a response. One of the cache's makes its other fields only when somebody asks for them. */
export const contentTypeOf = (response: HttpClientResponse.HttpClientResponse): string | undefined =>
  response instanceof CacheResponse ? response.contentType : response.headers["content-type"]
