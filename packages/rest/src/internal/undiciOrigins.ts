/**
 * A pool of connections for each origin.
 */

import type { EventEmitter } from "node:events"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type * as undici from "undici"
import { ConnectionLost } from "./undiciErrors.ts"
import { Exchange, type Lane as LaneOf } from "./undiciExchange.ts"

export interface Origin {
  readonly scheme: string
  /** Host alone, without port, as in the URL. */
  readonly address: string
  readonly port: number
  /** In the URL Standard's spelling. */
  readonly text: string
  readonly dispatcher: undici.Dispatcher
}

export interface OriginsOptions {
  readonly undici: typeof undici
  readonly pool: undici.Pool.Options
  readonly connectMillis: number
  readonly isHttp2Allowed: boolean
}

/** Beyond this many, a pool goes when its last connection does. */
const keptPools = 64
const keptSpellings = 1024
/** Streams at once on one HTTP/2 connection, until the peer says how many. */
const http2Streams = 100
const longestTimeout = 2_147_483_647

const isDestroyable = (socket: unknown): socket is { readonly destroy: (error: Error) => void } =>
  Predicate.hasProperty(socket, "destroy") && typeof socket.destroy === "function"

export class Origins {
  readonly #options: OriginsOptions
  readonly #pools = new Map<string, Origin & { readonly dispatcher: undici.Pool }>()
  readonly #spellings = new Map<string, Origin>()
  readonly #connecting = new Set<Lane>()
  #isClosed = false

  constructor(options: OriginsOptions) {
    this.#options = options
  }

  /** The origin of a URL that begins with `text`. */
  get(text: string): Either.Either<Origin, Error> {
    const origin = this.#spellings.get(text)
    return origin === undefined ? this.#resolve(text) : Either.right(origin)
  }

  /** Ends every exchange and closes every connection, those in the making included. */
  async destroy(): Promise<void> {
    this.#isClosed = true
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    this.#spellings.clear()
    const closed = pools.map(({ dispatcher }) => dispatcher.destroy())
    for (const lane of this.#connecting) lane.destroy()
    await Promise.all(closed)
  }

  #resolve(text: string): Either.Either<Origin, Error> {
    if (this.#isClosed) {
      return Either.left(new ConnectionLost({ phase: "connect", cause: new Error("The client's scope has closed.") }))
    }
    return Either.map(Either.try({ try: () => new URL(text), catch: (cause) => cause as Error }), (url) => {
      const origin = this.#pools.get(url.origin) ?? this.#open(url)
      if (this.#spellings.size >= keptSpellings) this.#spellings.clear()
      this.#spellings.set(text, origin)
      return origin
    })
  }

  #open(url: URL): Origin {
    const { undici, pool, isHttp2Allowed } = this.#options
    const dispatcher = new undici.Pool(url.origin, {
      ...pool,
      allowH2: isHttp2Allowed,
      // The deadlines are ours: exact, and one timer for all.
      headersTimeout: 0,
      bodyTimeout: 0,
      factory: (origin, options) => this.#client(origin, options)
    })
    const origin = {
      scheme: url.protocol.slice(0, -1),
      address: url.hostname,
      port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
      text: url.origin,
      dispatcher
    }
    const prune = () => {
      if (this.#pools.size <= keptPools || this.#pools.get(url.origin) !== origin) return
      if (dispatcher.stats.connected > 0 || dispatcher.stats.size > 0) return
      this.#pools.delete(url.origin)
      this.#spellings.clear()
      dispatcher.close(() => {})
    }
    dispatcher.on("disconnect", prune).on("connectionError", prune)
    this.#pools.set(url.origin, origin)
    return origin
  }

  /** One connection of a pool, and those that wait for it. */
  #client(origin: URL, options: undici.Pool.Options): undici.Client {
    const { undici, pool, connectMillis, isHttp2Allowed } = this.#options
    const connect =
      typeof pool.connect === "function"
        ? pool.connect
        : undici.buildConnector({
            ...pool.connect,
            allowH2: isHttp2Allowed,
            // Coarse: a second line for attempts that outlive whoever asked for them.
            timeout: Math.min(connectMillis, longestTimeout)
          })
    const lane = new Lane()
    const client = new undici.Client(origin, {
      ...options,
      connect: (target, callback) => {
        // undici connects anew for a request whose end closed the connection before.
        if (lane.live === 0) return callback(new Error(nobodyWaits), null)
        this.#connecting.add(lane)
        const socket: unknown = connect(target, (...result) => {
          this.#connecting.delete(lane)
          lane.connecting = undefined
          const [, made] = result
          // HTTP/2 takes many requests at once, HTTP/1 one: which it is shows only now.
          if (made !== null && made !== undefined) {
            client.pipelining = isHttp2(made) ? http2Streams : 1
            if (!isHttp2(made)) endable(made)
          }
          callback(...result)
        })
        if (isDestroyable(socket)) lane.connecting = socket
      }
    })
    const dispatch = client.dispatch.bind(client)
    client.dispatch = (options, handler) => {
      if (handler instanceof Exchange) handler.enter(lane)
      return dispatch(options, handler)
    }
    return client
  }
}

const nobodyWaits = "Nobody waits for this connection any more."

/** Those on their way through one connection, and the attempt to make it. */
class Lane implements LaneOf {
  live = 0
  connecting: { readonly destroy: (error: Error) => void } | undefined

  /** Ends the attempt to connect, if nobody waits for it. */
  abandon(): void {
    if (this.live === 0) this.connecting?.destroy(new Error(nobodyWaits))
  }

  destroy(): void {
    this.connecting?.destroy(new Error(nobodyWaits))
  }
}

const isHttp2 = (socket: object): boolean => "alpnProtocol" in socket && socket.alpnProtocol === "h2"

/**
 * undici 7 asserts, where nobody could catch it, that its parser is not paused
 * when the connection ends: an upstream that closes while we hold back would end
 * the process ([undici#5360][1]). The parser copes, and says what there is to say.
 *
 * [1]: https://github.com/nodejs/undici/issues/5360
 */
const endable = (socket: EventEmitter): void => {
  const relax = () => {
    const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "parser")
    const parser: unknown = key === undefined ? undefined : Reflect.get(socket, key)
    if (Predicate.hasProperty(parser, "paused")) Object.assign(parser, { paused: false })
  }
  // Before undici's own listeners, which come once it has been told of the socket.
  socket.on("end", relax).on("error", relax).on("close", relax)
}
