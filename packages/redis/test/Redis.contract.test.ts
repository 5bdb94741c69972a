import { CacheStore } from "@wellspring/cache-store"
import { Redis, RedisBackend, RedisClient } from "@wellspring/redis"
import * as CacheStoreContract from "@wellspring/testing/CacheStoreContract"
import { Clock, Effect, Layer } from "effect"
import * as Iovalkey from "iovalkey"
import { createClient } from "redis"
import { canRun, redisServer } from "./support/servers.ts"

const live = Clock.make()
/** Leases are kept by the server's clock. */
const passTime: CacheStoreContract.ContractOptions["passTime"] = (duration) =>
  Effect.withClock(Effect.sleep(duration), live)

if (canRun()) {
  CacheStoreContract.suite(
    "redis through ioredis",
    Layer.unwrapScoped(Effect.map(redisServer(), ({ port }) => Redis.layer({ url: `redis://127.0.0.1:${port}` }))),
    { passTime }
  )

  CacheStoreContract.suite(
    "redis in shards",
    Layer.unwrapScoped(
      Effect.map(redisServer(), ({ port }) => Redis.layer({ url: `redis://127.0.0.1:${port}`, shards: 7 }))
    ),
    { passTime }
  )

  CacheStoreContract.suite(
    "redis through node-redis",
    Layer.unwrapScoped(
      Effect.gen(function* () {
        const { port } = yield* redisServer()
        const client = yield* Effect.acquireRelease(
          Effect.promise(() =>
            createClient({ url: `redis://127.0.0.1:${port}`, disableOfflineQueue: true })
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

  CacheStoreContract.suite(
    "redis through iovalkey",
    Layer.unwrapScoped(
      Effect.gen(function* () {
        const { port } = yield* redisServer()
        const client = yield* Effect.acquireRelease(
          Effect.sync(() => new Iovalkey.Redis({ port, enableOfflineQueue: true })),
          (client) => Effect.sync(() => client.disconnect())
        )
        yield* Effect.promise(() => client.ping())
        return CacheStore.layerBackend(RedisBackend.make(RedisClient.fromIoredis(client, "iovalkey")))
      })
    ),
    { passTime }
  )
}
