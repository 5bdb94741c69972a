/**
 * What every cache store keeps to, as tests to run on yours.
 *
 * All stores of Wellspring pass it. Besides what the types promise, it has the
 * cases that stores are known to lose: keys that look like protocol, bytes that
 * are not text, the instants around expiry, a clear that takes siblings with it,
 * a value that comes back after its key was invalidated.
 */
import { assert, it as effectIt } from "@effect/vitest"
import { CacheStore, Codec, Store } from "@wellspring/cache-store"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"

export interface ContractOptions {
  /**
   * Lets time pass for the store. Default `TestClock.adjust`; a store that counts the
   * time of its leases by a clock of its own has to wait for that one as well.
   */
  readonly passTime?: ((duration: Duration.Duration) => Effect.Effect<void>) | undefined
  /** Whether removing a tag leaves entries without it alone. Default `true`; `false` for a store that clears the namespace instead. */
  readonly exactTags?: boolean | undefined
}

const forever = { timeToLive: Duration.infinity }

let serial = 0
/** Each test has a namespace of its own, also among runs that share a real server. */
const open = <A>(codec: Codec.Codec<A>, name?: string) =>
  Effect.flatMap(CacheStore.CacheStore, (service) =>
    service.open(name ?? `contract-${process.pid}-${Math.random().toString(36).slice(2)}-${serial++}`, codec)
  )

const hostile = [
  "",
  " ",
  "key\r\nset other 0 0 5\r\nwrong",
  "nul\0nul",
  "__proto__",
  "constructor",
  "toString",
  "*",
  "[a-z]",
  "{slot}",
  "a:b",
  "a",
  "A",
  "é",
  "e\u0301",
  "🎬",
  "../../etc",
  "k".repeat(10_000)
]

const granted = (lease: Store.Lease): Effect.Effect<Store.Granted> =>
  Store.isLease("Granted")(lease) ? Effect.succeed(lease) : Effect.dieMessage("the lease must be granted")

/**
 * Describes the contract for one store: call it at the top of a test file of `@effect/vitest`.
 *
 * @example
 * import { CacheStore } from "@wellspring/cache-store"
 * import * as CacheStoreContract from "@wellspring/testing/CacheStoreContract"
 *
 * CacheStoreContract.suite("memory", CacheStore.layerMemory())
 */
