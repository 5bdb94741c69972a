/**
 * The store as this cache uses it: slots by URL, by body where that is part of
 * the key, and by partition.
 *
 * A key begins with the canonical URL. What follows begins with a line break,
 * which no URL has, so that all of one URL is found by prefix.
 */
import type * as Store from "@wellspring/cache-store/Store"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Background } from "./background.ts"
import type { Work } from "./begin.ts"
import { andThen, run } from "./begin.ts"
import type { Slot, Stored } from "./stored.ts"

const nothing: Slot = []

/** Where a request's entries are. */
export interface Place {
  readonly url: string
  /** What everybody may be answered from; absent when the request does not take part. */
  readonly shared: string | undefined
  /** What belongs to the request's partition. */
  readonly own: string | undefined
}

export const place = (
  url: string,
  options: { readonly digest: string | undefined; readonly partition: string | undefined; readonly shared: boolean }
): Place => {
  const base = options.digest === undefined ? url : `${url}\nbody ${options.digest}`
  return {
    url,
    shared: options.shared ? base : undefined,
    own: options.partition === undefined ? undefined : `${base}\nfor ${options.partition}`
  }
}

/** The tag of what belongs to a URL besides the slot under its own name. */
const tagOf = (url: string): string => `\nurl ${url}`

/** How a change to a slot is guarded. */
export interface Guard {
  /** Where the history of invalidations stood when what is written was asked for. */
  readonly since: Store.Position
  readonly lease: Store.Granted | undefined
}

export class Slots {
  readonly store: Store.Store<Slot>
  private readonly clock: Clock.Clock
  private readonly background: Background
  private readonly keepUntil: (entry: Stored) => number

  /** @param keepUntil the instant until which an entry is of any use */
  constructor(
    store: Store.Store<Slot>,
    clock: Clock.Clock,
    background: Background,
    keepUntil: (entry: Stored) => number
  ) {
    this.store = store
    this.clock = clock
    this.background = background
    this.keepUntil = keepUntil
  }

  /** What this process has at hand. */
  peek({ own, shared }: Place): Slot | undefined {
    const { store } = this
    const a = own === undefined ? undefined : store.peek(own)
    const b = shared === undefined ? undefined : store.peek(shared)
    return a === undefined ? b : b === undefined ? a : [...b, ...a]
  }

  read(place: Place): Work<Slot, never> {
    const { store } = this
    if (store.direct !== undefined) return () => Exit.succeed(this.peek(place) ?? nothing)
    const { own, shared } = place
    if (own !== undefined && shared !== undefined) {
      const both = Effect.map(store.getMany([shared, own]), (slots) => slots.flatMap(Option.getOrElse(() => nothing)))
      return run(both, this.background.runtime)
    }
    const key = own ?? shared
    if (key === undefined) return () => Exit.succeed(nothing)
    return andThen(
      run(store.get(key), this.background.runtime),
      (exit) => () =>
        Exit.map(
          exit,
          Option.getOrElse(() => nothing)
        )
    )
  }

  /**
   * Changes the slot of a scope, in memory at once and elsewhere behind the
   * response. A change made meanwhile by another process may be lost: it costs a miss.
   */
  change(place: Place, scope: "shared" | "private", guard: Guard, change: (slot: Slot) => Slot): void {
    const key = scope === "shared" ? place.shared : place.own
    if (key === undefined) return
    const { store } = this
    if (store.direct !== undefined) {
      const before = store.direct.get(key) ?? nothing
      const after = change(before)
      if (after === before) return
      if (after.length === 0) store.direct.remove(key)
      else
        store.direct.set(key, after, this.timeToLive(after), { since: guard.since, tags: this.tags(place, key, after) })
      return
    }
    this.background.finish(
      Effect.flatMap(store.get(key), (found) => {
        const before = Option.getOrElse(found, () => nothing)
        const after = change(before)
        if (after === before) return guard.lease === undefined ? Effect.void : store.release(guard.lease)
        if (after.length === 0) return store.remove(key)
        return store.set(key, after, {
          ...guard,
          timeToLive: this.timeToLive(after),
          tags: this.tags(place, key, after)
        })
      })
    )
  }

  /** Weighs the slot of an entry again, its decoded value having grown. */
  reweigh(place: Place, scope: "shared" | "private"): void {
    const key = scope === "shared" ? place.shared : place.own
    if (key === undefined) return
    const { store } = this
    if (store.direct !== undefined) store.direct.reweigh(key)
    else {
      const slot = store.peek(key)
      if (slot !== undefined) store.resize(key, slot)
    }
  }

  /** Forgets all of these URLs: what is shared, what is keyed by bodies too, and every partition's. */
  forget(urls: ReadonlyArray<string>): Work<void, never> {
    const { store } = this
    const { direct } = store
    if (direct !== undefined) {
      return () => {
        for (const url of urls) {
          direct.remove(url)
          direct.removeTagged(tagOf(url))
        }
        return Exit.void
      }
    }
    const forgetting = Effect.forEach(
      urls,
      (url) => Effect.zipRight(store.remove(url), store.removeTagged(tagOf(url))),
      {
        discard: true
      }
    )
    return run(forgetting, this.background.runtime)
  }

  private timeToLive(slot: Slot): number {
    let until = Number.NEGATIVE_INFINITY
    for (const entry of slot) until = Math.max(until, this.keepUntil(entry))
    return until - this.clock.unsafeCurrentTimeMillis()
  }

  private tags(place: Place, key: string, slot: Slot): ReadonlyArray<string> | undefined {
    if (key === place.url && slot.every((entry) => entry.tags.length === 0)) return undefined
    const own = slot.flatMap((entry) => entry.tags)
    if (key !== place.url) own.push(tagOf(place.url))
    return [...new Set(own)]
  }
}
