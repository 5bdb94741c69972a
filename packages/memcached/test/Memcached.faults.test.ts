import { assert, describe, it } from "@effect/vitest"
import { CacheStore, Codec, type Store } from "@wellspring/cache-store"
import { Memcached, MemcachedConnection } from "@wellspring/memcached"
import { Context, Duration, Effect, Fiber, Layer, Logger, Option, Schedule, type Scope } from "effect"
import * as Proxy from "./support/proxy.ts"
import { canRun, memcachedServer } from "./support/servers.ts"

const isFull = process.env["WELLSPRING_FULL"] !== undefined
const forever = { timeToLive: Duration.infinity }
const quickly = { probeInterval: "200 millis" } as const

/** One process's store on some ports. */
const openAt = (ports: ReadonlyArray<number>, options: Omit<Memcached.MemcachedOptions, "servers"> = quickly) =>
  Effect.gen(function* () {
    const servers = ports.map((port) => `127.0.0.1:${port}`)
    const context = yield* Layer.build(Memcached.layer({ servers, ...options }))
    return yield* Context.get(context, CacheStore.CacheStore).open("test", Codec.text)
  })

const untilHit = (store: Store.Store<string>, key: string) =>
  store
    .set(key, "again", forever)
    .pipe(
      Effect.zipRight(store.get(key)),
      Effect.filterOrFail(Option.isSome),
      Effect.retry(Schedule.spaced("20 millis")),
      Effect.timeout("10 seconds")
    )

