/**
 * What a source remembers beyond one Operation: bounded in time and in number.
 *
 * Answers are kept by owner, group and key. An answer is only kept when its
 * call began after the last time its key was cleared, so that a slow read does
 * not put back what a write has removed.
 */
import type { Answer } from "./definition.ts"
import type { Identity, Table } from "./identity.ts"

/** A point in the order of calls and clears of this process. */
export type Position = number

let position: Position = 0

/** The next point: later than every point before it. */
export const next = (): Position => ++position

interface Node {
  readonly shelf: Shelf
  readonly id: unknown
  /** The answer; none for a key that was cleared while calls were under way. */
  readonly exit: Answer | undefined
  readonly selection: unknown
  readonly expires: number
  /** When the call began, or the clear happened. */
  readonly since: Position
}

/** The answers of one owner and group. There is none without answers, so that owners come and go without a trace. */
interface Shelf {
  readonly owner: unknown
  readonly group: unknown
  readonly nodes: Table<Node>
}

export class BoundedMemo {
  /** Every node, the least recently used first. */
  private readonly order = new Set<Node>()
  private readonly owners = new Map<unknown, Table<Shelf>>()
  /** Calls that began before this point come too late for any key. */
  private floor: Position = 0
  private readonly capacity: number
  private readonly timeToLive: number
  private readonly key: Identity<unknown>
  private readonly group: Identity<unknown>

  constructor(capacity: number, timeToLive: number, key: Identity<unknown>, group: Identity<unknown>) {
    this.capacity = capacity
    this.timeToLive = timeToLive
    this.key = key
    this.group = group
  }

  get size(): number {
    return this.order.size
  }

  /** The answer for a key at an instant, when its call began at `since` or later. */
  get(owner: unknown, group: unknown, id: unknown, now: number, since: Position): Node | undefined {
    const node = this.owners.get(owner)?.get(group)?.nodes.get(id)
    if (node === undefined || node.exit === undefined || node.since < since) return undefined
    if (node.expires <= now) {
      this.drop(node)
      return undefined
    }
    this.order.delete(node)
    this.order.add(node)
    return node
  }

  /** Keeps an answer whose call began at `since`, unless the key has been cleared or answered since. */
  put(
    owner: unknown,
    group: unknown,
    id: unknown,
    exit: Answer,
    selection: unknown,
    now: number,
    since: Position
  ): void {
    if (since < this.floor) return
    const shelf = this.shelf(owner, group)
    const there = shelf.nodes.get(id)
    if (there !== undefined && there.since > since) return
    this.add({ shelf, id, exit, selection, expires: now + this.timeToLive, since })
  }

  clear(owner: unknown, group: unknown, id: unknown, now: number): void {
    const shelf = this.shelf(owner, group)
    this.add({ shelf, id, exit: undefined, selection: undefined, expires: now + this.timeToLive, since: next() })
  }

  /** Forgets a group of an owner, or all groups of it. */
  clearAll(owner: unknown, group?: { readonly id: unknown }): void {
    this.floor = next()
    const shelves = this.owners.get(owner)
    if (shelves === undefined) return
    const cleared = group === undefined ? [...shelves.values()] : [shelves.get(group.id)]
    for (const shelf of cleared) for (const node of [...(shelf?.nodes.values() ?? [])]) this.drop(node)
  }

  private shelf(owner: unknown, group: unknown): Shelf {
    let shelves = this.owners.get(owner)
    if (shelves === undefined) {
      shelves = this.group.table<Shelf>()
      this.owners.set(owner, shelves)
    }
    let shelf = shelves.get(group)
    if (shelf === undefined) {
      shelf = { owner, group, nodes: this.key.table() }
      shelves.set(group, shelf)
    }
    return shelf
  }

  private add(node: Node): void {
    const { nodes } = node.shelf
    const there = nodes.get(node.id)
    if (there !== undefined) this.order.delete(there)
    nodes.set(node.id, node)
    this.order.add(node)
    for (const oldest of this.order) {
      if (this.order.size <= this.capacity) return
      this.drop(oldest)
    }
  }

  private drop(node: Node): void {
    // Once it is forgotten that a key was written or cleared, any older call might put back what was there before.
    this.floor = Math.max(this.floor, node.since)
    const { group, id, nodes, owner } = { ...node.shelf, id: node.id }
    this.order.delete(node)
    nodes.delete(id)
    if (nodes.size > 0) return
    const shelves = this.owners.get(owner)
    shelves?.delete(group)
    if (shelves?.size === 0) this.owners.delete(owner)
  }
}
