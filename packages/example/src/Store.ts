/** Where cached answers live: in this process, or with Redis or Memcached behind it. */
import { CacheStore } from "@wellspring/cache-store"
import { Memcached } from "@wellspring/memcached"
import { Redis } from "@wellspring/redis"

export interface Options {
  /** Such as `redis://127.0.0.1:6379`. */
  readonly redis?: string | undefined
  /** Such as `127.0.0.1:11211`, or several of these with commas. */
  readonly memcached?: string | undefined
}

const maxBytes = 64_000_000

export const layer = ({ memcached, redis }: Options) => {
  if (redis !== undefined) return CacheStore.layerTiered({ remote: Redis.layer({ url: redis }), maxBytes })
  if (memcached !== undefined) {
    return CacheStore.layerTiered({ remote: Memcached.layer({ servers: memcached.split(",") }), maxBytes })
  }
  return CacheStore.layerMemory({ maxBytes })
}
