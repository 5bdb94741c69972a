import { CacheStore } from "@wellspring/cache-store"
import { CacheStoreContract } from "@wellspring/testing"
import { Effect } from "effect"
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
