/**
 * Where cached values live: the service that rooms above ask for a place, and
 * the memory it has by default.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { CacheBackend } from "./CacheBackend.ts"
import { type Codec, text } from "./Codec.ts"
import * as Far from "./internal/far.ts"
import * as KeyValueCaches from "./internal/keyValueCache.ts"
import { Memory } from "./internal/memory.ts"
import * as MemoryStore from "./internal/memoryStore.ts"
import * as Remote from "./internal/remote.ts"
import * as TieredStore from "./internal/tieredStore.ts"
import * as KeyValue from "./KeyValue.ts"
import type { Store } from "./Store.ts"

/** What a memory holds, and may hold. */
export interface Usage {
  readonly bytes: number
  readonly entries: number
  readonly maxBytes: number
  readonly maxEntries: number
}

export class CacheStore extends Context.Tag("@wellspring/cache-store/CacheStore")<
  CacheStore,
  {
    /**
     * A typed place of its own. Opening a namespace twice with codecs of one
     * name gives the same entries; codecs of other names do not see each other's.
     */
    readonly open: <A>(namespace: string, codec: Codec<A>) => Effect.Effect<Store<A>>
    /** What this process holds for all namespaces together, expired entries let go first. */
    readonly usage: Effect.Effect<Usage>
  }
>() {}

export type Service = Context.Tag.Service<CacheStore>

export type { Backends, RemoteOptions } from "./internal/remote.ts"

export interface MemoryOptions {
  /**
   * Bytes for all namespaces together: keys, headers, tags and bookkeeping
   * counted, as weighed by the codecs. Default 64 MiB.
   */
  readonly maxBytes?: number | undefined
  /** Entries for all namespaces together. Default no limit besides bytes. */
  readonly maxEntries?: number | undefined
}

/**
 * A memory store, values kept as they are: no encoding, and `get` answers at
 * once. Whoever gets a value shares it with everybody else who does, so treat it as read-only.
 *
 * The least recently used entries leave when a bound is passed. Expired entries leave as others
 * are written, without timers.
 */
export const makeMemory = (options: MemoryOptions = {}): Effect.Effect<Service> =>
  Effect.map(Effect.clock, (clock) => {
    const { store, usage } = makeMemoryOf(clock, options)
    return { open: (namespace, codec) => Effect.sync(() => store(namespace, codec)), usage }
  })

const makeMemoryOf = (clock: Clock.Clock, options: MemoryOptions) => {
  const { maxBytes = 64 * 1024 * 1024, maxEntries = Number.POSITIVE_INFINITY } = options
  const memory = new Memory(maxBytes, maxEntries)
  // A name opens the type it was first opened with: the codec's name stands for its type.
  const stores = new Map<string, MemoryStore.MemoryStore<never>>()
  return {
    store: <A>(namespace: string, codec: Codec<A>): MemoryStore.MemoryStore<A> => {
      const name = JSON.stringify([namespace, codec.name])
      const opened = stores.get(name) as unknown as MemoryStore.MemoryStore<A> | undefined
      if (opened !== undefined) return opened
      const store = MemoryStore.make(memory, clock, namespace, codec)
      stores.set(name, store as unknown as MemoryStore.MemoryStore<never>)
      return store
    },
    usage: Effect.sync(() => {
      memory.sweepAll(clock.unsafeCurrentTimeMillis())
      return { bytes: memory.bytes, entries: memory.entries, maxBytes, maxEntries }
    })
  }
}

/**
 * The memory store as a layer.
 *
 * @example
 * import { CacheStore, Codec } from "@wellspring/cache-store"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const { open } = yield* CacheStore.CacheStore
 *   const greetings = yield* open("greetings", Codec.text)
 *   yield* greetings.set("en", "hello", { timeToLive: "1 minute" })
 *   return yield* greetings.get("en") // Some("hello")
 * })
 *
 * program.pipe(Effect.provide(CacheStore.layerMemory({ maxBytes: 16_000_000 })))
 */
export const layerMemory = (options: MemoryOptions = {}): Layer.Layer<CacheStore> =>
  Layer.effect(CacheStore, makeMemory(options))

/**
 * A store over a backend of bytes, with what a caller is promised of one that
 * is far away: it never fails a caller, and never keeps one waiting.
 *
 * - Reads of one event-loop turn go as one `getMany`; an answer that takes longer than `timeout` is a miss.
 * - Writes go on in the background. After `timeout` their caller is told `false`, not known to be kept.
 * - A backend that fails or is silent is left alone and probed; one warning an episode.
 * - Entries are wrapped so that damaged, foreign and outdated ones are misses, and are removed.
 * - An invalidation that the backend could not take is not forgotten: what it names is
 *   not believed until the backend has taken it.
 *
 * The scope ends its background work.
 */
export const fromBackend = (
  backend: CacheBackend,
  options?: Remote.RemoteOptions
): Effect.Effect<Service, never, Scope.Scope> => Remote.make({ backends: [backend], pick: () => 0 }, options)

/**
 * {@link fromBackend} over several backends, each with its part of the keys:
 * one that is down costs its own keys, and is probed by itself. What `pick`
 * gives for a key must be the same in every process. Only the first one's channel is heard.
 */
export const fromBackends: (
  backends: Remote.Backends,
  options?: Remote.RemoteOptions
) => Effect.Effect<Service, never, Scope.Scope> = Remote.make

