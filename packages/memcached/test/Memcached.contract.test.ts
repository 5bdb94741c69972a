import { Memcached } from "@wellspring/memcached"
import * as CacheStoreContract from "@wellspring/testing/CacheStoreContract"
import { Clock, Duration, Effect, Layer } from "effect"
import { canRun, memcachedServer } from "./support/servers.ts"

const live = Clock.make()
/** Leases are kept by the server's clock, which counts in seconds and rounds up. */
const passTime: CacheStoreContract.ContractOptions["passTime"] = (duration) =>
  Effect.withClock(Effect.sleep(Duration.sum(duration, Duration.seconds(3))), live)

if (canRun()) {
  CacheStoreContract.suite(
    "memcached",
    Layer.unwrapScoped(
      Effect.map(memcachedServer(), ({ port }) => Memcached.layer({ servers: [`127.0.0.1:${port}`] }))
    ),
    { passTime }
  )

  CacheStoreContract.suite(
    "three memcached servers",
    Layer.unwrapScoped(
      Effect.map(Effect.all([memcachedServer(), memcachedServer(), memcachedServer()]), (servers) =>
        Memcached.layer({ servers: servers.map(({ port }) => `127.0.0.1:${port}`) })
      )
    ),
    { passTime }
  )
}
