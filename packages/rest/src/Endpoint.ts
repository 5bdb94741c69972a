/**
 * A REST call, described once.
 *
 * An endpoint is a function: calling it with its parameters gives a
 * {@link Request} value, which says what is wanted and does nothing by itself.
 * A `RestSource` gives it a base URL, credentials and policies.
 *
 * @example
 * import { Endpoint } from "@wellspring/rest"
 * import { Schema } from "effect"
 *
 * class Movie extends Schema.Class<Movie>("Movie")({ id: Schema.String, title: Schema.String }) {}
 * class MovieNotFound extends Schema.TaggedError<MovieNotFound>()("MovieNotFound", { id: Schema.String }) {}
 *
 * const GetMovie = Endpoint.get("GetMovie", {
 *   path: Endpoint.path`movies/${Endpoint.param("id", Schema.String)}`,
 *   query: Schema.Struct({ language: Schema.optional(Schema.String) }),
 *   success: Movie,
 *   errors: { 404: MovieNotFound }
 * })
 *
 * const request = GetMovie({ id: "tt0111161", language: "en" })
 */
import type * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import type * as Fiberless from "@wellspring/source/Fiberless"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as EffectRequest from "effect/Request"
import * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import * as Body from "./Body.ts"
import { decoder, tagOf } from "./internal/decode.ts"
import type { Definition, ErrorDecoder } from "./internal/definition.ts"
import * as Internal from "./internal/request.ts"
import * as Path from "./Path.ts"
import * as Query from "./Query.ts"
import type * as RestError from "./RestError.ts"
import type * as RestSource from "./RestSource.ts"

export const TypeId: unique symbol = Symbol.for("@wellspring/rest/Endpoint")
export type TypeId = typeof TypeId

/**
 * What to fetch, as a value: a `Request` for `Effect.request` and everything
 * that works on requests, and an Effect that needs its source, answered without a
 * fiber where that is possible.
 *
 * Two requests are equal when they come from one endpoint and would send the
 * same path, query, headers and body.
 */
export interface Request<out A, out E = never, out R = never>
  extends EffectRequest.Request<A, E | RestError.RestError>,
    Fiberless.Fiberless<A, E | RestError.RestError, R> {
  readonly [Internal.TypeId]: Internal.TypeId
  readonly _tag: string
  /** The name of the endpoint it came from. */
  readonly endpoint: string
}

/** A described call. `I` is what it is called with, `A` and `E` what it answers with. */
export interface Endpoint<out Name extends string, I, out A, out E = never, out R = never> {
  (...input: Input<I>): Request<A, E, R>
  readonly [TypeId]: TypeId
  readonly name: Name
  readonly method: string
  /** The path with its parameters as `:name`. */
  readonly template: string
  /** The names of the path's parameters, in their order. */
  readonly parameters: ReadonlyArray<string>
  /** What answers are, for tools that have to write some: a scripted upstream, a generator of samples. */
  readonly schemas: {
    readonly success: Schema.Schema.AnyNoContext
    readonly errors: Readonly<Record<number, Schema.Schema.AnyNoContext>>
  }
}

/** One argument, which may be left out when every field of it may. */
export type Input<I> = {} extends I ? [input?: I] : [input: I]

/** When calls of one Operation share an answer. */
export type Dedupe =
  /** While the call is under way; the next call asks again. The default of GET and HEAD. */
  | "during-lifetime"
  /** Until an unsafe call to the same URL, or the end of the Operation. Failures are shared but not kept. */
  | "until-invalidated"
  /** Every call is sent. The default of every other method. */
  | "none"

/** How an answer that does not match the schema is treated. */
export type Decode =
  /** It is a `RestDecodeError`. The default. */
  | "strict"
  /** It is reported, and handed on undecoded where it does not match. */
  | "lenient"
  /** Every answer is handed on undecoded; what does not match is reported. For trying a schema on live traffic. */
  | "report"