/** A test on real time. What it warns of is expected. */
const live = (title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scopedLive(title, () => Effect.provide(test(), Logger.remove(Logger.defaultLogger)))

/** Reads and writes at a steady rate whatever becomes of them. A failure of any fails it, and one that hangs does. */
const load = (store: Store.Store<string>, seconds: number, perSecond = 200) =>
  Effect.gen(function* () {
    let wrong = 0
    const one = (index: number) =>
      Effect.gen(function* () {
        const key = `key-${index % 50}`
        const found = yield* store.get(key)
        if (Option.isNone(found))
          yield* Effect.forkDaemon(store.set(key, `${key}=${index}`, { timeToLive: "1 second" }))
        else if (!found.value.startsWith(`${key}=`)) wrong++
      })
    const fibers = yield* Effect.forEach(
      Array.from({ length: seconds * perSecond }, (_, index) => index),
      (index) => Effect.zipRight(Effect.sleep(Duration.millis(1000 / perSecond)), Effect.fork(one(index)))
    )
    yield* Effect.timeout(Fiber.joinAll(fibers), "5 seconds")
    assert.strictEqual(wrong, 0)
  })

if (canRun()) {
  describe("a Memcached that is in trouble", { timeout: 60_000 }, () => {
    live("dies in the middle of work and comes back: nothing fails, and there are hits again", () =>
      Effect.gen(function* () {
        const server = yield* memcachedServer()
        const store = yield* openAt([server.port])
        const working = yield* Effect.fork(load(store, isFull ? 12 : 3))
        yield* Effect.sleep(isFull ? "3 seconds" : "700 millis")
        yield* server.kill
        yield* Effect.sleep(isFull ? "5 seconds" : "1 second")
        yield* server.start
        yield* Fiber.join(working)
        yield* untilHit(store, "x")
      })
    )

    live("is frozen and thaws: nothing fails or waits, and there are hits again", () =>
      Effect.gen(function* () {
        const server = yield* memcachedServer()
        const store = yield* openAt([server.port])
        const working = yield* Effect.fork(load(store, isFull ? 12 : 3))
        yield* Effect.sleep(isFull ? "3 seconds" : "700 millis")
        yield* server.freeze
        yield* Effect.sleep(isFull ? "5 seconds" : "1 second")
        yield* server.thaw
        yield* Fiber.join(working)
        yield* untilHit(store, "x")
      })
    )

    live("was never there, and then is", () =>
      Effect.gen(function* () {
        const server = yield* memcachedServer()
        yield* server.kill
        const store = yield* openAt([server.port])
        assert.deepStrictEqual(yield* store.get("a"), Option.none())
        assert.isFalse(yield* store.set("a", "1", forever))
        yield* server.start
        yield* untilHit(store, "a")
      })
    )

    live("is one of three: its keys are misses, those of the others are not", () =>
      Effect.gen(function* () {
        const servers = yield* Effect.all([memcachedServer(), memcachedServer(), memcachedServer()])
        const store = yield* openAt(
          servers.map(({ port }) => port),
          { ...quickly, timeout: "200 millis" }
        )
        const keys = Array.from({ length: 200 }, (_, index) => `key ${index}`)
        yield* Effect.forEach(keys, (key) => store.set(key, key, forever), { concurrency: 20 })
        // The very first ones may have been written before the count they belong to was agreed on.
        yield* Effect.forEach(keys, (key) => store.set(key, key, forever), { concurrency: 20 })
        assert.isTrue((yield* store.getMany(keys)).every(Option.isSome))
        yield* servers[1].freeze
        const first = yield* store.getMany(keys)
        const missing = first.filter(Option.isNone).length
        assert.isAtLeast(missing, 20)
        assert.isAtMost(missing, 140)
        yield* servers[1].thaw
        yield* store.getMany(keys).pipe(
          Effect.filterOrFail((found) => found.every(Option.isSome)),
          Effect.retry(Schedule.spaced("50 millis")),
          Effect.timeout("10 seconds")
        )
      })
    )

    live("is behind a network that swallows everything, is slow, cuts it in pieces, or resets in mid-answer", () =>
      Effect.gen(function* () {
        const server = yield* memcachedServer()
        const proxy = yield* Proxy.make(server.port)
        const store = yield* openAt([proxy.port])
        yield* untilHit(store, "a")
        proxy.faults.swallow = true
        for (let index = 0; index < 20; index++) yield* store.get("a")
        proxy.faults.swallow = false
        yield* untilHit(store, "b")
        proxy.faults.delay = 200
        for (let index = 0; index < 10; index++) assert.deepStrictEqual(yield* store.get("a"), Option.none())
        proxy.faults.delay = 0
        proxy.faults.slice = true
        yield* untilHit(store, "c")
        proxy.faults.slice = false
        for (let index = 0; index < 10; index++) {
          proxy.faults.resetAfter = 400 + 37 * index
          yield* load(store, 0.1)
        }
        proxy.faults.resetAfter = Number.POSITIVE_INFINITY
        yield* proxy.resetAll
        yield* untilHit(store, "d")
      })
    )

    live("evicts what it has no room for, and refuses what is too large", () =>
      Effect.gen(function* () {
        const server = yield* memcachedServer("-m", "4")
        const store = yield* openAt([server.port])
        assert.isFalse(yield* store.set("too large", "x".repeat(1024 * 1024), forever))
        assert.isTrue(yield* store.set("large", "x".repeat(900_000), forever))
        for (let index = 0; index < 300; index++) {
          const key = `${index % 60}`
          const found = yield* store.get(key)
          if (Option.isSome(found)) assert.isTrue(found.value.startsWith(`${key}=`))
          yield* store.set(key, `${key}=${"x".repeat(100_000)}`, { ...forever, tags: [`tag ${index % 3}`] })
          if (index % 50 !== 49) continue
          yield* store.removeTagged("tag 1")
          const tagged = yield* store.getMany(Array.from({ length: 20 }, (_, third) => `${third * 3 + 1}`))
          assert.isTrue(tagged.every(Option.isNone))
        }
      })
    )

    live("is frozen while it is written to: what a write that was given up has done is not believed", () =>
      Effect.gen(function* () {
        const server = yield* memcachedServer()
        const store = yield* openAt([server.port], { ...quickly, writeTimeout: "100 millis", maxFailures: 1_000 })
        for (let round = 0; round < (isFull ? 50 : 5); round++) {
          yield* server.freeze
          assert.isFalse(yield* store.set("late", `late ${round}`, forever))
          yield* Effect.sleep("150 millis")
          yield* server.thaw
          assert.deepStrictEqual(yield* store.get("late"), Option.none())
          yield* Effect.sleep("300 millis")
          assert.deepStrictEqual(yield* store.get("late"), Option.none())
        }
      })
    )
  })

  describe("invalidation on Memcached", { timeout: 60_000 }, () => {
    live("is never overtaken by a fill that was begun before it, in hundreds of races", () =>
      Effect.gen(function* () {
        const server = yield* memcachedServer()
        // The machine may be slow; what must hold is the order.
        const patient = { timeout: "5 seconds", writeTimeout: "5 seconds" } as const
        const one = yield* openAt([server.port], patient)
        const two = yield* openAt([server.port], patient)
        let stale = 0
        const race = (index: number) =>
          Effect.gen(function* () {
            const key = `race ${index}`
            const lease = yield* one.acquire(key, { timeToLive: "10 seconds" })
            if (lease._tag !== "Granted") return
            const how = [two.remove(key), two.removeTagged(`tag ${key}`)][index % 2] ?? Effect.void
            yield* Effect.all([one.set(key, "old", { ...forever, lease, tags: [`tag ${key}`] }), how], {
              concurrency: "unbounded"
            })
            const found = yield* Effect.all([one.get(key), two.get(key)], { concurrency: "unbounded" })
            if (found.some(Option.isSome)) stale++
          })
        yield* Effect.forEach(
          Array.from({ length: isFull ? 10_000 : 300 }, (_, index) => index),
          race,
          {
            concurrency: 10,
            discard: true
          }
        )
        assert.strictEqual(stale, 0)
      })
    )
  })

  describe("MemcachedConnection", () => {
    live("counts beyond 32 bits, and writes only over the version it was told", () =>
      Effect.gen(function* () {
        const { port } = yield* memcachedServer()
        const { connection, ready } = yield* Effect.acquireRelease(
          Effect.sync(() => MemcachedConnection.connect({ host: "127.0.0.1", port })),
          ({ connection }) => Effect.sync(() => connection.close())
        )
        yield* Effect.promise(async () => {
          await ready
          await connection.store("add", "count", Buffer.from("1763707200000000"), { expires: 0 })
          assert.strictEqual(await connection.increment("count", 1), 1763707200000001)
          assert.isUndefined(await connection.increment("missing", 1))
          const version = await connection.store("set", "a", Buffer.from("1"), { expires: 0 })
          await connection.store("set", "a", Buffer.from("2"), { expires: 0 })
          assert.isUndefined(await connection.store("set", "a", Buffer.from("3"), { expires: 0, version }))
          const [found] = await connection.getMany(["a"])
          assert.strictEqual(String(found?.value), "2")
        })
      })
    )
  })
}
