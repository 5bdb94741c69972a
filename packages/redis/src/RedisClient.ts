/**
 * What the store needs of a Redis client: one small port, and the clients it is known to fit.
 *
 * A client is used, not trusted: commands are given to it only while it is
 * connected, so that none waits in a queue for a server to come back.
 */

/** An argument of a command. */
export type Argument = string | Uint8Array

export interface Subscription {
  /** Settles when the server has answered, so that a dead connection can be told from a quiet one. */
  readonly ping: () => Promise<unknown>
  readonly close: () => void
}

export interface RedisClient {
  /** The library, for errors. */
  readonly name: string
  /** Whether keys live on several nodes. */
  readonly isCluster: boolean
  /**
   * Sends one command to the node that has `key`, now. Strings in the answer are `Buffer`s.
   * Rejects when there is no connection; never waits for one, never sends a command twice.
   */
  readonly send: (key: string, command: string, args: ReadonlyArray<Argument>) => Promise<unknown>
  /** Pages of the keys that match a pattern, over all nodes, without blocking any. */
  readonly scan: (pattern: string) => AsyncIterable<ReadonlyArray<string>>
  /** Hears a channel on a connection of its own. Settles when it is heard; `onLost` tells of its end. */
  readonly subscribe: (
    channel: string,
    listener: { readonly onMessage: (message: Uint8Array) => void; readonly onLost: (cause: unknown) => void }
  ) => Promise<Subscription>
  /** Drops connections that may be dead, and makes new ones. */
  readonly reset: () => void
}

type Callback = (...args: Array<unknown>) => void

/** What is used of a connection of ioredis 5 or iovalkey. */
export interface IoredisConnection {
  readonly status: string
  callBuffer(command: string, ...args: Array<string | Buffer>): Promise<unknown>
  duplicate(options?: object): IoredisConnection
  connect(): Promise<unknown>
  disconnect(reconnect?: boolean): void
  subscribe(...channels: Array<string>): Promise<unknown>
  ping(): Promise<unknown>
  on(event: string, listener: Callback): unknown
}

/** What is used of a cluster of ioredis 5 or iovalkey. */
export interface IoredisCluster {
  readonly status: string
  readonly isCluster: boolean
  nodes(role: "master" | "all"): ReadonlyArray<IoredisConnection>
  callBuffer(command: string, ...args: Array<string | Buffer>): Promise<unknown>
  disconnect(reconnect?: boolean): void
  on(event: string, listener: Callback): unknown
}

const asBuffer = (argument: Argument): string | Buffer =>
  typeof argument === "string" || Buffer.isBuffer(argument)
    ? argument
    : Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength)

/** Without a listener an error event ends the process; what failed is told by the commands that failed. */
const ignoreErrors = (emitter: { on(event: string, listener: Callback): unknown }): void =>
  void emitter.on("error", () => {})

/** Pages of one node's keys. */
async function* scanNode(
  send: (cursor: string) => Promise<unknown>
): AsyncGenerator<ReadonlyArray<string>, void, undefined> {
  let cursor = "0"
  do {
    const [next, keys] = (await send(cursor)) as [Buffer, ReadonlyArray<Buffer>]
    cursor = String(next)
    yield keys.map(String)
  } while (cursor !== "0")
}

const pageSize = "500"

/** How long an attempt to connect may take before it is taken for dead. */
const patienceMillis = 3_000

const isCluster = (client: IoredisConnection | IoredisCluster): client is IoredisCluster =>
  "isCluster" in client && client.isCluster === true && "nodes" in client

/**
 * A client of `ioredis` 5 or `iovalkey`: single, Sentinel or Cluster.
 *
 * Set `autoResendUnfulfilledCommands: false` and `maxRetriesPerRequest: 0` on a client of
 * your own, as `Redis.layer` does on its.
 */
