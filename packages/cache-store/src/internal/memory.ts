/**
 * Entries of many spaces under one bound of bytes and of entries, least
 * recently used first to leave. Every operation is O(1), but for tags and prefixes.
 *
 * No timers: each write looks at a few entries, in a round over all of them,
 * and lets the expired ones go; so does a read that finds one.
 */
import { stringBytes } from "../Codec.ts"

/** The node, its boxed number, its place in the map with the map's slack: measured on V8 with 8-byte pointers. */
const nodeBytes = 184
/** A tag's place in an entry and the entry's place in the tag's set. */
const tagBytes = 72
/** How many entries a write looks at for expiry. Two is enough to keep up with any rate of writes. */
const sweepPerWrite = 2

class Node<A> {
  readonly space: Space<A>
  readonly key: string
  /** Nothing once it has been dropped: V8 may keep the node for long after, and is not to keep the value with it. */
  value: A | undefined
  bytes: number
  /** In milliseconds since the memory's epoch: V8 keeps a whole number of 32 bits in the node itself. */
  expires: number
  tags: ReadonlyArray<string> | undefined
  newer: Node<A> | undefined
  older: Node<A> | undefined

  constructor(
    space: Space<A>,
    key: string,
    value: A,
    bytes: number,
    expires: number,
    tags: ReadonlyArray<string> | undefined
  ) {
    this.space = space
    this.key = key
    this.value = value
    this.bytes = bytes
    this.expires = expires
    this.tags = tags
    this.newer = undefined
    this.older = undefined
  }
}

/** One namespace's entries. Spaces share the bounds of their memory, and nothing else. */
export class Space<A> {
  readonly nodes = new Map<string, Node<A>>()
  readonly tagged = new Map<string, Set<Node<A>>>()
}

export class Memory {
  bytes = 0
  entries = 0
  // Spaces hold values of different types in one list; a node always goes back to the space it came from.
  private newest: Node<never> | undefined = undefined
  private oldest: Node<never> | undefined = undefined
  /** Where the round over all entries has come to. */
  private hand: Node<never> | undefined = undefined
  private readonly maxBytes: number
  private readonly maxEntries: number
  /** Where expiries are counted from: the first write. */
  private epoch: number | undefined = undefined

  constructor(maxBytes: number, maxEntries: number) {
    this.maxBytes = maxBytes
    this.maxEntries = maxEntries
  }

  get<A>(space: Space<A>, key: string, now: number): A | undefined {
    const node = space.nodes.get(key)
    if (node === undefined) return undefined
    if (this.hasExpired(node, now)) {
      this.drop(node)
      return undefined
    }
    this.touch(node)
    return node.value
  }

  /** As `get`, with what is known of the entry. Does not count as a use. */
  entry<A>(space: Space<A>, key: string, now: number): Node<A> | undefined {
    const node = space.nodes.get(key)
    return node === undefined || this.hasExpired(node, now) ? undefined : node
  }

  /** The instant at which an entry expires. */
  expiryOf<A>({ expires }: Node<A>): number {
    return expires + (this.epoch ?? 0)
  }

  set<A>(
    space: Space<A>,
    key: string,
    value: A,
    size: number,
    expiresAt: number,
    tags: ReadonlyArray<string> | undefined,
    now: number
  ): boolean {
    const before = space.nodes.get(key)
    if (before !== undefined) this.drop(before)
    this.sweep(now)
    const bytes = bytesOf(key, size, tags)
    if (!(bytes <= this.maxBytes) || this.maxEntries < 1 || expiresAt <= now) return false
    this.epoch ??= now
    const node = new Node(space, key, value, bytes, expiresAt - this.epoch, tags)
    space.nodes.set(key, node)
    if (tags !== undefined) for (const tag of tags) addTag(space, tag, node)
    this.bytes += bytes
    this.entries++
    this.link(node)
    this.evict()
    return true
  }

