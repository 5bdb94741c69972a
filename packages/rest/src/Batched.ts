/** An endpoint that lists things by their ids, as a `Source` that loads them one by one. */
import * as Source from "@wellspring/source/Source"
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import type * as Endpoint from "./Endpoint.ts"
import type { RequestImpl } from "./internal/request.ts"
import type * as RestError from "./RestError.ts"
import type * as RestSource from "./RestSource.ts"

type Key = string | number

/** What makes a source of an endpoint. `L` is the endpoint's answer, `Row` one thing in it. */
export interface Options<I, L, E, R, K extends Key, KI, Row, M extends Source.Missing> {
  /** The endpoint that answers for many keys at once. */
  readonly endpoint: Endpoint.Endpoint<string, I, L, E, R>
  readonly key: Schema.Schema<K, KI>
  /** The endpoint's parameters for a batch. Keys come sorted, so that equal batches have one URL. */
  readonly input: (keys: ReadonlyArray<K>) => I
  /** The things in an answer, in any order. */
  readonly rows: (answer: L) => ReadonlyArray<Row>
  /** The key of a thing. */
  readonly by: (row: Row) => K
  /** What a key comes to that the answer does not hold. Default `fail`, with `NotFound`. */
  readonly missing?: M | undefined
  /** The longest path and query of one call; more keys go as several calls. Default 2000 bytes. */
  readonly maxUrlBytes?: number | undefined
  /** The most keys in one call. Default 100. */
  readonly maxBatchSize?: number | undefined
  /** When a batch leaves; see `Policy` of `@wellspring/source`. */
  readonly policy?: Source.LoadOptions["policy"]
}

/** What {@link batched} makes: loads of a source, failing with what the endpoint fails with. */
export type Batched<K, Row, E, R, M extends Source.Missing> = Source.Source<
  K,
  Source.Found<Row, M>,
  Source.Failure<E | RestError.RestError, M>,
  R
>

/**
 * Turns "list by ids" into a source.
 *
 * Loads of one Operation meet in one call, split where its URL would grow too
 * long; the parts are sent side by side and fail apart.
 *
 * @example
 * import { Endpoint } from "@wellspring/rest"
 * import { Schema } from "effect"
 *
 * const Movie = Schema.Struct({ id: Schema.String, title: Schema.String })
 *
 * const ListMovies = Endpoint.get("ListMovies", {
 *   path: "movies",
 *   query: Schema.Struct({ ids: Schema.Array(Schema.String) }),
 *   arrays: "comma",
 *   success: Schema.Array(Movie)
 * })
 *
 * const MovieById = Endpoint.batched("MovieById", {
 *   endpoint: ListMovies,
 *   key: Schema.String,
 *   input: (ids) => ({ ids }),
 *   rows: (movies) => movies,
 *   by: (movie) => movie.id
 * })
 *
 * const movie = MovieById.load("tt0111161")
 */
export const batched: {
  <I, L, E, R, K extends Key, KI, Row, SE, SR, M extends Source.Missing = "fail">(
    name: string,
    options: Options<I, L, E, R, K, KI, Row, M> & {
      /** The source to call. Left out, the one that the endpoint's requests ask for. */
      readonly through: RestSource.Service<SE, SR>
    }
  ): Batched<K, Row, E | SE, SR, M>
  <I, L, E, R, K extends Key, KI, Row, M extends Source.Missing = "fail">(
    name: string,
    options: Options<I, L, E, R, K, KI, Row, M>
  ): Batched<K, Row, E, R, M>
} = (name: string, given: unknown): never => {
  // The signatures above say what goes together; here it is all unknown.
  const options = given as Options<unknown, unknown, unknown, unknown, Key, Key, unknown, Source.Missing> & {
    readonly through?: Pick<RestSource.Service<unknown, unknown>, "call">
  }
  const { by, rows, through } = options
  const endpoint = options.endpoint as unknown as (input: unknown) => Endpoint.Request<unknown, unknown, unknown>
  const request = (keys: ReadonlyArray<Key>) => endpoint(options.input(keys))
  const length = (keys: ReadonlyArray<Key>): number => {
    const { wire } = request(keys) as unknown as RequestImpl
    return "path" in wire ? wire.path.length + wire.query.length : 0
  }
  // What one more key adds is what the second of two equal ones adds; what is left is the same for every call.
  const cost = (key: Key): number => length([key, key]) - length([key])
  let fixed: number | undefined
  const maxUrlBytes = options.maxUrlBytes ?? 2000
  return Source.make(name, {
    key: options.key,
    success: Schema.Unknown,
    missing: options.missing ?? "fail",
    maxBatchSize: options.maxBatchSize ?? 100,
    ...(options.policy === undefined ? undefined : { policy: options.policy }),
    maxBatchCost: {
      max: 1,
      of: (key) => {
        const one = cost(key)
        fixed ??= length([key]) - one
        return one / Math.max(1, maxUrlBytes - fixed)
      }
    },
    resolve: (keys) => {
      const one = request([...keys].sort(order))
      const call: Effect.Effect<unknown, unknown, unknown> = through === undefined ? one : through.call(one)
      return Effect.map(call, (answer) => Source.byKey(by)(rows(answer)))
    }
  }) as never
}

const order = Order.make<Key>((a, b) => (a < b ? -1 : a > b ? 1 : 0))

/**
 * Primes a by-id source with what a call listed, so that loading those things afterwards asks for nothing.
 *
 * @example
 * import { Endpoint } from "@wellspring/rest"
 * import type { Source } from "@wellspring/source"
 * import { Effect } from "effect"
 *
 * interface Movie {
 *   readonly id: string
 * }
 * declare const popular: Effect.Effect<ReadonlyArray<Movie>>
 * declare const MovieById: Source.Source<string, Movie>
 *
 * const primed = popular.pipe(Endpoint.priming(MovieById, { rows: (movies) => movies, by: (movie) => movie.id }))
 */
export const priming =
  <A, K, Row, E2, R2>(
    source: Source.Source<K, Row, E2, R2>,
    options: { readonly rows: (answer: A) => Iterable<Row>; readonly by: (row: Row) => K }
  ) =>
  <E, R>(call: Effect.Effect<A, E, R>) =>
    Effect.tap(call, (answer) =>
      source.primeMany(Array.from(options.rows(answer), (row) => [options.by(row), row] as const))
    )
