import type { KeyValueCache } from "@apollo/utils.keyvaluecache"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore, Codec, type Invalidation } from "@wellspring/cache-store"
import {
  type Chunk,
  Context,
  Duration,
  Effect,
  Fiber,
  FastCheck as fc,
  Layer,
  Logger,
  Metric,
  Option,
  Queue,
  TestClock
} from "effect"
import * as Breaker from "../src/internal/breaker.ts"
import * as Scripted from "./support/scriptedBackend.ts"

const forever = { timeToLive: Duration.infinity }
const isFull = process.env["WELLSPRING_FULL"] !== undefined

const service = (server: Scripted.Server, options?: CacheStore.RemoteOptions, scripted?: Scripted.ScriptedOptions) =>
  CacheStore.fromBackend(Scripted.make(server, scripted), options)

const textStore = (server: Scripted.Server, options?: CacheStore.RemoteOptions) =>
  Effect.flatMap(service(server, options), ({ open }) => open("test", Codec.text))

/** Lets what has been started go on as far as it can without time passing. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(() => setImmediate(resolve))))

/** What a read that nobody answers comes to, and that it is not waited for longer than 50 milliseconds. */
const timedOut = <A>(effect: Effect.Effect<A>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* turn
    yield* TestClock.adjust("49 millis")
    assert.isNull(fiber.unsafePoll())
    yield* TestClock.adjust("1 millis")
    return yield* Fiber.join(fiber)
  })

const collectLogs = (into: Array<string>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => void into.push(`${logLevel.label} ${[message].flat()[0]}`))
  )

const stateOf = (name: string) =>
  Effect.map(Metric.snapshot, (pairs) => pairs.filter((pair) => pair.metricKey.name === name))

/** Over all stores of this process: counters are global, so tests compare before and after. */
const total = (name: string) =>
  Effect.map(stateOf(name), (pairs) =>
    pairs.reduce((sum, { metricState }) => sum + ("count" in metricState ? Number(metricState.count) : 0), 0)
  )

const breakerGauge = (side: string) =>
  Effect.map(stateOf("wellspring_cache_store_breaker_open"), (pairs) =>
    pairs
      .filter(({ metricKey }) => [...metricKey.tags].some((tag) => tag.key === "side" && tag.value === side))
      .map(({ metricState }) => ("value" in metricState ? metricState.value : undefined))
  )

