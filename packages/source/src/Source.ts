/**
 * A named way to get values for keys, in batches.
 *
 * Loads of one Operation meet in one call wherever they come from: resolvers
 * that run by themselves, forked fibers, loops of any concurrency.
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Exit from "effect/Exit"
import type * as HashMap from "effect/HashMap"
import type * as Option from "effect/Option"
import type * as Request from "effect/Request"
import type * as RequestResolver from "effect/RequestResolver"
import type * as Schema from "effect/Schema"
import * as DataLoaderCompat from "./DataLoaderCompat.ts"
import type * as Fiberless from "./Fiberless.ts"
import { Failed, Rows } from "./internal/answers.ts"
import * as Define from "./internal/define.ts"
import type { Definition } from "./internal/definition.ts"
import * as Resolver from "./internal/resolver.ts"
import { GroupedView, SourceTypeId, View } from "./internal/view.ts"
import type * as Memo from "./Memo.ts"
import type { Operation } from "./Operation.ts"
import type * as Policy from "./Policy.ts"
import type * as Selection from "./Selection.ts"
import type * as SourceError from "./SourceError.ts"

export const TypeId: typeof SourceTypeId = SourceTypeId
export type TypeId = typeof TypeId

/**
 * A named way to get values for keys, in batches.
 *
 * All that it gives runs in an Operation. `R` is what its resolver needs from
 * the callers; callers with different services never share an answer.
 */
export interface Source<in K, in out A, out E = never, out R = never, in F = never> {
  readonly [TypeId]: Definition
  readonly name: string
  /** The value for one key. */
  readonly load: (key: K) => Load<A, E, R | Operation>
  /** The values for many keys, in their order, in one suspension. Fails as soon as one of them does. */
  readonly loadMany: (keys: Iterable<K>) => Fiberless.Fiberless<Array<A>, E, R | Operation>
  /** As `loadMany`, with each key's failure in its place. */
  readonly loadEithers: (keys: Iterable<K>) => Fiberless.Fiberless<Array<Either.Either<A, E>>, never, R | Operation>
  /** As `loadMany`, for a record of keys. */
  readonly loadAll: <const P extends { readonly [name: string]: K }>(
    keys: P
  ) => Fiberless.Fiberless<{ -readonly [N in keyof P]: A }, E, R | Operation>
  /**
   * Asks for a key now; the Effect it gives waits for the answer. Between the
   * two other sources can be asked. Asked keys are fetched even if nobody waits.
   */
  readonly request: (key: K) => Effect.Effect<Fiberless.Fiberless<A, E>, never, R | Operation>
  /** Remembers a value for a key, unless one is there or on its way. Answers those whose key has not been sent yet. */
  readonly prime: (key: K, value: A) => Effect.Effect<void, never, R | Operation>
  /** `prime` for many keys. */
  readonly primeMany: (entries: Iterable<readonly [K, A]>) => Effect.Effect<void, never, R | Operation>
  /** Remembers a value for a key in place of what is there, and of what is on its way. */
  readonly replace: (key: K, value: A) => Effect.Effect<void, never, R | Operation>
  /** Forgets a key. Who waits for it goes on waiting; who asks for it from now on asks anew. */
  readonly clear: (key: K) => Effect.Effect<void, never, R | Operation>
  /** `clear` for many keys. */
  readonly clearMany: (keys: Iterable<K>) => Effect.Effect<void, never, R | Operation>
  /** Forgets every key, of the group if the source has groups. */
  readonly clearAll: Effect.Effect<void, never, R | Operation>
  /** The same source, whose loads ask otherwise. */
  readonly with: (options: LoadOptions) => Source<K, A, E, R, F>
  /** The same source, whose loads ask for part of the value only. For sources made with `selection`. */
  readonly select: (selection: F) => Source<K, A, E, R, F>
  /**
   * The source as a resolver of its own loads, and of no others:
   * `Effect.request(source.load(key), RequestResolver.contextFromEffect(source.resolver))`.
   */
  readonly resolver: RequestResolver.RequestResolver<Load<unknown, unknown, unknown>, R | Operation>
}

