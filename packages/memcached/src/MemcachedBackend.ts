/**
 * A cache backend on one Memcached server.
 *
 * Memcached has no step that touches two items, so each promise rests on the
 * version of one: an entry is only ever written over the version that was there
 * when its value was begun, or over a placeholder put there for it. Removing the
 * entry ends that version, and with it every write under way.
 */
import { randomUUID } from "node:crypto"
import { CacheBackend, Stamped } from "@wellspring/cache-store"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { makeStamps } from "./internal/stamps.ts"
import type { Item, MemcachedConnection } from "./MemcachedConnection.ts"

export interface MemcachedBackendOptions {
  /** What every key begins with, at most 40 characters. Default `wellspring`. */
  readonly keyPrefix?: string | undefined
  /** Entries longer than this in bytes are not stored; the server's `-I` less some room. Default 1 MiB less 1 KiB. */
  readonly maxItemBytes?: number | undefined
}

/** From here on the protocol takes a number of seconds for a date. */
const relativeSeconds = 30 * 24 * 60 * 60

/** How long the place of a value that is being written is held. */
const placeSeconds = 10

const none = Option.none()

/** First byte of what holds a place: entries begin with a position, whose first byte is never this. */
const placeholder = Buffer.from([0xff])

const isPlaceholder = (item: Item): boolean => item.value[0] === 0xff

const decode = (item: Item): Stamped.Stamped | undefined =>
  isPlaceholder(item)
    ? undefined
    : // Bytes that are no entry of ours are for the store above to find damaged, and to remove.
      (Stamped.decode(item.value) ?? { position: Number.POSITIVE_INFINITY, tags: [], bytes: item.value })

/** A server drops an item up to a second early, so it is given one more: an entry itself says when it expires. */
const expiryOf = (timeToLive: Duration.Duration): number => {
  if (!Duration.isFinite(timeToLive)) return 0
  const seconds = Math.ceil(Duration.toSeconds(timeToLive)) + 1
  if (seconds < relativeSeconds) return seconds
  const date = Math.floor((performance.timeOrigin + performance.now()) / 1000) + seconds
  return Math.min(date, 0xffffffff)
}

/** What a lease's holder shows: who it is, when its value was begun, over which version, and until when by this process's clock. */
interface Token {
  readonly holder: string
  readonly position: number
  readonly version: Buffer
  readonly until: number
}

const encodeToken = ({ holder, position, until, version }: Token): string =>
  [holder, position, version.toString("hex"), until].join(".")

const tokenPattern = /^([0-9a-f-]{36})\.(\d+)\.([0-9a-f]{16})\.(\d+)$/

const decodeToken = (token: string): Token | undefined => {
  const [, holder, position, version, until] = tokenPattern.exec(token) ?? []
  if (holder === undefined || position === undefined || version === undefined || until === undefined) return undefined
  return { holder, position: Number(position), version: Buffer.from(version, "hex"), until: Number(until) }
}

/** A lease as the server has it: who holds it, and when the value was begun. */
const heldBy = ({ holder, position }: Pick<Token, "holder" | "position">): string => `${holder}.${position}`

