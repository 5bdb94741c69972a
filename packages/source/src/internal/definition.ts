/** What a source is, as the kernel sees it: everything about types has been left behind. */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Policy from "../Policy.ts"
import type { Batch } from "./batch.ts"
import type { BoundedMemo } from "./boundedMemo.ts"
import type { Entry } from "./entry.ts"
import type { Gate } from "./gate.ts"
import type { Identity } from "./identity.ts"
import type { Instruments } from "./instruments.ts"

export type Answer = Exit.Exit<unknown, unknown>
export type Resume = (exit: Answer) => void

export interface Definition {
  readonly name: string
  readonly key: Identity<unknown>
  /** How groups are told apart; a source without groups has none. */
  readonly group: Identity<unknown> | undefined
  readonly policy: Policy.Policy
  readonly maxBatchSize: number
  /** What a key adds to the cost of a batch, and how much a batch may cost. */
  readonly cost: { readonly of: (key: unknown) => number; readonly max: number } | undefined
  readonly gate: Gate | undefined
  readonly distinct: boolean
  /** Whether answers stay in the lane for the rest of the epoch. */
  readonly remembers: boolean
  readonly remembersFailure: (error: unknown) => boolean
  readonly bounded: Bounded | undefined
  readonly external: External | undefined
  readonly selection: Merge | undefined
  /** What a key without an answer gets. */
  readonly missing: (key: unknown) => Answer
  /** What is made of a value that was answered, when it is not given as it is. */
  readonly found: ((value: unknown) => unknown) | undefined
  /** The services its batches run with, when it does not take them from its callers. */
  readonly closed: Context.Context<never> | undefined
  /** Makes the entries of its batches, where plain ones will not do. */
  readonly entry: typeof Entry
  readonly instruments: Instruments
  readonly resolve: (keys: ReadonlyArray<unknown>, view: ResolverView, batch: Batch) => Effect.Effect<unknown, unknown>
}

/** How what loads select is put together, and when it suffices. */
export interface Merge {
  readonly merge: (left: unknown, right: unknown) => unknown
  readonly covers: (have: unknown, want: unknown) => boolean
}

/** A memo in this process that outlives the Operation. */
export interface Bounded {
  readonly memo: BoundedMemo
  readonly owner: Owner
  readonly acrossEpochs: boolean
}

/** A memo somewhere else. */
export interface External {
  readonly store: Effect.Effect<ExternalStore>
  readonly owner: Owner
  readonly timeToLive: number
  readonly acrossEpochs: boolean
}

/** Whose answers a memo keeps: a primitive that stands for the identity of the caller with these services. */
export type Owner = (services: ReadonlyMap<string, unknown>) => unknown

export interface ExternalStore {
  readonly getMany: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Option.Option<unknown>>>
  readonly set: (
    key: string,
    value: unknown,
    options: { readonly timeToLive: number; readonly since?: number }
  ) => Effect.Effect<unknown>
  readonly remove: (key: string) => Effect.Effect<unknown>
  readonly removePrefix: (prefix: string) => Effect.Effect<unknown>
  readonly position?: () => number
}

/** What a resolver sees of its batch. */
export interface ResolverView {
  readonly group: unknown
  readonly selection: unknown
  readonly answer: (key: unknown, exit: Answer) => void
  readonly succeed: (key: unknown, value: unknown) => void
  readonly fail: (key: unknown, error: unknown) => void
}

/** How one load asks, where that differs from its source. */
export interface Ask {
  readonly policy: Policy.Policy
  readonly distinct: boolean
  readonly fresh: boolean
  /** What the load selects; `undefined` is everything. */
  readonly selection: unknown
}