/** How the body is read before it is decoded: by its media type, or as told here. */
export type Reading = "auto" | "json" | "text" | "bytes"

/** Deadlines of a call. `Duration.infinity` turns one off. */
export interface Timeouts {
  /** From the call to its answer, with waiting, retries and redirects. Default 30 seconds. */
  readonly total?: Duration.DurationInput | undefined
  /** One attempt. Default 20 seconds. */
  readonly attempt?: Duration.DurationInput | undefined
  /** From sending to the first byte of the answer. Default 10 seconds. */
  readonly headers?: Duration.DurationInput | undefined
  /** Between two pieces of the body. Default 10 seconds. */
  readonly bodyIdle?: Duration.DurationInput | undefined
}

/** When and how often a call is sent again. */
export interface Retry {
  /** Times a call is sent again after the first. Default 2; zero turns retries off. */
  readonly times?: number | undefined
  /** The first pause, doubled each time and drawn at random from zero to twice that. Default 100 milliseconds. */
  readonly backoff?: Duration.DurationInput | undefined
  /** The longest pause, and the longest `Retry-After` obeyed: beyond it the answer is returned. Default 5 seconds. */
  readonly maxBackoff?: Duration.DurationInput | undefined
  /** Statuses worth another try. Default 408, 425, 429, 500, 502, 503, 504. */
  readonly statuses?: ReadonlyArray<number> | undefined
}

/**
 * Sends a second, equal call when the first is slow, takes the first good answer, and stops the other. Only for
 * idempotent calls, and within `HedgeBudget`: by default for a tenth of the calls that ask for it, and one a second.
 */
export interface Hedge {
  /** How long the first call is waited for. */
  readonly after: Duration.DurationInput
}

/** What may be set on a source for all its endpoints, on an endpoint, and on a call; the nearest wins. */
export interface Policy {
  readonly dedupe?: Dedupe | undefined
  readonly decode?: Decode | undefined
  readonly as?: Reading | undefined
  readonly timeouts?: Timeouts | undefined
  /** What the call asks of an `HttpCache` below the source: mode, lifetime, tags. Without one it has no effect. */
  readonly cache?: CacheOptions.CacheOptions | undefined
  readonly retry?: Retry | undefined
  readonly hedge?: Hedge | undefined
  /** The largest answer accepted, counted after decompression. Default 10 MiB (10,485,760). */
  readonly maxBodyBytes?: number | undefined
  /** Whether the body may be left out. Default false. */
  readonly bodyOptional?: boolean | undefined
}

type AnySchema = Schema.Schema.AnyNoContext
type AnyErrors = { readonly [status: number]: AnySchema }

/** What describes an endpoint. */
export interface Options<
  P,
  Q extends AnySchema | undefined,
  H extends AnySchema | undefined,
  B extends Body.Body<never> | AnySchema | undefined,
  S extends AnySchema | undefined,
  Errs extends AnyErrors,
  F extends AnySchema,
  Id,
  SE,
  SR
> extends Policy {
  /** Resolved against the base URL like a link on a page: `movies` below the base's folder, `/movies` at its root. */
  readonly path: Path.Path<P> | string
  /** A record of query parameters, given beside the path's. */
  readonly query?: Q
  /** How arrays in the query are written. Default `repeat`. */
  readonly arrays?: Query.Arrays | undefined
  /** A record of request headers, given under `headers`. */
  readonly headers?: H
  /** The request body, given under `body`: a Schema for JSON, or one of the `Body` module's. */
  readonly body?: B
  /** What a 2xx answer is. Left out, it is handed on as `unknown`; `Schema.Void` ignores it. */
  readonly success?: S
  /**
   * Typed errors by status. Each is decoded from the body's fields, then the
   * call's parameters for fields the body lacks, and `_tag` is filled in.
   */
  readonly errors?: Errs
  /** For upstreams that answer 200 with an error inside: which answers are errors, and what they decode to. */
  readonly failure?: { readonly when: (answer: unknown) => boolean; readonly error: F } | undefined
  /** Names the answer for deduplication instead of URL and body; still told apart by source, method and caller. */
  readonly key?: ((input: Types.NoInfer<InputOf<P, Q, H, B>>) => string) | undefined
  /** Tags of the cached answer that depend on the parameters; added to those of `cache`. */
  readonly tags?:
    | ReadonlyArray<string>
    | ((input: Types.NoInfer<InputOf<P, Q, H, B>>) => ReadonlyArray<string>)
    | undefined
  /** Whether sending it twice is harmless. Default: true for GET, HEAD, OPTIONS, PUT and DELETE. */
  readonly idempotent?: boolean | undefined
  /** The source its requests ask for when run as Effects. Default `RestSource.RestSource`. */
  readonly source?: Context.Tag<Id, RestSource.Service<SE, SR>> | undefined
}