/** The backend over a connection, which stays open. */
export const make = (
  connection: MemcachedConnection,
  options: MemcachedBackendOptions = {}
): CacheBackend.CacheBackend => {
  const { maxItemBytes = 1024 * 1024 - 1024 } = options
  const prefix = (options.keyPrefix ?? "wellspring").replace(/[^A-Za-z0-9_.-]/g, "_").slice(0, 40)
  const name = `memcached ${connection.server}`
  const stamps = makeStamps(connection, prefix)
  const entryOf = (namespace: string, key: string) => `${prefix}:${namespace}:e:${key}`
  const leaseOf = (namespace: string, key: string) => `${prefix}:${namespace}:l:${key}`

  const command = <A>(operation: CacheBackend.CacheStoreError["operation"], evaluate: () => Promise<A>) =>
    CacheBackend.command(name, operation, evaluate)

  const getMany = async (
    namespace: string,
    keys: ReadonlyArray<string>
  ): Promise<ReadonlyArray<Option.Option<Uint8Array>>> => {
    const [all, ...items] = await connection.getMany([
      stamps.allOf(namespace),
      ...keys.map((key) => entryOf(namespace, key))
    ])
    if (all === undefined) return keys.map(() => none)
    const cleared = Number(all.value)
    const entries = items.map((item) => {
      const entry = item === undefined ? undefined : decode(item)
      return entry === undefined || entry.position < cleared ? undefined : entry
    })
    const tags = new Set(entries.flatMap((entry) => entry?.tags ?? []))
    const known = await stamps.ofTags(namespace, [...tags])
    return entries.map((entry) =>
      entry?.tags.every((tag) => (known.get(tag) ?? Number.POSITIVE_INFINITY) <= entry.position) === true
        ? Option.some(entry.bytes)
        : none
    )
  }

  /** The version to write over: of what is there, or of a placeholder put there. */
  const versionOf = async (entry: string, seconds: number): Promise<Buffer | undefined> => {
    for (let attempt = 0; attempt < 3; attempt++) {
      const [item] = await connection.getMany([entry])
      if (item !== undefined) return item.version
      const added = await connection.store("add", entry, placeholder, { expires: seconds })
      if (added !== undefined) return added
    }
    return undefined
  }

  const write = async (
    namespace: string,
    entry: string,
    bytes: Uint8Array,
    position: number,
    version: Buffer,
    { tags, timeToLive }: CacheBackend.BackendSetOptions
  ): Promise<boolean> => {
    const value = Stamped.encode({ position, tags, bytes })
    if (value === undefined || value.length > maxItemBytes) return false
    if (!(await stamps.beginTags(namespace, tags, position))) return false
    return (await connection.store("set", entry, value, { expires: expiryOf(timeToLive), version })) !== undefined
  }

  const setHeld = async (
    namespace: string,
    key: string,
    bytes: Uint8Array,
    token: Token,
    set: CacheBackend.BackendSetOptions
  ): Promise<boolean> => {
    const lease = leaseOf(namespace, key)
    const [held] = await connection.getMany([lease])
    // By our own clock as well: the server keeps a lease a little longer than it was asked for.
    if (held === undefined || String(held.value) !== heldBy(token) || performance.now() >= token.until) return false
    const { all } = await stamps.counts(namespace)
    if (token.position < all) return false
    const isKept = await write(namespace, entryOf(namespace, key), bytes, token.position, token.version, set)
    await connection.remove(lease, held.version)
    return isKept
  }

  const setPlainly = async (
    namespace: string,
    key: string,
    bytes: Uint8Array,
    set: CacheBackend.BackendSetOptions
  ): Promise<boolean> => {
    const entry = entryOf(namespace, key)
    // Somebody else may write at the same time: the last one stays.
    for (let attempt = 0; attempt < 3; attempt++) {
      const { seq } = await stamps.counts(namespace)
      const version = await versionOf(entry, placeSeconds)
      if (version === undefined) return false
      if (await write(namespace, entry, bytes, seq, version, set)) return true
      if (bytes.length > maxItemBytes) return false
    }
    return false
  }

  /** Ends a lease whose value a clear has made worthless already. Answers whether it is free now. */
  const endOld = async (lease: string, all: number): Promise<boolean> => {
    const [held] = await connection.getMany([lease])
    if (held === undefined) return true
    if (Number(String(held.value).split(".")[1]) >= all) return false
    await connection.remove(lease, held.version)
    return true
  }

  const acquire = async (
    namespace: string,
    key: string,
    timeToLive: Duration.Duration
  ): Promise<Option.Option<string>> => {
    const lease = leaseOf(namespace, key)
    const holder = randomUUID()
    const until = Math.floor(performance.now() + Duration.toMillis(timeToLive))
    const seconds = Math.ceil(Duration.toSeconds(timeToLive)) + 1
    const { all, seq: position } = await stamps.counts(namespace)
    const take = () => connection.store("add", lease, Buffer.from(heldBy({ holder, position })), { expires: seconds })
    const held = (await take()) ?? ((await endOld(lease, all)) ? await take() : undefined)
    if (held === undefined) return none
    const version = await versionOf(entryOf(namespace, key), seconds)
    if (version !== undefined) return Option.some(encodeToken({ holder, position, version, until }))
    await connection.remove(lease, held)
    return none
  }

  return {
    name,
    get: (namespace, key) => command("get", async () => (await getMany(namespace, [key]))[0] ?? none),
    getMany: (namespace, keys) => command("get", () => getMany(namespace, keys)),
    set: (namespace, key, bytes, set) =>
      command("set", async () => {
        if (bytes.length > maxItemBytes) return false
        if (set.token === undefined) return setPlainly(namespace, key, bytes, set)
        const token = decodeToken(set.token)
        return token === undefined ? false : setHeld(namespace, key, bytes, token, set)
      }),
    remove: (namespace, key) =>
      command("remove", async () => {
        await Promise.all([connection.remove(entryOf(namespace, key)), connection.remove(leaseOf(namespace, key))])
      }),
    clear: (namespace) => command("clear", () => stamps.clear(namespace)),
    removeTagged: (namespace, tag) => command("clear", () => stamps.removeTagged(namespace, tag)),
    leases: {
      acquire: (namespace, key, timeToLive) => command("acquire", () => acquire(namespace, key, timeToLive)),
      release: (namespace, key, token) =>
        command("release", async () => {
          const lease = leaseOf(namespace, key)
          const known = decodeToken(token)
          const [held] = await connection.getMany([lease])
          if (known === undefined || held === undefined || String(held.value) !== heldBy(known)) return
          await connection.remove(lease, held.version)
        })
    },
    reset: Effect.sync(() => connection.reset())
  }
}
