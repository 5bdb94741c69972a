/**
 * A cache backend on Redis or Valkey.
 *
 * Reads are one MGET a batch, and one more for the stamps when entries have
 * tags. What must happen in one step happens in a script, on keys of one slot.
 */
import { randomUUID } from "node:crypto"
import { CacheBackend, Stamped } from "@wellspring/cache-store"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { makeNames, type Names } from "./internal/names.ts"
import * as Scripts from "./internal/scripts.ts"
import { makeServerTime } from "./internal/serverTime.ts"
import type { Argument, RedisClient } from "./RedisClient.ts"

export interface RedisBackendOptions {
  /** What every key and the channel begin with. Default `wellspring`. */
  readonly keyPrefix?: string | undefined
  /**
   * Parts of a namespace that live in one slot each. More spread it over a cluster's nodes; fewer make
   * one command of more reads. Default 1 on a single server, 32 on a cluster. All processes must agree.
   */
  readonly shards?: number | undefined
}

/** Stamps outlive every value that may be under way when they are made. */
const leastStampMillis = 10 * 60 * 1000
/** A quiet connection for invalidations is asked so often whether it lives. */
const pingInterval = Duration.seconds(10)
const pingTimeout = Duration.seconds(5)

const none = Option.none()

/**
 * The backend over a client. The scope ends its background work, and leaves the client open.
 *
 * @example
 * import { CacheStore } from "@wellspring/cache-store"
 * import { RedisBackend, RedisClient } from "@wellspring/redis"
 * import { Redis } from "ioredis"
 *
 * const client = new Redis({ enableOfflineQueue: false, autoResendUnfulfilledCommands: false })
 *
 * export const layer = CacheStore.layerBackend(RedisBackend.make(RedisClient.fromIoredis(client)))
 */
export const make = (
  client: RedisClient,
  options: RedisBackendOptions = {}
): Effect.Effect<CacheBackend.CacheBackend, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const names = makeNames(options.keyPrefix ?? "wellspring", options.shards ?? (client.isCluster ? 32 : 1))
    const serverTime = makeServerTime()

    const command = <A>(operation: CacheBackend.CacheStoreError["operation"], evaluate: () => Promise<A>) =>
      CacheBackend.command("redis", operation, evaluate)

    const run = async (script: Scripts.Script, keys: ReadonlyArray<string>, args: ReadonlyArray<Argument>) => {
      const [key = ""] = keys
      const count = String(keys.length)
      try {
        return await client.send(key, "EVALSHA", [script.sha, count, ...keys, ...args])
      } catch (error) {
        if (!String(error).includes("NOSCRIPT")) throw error
        return await client.send(key, "EVAL", [script.text, count, ...keys, ...args])
      }
    }

    const mget = (keys: ReadonlyArray<string>) =>
      client.send(keys[0] ?? "", "MGET", keys) as Promise<ReadonlyArray<Buffer | null>>

    /** Keys of one shard, each answer good by the stamps as they stand now. */
    const read = (at: Names, keys: ReadonlyArray<string>): Promise<Array<Option.Option<Uint8Array>>> =>
      mget([at.all, ...keys.map(at.entry)]).then(([all, ...stored]) => {
        const cleared = all === null || all === undefined ? Number.POSITIVE_INFINITY : Number(all)
        const values = stored.map((bytes) => (bytes === null ? undefined : decode(bytes, cleared)))
        return values.every((value) => value === undefined || value.tags.length === 0)
          ? values.map(bytesOf)
          : checkTags(at, values)
      })

    const checkTags = async (
      at: Names,
      values: ReadonlyArray<Stamped.Stamped | undefined>
    ): Promise<Array<Option.Option<Uint8Array>>> => {
      const stamps = await stampsOf(at, [...new Set(values.flatMap((value) => value?.tags ?? []))])
      return values.map((value) =>
        value?.tags.every((tag) => isGood(stamps.get(tag), value)) === true ? bytesOf(value) : none
      )
    }

    const stampsOf = async (at: Names, tags: ReadonlyArray<string>): Promise<Map<string, number>> => {
      const stamps = await mget(tags.map(at.tag))
      const known = new Map<string, number>()
      stamps.forEach((stamp, index) => {
        const tag = tags[index]
        if (stamp !== null && tag !== undefined) known.set(tag, Number(stamp))
      })
      return known
    }

    const getMany = async (
      namespace: string,
      keys: ReadonlyArray<string>
    ): Promise<ReadonlyArray<Option.Option<Uint8Array>>> => {
      const groups = names.group(namespace, keys)
      const answers = new Array<Option.Option<Uint8Array>>(keys.length).fill(none)
      await Promise.all(
        groups.map(async ({ at, keys, places }) => {
          const found = await read(at, keys)
          places.forEach((place, index) => {
            answers[place] = found[index] ?? none
          })
        })
      )
      return answers
    }

    const write = async (
      at: Names,
      key: string,
      value: Uint8Array,
      set: CacheBackend.BackendSetOptions
    ): Promise<boolean> => {
      const tags = Stamped.encodeTags(set.tags)
      const millis = Math.floor(Duration.toMillis(set.timeToLive))
      if (tags === undefined || millis < 1) return false
      const keys = [at.seq, at.all, at.entry(key), at.lease(key), ...set.tags.map(at.tag)]
      const timeToLive = Duration.isFinite(set.timeToLive) ? String(millis) : ""
      const attempt = serverTime.within(at.all, Duration.toMillis(set.timeout), async (deadline) => {
        const args = [value, timeToLive, set.token ?? "", deadline, tags, String(leastStampMillis)]
        const [code, now] = (await run(Scripts.set, keys, args)) as [number, number]
        return { answer: code, now, isLate: code === -1 }
      })
      return (await attempt) === 1
    }

    const onShards = (namespace: string, evaluate: (at: Names) => Promise<unknown>) =>
      Promise.all(names.shards(namespace).map(evaluate))

    /** Gives back the room of what a clear has left behind; what is good is not touched. */
    const sweep = async (namespace: string) => {
      for await (const page of client.scan(names.pattern(namespace))) {
        for (const { at, keys } of names.groupStored(namespace, page)) {
          await run(Scripts.sweep, [at.seq, at.all, ...keys], [])
        }
      }
    }

    return {
      name: "redis",
      get: (namespace, key) => command("get", async () => (await read(names.of(namespace, key), [key]))[0] ?? none),
      getMany: (namespace, keys) =>
        command("get", () => {
          const [only, second] = names.shards(namespace)
          return only !== undefined && second === undefined ? read(only, keys) : getMany(namespace, keys)
        }),
      set: (namespace, key, value, set) => command("set", () => write(names.of(namespace, key), key, value, set)),
      remove: (namespace, key) => {
        const at = names.of(namespace, key)
        const entry = at.entry(key)
        return command("remove", () => client.send(entry, "UNLINK", [entry, at.lease(key)]).then(() => {}))
      },
      clear: (namespace) =>
        Effect.tap(
          Effect.asVoid(command("clear", () => onShards(namespace, (at) => run(Scripts.clear, [at.seq, at.all], [])))),
          Effect.forkIn(Effect.ignore(Effect.tryPromise(() => sweep(namespace))), scope)
        ),
      removeTagged: (namespace, tag) =>
        Effect.asVoid(
          command("clear", () =>
            onShards(namespace, (at) =>
              run(Scripts.removeTagged, [at.seq, at.all, at.tag(tag)], [String(leastStampMillis)])
            )
          )
        ),
      leases: {
        acquire: (namespace, key, timeToLive) =>
          command("acquire", async () => {
            const at = names.of(namespace, key)
            const millis = String(Math.max(1, Math.ceil(Duration.toMillis(timeToLive))))
            const token = await run(Scripts.acquire, [at.seq, at.all, at.lease(key)], [randomUUID(), millis])
            return token === null ? none : Option.some(String(token))
          }),
        release: (namespace, key, token) => {
          const lease = names.of(namespace, key).lease(key)
          return command("release", () => run(Scripts.release, [lease], [token]).then(() => {}))
        }
      },
      channel: {
        publish: (message) =>
          command("publish", () => client.send(names.channel, "PUBLISH", [names.channel, message]).then(() => {})),
        subscribe: listen(client, names.channel)
      },
      reset: Effect.sync(() => client.reset())
    }
  })