type Fields<S> = S extends Schema.Schema<infer A, infer _I, infer _R> ? A : {}
type Under<K extends string, S> = S extends undefined
  ? {}
  : {} extends BodyOf<S>
    ? { readonly [_ in K]?: BodyOf<S> }
    : { readonly [_ in K]: BodyOf<S> }
type BodyOf<B> = B extends Schema.Schema<infer A, infer _I, infer _R> ? A : B extends Body.Body<infer A> ? A : never

/** What an endpoint is called with: parameters and query side by side, `headers` and `body` under their names. */
export type InputOf<P, Q, H, B> = Types.Simplify<P & Fields<Q> & Under<"headers", H> & Under<"body", B>>

type Success<S> = S extends Schema.Schema<infer A, infer _I, infer _R> ? A : unknown
type Failure<Errs, F> =
  | (Errs[keyof Errs] extends infer S ? (S extends Schema.Schema<infer A, infer _I, infer _R> ? A : never) : never)
  | (F extends Schema.Schema<infer A, infer _I, infer _R> ? A : never)

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"])
const idempotentMethods: ReadonlySet<string> = new Set([...safeMethods, "PUT", "DELETE"])
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const errorDecoder = (schema: AnySchema): ErrorDecoder => ({ decode: decoder(schema), tag: tagOf(schema.ast) })

/**
 * An endpoint of any method.
 *
 * Throws where it is written when the description contradicts itself: two
 * parameters of one name, a parameter named `body` or `headers`, or a method
 * that is not a token.
 */
export const make = <
  const Name extends string,
  P = {},
  Q extends AnySchema | undefined = undefined,
  H extends AnySchema | undefined = undefined,
  B extends Body.Body<never> | AnySchema | undefined = undefined,
  S extends AnySchema | undefined = undefined,
  const Errs extends AnyErrors = {},
  F extends AnySchema = never,
  Id = RestSource.RestSource,
  SE = never,
  SR = never
