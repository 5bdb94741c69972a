/**
 * A cache store on Redis or Valkey, as a layer.
 */
import { CacheStore } from "@wellspring/cache-store"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { retryDelay } from "./internal/retryDelay.ts"
import * as RedisBackend from "./RedisBackend.ts"
import * as RedisClient from "./RedisClient.ts"

/** The client library is not installed, or refused the options. A server that is down is not an error. */
export class RedisSetupError extends Schema.TaggedError<RedisSetupError>()("RedisSetupError", {
  cause: Schema.Defect
}) {
  override get message() {
    return "Could not make a Redis client: install `ioredis` 5, or look at cause."
  }
}

export interface Address {
  readonly host: string
  readonly port: number
}

export interface RedisOptions extends CacheStore.RemoteOptions, RedisBackend.RedisBackendOptions {
  /** A single server, such as `redis://user:password@cache:6379/0`, or `rediss://` for TLS. Default `redis://127.0.0.1:6379`. */
  readonly url?: string | Redacted.Redacted | undefined
  /** Sentinels that know where the master called `name` is. Instead of `url`. */
  readonly sentinel?: { readonly name: string; readonly nodes: ReadonlyArray<Address> } | undefined
  /** Some nodes of a cluster; the others are found. Instead of `url`. */
  readonly cluster?: { readonly nodes: ReadonlyArray<Address> } | undefined
  /** How long the layer waits at its start for the server. After that it goes on without, and connects in the background. Default 1 second. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** More options of ioredis for every connection, such as `username`, `password` or `tls`. */
  readonly ioredis?: Readonly<Record<string, unknown>> | undefined
}

/** What keeps the promises of a cache: commands fail at once without a connection, and none is sent twice. */
const fixed = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 2_000,
  connectionName: "wellspring"
}

const makeIoredis = async (options: RedisOptions) => {
  const { Cluster, Redis } = await import("ioredis")
  const connection = { ...fixed, ...options.ioredis }
  const retry = { retryStrategy: retryDelay, sentinelRetryStrategy: retryDelay }
  if (options.cluster !== undefined) {
    return new Cluster([...options.cluster.nodes], {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: retryDelay,
      slotsRefreshTimeout: 2_000,
      redisOptions: connection
    })
  }
  if (options.sentinel !== undefined) {
    const { name, nodes } = options.sentinel
    return new Redis({ ...connection, ...retry, name, sentinels: [...nodes] })
  }
  const url = options.url === undefined ? "redis://127.0.0.1:6379" : options.url
  return new Redis(Redacted.isRedacted(url) ? Redacted.value(url) : url, { ...connection, ...retry })
}

/** A client of ioredis with what a cache needs of its options; the scope closes it. A server that is down does not fail it. */
export const client = (
  options: RedisOptions = {}
): Effect.Effect<RedisClient.RedisClient, RedisSetupError, Scope.Scope> =>
  Effect.gen(function* () {
    const redis = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => makeIoredis(options), catch: (cause) => new RedisSetupError({ cause }) }),
      (redis) => Effect.sync(() => redis.disconnect())
    )
    const port = RedisClient.fromIoredis(redis)
    yield* Effect.tryPromise(() => redis.connect()).pipe(
      Effect.disconnect,
      Effect.timeout(options.connectTimeout ?? Duration.seconds(1)),
      Effect.ignore
    )
    return port
  })

/**
 * A cache store on one server, behind Sentinels, or on a cluster.
 *
 * The layer is there whether the server is or not: while it is down,
 * everything is a miss, and it is connected to when it comes up.
 *
 * @example
 * import { Redis } from "@wellspring/redis"
 *
 * export const single = Redis.layer({ url: "redis://cache.internal:6379" })
 *
 * export const cluster = Redis.layer({ cluster: { nodes: [{ host: "cache-1.internal", port: 6379 }] } })
 */
export const layer = (options: RedisOptions = {}): Layer.Layer<CacheStore.CacheStore, RedisSetupError> =>
  CacheStore.layerBackend(
    Effect.flatMap(client(options), (port) => RedisBackend.make(port, options)),
    options
  )

/**
 * {@link layer} from `Config`.
 *
 * @example
 * import { Redis } from "@wellspring/redis"
 * import { Config } from "effect"
 *
 * export const live = Redis.layerConfig({ url: Config.redacted("REDIS_URL") })
 */
export const layerConfig = (
  options: Config.Config.Wrap<RedisOptions>
): Layer.Layer<CacheStore.CacheStore, RedisSetupError | ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(options), layer))

/** A cache store on a client of your own; see `RedisClient` for what it must be like. It stays open. */
export const layerClient = (
  client: RedisClient.RedisClient,
  options: CacheStore.RemoteOptions & RedisBackend.RedisBackendOptions = {}
): Layer.Layer<CacheStore.CacheStore> => CacheStore.layerBackend(RedisBackend.make(client, options), options)
