/**
 * What a source remembers, for how long, and for whom.
 *
 * Joining a call under way is not a matter of memory: it happens whatever the memo.
 */
import type * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/**
 * Who shares what outlives an Operation. There is no default: answers of one
 * caller must not reach another unless somebody has said so.
 */
export type Sharing<R = never> = "public" | Identity<R>

/** Keeps the answers of each identity apart. */
export interface Identity<out R> {
  readonly tag: { readonly key: string }
  readonly of: (service: never) => string | number
  /** The service that says who the caller is. */
  readonly requires?: R
}

/**
 * Shares among callers of one identity, told from a service that they provide.
 *
 * @example
 * import { Context } from "effect"
 * import { Memo } from "@wellspring/source"
 *
 * class Viewer extends Context.Tag("Viewer")<Viewer, { readonly id: string }>() {}
 *
 * const memo = Memo.bounded({ timeToLive: "1 minute", capacity: 10_000, sharing: Memo.by(Viewer, (viewer) => viewer.id) })
 */
export const by = <I, S>(tag: Context.Tag<I, S>, of: (service: S) => string | number): Identity<I> => ({
  tag,
  of: of as (service: never) => string | number
})

/** What a source remembers. */
export type Memo<A = never, R = never> = None | Operation | Bounded<R> | External<A, R>

export interface None {
  readonly _tag: "None"
}

export interface Operation {
  readonly _tag: "Operation"
}

export interface Bounded<out R> {
  readonly _tag: "Bounded"
  readonly timeToLive: Duration.Duration
  readonly capacity: number
  readonly sharing: Sharing<R>
  readonly acrossEpochs: boolean
}

export interface External<out A, out R> {
  readonly _tag: "External"
  readonly store: Effect.Effect<Store<A>, never, R>
  readonly timeToLive: Duration.Duration
  readonly sharing: Sharing<R>
  readonly acrossEpochs: boolean
}

/** Remembers nothing. Equal keys still share a call while it is under way. */
export const none: None = Data.struct({ _tag: "None" as const })

/** Remembers for the rest of the Operation, or until its next epoch. The default. */
export const operation: Operation = Data.struct({ _tag: "Operation" as const })

export interface BoundedOptions<R> {
  /** How long an answer is remembered. */
  readonly timeToLive: Duration.DurationInput
  /** How many answers are remembered, all identities and groups together; the least recently used go first. */
  readonly capacity: number
  readonly sharing: Sharing<R>
  /**
   * Whether an Operation that has begun a new epoch still takes answers from
   * before it. Default false: what is read after a write is read anew.
   */
  readonly acrossEpochs?: boolean
}

/** Remembers in this process, beyond the Operation, within bounds. */
export const bounded = <R = never>(options: BoundedOptions<R>): Bounded<R> => ({
  _tag: "Bounded",
  timeToLive: Duration.decode(options.timeToLive),
  capacity: options.capacity,
  sharing: options.sharing,
  acrossEpochs: options.acrossEpochs ?? false
})

export interface ExternalOptions<A, R, RS> {
  /** Opens the store. Runs once a batch, so let it be cheap. */
  readonly store: Effect.Effect<Store<A>, never, R>
  /** How long the store is asked to keep an answer. */
  readonly timeToLive: Duration.DurationInput
  readonly sharing: Sharing<RS>
  /** Whether the store is also read in the later epochs of an Operation. Default false. */
  readonly acrossEpochs?: boolean
}

/**
 * Remembers for the rest of the Operation, and beyond it in a store that is
 * asked for all keys of a batch before the resolver is asked for the rest.
 *
 * Answers are written behind: callers do not wait for it, the end of the Operation does.
 */
export const external = <A, R = never, RS = never>(options: ExternalOptions<A, R, RS>): External<A, R | RS> => ({
  _tag: "External",
  store: options.store,
  timeToLive: Duration.decode(options.timeToLive),
  sharing: options.sharing,
  acrossEpochs: options.acrossEpochs ?? false
})

/** What a store must be able to do. `Store` of `@wellspring/cache-store` fits. */
export interface Store<out A> {
  readonly getMany: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Option.Option<A>>>
  /** `since` is an earlier `position`: a value invalidated after it is to be refused. */
  readonly set: (key: string, value: never, options: SetOptions) => Effect.Effect<unknown>
  readonly remove: (key: string) => Effect.Effect<unknown>
  readonly removePrefix: (prefix: string) => Effect.Effect<unknown>
  readonly position?: () => number
}

export interface SetOptions {
  readonly timeToLive: Duration.DurationInput
  readonly since?: number | undefined
}
