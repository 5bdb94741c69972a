import { assert, describe, it } from "@effect/vitest"
import { CacheStore, Codec, type Store } from "@wellspring/cache-store"
import { Redis } from "@wellspring/redis"
import { Context, Duration, Effect, Fiber, Layer, Logger, Option, Schedule, type Scope } from "effect"
import { Redis as Ioredis } from "ioredis"
import * as Proxy from "./support/proxy.ts"
import { canRun, redisServer } from "./support/servers.ts"

const isFull = process.env["WELLSPRING_FULL"] !== undefined
const forever = { timeToLive: Duration.infinity }
const quickly = { probeInterval: "200 millis" } as const

/** One process's store on a port. */
const openAt = (port: number, options: Omit<Redis.RedisOptions, "url"> = quickly) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Redis.layer({ url: `redis://127.0.0.1:${port}`, ...options }))
    return yield* Context.get(context, CacheStore.CacheStore).open("test", Codec.text)
  })

/** A bare client that looks at what is really there. */
const bare = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const client = new Ioredis({ port, maxRetriesPerRequest: null })
      client.on("error", () => {})
      return client
    }),
    (client) => Effect.sync(() => client.disconnect())
  )

const untilHit = (store: Store.Store<string>, key: string) =>
  store
    .set(key, "again", forever)
    .pipe(
      Effect.zipRight(store.get(key)),
      Effect.filterOrFail(Option.isSome),
      Effect.retry(Schedule.spaced("20 millis")),
      Effect.timeout("10 seconds")
    )

const logs = (into: Array<string>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => void into.push(`${logLevel.label} ${[message].flat().join(" ")}`))
  )

/**
 * Reads and writes at a steady rate whatever becomes of them, and answers how
 * many failed (which none may), never came back, or gave a value that was not written.
 */
const load = (store: Store.Store<string>, seconds: number, perSecond = 200) =>
  Effect.gen(function* () {
    let pending = 0
    let most = 0
    let wrong = 0
    let hits = 0
    const one = (index: number) =>
      Effect.gen(function* () {
        const key = `key-${index % 50}`
        most = Math.max(most, ++pending)
        const found = yield* store.get(key)
        if (Option.isSome(found)) {
          hits++
          if (!found.value.startsWith(`${key}=`)) wrong++
        } else yield* Effect.forkDaemon(store.set(key, `${key}=${index}`, { timeToLive: "1 second" }))
        pending--
      })
    const count = seconds * perSecond
    const fibers = yield* Effect.forEach(
      Array.from({ length: count }, (_, index) => index),
      (index) => Effect.zipRight(Effect.sleep(Duration.millis(1000 / perSecond)), Effect.fork(one(index)))
    )
    // A failure of any would fail this, and one that hangs would hang it.
    yield* Effect.timeout(Fiber.joinAll(fibers), "5 seconds")
    return { hits, most, wrong }
  })

