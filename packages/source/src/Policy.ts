/**
 * When an open batch leaves.
 *
 * A policy says how long a batch stays open for more keys. Whatever it says,
 * a batch also leaves when it is full, when its `maxWait` has passed, and when
 * the Operation is flushed.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"

/** How long a batch stays open. `maxWait` bounds it; see the constructors for its default. */
export type Policy = Data.TaggedEnum<{
  Immediate: {}
  Turn: {}
  Quiet: { readonly maxWait: Duration.Duration }
  Exhausted: { readonly maxWait: Duration.Duration }
  Window: { readonly duration: Duration.Duration }
  Manual: { readonly maxWait: Duration.Duration }
}>

export const { Immediate, Turn, Quiet, Exhausted, Window, Manual, $match: match } = Data.taggedEnum<Policy>()

/** Eight milliseconds: what a batch may be held for the sake of fewer calls, unless told otherwise. */
export const defaultMaxWait: Duration.Duration = Duration.millis(8)

/**
 * Leaves as soon as the code that is running has come to a pause: one microtask.
 *
 * For sources that answer from memory, where waiting costs more than a call.
 */
export const immediate: Policy = Immediate()

/** Leaves one turn of the event loop after the first load, together with every other ready batch. The default. */
export const turn: Policy = Turn()

/**
 * Leaves after the first turn in which no new key came.
 *
 * @param options.maxWait the longest wait, {@link defaultMaxWait} unless given
 */
export const quiet = (options?: { readonly maxWait?: Duration.DurationInput }): Policy =>
  Quiet({ maxWait: bound(options, defaultMaxWait) })

/**
 * Leaves when nothing that could bring another key is under way: no batch of
 * the Operation in flight, and no hint of `Operation.busy` held.
 *
 * @param options.maxWait the longest wait, {@link defaultMaxWait} unless given
 */
export const exhausted = (options?: { readonly maxWait?: Duration.DurationInput }): Policy =>
  Exhausted({ maxWait: bound(options, defaultMaxWait) })

/** Leaves a fixed time after the first load. */
export const window = (duration: Duration.DurationInput): Policy => Window({ duration: Duration.decode(duration) })

/**
 * Leaves when the Operation is flushed.
 *
 * @param options.maxWait the longest wait, unbounded unless given
 */
export const manual = (options?: { readonly maxWait?: Duration.DurationInput }): Policy =>
  Manual({ maxWait: bound(options, Duration.infinity) })

const bound = (
  options: { readonly maxWait?: Duration.DurationInput } | undefined,
  otherwise: Duration.Duration
): Duration.Duration => (options?.maxWait === undefined ? otherwise : Duration.decode(options.maxWait))
