/**
 * A typed place for cached values, as the rooms above see it.
 *
 * It never fails: a store that is slow, down or corrupt answers as if it held
 * nothing. Get one with `CacheStore.open`.
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Invalidation } from "./Invalidation.ts"

/**
 * A point in the history of a store's invalidations.
 *
 * Take one before the work that makes a value, give it to `set`: a value whose
 * key or tag was invalidated since is refused, so that a slow read never puts back what a write has thrown away.
 */
export type Position = number

/** Whether the caller is the one who makes the value. */
export type Lease = Data.TaggedEnum<{
  /** The caller makes it. `token` proves so to `set` and `release`; it is void after the lease's time, and after an invalidation of the key. */
  Granted: { readonly key: string; readonly token: string }
  /** Somebody else is making it. Wait a little, and look again. */
  Taken: {}
}>

export const { Granted, Taken, $is: isLease, $match: matchLease } = Data.taggedEnum<Lease>()
export type Granted = Data.TaggedEnum.Value<Lease, "Granted">

export interface SetOptions {
  /** How long the value may be had. Zero or less keeps nothing; infinity keeps it until it is evicted or removed. */
  readonly timeToLive: Duration.DurationInput
  /** Names by which `removeTagged` finds the entry. */
  readonly tags?: ReadonlyArray<string> | undefined
  /** Refuses the value when its key, or one of its tags, was invalidated after this position. */
  readonly since?: Position | undefined
  /** Refuses the value when this lease is no longer held, and gives it back otherwise. */
  readonly lease?: Granted | undefined
}

/**
 * The same store without Effects: for a store that lives whole in this process,
 * and a caller that cannot afford a fiber. Nothing here waits or throws.
 */
export interface Direct<in out A> {
  readonly get: (key: string) => A | undefined
  /** As `Store.set`, with the time to live in milliseconds. */
  readonly set: (
    key: string,
    value: A,
    timeToLiveMillis: number,
    options?: { readonly tags?: ReadonlyArray<string> | undefined; readonly since?: Position | undefined }
  ) => boolean
  readonly remove: (key: string) => void
  readonly removeTagged: (tag: string) => void
  /** Weighs what `key` holds again, after it has grown or shrunk in place. */
  readonly reweigh: (key: string) => void
}

export interface Store<in out A> {
  readonly namespace: string
  /** There when the store lives whole in this process; nobody outside shares it, so leases are not worth asking for. */
  readonly direct?: Direct<A>
  /** The value under `key`, unless it was never set, has expired, was evicted or cannot be had. In memory the answer is an `Exit` at hand. */
  readonly get: (key: string) => Effect.Effect<Option.Option<A>>
  /** The values under many keys, in the order asked, one round trip where the store can; a key asked twice is answered twice. */
  readonly getMany: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Option.Option<A>>>
  /**
   * The value when this process holds it, at once. `undefined` says nothing
   * about what a store further away has. Counts as a use of the entry.
   */
  readonly peek: (key: string) => A | undefined
  /** Keeps `value` in place of what was under `key`, tags included. Answers whether it was kept: `false` when refused, too large, or lost to store trouble. */
  readonly set: (key: string, value: A, options: SetOptions) => Effect.Effect<boolean>
  /** Forgets one key, and voids its lease. */
  readonly remove: (key: string) => Effect.Effect<void>
  /** Forgets every entry with this tag. */
  readonly removeTagged: (tag: string) => Effect.Effect<void>
  /** Forgets every entry whose key begins with `prefix`. Costs a walk over the keys in memory; a remote store that cannot do it forgets the whole namespace. */
  readonly removePrefix: (prefix: string) => Effect.Effect<void>
  /** Forgets everything in this namespace, and in no other. */
  readonly clear: Effect.Effect<void>
  /** Weighs an entry again after its value has grown or shrunk in place. Does nothing unless `value` is what `key` holds. */
  readonly resize: (key: string, value: A) => void
  /** Where the history of invalidations stands now. */
  readonly position: () => Position
  /**
   * Asks to be the one who makes the value of `key`, among everybody who
   * shares the store. The lease ends by `set` with it, by `release`, by an
   * invalidation of the key, or after `timeToLive`, so that a holder that dies is replaced.
   */
  readonly acquire: (key: string, options: { readonly timeToLive: Duration.DurationInput }) => Effect.Effect<Lease>
  /** Gives a lease back without a value. A lease that is no longer held is left alone. */
  readonly release: (lease: Granted) => Effect.Effect<void>
  /**
   * What is invalidated in this namespace from now on, here and, where the
   * store can tell, elsewhere. Evictions and expiries are not told. A subscriber that
   * does not take what it is told makes the queue grow.
   */
  readonly subscribe: Effect.Effect<Queue.Dequeue<Invalidation>, never, Scope.Scope>
}
