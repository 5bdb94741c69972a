/**
 * What a tier in front of a store needs to know of it, beyond what a caller
 * may: until when a value is good, why one was not kept, what others invalidated.
 */
import type { Invalidation } from "../Invalidation.ts"
import type { SetOptions, Store } from "../Store.ts"

export const TypeId: unique symbol = Symbol.for("@wellspring/cache-store/Far")

export interface Found<out A> {
  readonly value: A
  /** Epoch milliseconds, or infinity. */
  readonly expiresAt: number
  /** Its tags by their hashes. */
  readonly tags: ReadonlyArray<string>
}

/** Refused: it must not be kept anywhere. Lost: the store was in trouble, or has no room; another tier may keep it. */
export type Outcome = "kept" | "refused" | "lost"

export interface Far<in out A> extends Store<A> {
  readonly [TypeId]: {
    /** As many answers as keys, at once or later. Gives what takes the caller out of the wait. */
    readonly lookup: (
      keys: ReadonlyArray<string>,
      done: (found: ReadonlyArray<Found<A> | undefined>) => void
    ) => () => void
    /** Bounds a caller's wait. Gives what ends it before. */
    readonly bound: (expire: () => void) => () => void
    readonly write: (key: string, value: A, options: SetOptions, done: (outcome: Outcome) => void) => void
    /** Hears what other processes invalidated, and `All` when something may have been missed. */
    readonly onForeign: (listener: (invalidation: Invalidation) => void) => void
  }
}

export const isFar = <A>(store: Store<A>): store is Far<A> => TypeId in store