/** A test on real time. What it warns of is expected. */
const live = (title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scopedLive(title, () => Effect.provide(test(), logs([])))

if (canRun()) {
  describe("a Redis that is in trouble", { timeout: 60_000 }, () => {
    live("dies in the middle of work and comes back: nothing fails, and there are hits again", () => {
      const told: Array<string> = []
      return Effect.gen(function* () {
        const server = yield* redisServer()
        const store = yield* openAt(server.port)
        const working = yield* Effect.fork(load(store, isFull ? 12 : 3))
        yield* Effect.sleep(isFull ? "3 seconds" : "700 millis")
        yield* server.kill
        yield* Effect.sleep(isFull ? "5 seconds" : "1 second")
        yield* server.start
        const { hits, most, wrong } = yield* Fiber.join(working)
        assert.strictEqual(wrong, 0)
        assert.isAbove(hits, 0)
        assert.isAtMost(most, 50)
        yield* untilHit(store, "x")
        const warnings = told.filter((line) => line.startsWith("WARN"))
        assert.strictEqual(warnings.filter((line) => line.includes("fails its reads")).length, 1, warnings.join("\n"))
      }).pipe(Effect.provide(logs(told)))
    })

    live("is frozen and thaws: nothing fails or waits, and there are hits again", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const store = yield* openAt(server.port)
        const working = yield* Effect.fork(load(store, isFull ? 12 : 3))
        yield* Effect.sleep(isFull ? "3 seconds" : "700 millis")
        yield* server.freeze
        yield* Effect.sleep(isFull ? "5 seconds" : "1 second")
        yield* server.thaw
        const { most, wrong } = yield* Fiber.join(working)
        assert.strictEqual(wrong, 0)
        assert.isAtMost(most, 50)
        yield* untilHit(store, "x")
      })
    )

    live("was never there, and then is", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        yield* server.kill
        const store = yield* openAt(server.port)
        assert.deepStrictEqual(yield* store.get("a"), Option.none())
        assert.isFalse(yield* store.set("a", "1", forever))
        yield* server.start
        yield* untilHit(store, "a")
      })
    )

    live("is behind a network that swallows everything, and then does not", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const proxy = yield* Proxy.make(server.port)
        const store = yield* openAt(proxy.port)
        yield* untilHit(store, "a")
        proxy.faults.swallow = true
        for (let index = 0; index < 20; index++) yield* store.get("a")
        proxy.faults.swallow = false
        // The connections of before are dead without knowing it: new ones have to be made.
        yield* untilHit(store, "b")
      })
    )

    live("answers slower than anybody waits, byte by byte, or resets in the middle of an answer", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const proxy = yield* Proxy.make(server.port)
        const store = yield* openAt(proxy.port)
        yield* untilHit(store, "a")
        proxy.faults.delay = 200
        for (let index = 0; index < 10; index++) assert.deepStrictEqual(yield* store.get("a"), Option.none())
        proxy.faults.delay = 0
        proxy.faults.slice = true
        yield* untilHit(store, "b")
        proxy.faults.slice = false
        for (let index = 0; index < 10; index++) {
          proxy.faults.resetAfter = 400 + 37 * index
          const { wrong } = yield* load(store, 0.1)
          assert.strictEqual(wrong, 0)
        }
        proxy.faults.resetAfter = Number.POSITIVE_INFINITY
        yield* proxy.resetAll
        yield* untilHit(store, "c")
      })
    )

    live("gives damaged answers: they are misses, and never wrong values", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const proxy = yield* Proxy.make(server.port)
        const store = yield* openAt(proxy.port)
        const value = `key=${"v".repeat(500)}`
        for (let index = 0; index < (isFull ? 5000 : 300); index++) {
          const key = `k${index % 10}`
          yield* store.set(key, key + value, forever)
          let left = 1
          // One bit of the payload, as bad memory or a bad cable would.
          proxy.faults.damage = (chunk) => {
            if (chunk.length < 600 || left-- <= 0) return chunk
            const damaged = Buffer.from(chunk)
            const at = 60 + ((index * 7919) % 540)
            damaged[at] = (damaged[at] ?? 0) ^ (1 << (index % 8))
            return damaged
          }
          const found = yield* store.get(key)
          proxy.faults.damage = undefined
          if (Option.isSome(found)) assert.strictEqual(found.value, key + value)
        }
      })
    )

    live("is full and refuses, is full and evicts, is read-only, or wants a password", () =>
      Effect.gen(function* () {
        const full = yield* redisServer("--maxmemory", "2mb", "--maxmemory-policy", "noeviction")
        const filled = yield* openAt(full.port, { ...quickly, maxFailures: 1_000 })
        const big = "x".repeat(100_000)
        const kept = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, index) => index),
          (index) => filled.set(`big ${index}`, big, forever)
        )
        assert.include(kept, false)
        assert.deepStrictEqual(yield* filled.get("big 0"), Option.some(big))

        const evicting = yield* redisServer("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random")
        const evicted = yield* openAt(evicting.port)
        for (let index = 0; index < 300; index++) {
          const key = `${index % 60}`
          const found = yield* evicted.get(key)
          if (Option.isSome(found)) assert.isTrue(found.value.startsWith(`${key}=`))
          yield* evicted.set(key, `${key}=${"x".repeat(50_000)}`, { ...forever, tags: [`tag ${index % 3}`] })
          if (index % 50 === 49) {
            yield* evicted.removeTagged("tag 1")
            const tagged = yield* evicted.getMany(Array.from({ length: 20 }, (_, of3) => `${of3 * 3 + 1}`))
            assert.isTrue(tagged.every(Option.isNone))
          }
        }

        const master = yield* redisServer()
        const readOnly = yield* redisServer("--replicaof", "127.0.0.1", String(master.port))
        const replica = yield* openAt(readOnly.port)
        assert.isFalse(yield* replica.set("a", "1", forever))
        assert.deepStrictEqual(yield* replica.get("a"), Option.none())

        const secret = yield* redisServer("--requirepass", "secret")
        const stranger = yield* openAt(secret.port)
        assert.isFalse(yield* stranger.set("a", "1", forever))
        assert.deepStrictEqual(yield* stranger.get("a"), Option.none())
        const known = yield* openAt(secret.port, { ...quickly, ioredis: { password: "secret" } })
        assert.isTrue(yield* known.set("a", "1", forever))
      })
    )

    live("is frozen while it is written to: a write that was given up has no effect when it thaws", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const store = yield* openAt(server.port, { ...quickly, writeTimeout: "100 millis", maxFailures: 1_000 })
        const others = yield* openAt(server.port)
        yield* store.set("a", "before", forever)
        for (let round = 0; round < (isFull ? 50 : 5); round++) {
          yield* server.freeze
          assert.isFalse(yield* store.set("late", `late ${round}`, forever))
          yield* Effect.sleep("150 millis")
          yield* server.thaw
          assert.deepStrictEqual(yield* others.get("late"), Option.none())
          yield* Effect.sleep("50 millis")
          assert.deepStrictEqual(yield* others.get("late"), Option.none())
        }
      })
    )

    live("answers each of many interrupted readers with its own value or none", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const proxy = yield* Proxy.make(server.port)
        const store = yield* openAt(proxy.port)
        const keys = Array.from({ length: 200 }, (_, index) => `self ${index}`)
        yield* Effect.forEach(keys, (key) => store.set(key, key, forever), { concurrency: 20 })
        proxy.faults.delay = 1
        let wrong = 0
        for (let round = 0; round < (isFull ? 500 : 20); round++) {
          const fibers = yield* Effect.forEach(keys, (key) =>
            Effect.fork(Effect.map(store.get(key), (found) => ({ key, found })))
          )
          for (const [index, fiber] of fibers.entries()) {
            if ((index * 31 + round) % 10 < 3) yield* Fiber.interruptFork(fiber)
          }
          if (round % 7 === 0) yield* proxy.resetAll
          for (const fiber of fibers) {
            const exit = yield* Fiber.await(fiber)
            if (exit._tag !== "Success") continue
            const { found, key } = exit.value
            if (Option.isSome(found) && found.value !== key) wrong++
          }
        }
        assert.strictEqual(wrong, 0)
      })
    )

    live("does not connect more often than it must while every connection is cut", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const proxy = yield* Proxy.make(server.port)
        const store = yield* openAt(proxy.port)
        const cutting = yield* Effect.fork(Effect.forever(Effect.zipRight(Effect.sleep("100 millis"), proxy.resetAll)))
        yield* load(store, isFull ? 20 : 2)
        yield* Fiber.interrupt(cutting)
        // Ten cuts a second, two connections (commands, invalidations), and the pauses between attempts.
        assert.isAtMost(proxy.count(), isFull ? 600 : 60)
        yield* untilHit(store, "x")
      })
    )
  })

  describe("invalidation on Redis", { timeout: 60_000 }, () => {
    live("is never overtaken by a fill that was begun before it, in hundreds of races", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const one = yield* openAt(server.port)
        const two = yield* openAt(server.port)
        let stale = 0
        const race = (index: number) =>
          Effect.gen(function* () {
            const key = `race ${index}`
            const lease = yield* one.acquire(key, { timeToLive: "5 seconds" })
            if (lease._tag !== "Granted") return
            const how = [two.remove(key), two.removeTagged(`tag ${key}`)][index % 2] ?? Effect.void
            // The invalidation is acknowledged, so what was begun before must be gone, whichever came first.
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
            concurrency: 25,
            discard: true
          }
        )
        assert.strictEqual(stale, 0)
      })
    )

    live("gives back the room of what was cleared", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const store = yield* openAt(server.port)
        const client = yield* bare(server.port)
        yield* Effect.forEach(
          Array.from({ length: 2_000 }, (_, index) => index),
          (index) => store.set(`${index}`, "x", forever),
          {
            concurrency: 100
          }
        )
        assert.isAtLeast(yield* Effect.promise(() => client.dbsize()), 2_000)
        yield* store.clear
        yield* store.set("new", "1", forever)
        yield* Effect.promise(() => client.dbsize()).pipe(
          Effect.filterOrFail((size) => size < 10),
          Effect.retry(Schedule.spaced("20 millis")),
          Effect.timeout("5 seconds")
        )
        assert.deepStrictEqual(yield* store.get("new"), Option.some("1"))
      })
    )

    live("reaches the memory of other processes", () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const tiered = Effect.gen(function* () {
          const remote = Redis.layer({ url: `redis://127.0.0.1:${server.port}` })
          const context = yield* Layer.build(CacheStore.layerTiered({ remote, maxAge: "1 hour" }))
          return yield* Context.get(context, CacheStore.CacheStore).open("test", Codec.text)
        })
        const one = yield* tiered
        const two = yield* tiered
        yield* one.set("a", "1", forever)
        assert.deepStrictEqual(yield* two.get("a"), Option.some("1"))
        assert.strictEqual(two.peek("a"), "1")
        yield* one.remove("a")
        yield* Effect.sync(() => two.peek("a")).pipe(
          Effect.filterOrFail((held) => held === undefined),
          Effect.retry(Schedule.spaced("10 millis")),
          Effect.timeout("5 seconds")
        )
        assert.deepStrictEqual(yield* two.get("a"), Option.none())
      })
    )
  })
}