export const fromIoredis = (client: IoredisConnection | IoredisCluster, name = "ioredis"): RedisClient => {
  ignoreErrors(client)
  const nodes = () => (isCluster(client) ? client.nodes("master") : [client])
  let lastReset = performance.now()
  return {
    name,
    isCluster: isCluster(client),
    send: (_key, command, args) =>
      client.status === "ready"
        ? client.callBuffer(command, ...args.map(asBuffer))
        : Promise.reject(new Error(`Not connected to Redis: ${client.status}.`)),
    scan: async function* (pattern) {
      for (const node of nodes()) {
        yield* scanNode((cursor) => node.callBuffer("SCAN", cursor, "MATCH", pattern, "COUNT", pageSize))
      }
    },
    subscribe: async (channel, { onMessage, onLost }) => {
      // A cluster carries messages between its nodes, so one of them hears everything.
      const [node] = isCluster(client) ? client.nodes("all") : [client]
      if (node === undefined) throw new Error("Not connected to Redis: no node is known.")
      const connection = node.duplicate({
        lazyConnect: true,
        enableOfflineQueue: false,
        enableReadyCheck: false,
        readOnly: false,
        autoResubscribe: false,
        connectionName: "wellspring-invalidations",
        retryStrategy: () => null
      })
      ignoreErrors(connection)
      connection.on("messageBuffer", (_channel, message) => {
        if (message instanceof Uint8Array) onMessage(message)
      })
      connection.on("end", () => onLost(new Error("The connection that hears invalidations was lost.")))
      try {
        await connection.connect()
        await connection.subscribe(channel)
      } catch (cause) {
        connection.disconnect()
        throw cause
      }
      return { ping: () => connection.ping(), close: () => connection.disconnect() }
    },
    reset: () => {
      // An attempt to connect is let be for a while: finding a master by its Sentinels takes longer than a probe.
      const isStuck = performance.now() - lastReset > patienceMillis
      if (client.status !== "ready" && !isStuck) return
      lastReset = performance.now()
      client.disconnect(true)
    }
  }
}

/** What is used of a client of node-redis 5 or 6. */
export interface NodeRedisConnection {
  readonly isReady: boolean
  sendCommand(args: ReadonlyArray<string | Buffer>, options?: object): Promise<unknown>
  duplicate(options?: object): NodeRedisConnection
  connect(): Promise<unknown>
  destroy(): void
  subscribe(channel: string, listener: (message: Buffer) => void, bufferMode: true): Promise<unknown>
  ping(): Promise<unknown>
  on(event: string, listener: Callback): unknown
}

/** What is used of a cluster of node-redis 5 or 6. */
export interface NodeRedisCluster {
  readonly masters: ReadonlyArray<{ readonly client?: NodeRedisConnection | Promise<NodeRedisConnection> | undefined }>
  sendCommand(
    firstKey: string,
    isReadonly: boolean,
    args: ReadonlyArray<string | Buffer>,
    options?: object
  ): Promise<unknown>
  on(event: string, listener: Callback): unknown
}

/** Bulk strings as they are: 36 is `$`, their mark in the protocol. */
const binary = { typeMapping: { 36: Buffer } }

const isNodeRedisCluster = (client: NodeRedisConnection | NodeRedisCluster): client is NodeRedisCluster =>
  "masters" in client

/**
 * A connected client of `redis` (node-redis) 5 or 6, single or cluster.
 *
 * Create it with `disableOfflineQueue: true`: what is in flight when a connection breaks must not be sent again.
 */
export const fromNodeRedis = (client: NodeRedisConnection | NodeRedisCluster): RedisClient => {
  ignoreErrors(client)
  const masters = async (): Promise<ReadonlyArray<NodeRedisConnection>> => {
    if (!isNodeRedisCluster(client)) return [client]
    const connected = await Promise.all(client.masters.map((master) => master.client))
    return connected.filter((master) => master !== undefined)
  }
  return {
    name: "redis",
    isCluster: isNodeRedisCluster(client),
    send: (key, command, args) => {
      const line = [command, ...args.map(asBuffer)]
      if (isNodeRedisCluster(client)) return client.sendCommand(key, false, line, binary)
      return client.isReady ? client.sendCommand(line, binary) : Promise.reject(new Error("Not connected to Redis."))
    },
    scan: async function* (pattern) {
      for (const node of await masters()) {
        yield* scanNode((cursor) => node.sendCommand(["SCAN", cursor, "MATCH", pattern, "COUNT", pageSize], binary))
      }
    },
    subscribe: async (channel, { onMessage, onLost }) => {
      const [node] = await masters()
      if (node === undefined) throw new Error("Not connected to Redis: no node is known.")
      const connection = node.duplicate()
      let lost = false
      const lose = (cause: unknown) => {
        if (lost) return
        lost = true
        connection.destroy()
        onLost(cause)
      }
      connection.on("error", lose)
      await connection.connect()
      await connection.subscribe(channel, onMessage, true)
      return {
        ping: () => connection.ping(),
        close: () => {
          lost = true
          connection.destroy()
        }
      }
    },
    // It has no way to drop a connection and keep its address; its own socket timeout has to do.
    reset: () => {}
  }
}