/** {@link fromBackend} as a layer, from what makes the backend. */
export const layerBackend = <E, R>(
  backend: Effect.Effect<CacheBackend, E, R>,
  options?: Remote.RemoteOptions
): Layer.Layer<CacheStore, E, Exclude<R, Scope.Scope>> =>
  Layer.scoped(
    CacheStore,
    Effect.flatMap(backend, (made) => fromBackend(made, options))
  )

export interface TieredOptions<E, R> extends MemoryOptions {
  /** The store that is shared, such as `Redis.layer({ url })`. Tiers may be tiered again. */
  readonly remote: Layer.Layer<CacheStore, E, R>
  /**
   * How long the memory answers without asking the remote store: what another
   * process changed may be seen so late, where the remote store does not tell. Default 10 seconds.
   */
  readonly maxAge?: Duration.DurationInput | undefined
}

/**
 * This process's memory in front of a store that is further away.
 *
 * What is read from afar is kept here, for `maxAge` and never longer than it
 * may live; what is written goes to both. Invalidations made in this process
 * reach the memory before they return, those of others as soon as the remote
 * store tells them (Redis does). While the remote store is in trouble the memory goes on by itself.
 *
 * @example
 * import { CacheStore } from "@wellspring/cache-store"
 * import type { Layer } from "effect"
 *
 * declare const redis: Layer.Layer<CacheStore.CacheStore>
 *
 * export const layer = CacheStore.layerTiered({ remote: redis, maxBytes: 64_000_000, maxAge: "30 seconds" })
 */
export const layerTiered = <E, R>({
  maxAge = "10 seconds",
  remote,
  ...memory
}: TieredOptions<E, R>): Layer.Layer<CacheStore, E, Exclude<R, Scope.Scope>> =>
  Layer.scoped(
    CacheStore,
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const near = makeMemoryOf(clock, memory)
      const far = Context.get(yield* Layer.build(remote), CacheStore)
      const stores = new Map<string, Store<never>>()
      const open = <A>(namespace: string, codec: Codec<A>): Effect.Effect<Store<A>> =>
        Effect.map(far.open(namespace, codec), (opened) => {
          const name = JSON.stringify([namespace, codec.name])
          const found = stores.get(name) as unknown as Store<A> | undefined
          if (found !== undefined) return found
          if (!Far.isFar(opened)) throw new Error("layerTiered needs a remote store made by CacheStore.layerBackend.")
          const store = TieredStore.make(near.store(namespace, codec), opened, clock, Duration.toMillis(maxAge))
          stores.set(name, store as unknown as Store<never>)
          return store
        })
      return { open, usage: near.usage }
    })
  )

/**
 * Any [Keyv](https://keyv.org) as a cache store, given with its adapter. It has no leases that hold across
 * processes, and what is written in two processes at the same instant may cost a miss.
 *
 * @example
 * import { CacheStore } from "@wellspring/cache-store"
 * import Keyv from "keyv"
 *
 * export const layer = CacheStore.layerKeyv(new Keyv())
 */
export const layerKeyv = (
  keyv: KeyValue.Keyv,
  options: KeyValue.KeyValueOptions & Remote.RemoteOptions = {}
): Layer.Layer<CacheStore> =>
  layerBackend(
    Effect.sync(() => KeyValue.fromKeyv(keyv, options)),
    options
  )

/** Apollo's `KeyValueCache` as a cache store, so that what is configured for Apollo Server serves here as well. */
export const layerKeyValueCache = (
  cache: KeyValue.KeyValueCache,
  options: KeyValue.KeyValueOptions & Remote.RemoteOptions = {}
): Layer.Layer<CacheStore> =>
  layerBackend(
    Effect.sync(() => KeyValue.fromKeyValueCache(cache, options)),
    options
  )

/**
 * Effect's `KeyValueStore` as a cache store: give its tag, or an Effect that makes one.
 *
 * @example
 * import { KeyValueStore } from "@effect/platform"
 * import { CacheStore } from "@wellspring/cache-store"
 *
 * export const layer = CacheStore.layerKeyValueStore(KeyValueStore.KeyValueStore)
 */
export const layerKeyValueStore = <E, R>(
  store: Effect.Effect<KeyValue.KeyValueStore, E, R>,
  options: KeyValue.KeyValueOptions & Remote.RemoteOptions = {}
): Layer.Layer<CacheStore, E, Exclude<R, Scope.Scope>> =>
  layerBackend(
    Effect.flatMap(store, (made) => KeyValue.fromKeyValueStore(made, options)),
    options
  )

/**
 * A place in the cache store as Apollo's `KeyValueCache`, for Apollo Server's own caches or a `RESTDataSource` that is still there.
 *
 * What is set without `ttl` is kept for `timeToLive`, by default one hour.
 *
 * @example
 * import { CacheStore } from "@wellspring/cache-store"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const cache = yield* CacheStore.toKeyValueCache({ namespace: "apollo" })
 *   // new ApolloServer({ cache, … })
 *   return cache
 * })
 */
export const toKeyValueCache = (options: {
  readonly namespace: string
  readonly timeToLive?: Duration.DurationInput | undefined
}): Effect.Effect<KeyValue.OwnKeyValueCache, never, CacheStore> =>
  Effect.gen(function* () {
    const store = yield* (yield* CacheStore).open(options.namespace, text)
    return KeyValueCaches.make(store, Duration.toMillis(options.timeToLive ?? "1 hour"))
  })