/** A source whose batches share parameters besides their keys. */
export interface Grouped<in G, in K, in out A, out E = never, out R = never, in F = never> {
  readonly [TypeId]: Definition
  readonly name: string
  /** The source for one group. Equal groups share batches and what is remembered. */
  readonly of: (group: G) => Source<K, A, E, R, F>
  /** Forgets every key of every group. */
  readonly clearAll: Effect.Effect<void, never, R | Operation>
}

/** One load: an Effect, answerable by callback without a fiber, and a `Request`. */
export interface Load<out A, out E = never, out R = never>
  extends Fiberless.Fiberless<A, E, R>,
    Request.Request<A, E> {}

/** How loads ask, where that differs from their source. */
export interface LoadOptions {
  /** When their batch leaves, if nothing makes it leave earlier. */
  readonly policy?: Policy.Policy
  /** Share no call with equal keys, and leave nothing behind. Default false. */
  readonly distinct?: boolean
  /** Take no answer whose call began before the load. Default false. */
  readonly fresh?: boolean
}

/** What a resolver knows of its batch, and how it answers keys while it runs. */
export interface Batch<out G, in K, in A, in E, out F = undefined> {
  /** What the whole batch shares. */
  readonly group: G
  /** What the loads of the batch select together; `undefined` when one of them wants everything. */
  readonly selection: F | undefined
  /** Answers one key at once, whatever becomes of the rest. The first answer to a key counts. */
  readonly answer: (key: K, exit: Exit.Exit<A, E>) => void
  readonly succeed: (key: K, value: A) => void
  readonly fail: (key: K, error: E) => void
}

/**
 * The forms an answer may take: by position, by key, rows that name their keys
 * ({@link byKey}, {@link groupBy}), or nothing when each key was answered by itself.
 * {@link fail} may stand for any value.
 */
export type Answers<K, A, E = never> =
  | ReadonlyArray<A | Failed<E>>
  | ReadonlyMap<K, A | Failed<E>>
  | HashMap.HashMap<K, A | Failed<E>>
  | Rows<K, A | Failed<E>>
  // biome-ignore lint/suspicious/noConfusingVoidType: what `Effect.void` and `Effect.forEach` with `discard` give.
  | void

/** What may stand for a key. */
export type Primitive = string | number | bigint | boolean | symbol | null | undefined

/** What a key without an answer comes to: a defect, a `NotFound` failure, or `None`. */
export type Missing = "die" | "fail" | "option"

/** What callers get from a source whose resolver answers `A`. */
export type Found<A, M extends Missing> = M extends "option" ? Option.Option<A> : A

/** What callers fail with from a source whose resolver fails with `E`. */
export type Failure<E, M extends Missing> = M extends "fail" ? E | SourceError.NotFound : E

export interface Options<K, KI, A, AI, E, EI, RM, M extends Missing, F> {
  /** What keys are. They are told apart by value, whatever they are made of; primitives fastest. */
  readonly key: Schema.Schema<K, KI>
  /** What values are. */
  readonly success: Schema.Schema<A, AI>
  /** What failures are. Without it, what the resolver fails with. */
  readonly failure?: Schema.Schema<E, EI>
  /** Tells keys apart by a primitive of your choice. Of equal keys the first is fetched. */
  readonly cacheKey?: (key: K) => Primitive
  /** When a batch leaves. Default `Policy.turn`. */
  readonly policy?: Policy.Policy
  /** The most keys in one call. Default unbounded. */
  readonly maxBatchSize?: number
  /** The most that one call may cost, such as the length of a URL, and what each key adds. Default unbounded. */
  readonly maxBatchCost?: { readonly max: number; readonly of: (key: K) => number }
  /** The most calls of this source at once, in this process. Default unbounded. */
  readonly maxConcurrentBatches?: number
  /** The most calls of this source to begin in an interval, in this process. Default unbounded. */
  readonly rateLimit?: { readonly limit: number; readonly interval: Duration.DurationInput }
  /** Never merges equal keys, and remembers nothing. Default false. */
  readonly distinct?: boolean
  /** What is remembered, and for whom. Default `Memo.operation`. */
  readonly memo?: Memo.Memo<NoInfer<A>, RM>
  /** Which failures are remembered. Default none. */
  readonly remembersFailure?: (error: NoInfer<E>) => boolean
  /** What a key comes to that has no answer, or a function that says so. Default `die`, with the source and the key. */
  readonly missing?: M | ((key: K) => Exit.Exit<NoInfer<A>, NoInfer<E>>)
  /** How selections of fields or arguments are put together. Default there are none. */
  readonly selection?: Selection.Selection<F>
}

