import { assert, describe, it } from "@effect/vitest"
import { CacheStore, Codec, Store } from "@wellspring/cache-store"
import { Duration, Effect, Exit, Option, Queue, TestClock } from "effect"

const open = (namespace = "test") =>
  Effect.flatMap(CacheStore.CacheStore, (service) => service.open(namespace, Codec.text))

const forever = { timeToLive: Duration.infinity }

describe("CacheStore.layerMemory", () => {
  it.effect("answers a get with an Exit at hand, without a fiber", () =>
    Effect.gen(function* () {
      const store = yield* open()
      yield* store.set("a", "1", forever)
      const answer = store.get("a")
      assert.deepStrictEqual(Exit.isExit(answer) && answer, Exit.succeed(Option.some("1")))
      assert.strictEqual(store.peek("a"), "1")
      assert.strictEqual(store.peek("b"), undefined)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("forgets an entry at the instant its time to live ends", () =>
    Effect.gen(function* () {
      const store = yield* open()
      yield* store.set("a", "1", { timeToLive: "1 second" })
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* store.get("a"), Option.some("1"))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* store.get("a"), Option.none())
      assert.isFalse(yield* store.set("b", "2", { timeToLive: 0 }))
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("lets the least recently used entry go when the entries are too many", () =>
    Effect.gen(function* () {
      const store = yield* open()
      for (const key of ["a", "b", "c"]) yield* store.set(key, key, forever)
      yield* store.get("a")
      yield* store.set("d", "d", forever)
      assert.deepStrictEqual(yield* store.getMany(["a", "b", "c", "d", "a"]), [
        Option.some("a"),
        Option.none(),
        Option.some("c"),
        Option.some("d"),
        Option.some("a")
      ])
    }).pipe(Effect.provide(CacheStore.layerMemory({ maxEntries: 3 })))
  )

  it.effect("keeps within its bytes, long keys and grown values counted", () =>
    Effect.gen(function* () {
      const service = yield* CacheStore.CacheStore
      const box = yield* service.open("boxes", {
        name: "box",
        encode: () => new Uint8Array(),
        decode: () => Option.none<{ size: number }>(),
        size: (value) => value.size
      })
      for (let index = 0; index < 100; index++) yield* box.set(`${"k".repeat(1000)}${index}`, { size: 10 }, forever)
      const usage = yield* service.usage
      assert.isAtMost(usage.bytes, 10_000)
      assert.strictEqual(usage.entries, 8)
      const grown = { size: 10 }
      yield* box.set("grown", grown, forever)
      grown.size = 9_000
      box.resize("grown", grown)
      assert.strictEqual((yield* service.usage).entries, 1)
      assert.isFalse(yield* box.set("too large", { size: 10_000 }, forever))
    }).pipe(Effect.provide(CacheStore.layerMemory({ maxBytes: 10_000 })))
  )

  it.effect("releases expired entries as others are written", () =>
    Effect.gen(function* () {
      const store = yield* open()
      for (let index = 0; index < 1000; index++) yield* store.set(`old ${index}`, "x", { timeToLive: "1 second" })
      const before = (yield* Effect.flatMap(CacheStore.CacheStore, (_) => _.usage)).entries
      assert.strictEqual(before, 1000)
      yield* TestClock.adjust("2 seconds")
      for (let index = 0; index < 1000; index++) yield* store.set("new", "x", forever)
      assert.strictEqual((yield* Effect.flatMap(CacheStore.CacheStore, (_) => _.usage)).entries, 1)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("keeps namespaces apart, and clears one without the other", () =>
    Effect.gen(function* () {
      const one = yield* open("one")
      const two = yield* open("two")
      yield* one.set("a", "1", forever)
      yield* two.set("a", "2", forever)
      yield* one.clear
      assert.deepStrictEqual(yield* one.get("a"), Option.none())
      assert.deepStrictEqual(yield* two.get("a"), Option.some("2"))
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("removes by tag and by prefix", () =>
    Effect.gen(function* () {
      const store = yield* open()
      yield* store.set("/movies/1", "1", { ...forever, tags: ["movies", "tt1"] })
      yield* store.set("/movies/2", "2", { ...forever, tags: ["movies"] })
      yield* store.set("/people/1", "3", { ...forever, tags: ["tt1"] })
      yield* store.removeTagged("tt1")
      assert.deepStrictEqual(yield* store.getMany(["/movies/1", "/movies/2", "/people/1"]), [
        Option.none(),
        Option.some("2"),
        Option.none()
      ])
      yield* store.set("/people/1", "3", forever)
      yield* store.removePrefix("/movies/")
      assert.deepStrictEqual(yield* store.getMany(["/movies/2", "/people/1"]), [Option.none(), Option.some("3")])
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("refuses a value whose key or tag was invalidated since it was begun", () =>
    Effect.gen(function* () {
      const store = yield* open()
      const since = store.position()
      yield* store.remove("a")
      assert.isFalse(yield* store.set("a", "old", { ...forever, since }))
      assert.isTrue(yield* store.set("b", "1", { ...forever, since }))
      yield* store.removeTagged("t")
      assert.isFalse(yield* store.set("c", "old", { ...forever, since, tags: ["t"] }))
      yield* store.removePrefix("/")
      assert.isFalse(yield* store.set("d", "old", { ...forever, since }))
      assert.isTrue(yield* store.set("a", "new", { ...forever, since: store.position(), tags: ["t"] }))
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("treats a value begun before the remembered invalidations as invalidated", () =>
    Effect.gen(function* () {
      const store = yield* open()
      const since = store.position()
      for (let index = 0; index < 5000; index++) yield* store.remove(`other ${index}`)
      assert.isFalse(yield* store.set("a", "old", { ...forever, since }))
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("grants one lease a key, and refuses the value of a lease that was lost", () =>
    Effect.gen(function* () {
      const store = yield* open()
      const first = yield* store.acquire("a", { timeToLive: "10 seconds" })
      assert.isTrue(Store.isLease("Granted")(first))
      assert.deepStrictEqual(yield* store.acquire("a", { timeToLive: "10 seconds" }), Store.Taken())
      yield* TestClock.adjust("10 seconds")
      const second = yield* store.acquire("a", { timeToLive: "10 seconds" })
      if (first._tag !== "Granted" || second._tag !== "Granted") return assert.fail("both must be granted")
      assert.isFalse(yield* store.set("a", "late", { ...forever, lease: first }))
      assert.isTrue(yield* store.set("a", "in time", { ...forever, lease: second }))
      assert.isFalse(yield* store.set("a", "twice", { ...forever, lease: second }))
      const third = yield* store.acquire("a", { timeToLive: "10 seconds" })
      if (third._tag !== "Granted") return assert.fail("must be granted")
      yield* store.remove("a")
      assert.isFalse(yield* store.set("a", "old", { ...forever, lease: third }))
      assert.deepStrictEqual(yield* store.get("a"), Option.none())
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.effect("gives a lease back only to its holder's word", () =>
    Effect.gen(function* () {
      const store = yield* open()
      const lease = yield* store.acquire("a", { timeToLive: "10 seconds" })
      if (lease._tag !== "Granted") return assert.fail("must be granted")
      yield* store.release({ ...lease, token: "forged" })
      assert.deepStrictEqual(yield* store.acquire("a", { timeToLive: "1 second" }), Store.Taken())
      yield* store.release(lease)
      assert.strictEqual((yield* store.acquire("a", { timeToLive: "1 second" }))._tag, "Granted")
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.scoped("tells its invalidations", () =>
    Effect.gen(function* () {
      const store = yield* open()
      const heard = yield* store.subscribe
      yield* store.remove("a")
      yield* store.removeTagged("t")
      yield* store.clear
      assert.deepStrictEqual(
        [...(yield* Queue.takeAll(heard))].map(({ _tag }) => _tag),
        ["Key", "Tag", "All"]
      )
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )
})
