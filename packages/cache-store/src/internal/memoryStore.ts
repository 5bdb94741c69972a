/** A typed store over one space of a memory. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type { Codec } from "../Codec.ts"
import * as Invalidation from "../Invalidation.ts"
import * as Store from "../Store.ts"
import * as Far from "./far.ts"
import { InvalidationLog, ofKey, ofTag } from "./invalidationLog.ts"
import { keyHash } from "./keyHash.ts"
import { Leases } from "./leases.ts"
import type { Memory } from "./memory.ts"
import { Space } from "./memory.ts"

export interface MemoryStore<in out A> extends Far.Far<A> {
  readonly direct: Store.Direct<A>
}

const nothing = Exit.succeed(Option.none())

export const make = <A>(memory: Memory, clock: Clock.Clock, namespace: string, codec: Codec<A>): MemoryStore<A> => {
  const space = new Space<A>()
  const log = new InvalidationLog()
  const leases = new Leases()
  // Without subscribers nothing is kept; with some, none may be lost.
  const invalidations = Effect.runSync(PubSub.unbounded<Invalidation.Invalidation>())
  const tell = (invalidation: Invalidation.Invalidation) => void invalidations.unsafeOffer(invalidation)

  const peek = (key: string) => memory.get(space, key, clock.unsafeCurrentTimeMillis())

  const get = (key: string): Exit.Exit<Option.Option<A>> => {
    const value = peek(key)
    return value === undefined ? nothing : Exit.succeed(Option.some(value))
  }

  const isInvalidatedSince = (position: number, key: string, tags: ReadonlyArray<string> = []): boolean =>
    position !== log.now() &&
    (log.hasSince(position, ofKey(key)) || tags.some((tag) => log.hasSince(position, ofTag(tag))))

  const isRefused = (
    key: string,
    { lease, since, tags }: Omit<Store.SetOptions, "timeToLive">,
    now: number
  ): boolean => {
    if (since !== undefined && isInvalidatedSince(since, key, tags)) return true
    if (lease === undefined) return false
    const granted = leases.end(key, lease.token, now)
    return granted === undefined || isInvalidatedSince(granted.position, key, tags)
  }

  const set = (key: string, value: A, timeToLiveMillis: number, options: Omit<Store.SetOptions, "timeToLive"> = {}) => {
    const now = clock.unsafeCurrentTimeMillis()
    if (isRefused(key, options, now)) return false
    return memory.set(space, key, value, codec.size(value), now + timeToLiveMillis, options.tags, now)
  }

  const remove = (key: string) => {
    log.add(ofKey(key))
    leases.void(key)
    memory.remove(space, key)
    tell(Invalidation.Key({ namespace, key }))
  }

  const removeTagged = (tag: string) => {
    log.add(ofTag(tag))
    memory.removeTagged(space, tag)
    tell(Invalidation.Tag({ namespace, tag }))
  }

  const lookup: Far.Far<A>[typeof Far.TypeId]["lookup"] = (keys, done) => {
    const now = clock.unsafeCurrentTimeMillis()
    done(
      keys.map((key) => {
        const entry = memory.entry(space, key, now)
        if (entry?.value === undefined) return undefined
        return { value: entry.value, expiresAt: memory.expiryOf(entry), tags: entry.tags?.map(keyHash) ?? [] }
      })
    )
    return () => {}
  }

  return {
    namespace,
    [Far.TypeId]: {
      lookup,
      bound: () => () => {},
      write: (key, value, options, done) =>
        done(set(key, value, Duration.toMillis(options.timeToLive), options) ? "kept" : "refused"),
      // Nobody outside shares this memory.
      onForeign: () => {}
    },
    direct: { get: peek, set, remove, removeTagged, reweigh: (key) => memory.reweigh(space, key, codec.size) },
    get,
    peek,
    getMany: (keys) => Effect.sync(() => keys.map((key) => Option.fromNullable(peek(key)))),
    set: (key, value, options) => Effect.sync(() => set(key, value, Duration.toMillis(options.timeToLive), options)),
    remove: (key) => Effect.sync(() => remove(key)),
    removeTagged: (tag) => Effect.sync(() => removeTagged(tag)),
    removePrefix: (prefix) =>
      Effect.sync(() => {
        log.addAll()
        leases.voidPrefix(prefix)
        memory.removePrefix(space, prefix)
        tell(Invalidation.Prefix({ namespace, prefix }))
      }),
    clear: Effect.sync(() => {
      log.addAll()
      leases.voidAll()
      memory.clear(space)
      tell(Invalidation.All({ namespace }))
    }),
    resize: (key, value) => memory.resize(space, key, value, codec.size(value)),
    position: () => log.now(),
    acquire: (key, options) =>
      Effect.sync(() => {
        const now = clock.unsafeCurrentTimeMillis()
        const token = leases.acquire(key, log.now(), now, now + Duration.toMillis(options.timeToLive))
        return token === undefined ? Store.Taken() : Store.Granted({ key, token })
      }),
    release: (lease) => Effect.sync(() => void leases.end(lease.key, lease.token, clock.unsafeCurrentTimeMillis())),
    subscribe: PubSub.subscribe(invalidations)
  }
}