/**
 * Describes a source. Nothing runs until its values are used in an Operation.
 *
 * `resolve` is given the keys of a batch in the order in which they were first
 * asked for, each once. It runs in a fiber of its own, with the services of the
 * callers and the fiber refs of the Operation, and is interrupted when nobody waits any more.
 *
 * @example
 * import { Effect, Schema } from "effect"
 * import { Operation, Source } from "@wellspring/source"
 *
 * const User = Schema.Struct({ id: Schema.Number, name: Schema.String })
 *
 * const users = Source.make("Users", {
 *   key: Schema.Number,
 *   success: User,
 *   resolve: (ids) => Effect.succeed(ids.map((id) => ({ id, name: `User ${id}` })))
 * })
 *
 * // One call, with the keys 1 and 2.
 * const program = Operation.scoped(users.loadMany([1, 2, 1]))
 */
export const make: {
  <K, KI, A, AI, R, G, GI, E = never, EI = never, RM = never, M extends Missing = "die", F = never>(
    name: string,
    options: Options<K, KI, A, AI, E, EI, RM, M, F> & {
      /** What a whole batch shares: parameters on which the answers depend. */
      readonly group: Schema.Schema<G, GI>
      /** Tells groups apart by a primitive of your choice. */
      readonly groupKey?: (group: G) => Primitive
      readonly resolve: (
        keys: ReadonlyArray<K>,
        batch: Batch<G, K, A, E, F>
      ) => Effect.Effect<Answers<K, NoInfer<A>, NoInfer<E>>, E, R>
    }
  ): Grouped<G, K, Found<A, M>, Failure<E, M>, R | RM, F>
  <K, KI, A, AI, R, E = never, EI = never, RM = never, M extends Missing = "die", F = never>(
    name: string,
    options: Options<K, KI, A, AI, E, EI, RM, M, F> & {
      readonly resolve: (
        keys: ReadonlyArray<K>,
        batch: Batch<undefined, K, A, E, F>
      ) => Effect.Effect<Answers<K, NoInfer<A>, NoInfer<E>>, E, R>
    }
  ): Source<K, Found<A, M>, Failure<E, M>, R | RM, F>
} = (name: string, options: unknown) => {
  const loose = options as Define.LooseOptions
  // The kernel's own batch stays with the kernel.
  return Define.viewOf(Define.fromOptions(name, loose, (keys, view) => loose.resolve(keys, view))) as never
}

/** The options of {@link make} that make sense for requests. */
export interface ResolverOptions<Q extends Request.Request<unknown, unknown>, RM>
  extends Omit<
    Options<Q, Q, Request.Request.Success<Q>, unknown, Request.Request.Error<Q>, unknown, RM, "die", never>,
    "key" | "success" | "failure" | "missing" | "selection"
  > {}

