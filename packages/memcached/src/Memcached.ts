/**
 * A cache store on Memcached, as a layer.
 */
import { CacheStore } from "@wellspring/cache-store"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Ring from "./internal/ring.ts"
import * as MemcachedBackend from "./MemcachedBackend.ts"
import * as MemcachedConnection from "./MemcachedConnection.ts"

export interface MemcachedOptions extends CacheStore.RemoteOptions, MemcachedBackend.MemcachedBackendOptions {
  /**
   * `host:port` of every server; port 11211 when left out. All processes must name them alike, in any order.
   * Default one server at `127.0.0.1:11211`.
   */
  readonly servers?: ReadonlyArray<string> | undefined
  /** For servers that ask for SASL. */
  readonly username?: string | undefined
  readonly password?: string | Redacted.Redacted | undefined
  /** How long the layer waits at its start for the servers. After that it goes on without, and connects in the background. Default 1 second. */
  readonly connectTimeout?: Duration.DurationInput | undefined
}

const address = (server: string): { readonly host: string; readonly port: number } => {
  const [, host = server, port = "11211"] = /^(.*?)(?::(\d+))?$/.exec(server) ?? []
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) }
}

const connect = (
  server: string,
  { password, username }: MemcachedOptions
): Effect.Effect<
  { readonly connection: MemcachedConnection.MemcachedConnection; readonly ready: Promise<void> },
  never,
  Scope.Scope
> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      MemcachedConnection.connect({
        ...address(server),
        username,
        password: Redacted.isRedacted(password) ? Redacted.value(password) : password
      })
    ),
    ({ connection }) => Effect.sync(() => connection.close())
  )

/** The service over its servers; the scope closes the connections. Servers that are down do not fail it. */
export const make = (options: MemcachedOptions = {}): Effect.Effect<CacheStore.Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const [first = "127.0.0.1:11211", ...others] = options.servers ?? []
    const connected = yield* Effect.forEach([first, ...others] as const, (server) => connect(server, options))
    yield* Effect.promise(() => Promise.all(connected.map(({ ready }) => ready))).pipe(
      Effect.disconnect,
      Effect.timeout(options.connectTimeout ?? Duration.seconds(1)),
      Effect.ignore
    )
    const backendOf = (connection: MemcachedConnection.MemcachedConnection) =>
      MemcachedBackend.make(connection, options)
    const [one, ...more] = connected
    return yield* CacheStore.fromBackends(
      {
        backends: [backendOf(one.connection), ...more.map(({ connection }) => backendOf(connection))],
        pick: Ring.make(connected.map(({ connection }) => connection.server))
      },
      options
    )
  })

/**
 * A cache store on one or several servers.
 *
 * Keys are spread over the servers by consistent hashing. A server that is down
 * costs its own keys, which are misses until it is back; they do not move to
 * others, where an invalidation of the meantime would be missed afterwards.
 *
 * @example
 * import { Memcached } from "@wellspring/memcached"
 *
 * export const layer = Memcached.layer({ servers: ["cache-1.internal:11211", "cache-2.internal:11211"] })
 */
export const layer = (options: MemcachedOptions = {}): Layer.Layer<CacheStore.CacheStore> =>
  Layer.scoped(CacheStore.CacheStore, make(options))

/**
 * {@link layer} from `Config`.
 *
 * @example
 * import { Memcached } from "@wellspring/memcached"
 * import { Config } from "effect"
 *
 * export const live = Memcached.layerConfig({ servers: Config.array(Config.string(), "MEMCACHED_SERVERS") })
 */
export const layerConfig = (
  options: Config.Config.Wrap<MemcachedOptions>
): Layer.Layer<CacheStore.CacheStore, ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(options), layer))