/** An entry that no clear has left behind. Bytes that are no entry of ours are for the store above to find damaged, and to remove. */
const decode = (stored: Buffer, cleared: number): Stamped.Stamped | undefined => {
  const value = Stamped.decode(stored) ?? { position: Number.POSITIVE_INFINITY, tags: [], bytes: stored }
  return value.position < cleared ? undefined : value
}

const bytesOf = (value: Stamped.Stamped | undefined): Option.Option<Uint8Array> =>
  value === undefined ? none : Option.some(value.bytes)

const isGood = (stamp: number | undefined, value: Stamped.Stamped): boolean =>
  stamp !== undefined && stamp <= value.position

/** What is published, until the connection is lost or has gone silent. */
const listen = (client: RedisClient, channel: string): Stream.Stream<Uint8Array, CacheBackend.CacheStoreError> => {
  const lost = (cause: unknown) => new CacheBackend.CacheStoreError({ backend: "redis", operation: "subscribe", cause })
  return Stream.asyncPush<Uint8Array, CacheBackend.CacheStoreError>(
    (emit) =>
      Effect.gen(function* () {
        const subscription = yield* Effect.acquireRelease(
          Effect.tryPromise({
            try: () =>
              client.subscribe(channel, {
                onMessage: (message) => void emit.single(message),
                onLost: (cause) => void emit.fail(lost(cause))
              }),
            catch: lost
          }),
          (subscription) => Effect.sync(() => subscription.close())
        )
        emit.single(new Uint8Array())
        yield* Effect.tryPromise({ try: () => subscription.ping(), catch: lost }).pipe(
          Effect.timeoutFail({ duration: pingTimeout, onTimeout: () => lost(new Error("No answer to a ping.")) }),
          Effect.delay(pingInterval),
          Effect.forever,
          Effect.catchAll((error) => Effect.sync(() => void emit.fail(error))),
          Effect.forkScoped
        )
      }),
    { bufferSize: "unbounded" }
  )
}