/**
 * Makes a source of any `RequestResolver`: its requests are then batched across
 * fibers and runs, and equal requests share a call.
 *
 * Keys are the requests themselves, told apart by `Equal`, or faster by `cacheKey`.
 *
 * @example
 * import { Effect, Request, RequestResolver } from "effect"
 * import { Source } from "@wellspring/source"
 *
 * class GetName extends Request.TaggedClass("GetName")<string, never, { readonly id: number }> {}
 *
 * const resolver = RequestResolver.makeBatched((requests: ReadonlyArray<GetName>) =>
 *   Effect.forEach(requests, (request) => Request.succeed(request, `User ${request.id}`), { discard: true })
 * )
 *
 * const names = Source.fromResolver("Names", resolver, { cacheKey: (request) => request.id })
 * const name = names.load(new GetName({ id: 1 }))
 */
export const fromResolver = <Q extends Request.Request<unknown, unknown>, R, RM = never>(
  name: string,
  resolver: RequestResolver.RequestResolver<Q, R>,
  options: ResolverOptions<Q, RM> = {}
): Source<Q, Request.Request.Success<Q>, Request.Request.Error<Q>, R | RM> =>
  Define.viewOf(
    Define.fromOptions(name, options as Define.Settings, Resolver.resolveWith(resolver as never), Resolver.RequestEntry)
  ) as never

export const isSource = (value: unknown): value is Source<never, unknown, unknown, unknown> => value instanceof View

export const isGrouped = (value: unknown): value is Grouped<never, never, unknown, unknown, unknown> =>
  value instanceof GroupedView

// Answers

/** A key's failure, in the place where its value would be. */
export const fail = <E>(error: E): Failed<E> => new Failed(error)

/** Answers by position, from `Either`s. */
export const fromEithers = <A, E>(answers: Iterable<Either.Either<A, E>>): Array<A | Failed<E>> =>
  Array.from(answers, (answer) => (Either.isRight(answer) ? answer.right : fail(answer.left)))

/**
 * Answers with rows in any order, each under the key it carries. Of rows with
 * the same key the last counts; rows nobody asked for are left aside.
 *
 * @example
 * import { Effect, Schema } from "effect"
 * import { Source } from "@wellspring/source"
 *
 * const User = Schema.Struct({ id: Schema.Number, name: Schema.String })
 * declare const select: (ids: ReadonlyArray<number>) => Effect.Effect<Array<typeof User.Type>>
 *
 * const users = Source.make("Users", {
 *   key: Schema.Number,
 *   success: User,
 *   missing: "option",
 *   resolve: (ids) => Effect.map(select(ids), Source.byKey((user) => user.id))
 * })
 */
export const byKey =
  <A, K>(keyOf: (row: A) => K) =>
  (rows: Iterable<A>): Rows<K, A> =>
    new Rows(rows, keyOf as (row: unknown) => K, false)

/** Answers each key with all its rows, in their order. A key without rows has an empty list. */
export const groupBy =
  <A, K>(keyOf: (row: A) => K) =>
  (rows: Iterable<A>): Rows<K, Array<A>> =>
    new Rows(rows, keyOf as (row: unknown) => K, true)

// Views

/**
 * The source as an object with DataLoader's interface, for libraries that
 * expect one: see {@link DataLoaderCompat.fromSource}.
 */
export const toDataLoader = DataLoaderCompat.fromSource

// Services

/**
 * Gives a source its services for good: callers need not have them, and share
 * batches and answers whatever services they have themselves.
 */
export const provideContext: {
  <R>(context: Context.Context<R>): <K, A, E, F>(source: Source<K, A, E, R, F>) => Source<K, A, E, never, F>
  <K, A, E, R, F>(source: Source<K, A, E, R, F>, context: Context.Context<R>): Source<K, A, E, never, F>
} = Define.provideContext

/**
 * A source with the services that are there when this runs, as a layer does
 * that builds a service from sources. See {@link provideContext}.
 */
export const capture = <K, A, E, R, F>(
  source: Source<K, A, E, R, F>
): Effect.Effect<Source<K, A, E, never, F>, never, Exclude<R, Operation>> =>
  Effect.contextWith((context: Context.Context<Exclude<R, Operation>>) =>
    provideContext(source, context as Context.Context<R>)
  )
