import { InMemoryLRUCache } from "@apollo/utils.keyvaluecache"
import { KeyValueStore } from "@effect/platform"
import { CacheStore } from "@wellspring/cache-store"
import * as CacheStoreContract from "@wellspring/testing/CacheStoreContract"
import { Effect, Layer } from "effect"
import Keyv from "keyv"
import * as Scripted from "./support/scriptedBackend.ts"

const scripted = (options?: Scripted.ScriptedOptions) =>
  Effect.sync(() => Scripted.make(new Scripted.Server(), options))

CacheStoreContract.suite("memory", CacheStore.layerMemory())

CacheStoreContract.suite("a backend", CacheStore.layerBackend(scripted()))

CacheStoreContract.suite(
  "a backend without leases and tags",
  CacheStore.layerBackend(scripted({ leases: false, tags: false })),
  { exactTags: false }
)

CacheStoreContract.suite("a backend, compressing", CacheStore.layerBackend(scripted(), { compressMinBytes: 1 }))

CacheStoreContract.suite(
  "memory in front of a backend",
  CacheStore.layerTiered({ remote: CacheStore.layerBackend(scripted()), maxAge: "1 day" })
)

CacheStoreContract.suite(
  "memory in front of memory",
  CacheStore.layerTiered({ remote: CacheStore.layerMemory(), maxAge: "1 second" })
)

CacheStoreContract.suite("Keyv", CacheStore.layerKeyv(new Keyv()))

CacheStoreContract.suite("Apollo's KeyValueCache", CacheStore.layerKeyValueCache(new InMemoryLRUCache()))

CacheStoreContract.suite(
  "Effect's KeyValueStore",
  CacheStore.layerKeyValueStore(KeyValueStore.KeyValueStore).pipe(Layer.provide(KeyValueStore.layerMemory))
)
