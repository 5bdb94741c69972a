/**
 * Other people's key-value stores, and how they become a backend: Keyv,
 * Apollo's `KeyValueCache`, Effect's `KeyValueStore`. Only their shapes are named here, so nothing has to be installed.
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { CacheBackend } from "./CacheBackend.ts"
import * as PlainBackend from "./internal/plainBackend.ts"

/** A Keyv, of version 4 or later, with whatever adapter. */
export interface Keyv {
  get(key: string): Promise<unknown>
  getMany?(keys: Array<string>): Promise<ReadonlyArray<unknown>>
  set(key: string, value: string, timeToLiveMillis?: number): Promise<unknown>
  delete(key: string): Promise<unknown>
  on?(event: "error", listener: (error: unknown) => void): unknown
}

/** Apollo's `KeyValueCache` from `@apollo/utils.keyvaluecache`. */
export interface KeyValueCache {
  get(key: string): Promise<string | undefined>
  set(key: string, value: string, options?: { ttl?: number | null }): Promise<void>
  delete(key: string): Promise<unknown>
}

/** A `KeyValueCache` that is made here, and fits where Apollo asks for one. */
export interface OwnKeyValueCache extends KeyValueCache {
  delete(key: string): Promise<void>
}

/** What is used of `KeyValueStore` from `@effect/platform`. */
export interface KeyValueStore {
  readonly getUint8Array: (key: string) => Effect.Effect<Option.Option<Uint8Array>, unknown>
  readonly set: (key: string, value: string | Uint8Array) => Effect.Effect<void, unknown>
  readonly remove: (key: string) => Effect.Effect<void, unknown>
}

export interface KeyValueOptions {
  /** What every key begins with. Default `wellspring:`. */
  readonly keyPrefix?: string | undefined
}

const prefixOf = ({ keyPrefix = "wellspring:" }: KeyValueOptions): string => keyPrefix

/** Text that survives every serialisation. Foreign text decodes to bytes that are no entry. */
const toText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
const fromText = (value: unknown): Uint8Array | undefined =>
  typeof value === "string" ? Buffer.from(value, "base64") : value == null ? undefined : new Uint8Array()

/** A Keyv as a backend. Values are kept as base64, since a Keyv's serialisation is its own. */
export const fromKeyv = (keyv: Keyv, options: KeyValueOptions = {}): CacheBackend => {
  // A Keyv tells its adapter's errors by event, and an event nobody listens to ends the process.
  keyv.on?.("error", () => {})
  return PlainBackend.make({
    name: "keyv",
    keyPrefix: prefixOf(options),
    getMany: async (keys) => {
      const values =
        keyv.getMany === undefined || keys.length === 1
          ? await Promise.all(keys.map((key) => keyv.get(key)))
          : await keyv.getMany([...keys])
      return keys.map((_, index) => fromText(values[index]))
    },
    set: (key, bytes, millis) => keyv.set(key, toText(bytes), millis),
    remove: (key) => keyv.delete(key)
  })
}

/** An Apollo `KeyValueCache` as a backend. Its seconds are rounded up: an entry itself says when it expires. */
export const fromKeyValueCache = (cache: KeyValueCache, options: KeyValueOptions = {}): CacheBackend =>
  PlainBackend.make({
    name: "key-value-cache",
    keyPrefix: prefixOf(options),
    getMany: async (keys) => (await Promise.all(keys.map((key) => cache.get(key)))).map(fromText),
    set: (key, bytes, millis) =>
      cache.set(key, toText(bytes), { ttl: millis === undefined ? null : Math.ceil(millis / 1000) }),
    remove: (key) => cache.delete(key)
  })

/** Effect's `KeyValueStore` as a backend. It counts no time, so an expired entry stays until it is read or cleared away by hand. */
export const fromKeyValueStore = (store: KeyValueStore, options: KeyValueOptions = {}): Effect.Effect<CacheBackend> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const run = Runtime.runPromise(runtime)
    return PlainBackend.make({
      name: "key-value-store",
      keyPrefix: prefixOf(options),
      getMany: (keys) =>
        run(
          Effect.forEach(
            keys,
            (key) => Effect.map(store.getUint8Array(key), (found) => (found._tag === "Some" ? found.value : undefined)),
            { concurrency: "unbounded" }
          )
        ),
      set: (key, bytes) => run(store.set(key, bytes)),
      remove: (key) => run(store.remove(key))
    })
  })
