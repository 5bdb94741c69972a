/**
 * Counts and stamps of namespaces on one server; see `Stamped` of the cache store.
 *
 * Counts begin at the time, so that one that was evicted does not begin again
 * below what entries and stamps have seen of it.
 */
import type { MemcachedConnection } from "../MemcachedConnection.ts"

export interface Counts {
  /** The invalidations so far: the position of what is begun now. */
  readonly seq: number
  /** The stamp of the last clear. */
  readonly all: number
}

/** How often a write that others got in the way of is tried. */
const attempts = 10

const microseconds = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1000)

export const makeStamps = (connection: MemcachedConnection, prefix: string) => {
  const seqOf = (namespace: string) => `${prefix}:${namespace}:seq`
  const allOf = (namespace: string) => `${prefix}:${namespace}:all`
  const tagOf = (namespace: string, tag: string) => `${prefix}:${namespace}:t:${tag}`

  /** Brings a stamp up to a count, and never down. */
  const raise = async (key: string, count: number): Promise<void> => {
    const value = Buffer.from(String(count))
    for (let attempt = 0; attempt < attempts; attempt++) {
      const [item] = await connection.getMany([key])
      if (item !== undefined && Number(item.value) >= count) return
      const version =
        item === undefined
          ? await connection.store("add", key, value, { expires: 0 })
          : await connection.store("set", key, value, { expires: 0, version: item.version })
      if (version !== undefined) return
    }
    throw new Error(`Others were in the way of a stamp ${attempts} times.`)
  }

  /**
   * Begins a count that is not there. What was begun under one that is gone can not be judged any more, so `all` is
   * brought up to it, and never beyond it: whoever comes second finds the first one's.
   */
  const begin = async (namespace: string): Promise<void> => {
    await connection.store("add", seqOf(namespace), Buffer.from(String(microseconds())), { expires: 0 })
    const [seq] = await connection.getMany([seqOf(namespace)])
    if (seq !== undefined) await raise(allOf(namespace), Number(seq.value))
  }

  const next = async (namespace: string): Promise<number> => {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const count = await connection.increment(seqOf(namespace), 1)
      if (count !== undefined) return count
      await begin(namespace)
    }
    throw new Error(`Others were in the way of a count ${attempts} times.`)
  }

  const clear = async (namespace: string): Promise<void> => raise(allOf(namespace), await next(namespace))

  const counts = async (namespace: string): Promise<Counts> => {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const [seq, all] = await connection.getMany([seqOf(namespace), allOf(namespace)])
      if (seq !== undefined && all !== undefined) return { seq: Number(seq.value), all: Number(all.value) }
      if (seq === undefined) await begin(namespace)
      // The first time it is most likely on its way: somebody is beginning the count.
      else if (attempt > 0) await clear(namespace)
    }
    throw new Error(`Others were in the way of a count ${attempts} times.`)
  }

  const ofTags = async (namespace: string, tags: ReadonlyArray<string>): Promise<ReadonlyMap<string, number>> => {
    const known = new Map<string, number>()
    if (tags.length === 0) return known
    const items = await connection.getMany(tags.map((tag) => tagOf(namespace, tag)))
    items.forEach((item, index) => {
      const tag = tags[index]
      if (item !== undefined && tag !== undefined) known.set(tag, Number(item.value))
    })
    return known
  }

  return {
    allOf,
    ofTags,
    counts,
    clear,
    removeTagged: async (namespace: string, tag: string): Promise<void> =>
      raise(tagOf(namespace, tag), await next(namespace)),
    /** Sees to it that an entry's tags have stamps. Answers whether it may have them: none was removed since its position. */
    beginTags: async (namespace: string, tags: ReadonlyArray<string>, position: number): Promise<boolean> => {
      const known = await ofTags(namespace, tags)
      for (const tag of tags) {
        const stamp = known.get(tag)
        if (stamp !== undefined && stamp > position) return false
        if (stamp === undefined) {
          await connection.store("add", tagOf(namespace, tag), Buffer.from(String(position)), { expires: 0 })
        }
      }
      return true
    }
  }
}