describe("CacheStore.fromBackend", () => {
  it.scoped("asks for all keys of one event-loop turn in one command, each key once", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      yield* store.set("a", "1", forever)
      server.commands.length = 0
      const answers = yield* Effect.all(
        [store.get("a"), store.get("b"), store.getMany(["a", "c"]), Effect.zipRight(Effect.yieldNow(), store.get("a"))],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers, [
        Option.some("1"),
        Option.none(),
        [Option.some("1"), Option.none()],
        Option.some("1")
      ])
      assert.strictEqual(server.count("get"), 1)
    })
  )

  it.scoped("answers a read that takes longer than 50 milliseconds with a miss", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      yield* store.set("a", "1", forever)
      server.health = "silent"
      assert.deepStrictEqual(yield* timedOut(store.get("a")), Option.none())
      assert.deepStrictEqual(yield* timedOut(store.getMany(["a"])), [Option.none()])
    })
  )

  it.scoped("never keeps a writer waiting, and never fails one", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      server.health = "silent"
      assert.isFalse(yield* timedOut(store.set("a", "1", forever)))
      yield* timedOut(store.remove("a"))
      yield* timedOut(store.removeTagged("t"))
      yield* timedOut(store.clear)
      const lease = yield* timedOut(store.acquire("b", { timeToLive: "1 second" }))
      assert.strictEqual(lease._tag, "Granted")
      server.health = "failing"
      assert.isFalse(yield* store.set("a", "1", forever))
      yield* store.remove("a")
    })
  )

  it.scoped("leaves a backend alone after five failures, tells once, probes, and comes back", () => {
    const logs: Array<string> = []
    return Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      yield* store.set("a", "1", forever)
      server.health = "silent"
      for (let index = 0; index < 5; index++) assert.deepStrictEqual(yield* timedOut(store.get("a")), Option.none())
      server.commands.length = 0
      for (let index = 0; index < 100; index++) assert.deepStrictEqual(yield* store.get("a"), Option.none())
      assert.isFalse(yield* store.set("a", "2", forever))
      assert.deepStrictEqual(server.commands, [])
      assert.deepStrictEqual(yield* breakerGauge("reads"), [1])
      yield* TestClock.adjust("10 seconds")
      assert.isAtLeast(server.count("get"), 6)
      assert.isAtMost(server.count("get"), 14)
      server.health = "well"
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* store.get("a"), Option.some("1"))
      assert.deepStrictEqual(yield* breakerGauge("reads"), [0])
      assert.deepStrictEqual(
        logs.map((line) => line.split(":")[0]),
        ['WARN Cache store "scripted" fails its reads', 'INFO Cache store "scripted" answers again']
      )
    }).pipe(Effect.provide(collectLogs(logs)))
  })

  it.scoped("goes on reading from a store that is full, and leaves off writing to it", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      yield* store.set("a", "1", forever)
      server.health = "full"
      for (let index = 0; index < 5; index++) assert.isFalse(yield* store.set(`b${index}`, "1", forever))
      server.commands.length = 0
      assert.isFalse(yield* store.set("c", "1", forever))
      assert.deepStrictEqual(server.commands, [])
      assert.deepStrictEqual(yield* store.get("a"), Option.some("1"))
      server.health = "well"
      yield* TestClock.adjust("3 seconds")
      yield* turn
      assert.isTrue(yield* store.set("c", "1", forever))
    })
  )

  it.scoped("counts errors and timeouts", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      const before = [yield* total("wellspring_cache_store_errors"), yield* total("wellspring_cache_store_timeouts")]
      server.health = "failing"
      yield* store.get("a")
      server.health = "silent"
      yield* timedOut(store.get("a"))
      const after = [yield* total("wellspring_cache_store_errors"), yield* total("wellspring_cache_store_timeouts")]
      assert.deepStrictEqual(
        after.map((count, index) => count - (before[index] ?? 0)),
        [1, 1]
      )
    })
  )

  it.scoped("does not believe what it was told to forget in an outage, and has it forgotten afterwards", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      yield* store.set("a", "1", { ...forever, tags: ["t"] })
      yield* store.set("b", "2", { ...forever, tags: ["t"] })
      yield* store.set("c", "3", forever)
      server.health = "failing"
      for (let index = 0; index < 6; index++) yield* store.get("a")
      yield* store.remove("a")
      // Reads come back before the removal has been delivered.
      server.health = "full"
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* store.getMany(["a", "b"]), [Option.none(), Option.some("2")])
      yield* store.removeTagged("t")
      assert.deepStrictEqual(yield* store.getMany(["a", "b", "c"]), [Option.none(), Option.none(), Option.none()])
      server.health = "well"
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* store.getMany(["a", "b", "c"]), [Option.none(), Option.none(), Option.some("3")])
      assert.strictEqual(server.entries.size, 2)
    })
  )

  it.scoped("does not believe a write that was given up, whether it came through or not", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      yield* store.set("a", "1", forever)
      const others = yield* textStore(server)
      server.health = "silent"
      assert.isFalse(yield* timedOut(store.set("a", "2", forever)))
      yield* TestClock.adjust("1 second")
      server.health = "well"
      assert.deepStrictEqual(yield* store.get("a"), Option.none())
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* others.get("a"), Option.none())
    })
  )

  it.scoped("gives up writes when too many are under way", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server, { maxPendingWrites: 10, maxFailures: 100 })
      server.health = "silent"
      const fiber = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 100 }, (_, index) => index),
          (index) => store.set(String(index), "1", forever),
          { concurrency: "unbounded" }
        )
      )
      yield* turn
      assert.strictEqual(server.count("set"), 10)
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual([...new Set(yield* Fiber.join(fiber))], [false])
    })
  )

  it.scoped("leaves off a read when nobody waits for it any more, and answers who still does", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* textStore(server)
      yield* store.set("a", "1", forever)
      server.commands.length = 0
      const one = yield* Effect.fork(store.get("a"))
      const two = yield* Effect.fork(store.get("b"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(two)
      assert.deepStrictEqual(yield* Fiber.join(one), Option.some("1"))
      const three = yield* Effect.fork(store.get("a"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(three)
      yield* turn
      assert.strictEqual(server.count("get"), 1)
    })
  )

  it.scoped("does not store what is too long, or what can not be encoded", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const { open } = yield* service(server, { maxEntryBytes: 100 })
      const texts = yield* open("texts", Codec.text)
      assert.isFalse(yield* texts.set("a", "x".repeat(101), forever))
      assert.isTrue(yield* texts.set("a", "x".repeat(100), forever))
      const broken = yield* open("broken", {
        name: "broken",
        encode: () => {
          throw new Error("no")
        },
        decode: () => Option.some(1),
        size: () => 1
      })
      assert.isFalse(yield* broken.set("a", 1, forever))
    })
  )

  it.scoped("treats what its codec refuses as a miss, and removes it", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const old = yield* Effect.flatMap(service(server), ({ open }) => open("test", { ...Codec.text, name: "n" }))
      const codecs = [
        () => Option.none<string>(),
        () => {
          throw new Error("no")
        }
      ]
      for (const decode of codecs) {
        yield* old.set("a", "1", forever)
        const now = yield* Effect.flatMap(service(server), ({ open }) =>
          open("test", { ...Codec.text, name: "n", decode })
        )
        assert.deepStrictEqual(yield* now.get("a"), Option.none())
        assert.strictEqual(server.entries.size, 0)
      }
    })
  )

  it.scoped(
    "gives no wrong value and no failure for 10,000 entries that were tampered with, and removes them",
    () =>
      Effect.gen(function* () {
        const server = new Scripted.Server()
        const { open } = yield* service(server, { compressMinBytes: 200 })
        const store = yield* open("test", Codec.bytes)
        const values = [
          new Uint8Array(),
          Buffer.from('{"__proto__":{"polluted":true}}'),
          Buffer.alloc(1000, "compressible "),
          Buffer.from(fc.sample(fc.uint8Array({ minLength: 150, maxLength: 150 }), { numRuns: 1, seed: 1 })[0] ?? [])
        ]
        for (const [index, value] of values.entries()) {
          yield* store.set(String(index), value, { timeToLive: "1 hour", tags: index === 1 ? ["tag"] : [] })
        }
        const whole = new Map(server.entries)
        const names = [...whole.keys()]
        const mutation = fc.oneof(
          fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
          fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
          fc.record({ kind: fc.constant("longer" as const), more: fc.uint8Array({ minLength: 1, maxLength: 50 }) }),
          fc.record({ kind: fc.constant("other" as const), by: fc.integer({ min: 1, max: 3 }) }),
          fc.record({ kind: fc.constant("junk" as const), bytes: fc.uint8Array({ maxLength: 400 }) }),
          fc.record({ kind: fc.constant("version" as const), version: fc.integer({ min: 2, max: 255 }) }),
          fc.record({
            kind: fc.constant("overwrite" as const),
            at: fc.nat(),
            bytes: fc.uint8Array({ minLength: 1, maxLength: 8 })
          })
        )
        const runs = isFull ? 100_000 : 10_000
        const samples = fc.sample(fc.tuple(fc.nat(3), mutation), { numRuns: runs, seed: 42 })
        for (const [which, change] of samples) {
          const name = names[which] ?? ""
          const entry = whole.get(name)
          if (entry === undefined) return assert.fail("must be there")
          let bytes = Buffer.from(entry.bytes)
          if (change.kind === "flip")
            bytes[change.at % bytes.length] = (bytes[change.at % bytes.length] ?? 0) ^ (1 << change.bit)
          if (change.kind === "cut") bytes = bytes.subarray(0, change.at % bytes.length)
          if (change.kind === "longer") bytes = Buffer.concat([bytes, change.more])
          if (change.kind === "other") bytes = Buffer.from(whole.get(names[(which + change.by) % 4] ?? "")?.bytes ?? [])
          if (change.kind === "junk") bytes = Buffer.from(change.bytes)
          if (change.kind === "version") bytes[2] = change.version
          if (change.kind === "overwrite")
            bytes.set(change.bytes.subarray(0, bytes.length), change.at % Math.max(1, bytes.length - 8))
          if (bytes.equals(entry.bytes)) continue
          server.entries.set(name, { ...entry, bytes })
          const found = yield* store.get(String(which))
          if (Option.isSome(found)) return assert.fail(`${JSON.stringify(change)} gave a value`)
          if (server.entries.has(name))
            return assert.fail(
              `${which} ${JSON.stringify(change)} was not removed ${bytes.length} ${server.commands.slice(-3)}`
            )
        }
        assert.isUndefined(Object.getOwnPropertyDescriptor(Object.prototype, "polluted"))
        for (const [name, entry] of whole) server.entries.set(name, entry)
        assert.deepStrictEqual(
          (yield* store.getMany(["0", "1", "2", "3"])).map((found) =>
            Option.map(found, (_) => Buffer.from(_).toString("hex"))
          ),
          values.map((value) => Option.some(Buffer.from(value).toString("hex")))
        )
      }),
    120_000
  )

  it.scoped("tells other processes of its invalidations, and not itself", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const here = yield* textStore(server)
      const there = yield* textStore(server)
      yield* turn
      const heardHere = yield* here.subscribe
      const heardThere = yield* there.subscribe
      yield* here.remove("a key\r\n")
      yield* here.removeTagged("t")
      yield* turn
      const seen = (told: Chunk.Chunk<Invalidation.Invalidation>) => [...told].map((one) => ({ ...one }))
      const expected = [
        { _tag: "Key" as const, namespace: "test", key: "a key\r\n" },
        { _tag: "Tag" as const, namespace: "test", tag: "t" }
      ]
      assert.deepStrictEqual(seen(yield* Queue.takeAll(heardHere)), expected)
      assert.deepStrictEqual(seen(yield* Queue.takeAll(heardThere)), expected)
      const since = there.position()
      assert.isTrue(yield* there.set("x", "1", { ...forever, since }))
      yield* here.remove("x")
      yield* turn
      assert.isFalse(yield* there.set("x", "old", { ...forever, since }))
    })
  )

  it.scoped("grants one lease among all processes, and the next one when its holder is gone", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const stores = yield* Effect.all(Array.from({ length: 4 }, () => textStore(server)))
      const leases = yield* Effect.forEach(stores, (store) => store.acquire("a", { timeToLive: "1 second" }))
      assert.deepStrictEqual(
        leases.map((lease) => lease._tag),
        ["Granted", "Taken", "Taken", "Taken"]
      )
      yield* TestClock.adjust("1 second")
      const [, second] = stores
      const [first] = leases
      const next = yield* second?.acquire("a", { timeToLive: "1 second" }) ?? Effect.die("no store")
      if (first?._tag !== "Granted" || next._tag !== "Granted") return assert.fail("must be granted")
      assert.isFalse(yield* stores[0]?.set("a", "late", { ...forever, lease: first }) ?? Effect.die("no store"))
      assert.isTrue(yield* second?.set("a", "1", { ...forever, lease: next }) ?? Effect.die("no store"))
    })
  )
})

