import { spawn } from "node:child_process"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore, Codec } from "@wellspring/cache-store"
import { Redis, RedisClient } from "@wellspring/redis"
import * as CacheStoreContract from "@wellspring/testing/CacheStoreContract"
import { Clock, Context, Duration, Effect, Layer, Logger, Option, Schedule } from "effect"
import { Redis as Ioredis } from "ioredis"
import { createCluster } from "redis"
import { canRun, freePort, redisServer } from "./support/servers.ts"

const isFull = process.env["WELLSPRING_FULL"] !== undefined
const forever = { timeToLive: Duration.infinity }
const passTime: CacheStoreContract.ContractOptions["passTime"] = (duration) =>
  Effect.withClock(Effect.sleep(duration), Clock.make())
const soon = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(300))
const quiet = Logger.remove(Logger.defaultLogger)

const command = (port: number, ...line: ReadonlyArray<string>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Ioredis({ port })),
    (client) => {
      const [name = "", ...args] = line
      return Effect.promise(() => client.call(name, ...args))
    },
    (client) => Effect.sync(() => client.disconnect())
  )

/** Three nodes on loopback, all slots given out. */
const cluster = Effect.gen(function* () {
  const nodes = yield* Effect.all(
    Array.from({ length: 3 }, () =>
      redisServer("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000")
    )
  )
  const [first] = nodes
  if (first === undefined) return yield* Effect.dieMessage("no nodes")
  const share = Math.ceil(16384 / nodes.length)
  for (const [index, { port }] of nodes.entries()) {
    const range = [index * share, Math.min(16383, (index + 1) * share - 1)].map(String)
    yield* command(port, "CLUSTER", "ADDSLOTSRANGE", ...range)
    if (port !== first.port) yield* command(port, "CLUSTER", "MEET", "127.0.0.1", String(first.port))
  }
  for (const { port } of nodes) {
    yield* command(port, "CLUSTER", "INFO").pipe(
      Effect.filterOrFail((info) => {
        const text = String(info)
        return text.includes("cluster_state:ok") && text.includes("cluster_known_nodes:3")
      }),
      Effect.retry(soon),
      Effect.withClock(Clock.make()),
      Effect.orDie
    )
  }
  return nodes
})

const canRunHere = canRun()

if (canRunHere) {
  CacheStoreContract.suite(
    "a cluster of three nodes through ioredis",
    Layer.unwrapScoped(
      Effect.map(cluster, (nodes) =>
        Redis.layer({
          cluster: { nodes: nodes.map(({ port }) => ({ host: "127.0.0.1", port })) },
          connectTimeout: "5 seconds"
        })
      )
    ),
    { passTime }
  )

  if (isFull) {
    CacheStoreContract.suite(
      "a cluster of three nodes through node-redis",
      Layer.unwrapScoped(
        Effect.gen(function* () {
          const nodes = yield* cluster
          const client = yield* Effect.acquireRelease(
            Effect.promise(() =>
              createCluster({
                rootNodes: nodes.map(({ port }) => ({ url: `redis://127.0.0.1:${port}` })),
                defaults: { disableOfflineQueue: true }
              })
                .on("error", () => {})
                .connect()
            ),
            (client) => Effect.sync(() => client.destroy())
          )
          return Redis.layerClient(RedisClient.fromNodeRedis(client))
        })
      ),
      { passTime }
    )
  }

  describe("a cluster", { timeout: 60_000 }, () => {
    it.scopedLive("keeps a namespace on all its nodes, and works on when one of them dies", () =>
      Effect.gen(function* () {
        const nodes = yield* cluster
        const context = yield* Layer.build(
          Redis.layer({
            cluster: { nodes: nodes.map(({ port }) => ({ host: "127.0.0.1", port })) },
            connectTimeout: "5 seconds"
          })
        )
        const store = yield* Context.get(context, CacheStore.CacheStore).open("test", Codec.text)
        const keys = Array.from({ length: 300 }, (_, index) => `key ${index}`)
        yield* Effect.forEach(keys, (key) => store.set(key, key, forever), { concurrency: 20 })
        assert.deepStrictEqual(yield* store.getMany(keys), keys.map(Option.some))
        const sizes = yield* Effect.forEach(nodes, ({ port }) => command(port, "DBSIZE"))
        for (const size of sizes) assert.isAbove(Number(size), 20)
        yield* nodes[2]?.kill ?? Effect.void
        for (let round = 0; round < 20; round++) {
          const found = yield* Effect.forEach(keys.slice(0, 20), store.get, { concurrency: 20 })
          assert.isTrue(found.every((value, index) => Option.isNone(value) || value.value === keys[index]))
        }
      }).pipe(Effect.provide(quiet))
    )
  })
}

if (canRunHere) {
  describe("behind Sentinels", { timeout: 60_000 }, () => {
    it.scopedLive(`finds the master${isFull ? ", and the new one after it has died" : ""}`, () =>
      Effect.gen(function* () {
        const master = yield* redisServer()
        const replica = yield* redisServer("--replicaof", "127.0.0.1", String(master.port))
        const port = yield* freePort
        const config = join(mkdtempSync(join(tmpdir(), "wellspring-sentinel-")), "sentinel.conf")
        writeFileSync(
          config,
          [
            `port ${port}`,
            "bind 127.0.0.1",
            `sentinel monitor main 127.0.0.1 ${master.port} 1`,
            "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 2000"
          ].join("\n")
        )
        yield* Effect.acquireRelease(
          Effect.sync(() => spawn("redis-server", [config, "--sentinel"], { stdio: "ignore" })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        yield* command(port, "SENTINEL", "replicas", "main").pipe(
          Effect.filterOrFail((replicas) => Array.isArray(replicas) && replicas.length === 1),
          Effect.retry(soon)
        )
        const context = yield* Layer.build(
          Redis.layer({ sentinel: { name: "main", nodes: [{ host: "127.0.0.1", port }] }, probeInterval: "300 millis" })
        )
        const store = yield* Context.get(context, CacheStore.CacheStore).open("test", Codec.text)
        assert.isTrue(yield* store.set("a", "1", forever))
        assert.deepStrictEqual(yield* store.get("a"), Option.some("1"))
        // A Sentinel on a busy machine takes its time to believe its own clock.
        if (!isFull) return
        yield* command(replica.port, "DBSIZE").pipe(
          Effect.filterOrFail((size) => Number(size) >= 3),
          Effect.retry(soon)
        )
        yield* master.kill
        yield* store
          .get("a")
          .pipe(
            Effect.filterOrFail(Option.isSome),
            Effect.retry(Schedule.intersect(Schedule.spaced("100 millis"), Schedule.recurs(300)))
          )
        yield* store.set("b", "2", forever).pipe(
          Effect.filterOrFail((isKept) => isKept),
          Effect.retry(Schedule.intersect(Schedule.spaced("100 millis"), Schedule.recurs(300)))
        )
      }).pipe(Effect.provide(quiet))
    )
  })
}