  resize<A>(space: Space<A>, key: string, value: A, size: number): void {
    const node = space.nodes.get(key)
    if (node?.value === value) this.weigh(node, size)
  }

  /** Weighs what is there again. */
  reweigh<A>(space: Space<A>, key: string, sizeOf: (value: A) => number): void {
    const node = space.nodes.get(key)
    if (node?.value !== undefined) this.weigh(node, sizeOf(node.value))
  }

  private weigh<A>(node: Node<A>, size: number): void {
    const bytes = bytesOf(node.key, size, node.tags)
    this.bytes += bytes - node.bytes
    node.bytes = bytes
    this.evict()
  }

  remove<A>(space: Space<A>, key: string): void {
    const node = space.nodes.get(key)
    if (node !== undefined) this.drop(node)
  }

  removeTagged<A>(space: Space<A>, tag: string): void {
    const nodes = space.tagged.get(tag)
    if (nodes !== undefined) for (const node of [...nodes]) this.drop(node)
  }

  removePrefix<A>(space: Space<A>, prefix: string): void {
    for (const node of space.nodes.values()) if (node.key.startsWith(prefix)) this.drop(node)
  }

  clear<A>(space: Space<A>): void {
    for (const node of space.nodes.values()) this.drop(node)
  }

  /** Lets every expired entry go now. */
  sweepAll(now: number): void {
    for (let node = this.oldest; node !== undefined; ) {
      const next: Node<never> | undefined = node.newer
      if (this.hasExpired(node, now)) this.drop(node)
      node = next
    }
  }

  private hasExpired<A>(node: Node<A>, now: number): boolean {
    return node.expires <= now - (this.epoch ?? 0)
  }

  private sweep(now: number): void {
    for (let looked = 0; looked < sweepPerWrite; looked++) {
      const node = this.hand ?? this.oldest
      if (node === undefined) return
      this.hand = node.newer
      if (this.hasExpired(node, now)) this.drop(node)
    }
  }

  private evict(): void {
    while ((this.bytes > this.maxBytes || this.entries > this.maxEntries) && this.oldest !== undefined) {
      this.drop(this.oldest)
    }
  }

  private drop<A>(node: Node<A>): void {
    node.value = undefined
    node.space.nodes.delete(node.key)
    if (node.tags !== undefined) {
      for (const tag of node.tags) {
        const nodes = node.space.tagged.get(tag)
        if (nodes === undefined) continue
        nodes.delete(node)
        if (nodes.size === 0) node.space.tagged.delete(tag)
      }
    }
    this.bytes -= node.bytes
    this.entries--
    this.unlink(node)
  }

  private touch<A>(node: Node<A>): void {
    if (node.newer === undefined) return
    this.unlink(node)
    this.link(node)
  }

  private link<A>(node: Node<A>): void {
    const linked = node as unknown as Node<never>
    linked.older = this.newest
    linked.newer = undefined
    if (this.newest !== undefined) this.newest.newer = linked
    this.newest = linked
    this.oldest ??= linked
  }

  private unlink<A>(node: Node<A>): void {
    const linked = node as unknown as Node<never>
    if (this.hand === linked) this.hand = linked.newer
    if (linked.older !== undefined) linked.older.newer = linked.newer
    else this.oldest = linked.newer
    if (linked.newer !== undefined) linked.newer.older = linked.older
    else this.newest = linked.older
    linked.older = undefined
    linked.newer = undefined
  }
}

const bytesOf = (key: string, size: number, tags: ReadonlyArray<string> | undefined): number => {
  let bytes = nodeBytes + stringBytes(key) + size
  if (tags !== undefined) for (const tag of tags) bytes += tagBytes + stringBytes(tag)
  return bytes
}

const addTag = <A>(space: Space<A>, tag: string, node: Node<A>): void => {
  const nodes = space.tagged.get(tag)
  if (nodes === undefined) space.tagged.set(tag, new Set([node]))
  else nodes.add(node)
}