>(
  method: string,
  name: Name,
  options: Options<P, Q, H, B, S, Errs, F, Id, SE, SR>
): Endpoint<Name, InputOf<P, Q, H, B>, Success<S>, Failure<Errs, F> | SE, Id | SR> => {
  if (!token.test(method) || /^(connect|trace)$/i.test(method)) {
    throw new TypeError(`The endpoint ${name} has the method ${JSON.stringify(method)}, which cannot be sent.`)
  }
  const path = typeof options.path === "string" ? Path.literal(options.path) : options.path
  const query = options.query === undefined ? undefined : Query.make(options.query, options.arrays)
  const headers = options.headers === undefined ? undefined : Query.make(options.headers, "comma")
  const names = [...path.names, ...(query?.names ?? []), "headers", "body"]
  const double = names.find((one, index) => names.indexOf(one) !== index)
  if (double !== undefined) throw new TypeError(`The endpoint ${name} has two parameters named ${double}.`)
  const { failure } = options
  const success: AnySchema = options.success ?? (method === "HEAD" ? Schema.Void : Schema.Unknown)
  const definition: Definition = {
    name,
    method,
    path: path as Path.Path<unknown>,
    template: path.template,
    query,
    headers,
    schemas: { success, errors: options.errors ?? {} },
    body: options.body === undefined ? undefined : Body.from(options.body),
    success: decoder(success),
    errors: new Map(
      Object.entries(options.errors ?? {}).map(([status, schema]) => [Number(status), errorDecoder(schema)])
    ),
    failure: failure === undefined ? undefined : { when: failure.when, error: errorDecoder(failure.error) },
    policy: options,
    key: options.key as Definition["key"],
    tags: options.tags as Definition["tags"],
    idempotent: options.idempotent ?? idempotentMethods.has(method),
    safe: safeMethods.has(method),
    source: (options.source ?? Internal.defaultSource) as Definition["source"]
  }
  const noInput = {}
  const call = (input?: Readonly<Record<string, unknown>>) => new Internal.RequestImpl(definition, input ?? noInput)
  return Object.defineProperties(Internal.define(call, definition), {
    [TypeId]: { value: TypeId },
    name: { value: name },
    method: { value: method },
    template: { value: path.template },
    parameters: { value: path.names },
    schemas: { value: definition.schemas }
  }) as unknown as Endpoint<Name, InputOf<P, Q, H, B>, Success<S>, Failure<Errs, F> | SE, Id | SR>
}

/** Whether a value is an endpoint. */
export const isEndpoint = (value: unknown): value is Endpoint<string, never, unknown, unknown, unknown> =>
  typeof value === "function" && TypeId in value

/** Makes endpoints of one method, with a body or without. */
export type WithBody = <
  const Name extends string,
  P = {},
  Q extends AnySchema | undefined = undefined,
  H extends AnySchema | undefined = undefined,
  B extends Body.Body<never> | AnySchema | undefined = undefined,
  S extends AnySchema | undefined = undefined,
  const Errs extends AnyErrors = {},
  F extends AnySchema = never,
  Id = RestSource.RestSource,
  SE = never,
  SR = never
>(
  name: Name,
  options: Options<P, Q, H, B, S, Errs, F, Id, SE, SR>
) => Endpoint<Name, InputOf<P, Q, H, B>, Success<S>, Failure<Errs, F> | SE, Id | SR>

/** Makes endpoints of one method that never has a body. */
export type WithoutBody = <
  const Name extends string,
  P = {},
  Q extends AnySchema | undefined = undefined,
  H extends AnySchema | undefined = undefined,
  S extends AnySchema | undefined = undefined,
  const Errs extends AnyErrors = {},
  F extends AnySchema = never,
  Id = RestSource.RestSource,
  SE = never,
  SR = never
>(
  name: Name,
  options: Options<P, Q, H, undefined, S, Errs, F, Id, SE, SR> & { readonly body?: never }
) => Endpoint<Name, InputOf<P, Q, H, undefined>, Success<S>, Failure<Errs, F> | SE, Id | SR>

const withMethod =
  (method: string): WithBody =>
  (name, options) =>
    make(method, name, options)
const withoutBody = (method: string): WithoutBody => withMethod(method) as WithoutBody

/** Reads something; answers are shared within an Operation while they are on their way. */
export const get = withoutBody("GET")
/** Asks for the headers alone; use `RestSource.callFull` to see them. */
export const head = withoutBody("HEAD")
/** Asks what a resource allows. */
export const options = withoutBody("OPTIONS")
/** Not idempotent: never sent twice unless `idempotent: true` says that this one may be. */
export const post = withMethod("POST")
export const put = withMethod("PUT")
export const patch = withMethod("PATCH")
/** DELETE; a body is allowed. Spelled `del` because `delete` is a word of the language. */
export const del = withMethod("DELETE")

/** A path template; see {@link Path.path}. */
export const path = Path.path
/** A parameter of one segment; see {@link Path.param}. */
export const param = Path.param
/** A parameter of any number of segments; see {@link Path.segments}. */
export const segments = Path.segments

export { batched, priming } from "./Batched.ts"