export const suite = <E>(
  name: string,
  layer: Layer.Layer<CacheStore.CacheStore, E>,
  options: ContractOptions = {}
): void => {
  const { passTime = (duration) => TestClock.adjust(duration), exactTags = true } = options

  effectIt.layer(layer, { timeout: "20 seconds" })(`CacheStore contract (${name})`, (it) => {
    it.effect("gives back what was set, and nothing for what was not", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        assert.isTrue(yield* store.set("a", "1", forever))
        assert.deepStrictEqual(yield* store.get("a"), Option.some("1"))
        assert.deepStrictEqual(yield* store.get("b"), Option.none())
      })
    )

    it.effect("keeps bytes as they are, none and many", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.bytes)
        const many = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 256)
        assert.isTrue(yield* store.set("none", new Uint8Array(), forever))
        assert.isTrue(yield* store.set("many", many, forever))
        const none = Option.getOrThrow(yield* store.get("none"))
        const back = Option.getOrThrow(yield* store.get("many"))
        assert.strictEqual(none.byteLength, 0)
        assert.isTrue(Buffer.from(back).equals(many))
      })
    )

    it.effect("takes any text for a key, and keeps keys apart", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        for (const [index, key] of hostile.entries()) assert.isTrue(yield* store.set(key, String(index), forever))
        assert.deepStrictEqual(
          yield* store.getMany(hostile),
          hostile.map((_, index) => Option.some(String(index)))
        )
        yield* store.remove("a")
        assert.deepStrictEqual(yield* store.getMany(["a", "A", "a:b"]), [
          Option.none(),
          Option.some(String(hostile.indexOf("A"))),
          Option.some(String(hostile.indexOf("a:b")))
        ])
      })
    )

    it.effect("answers many keys in the order asked, twice where asked twice, and none for none", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        yield* store.set("a", "1", forever)
        yield* store.set("c", "3", forever)
        assert.deepStrictEqual(yield* store.getMany(["c", "b", "a", "c"]), [
          Option.some("3"),
          Option.none(),
          Option.some("1"),
          Option.some("3")
        ])
        assert.deepStrictEqual(yield* store.getMany([]), [])
      })
    )

    it.effect("forgets an entry at the instant its time to live ends", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        yield* store.set("a", "1", { timeToLive: "10 seconds" })
        yield* TestClock.adjust("9999 millis")
        assert.deepStrictEqual(yield* store.get("a"), Option.some("1"))
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* store.getMany(["a"]), [Option.none()])
      })
    )

    it.effect("keeps nothing that has no time to live", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        assert.isFalse(yield* store.set("a", "1", { timeToLive: 0 }))
        assert.isFalse(yield* store.set("a", "1", { timeToLive: -1 }))
        assert.deepStrictEqual(yield* store.get("a"), Option.none())
      })
    )

    it.effect("keeps for more than 30 days what may be kept for more than 30 days", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        assert.isTrue(yield* store.set("a", "1", { timeToLive: "31 days" }))
        assert.isTrue(yield* store.set("b", "1", { timeToLive: Duration.infinity }))
        assert.deepStrictEqual(yield* store.getMany(["a", "b"]), [Option.some("1"), Option.some("1")])
      })
    )

    it.effect("replaces a value, its time to live and its tags", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        yield* store.set("a", "1", { timeToLive: "1 second", tags: ["old"] })
        yield* store.set("a", "2", { timeToLive: "1 hour", tags: ["new"] })
        yield* TestClock.adjust("2 seconds")
        if (exactTags) yield* store.removeTagged("old")
        assert.deepStrictEqual(yield* store.get("a"), Option.some("2"))
        yield* store.removeTagged("new")
        assert.deepStrictEqual(yield* store.get("a"), Option.none())
      })
    )

    it.effect("keeps namespaces apart, and clears one without its siblings", () =>
      Effect.gen(function* () {
        const base = `siblings-${process.pid}-${serial++}-${Math.random()}`
        const stores = yield* Effect.forEach(["", ":", "-2", "*"], (end) => open(Codec.text, base + end))
        for (const [index, store] of stores.entries()) yield* store.set("a", String(index), forever)
        const [first, ...others] = stores
        if (first !== undefined) yield* first.clear
        assert.deepStrictEqual(yield* Effect.forEach(stores, (store) => store.get("a")), [
          Option.none(),
          ...others.map((_, index) => Option.some(String(index + 1)))
        ])
        if (first !== undefined) {
          yield* first.clear
          assert.isTrue(yield* first.set("a", "again", forever))
          assert.deepStrictEqual(yield* first.get("a"), Option.some("again"))
        }
      })
    )

    it.effect("does not show the entries of one codec to another", () =>
      Effect.gen(function* () {
        const name = `codecs-${process.pid}-${serial++}-${Math.random()}`
        const texts = yield* open(Codec.text, name)
        const bytes = yield* open(Codec.bytes, name)
        yield* texts.set("a", "1", forever)
        assert.deepStrictEqual(yield* bytes.get("a"), Option.none())
      })
    )

    it.effect("removes by key, by tag and by prefix", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        yield* store.set("/movies/1", "1", { ...forever, tags: ["movies", "tt1", hostile[2] ?? ""] })
        yield* store.set("/movies/2", "2", { ...forever, tags: ["movies"] })
        yield* store.set("/people/1", "3", forever)
        yield* store.remove("missing")
        yield* store.removeTagged("missing tag")
        if (exactTags) {
          yield* store.removeTagged(hostile[2] ?? "")
          assert.deepStrictEqual(yield* store.getMany(["/movies/1", "/movies/2", "/people/1"]), [
            Option.none(),
            Option.some("2"),
            Option.some("3")
          ])
        }
        yield* store.removeTagged("movies")
        assert.deepStrictEqual(yield* store.get("/movies/2"), Option.none())
        yield* store.set("/movies/3", "4", { ...forever, tags: ["movies"] })
        assert.deepStrictEqual(yield* store.get("/movies/3"), Option.some("4"))
        yield* store.removePrefix("/movies/")
        assert.deepStrictEqual(yield* store.get("/movies/3"), Option.none())
      })
    )

    it.effect("refuses a value whose key or tag was invalidated since it was begun", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        const since = store.position()
        yield* store.remove("a")
        assert.isFalse(yield* store.set("a", "old", { ...forever, since }))
        assert.isTrue(yield* store.set("b", "1", { ...forever, since }))
        yield* store.removeTagged("t")
        assert.isFalse(yield* store.set("c", "old", { ...forever, since, tags: ["t"] }))
        yield* store.clear
        assert.isFalse(yield* store.set("d", "old", { ...forever, since }))
        assert.isTrue(yield* store.set("a", "new", { ...forever, since: store.position(), tags: ["t"] }))
        assert.deepStrictEqual(yield* store.getMany(["a", "c", "d"]), [
          Option.some("new"),
          Option.none(),
          Option.none()
        ])
      })
    )

    it.effect("grants one lease a key, which ends with the value it was for", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        const lease = yield* Effect.flatMap(store.acquire("a", { timeToLive: "1 minute" }), granted)
        assert.deepStrictEqual(yield* store.acquire("a", { timeToLive: "1 minute" }), Store.Taken())
        yield* Effect.flatMap(store.acquire("b", { timeToLive: "1 minute" }), granted)
        assert.isTrue(yield* store.set("a", "1", { ...forever, tags: ["t"], lease }))
        assert.deepStrictEqual(yield* store.get("a"), Option.some("1"))
        assert.isFalse(yield* store.set("a", "twice", { ...forever, lease }))
        const again = yield* Effect.flatMap(store.acquire("a", { timeToLive: "1 minute" }), granted)
        assert.deepStrictEqual(yield* store.get("a"), Option.some("1"))
        assert.isTrue(yield* store.set("a", "2", { ...forever, lease: again }))
        assert.deepStrictEqual(yield* store.get("a"), Option.some("2"))
      })
    )

    it.effect("gives a lease back only to its holder's word", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        const lease = yield* Effect.flatMap(store.acquire("a", { timeToLive: "1 minute" }), granted)
        yield* store.release({ ...lease, token: `${lease.token}forged` })
        yield* store.release({ ...lease, token: "forged" })
        assert.deepStrictEqual(yield* store.acquire("a", { timeToLive: "1 minute" }), Store.Taken())
        assert.isFalse(yield* store.set("a", "forged", { ...forever, lease: { ...lease, token: "forged" } }))
        yield* store.release(lease)
        yield* Effect.flatMap(store.acquire("a", { timeToLive: "1 minute" }), granted)
        assert.isFalse(yield* store.set("a", "late", { ...forever, lease }))
        assert.deepStrictEqual(yield* store.get("a"), Option.none())
      })
    )

    it.effect("refuses the value of a lease that is over, or whose key, tag or namespace was invalidated", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        const lease = (key: string) => Effect.flatMap(store.acquire(key, { timeToLive: "2 seconds" }), granted)
        const removed = yield* lease("removed")
        yield* store.remove("removed")
        assert.isFalse(yield* store.set("removed", "old", { ...forever, lease: removed }))
        const tagged = yield* lease("tagged")
        yield* store.removeTagged("t")
        assert.isFalse(yield* store.set("tagged", "old", { ...forever, lease: tagged, tags: ["t"] }))
        const cleared = yield* lease("cleared")
        yield* store.clear
        assert.isFalse(yield* store.set("cleared", "old", { ...forever, lease: cleared }))
        const over = yield* lease("over")
        yield* passTime(Duration.seconds(2))
        const next = yield* lease("over")
        assert.isFalse(yield* store.set("over", "late", { ...forever, lease: over }))
        assert.isTrue(yield* store.set("over", "in time", { ...forever, lease: next }))
        assert.deepStrictEqual(yield* store.getMany(["removed", "tagged", "cleared", "over"]), [
          Option.none(),
          Option.none(),
          Option.none(),
          Option.some("in time")
        ])
      })
    )

    it.scoped("tells what is invalidated, in the caller's words", () =>
      Effect.gen(function* () {
        const store = yield* open(Codec.text)
        const heard = yield* store.subscribe
        yield* store.remove("a")
        yield* store.removeTagged("t")
        yield* store.clear
        const told = [...(yield* Queue.takeAll(heard))]
        assert.deepStrictEqual(
          told.map((invalidation) => invalidation._tag),
          ["Key", "Tag", "All"]
        )
        const [first] = told
        assert.strictEqual(first?._tag === "Key" ? first.key : undefined, "a")
      })
    )
  })
}
