/**
 * Names of keys. A namespace, or each shard of it, is the slot's part of its
 * keys' names, so that a script may touch any of them together.
 */
import { crc32 } from "node:zlib"

/** The keys of one shard of one namespace. */
export interface Names {
  readonly seq: string
  readonly all: string
  readonly entry: (key: string) => string
  readonly lease: (key: string) => string
  readonly tag: (tag: string) => string
}

export interface Group {
  readonly at: Names
  readonly keys: Array<string>
  /** Where the keys stood among those asked. */
  readonly places: Array<number>
}

const make = (base: string): Names => ({
  seq: `${base}seq`,
  all: `${base}all`,
  entry: (key) => `${base}e:${key}`,
  lease: (key) => `${base}l:${key}`,
  tag: (tag) => `${base}t:${tag}`
})

export const makeNames = (keyPrefix: string, shards: number) => {
  const prefix = keyPrefix.replace(/[^A-Za-z0-9_.:-]/g, "_")
  const known = new Map<string, ReadonlyArray<Names>>()

  const baseOf = (namespace: string, shard: number) =>
    shards === 1 ? `${prefix}:{${namespace}}:` : `${prefix}:{${namespace}.${shard}}:`

  const ofNamespace = (namespace: string): ReadonlyArray<Names> => {
    const found = known.get(namespace)
    if (found !== undefined) return found
    const made = Array.from({ length: shards }, (_, shard) => make(baseOf(namespace, shard)))
    known.set(namespace, made)
    return made
  }

  const shardOf = (key: string) => (shards === 1 ? 0 : crc32(key) % shards)

  const of = (namespace: string, key: string): Names =>
    ofNamespace(namespace)[shardOf(key)] ?? make(baseOf(namespace, shardOf(key)))

  const group = (namespace: string, keys: ReadonlyArray<string>): ReadonlyArray<Group> => {
    const groups = new Map<Names, Group>()
    keys.forEach((key, place) => {
      const at = of(namespace, key)
      const group = groups.get(at)
      if (group === undefined) groups.set(at, { at, keys: [key], places: [place] })
      else {
        group.keys.push(key)
        group.places.push(place)
      }
    })
    return [...groups.values()]
  }

  return {
    of,
    group,
    shards: ofNamespace,
    channel: `${prefix}:invalidations`,
    /** Every entry of a namespace. Names hold no character that means something in a pattern. */
    pattern: (namespace: string) => (shards === 1 ? `${baseOf(namespace, 0)}e:*` : `${prefix}:{${namespace}.*}:e:*`),
    /** Stored names back among their shards. */
    groupStored: (namespace: string, stored: ReadonlyArray<string>) =>
      ofNamespace(namespace)
        .map((at) => ({ at, keys: stored.filter((name) => name.startsWith(at.entry(""))) }))
        .filter(({ keys }) => keys.length > 0)
  }
}
