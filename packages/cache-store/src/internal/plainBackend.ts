/**
 * A backend over a store that can only get, set and delete single keys.
 *
 * Clear and tags work by versions: an entry names the version of its namespace
 * and of each of its tags as they were when it was written, and is good while
 * they are the same. A version that is lost, or that two processes made at once, costs misses.
 */
import { randomBytes, randomInt } from "node:crypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type CacheBackend, type CacheStoreError, command } from "../CacheBackend.ts"
import * as Stamped from "../Stamped.ts"

export interface Plain {
  readonly name: string
  /** What every key begins with. */
  readonly keyPrefix: string
  readonly getMany: (keys: ReadonlyArray<string>) => Promise<ReadonlyArray<Uint8Array | undefined>>
  /** `undefined` keeps it for ever. */
  readonly set: (key: string, bytes: Uint8Array, timeToLiveMillis: number | undefined) => Promise<unknown>
  readonly remove: (key: string) => Promise<unknown>
}

/** As long as a tag's hash, so that it has a place among an entry's tags. */
const versionBytes = 16
const makeVersion = () =>
  randomBytes(versionBytes + 1)
    .toString("base64url")
    .slice(0, 22)

const none = Option.none()

export const make = (plain: Plain): CacheBackend => {
  const run = <A>(operation: CacheStoreError["operation"], evaluate: () => Promise<A>) =>
    command(plain.name, operation, evaluate)

  const entryOf = (namespace: string, key: string) => `${plain.keyPrefix}${namespace}:e:${key}`
  const allOf = (namespace: string) => `${plain.keyPrefix}${namespace}:all`
  const tagOf = (namespace: string, tag: string) => `${plain.keyPrefix}${namespace}:t:${tag}`

  const setText = (key: string, text: string) => plain.set(key, Buffer.from(text), undefined)

  /** The texts under some keys, each made where it is missing. */
  const versions = async (keys: ReadonlyArray<string>, fresh: () => string): Promise<ReadonlyArray<string>> => {
    if (keys.length === 0) return []
    const found = await plain.getMany(keys)
    return Promise.all(
      keys.map(async (key, index) => {
        const bytes = found[index]
        if (bytes !== undefined) return Buffer.from(bytes).toString()
        const made = fresh()
        await setText(key, made)
        return made
      })
    )
  }

  const makePosition = () => String(randomInt(2 ** 47))

  const getMany = async (
    namespace: string,
    keys: ReadonlyArray<string>
  ): Promise<ReadonlyArray<Option.Option<Uint8Array>>> => {
    const [all, ...stored] = await plain.getMany([allOf(namespace), ...keys.map((key) => entryOf(namespace, key))])
    const position = all === undefined ? Number.NaN : Number(Buffer.from(all).toString())
    const entries = stored.map((bytes) => {
      if (bytes === undefined) return undefined
      // Bytes that are no entry of ours are for the store above to find damaged, and to remove.
      const entry = Stamped.decode(bytes) ?? { position, tags: [], bytes }
      return entry.position === position ? entry : undefined
    })
    const tags = [...new Set(entries.flatMap((entry) => names(entry)))]
    const current = tags.length === 0 ? [] : await plain.getMany(tags.map((tag) => tagOf(namespace, tag)))
    const known = new Map(tags.map((tag, index) => [tag, text(current[index])]))
    return entries.map((entry) =>
      entry?.tags.every((tag, index) => index % 2 === 1 || known.get(tag) === entry.tags[index + 1]) === true
        ? Option.some(entry.bytes)
        : none
    )
  }

  return {
    name: plain.name,
    get: (namespace, key) => run("get", async () => (await getMany(namespace, [key]))[0] ?? none),
    getMany: (namespace, keys) => run("get", () => getMany(namespace, keys)),
    set: (namespace, key, bytes, { tags, timeToLive }) =>
      run("set", async () => {
        const [position = "0"] = await versions([allOf(namespace)], makePosition)
        const current = await versions(
          tags.map((tag) => tagOf(namespace, tag)),
          makeVersion
        )
        const named = tags.flatMap((tag, index) => [tag, current[index] ?? ""])
        const entry = Stamped.encode({ position: Number(position), tags: named, bytes })
        if (entry === undefined) return false
        const millis = Duration.isFinite(timeToLive) ? Duration.toMillis(timeToLive) : undefined
        await plain.set(entryOf(namespace, key), entry, millis)
        return true
      }),
    remove: (namespace, key) => Effect.asVoid(run("remove", () => plain.remove(entryOf(namespace, key)))),
    clear: (namespace) => Effect.asVoid(run("clear", () => setText(allOf(namespace), makePosition()))),
    removeTagged: (namespace, tag) => Effect.asVoid(run("clear", () => setText(tagOf(namespace, tag), makeVersion())))
  }
}

/** The tags of an entry without their versions, which stand after each. */
const names = (entry: Stamped.Stamped | undefined): ReadonlyArray<string> =>
  entry === undefined ? [] : entry.tags.filter((_, index) => index % 2 === 0)

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString()