describe("a breaker", () => {
  it.prop(
    "is open exactly when a simple count says so",
    [fc.array(fc.constantFrom("ok", "bad", "probe ok", "probe bad"))],
    ([events]) => {
      let breaker: Breaker.Breaker = Breaker.closed
      let open = false
      let history: Array<boolean> = []
      for (const event of events) {
        if (event === "ok") breaker = Breaker.succeeded(breaker)
        if (event === "bad") breaker = Breaker.failed(breaker, 0, { failures: 5 })
        if (open && event.startsWith("probe")) breaker = Breaker.probed(breaker, event === "probe ok")
        if (!open && (event === "ok" || event === "bad")) {
          history = [...history, event === "bad"].slice(-20)
          const run = history.length - 1 - history.lastIndexOf(false)
          open = event === "bad" && (run >= 5 || history.filter(Boolean).length >= 10)
        } else if (open && event === "probe ok") {
          open = false
          history = []
        }
        assert.strictEqual(Breaker.isOpen(breaker), open)
      }
    }
  )
})

describe("CacheStore.layerTiered", () => {
  /** A process of its own: its layer lives as long as the test. */
  const open = (server: Scripted.Server, options: { readonly maxAge?: Duration.DurationInput } = {}) =>
    Effect.gen(function* () {
      const remote = CacheStore.layerBackend(Effect.sync(() => Scripted.make(server)))
      const context = yield* Layer.build(CacheStore.layerTiered({ remote, ...options }))
      return yield* Context.get(context, CacheStore.CacheStore).open("test", Codec.text)
    })

  it.scoped("answers from memory what it wrote or read, and asks again after maxAge", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const one = yield* open(server, { maxAge: "10 seconds" })
      const two = yield* open(server, { maxAge: "10 seconds" })
      yield* one.set("a", "1", { timeToLive: "1 hour" })
      assert.strictEqual(one.peek("a"), "1")
      assert.isUndefined(two.peek("a"))
      assert.deepStrictEqual(yield* two.get("a"), Option.some("1"))
      assert.strictEqual(two.peek("a"), "1")
      server.commands.length = 0
      yield* two.get("a")
      assert.strictEqual(server.count("get"), 0)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* two.get("a"), Option.some("1"))
      assert.strictEqual(server.count("get"), 1)
    })
  )

  it.scoped("never keeps an entry longer than it may live", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const one = yield* open(server, { maxAge: "1 hour" })
      const two = yield* open(server, { maxAge: "1 hour" })
      yield* one.set("a", "1", { timeToLive: "10 seconds" })
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(yield* two.get("a"), Option.some("1"))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(two.peek("a"))
      assert.deepStrictEqual(yield* two.get("a"), Option.none())
    })
  )

  it.scoped("hears what other processes invalidate, tags of entries read from afar included", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const one = yield* open(server, { maxAge: "1 hour" })
      const two = yield* open(server, { maxAge: "1 hour" })
      yield* turn
      for (const [key, tags] of [
        ["a", ["t"]],
        ["b", []],
        ["c", []]
      ] as const)
        yield* one.set(key, key, { ...forever, tags })
      yield* two.getMany(["a", "b", "c"])
      yield* one.removeTagged("t")
      yield* one.remove("b")
      yield* turn
      assert.deepStrictEqual(["a", "b", "c"].map(two.peek), [undefined, undefined, "c"])
      yield* one.clear
      yield* turn
      assert.isUndefined(two.peek("c"))
    })
  )

  it.scoped("does not keep what was invalidated while it was on its way", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* open(server, { maxAge: "1 second" })
      yield* store.set("a", "1", forever)
      yield* TestClock.adjust("1 second")
      const reading = yield* Effect.fork(store.get("a"))
      yield* Effect.yieldNow()
      yield* store.remove("a")
      yield* Fiber.join(reading)
      assert.isUndefined(store.peek("a"))
    })
  )

  it.scoped("goes on by itself while the remote store is in trouble", () =>
    Effect.gen(function* () {
      const server = new Scripted.Server()
      const store = yield* open(server)
      server.health = "failing"
      const lease = yield* store.acquire("a", { timeToLive: "1 second" })
      if (lease._tag !== "Granted") return assert.fail("must be granted")
      assert.isTrue(yield* store.set("a", "1", { ...forever, lease }))
      assert.isTrue(yield* store.set("b", "2", forever))
      assert.deepStrictEqual(yield* store.getMany(["a", "b"]), [Option.some("1"), Option.some("2")])
    })
  )
})

describe("CacheStore.toKeyValueCache", () => {
  it.effect("is a KeyValueCache of Apollo's", () =>
    Effect.gen(function* () {
      const cache: KeyValueCache = yield* CacheStore.toKeyValueCache({ namespace: "apollo", timeToLive: "1 minute" })
      yield* Effect.promise(() => cache.set("a", "1", { ttl: 10 }))
      yield* Effect.promise(() => cache.set("b", "2"))
      yield* Effect.promise(() => cache.set("c", "3", { ttl: 0 }))
      const all = Effect.promise(() => Promise.all(["a", "b", "c", "d"].map((key) => cache.get(key))))
      assert.deepStrictEqual(yield* all, ["1", "2", undefined, undefined])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* all, [undefined, "2", undefined, undefined])
      yield* TestClock.adjust("50 seconds")
      assert.deepStrictEqual(yield* all, [undefined, undefined, undefined, undefined])
      yield* Effect.promise(() => cache.set("a", "1"))
      yield* Effect.promise(async () => cache.delete("a"))
      assert.deepStrictEqual(yield* all, [undefined, undefined, undefined, undefined])
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )
})
