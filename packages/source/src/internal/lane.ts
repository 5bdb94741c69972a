/**
 * What one Operation keeps for one source, group, set of services and epoch.
 *
 * Keys wanted of a lane gather in its open batch. Its table holds an entry for
 * each key on its way and each key remembered, so that one look answers both.
 */
import type * as Clock from "effect/Clock"
import * as Exit from "effect/Exit"
import * as SourceError from "../SourceError.ts"
import { Batch } from "./batch.ts"
import * as BoundedMemo from "./boundedMemo.ts"
import type { Answer, Ask, Definition } from "./definition.ts"
import { Entry, type Waiter } from "./entry.ts"
import type { Table } from "./identity.ts"
import type { Tally } from "./instruments.ts"
import type { Place } from "./place.ts"
import type { Caller, State } from "./state.ts"

export class Lane {
  readonly table: Table<Entry>
  readonly tally: Tally = { hits: 0, joins: 0 }
  readonly epoch: number
  readonly state: State
  readonly place: Place
  readonly definition: Definition
  readonly group: unknown
  readonly groupId: unknown
  /** Whose answers a memo keeps that outlives the Operation. */
  readonly owner: unknown
  private open: Batch | undefined = undefined

  constructor(state: State, place: Place, definition: Definition, group: unknown, groupId: unknown) {
    this.state = state
    this.epoch = state.epoch
    this.place = place
    this.definition = definition
    this.group = group
    this.groupId = groupId
    this.table = definition.key.table()
    this.owner = ownerOf(definition, place)
  }

  /** Begins to wait for a key. An answer at hand is returned, and nobody waits. */
  load(caller: Caller, key: unknown, ask: Ask, waiter: Waiter): Answer | Entry {
    const { definition, state, table } = this
    state.loads++
    if (caller.batch !== undefined) caller.batch.isReported = true
    if (state.isClosed) return Exit.die(new SourceError.OperationClosed({ source: definition.name, key }))
    const id = definition.key.of(key)
    if (ask.distinct) return this.enqueue(caller, id, key, ask, waiter)
    const known = table.get(id)
    if (known !== undefined) {
      const started = this.reuse(known, caller, ask, waiter)
      if (started !== undefined) return started
    } else if (definition.bounded !== undefined && !ask.fresh) {
      const remembered = this.remembered(definition.bounded.memo, definition.bounded.acrossEpochs, id, ask)
      if (remembered !== undefined) return remembered
    }
    const entry = this.enqueue(caller, id, key, ask, waiter)
    table.set(id, entry)
    return entry
  }

  /** Takes the answer that is there, or joins the call that is under way, where either will do for the load. */
  private reuse(known: Entry, caller: Caller, ask: Ask, waiter: Waiter): Answer | Entry | undefined {
    const { batch } = known
    if (batch?.isOpen === true && !known.isAnswered) {
      batch.rejoin(ask.selection)
      batch.admit(ask.policy)
      if (ask.fresh && this.definition.external !== undefined) batch.refresh(known)
    } else if (ask.fresh || !this.covers(known, ask)) return undefined
    if (known.isAnswered) {
      this.hit()
      return known.exit
    }
    this.state.joins++
    this.tally.joins++
    known.join(waiter)
    if (this.state.isTraced) batch?.link(caller.span)
    return known
  }

  private covers({ batch }: Entry, ask: Ask): boolean {
    const merge = this.definition.selection
    // A value that was put there, like one that was loaded without a selection, is whole.
    if (merge === undefined || batch === undefined || batch.selection === undefined) return true
    return ask.selection !== undefined && merge.covers(batch.selection, ask.selection)
  }

  private remembered(memo: BoundedMemo.BoundedMemo, acrossEpochs: boolean, id: unknown, ask: Ask): Answer | undefined {
    const since = acrossEpochs ? 0 : this.state.epochBegan
    const node = memo.get(this.owner, this.groupId, id, this.clock.unsafeCurrentTimeMillis(), since)
    if (node === undefined) return undefined
    const merge = this.definition.selection
    if (merge !== undefined && node.selection !== undefined) {
      if (ask.selection === undefined || !merge.covers(node.selection, ask.selection)) return undefined
    }
    this.hit()
    // It was read by another Operation, and what was recorded then stayed there.
    this.state.isAccounted = false
    return node.exit
  }

  hit(): void {
    this.state.hits++
    this.tally.hits++
  }

  private enqueue(caller: Caller, id: unknown, key: unknown, ask: Ask, waiter: Waiter): Entry {
    const { cost, maxBatchSize } = this.definition
    if (this.open !== undefined && cost !== undefined && this.open.cost + cost.of(key) > cost.max) this.full(this.open)
    let batch = this.open
    if (batch === undefined) {
      batch = new Batch(this)
      this.open = batch
    }
    const Kind = this.definition.entry
    const entry = Kind === Entry ? new Entry(id, key, batch, waiter) : new Kind(id, key, batch, waiter)
    batch.add(entry, ask.selection)
    batch.admit(ask.policy)
    if (ask.fresh && this.definition.external !== undefined) batch.refresh(entry)
    if (this.state.isTraced) batch.link(caller.span)
    if (batch.entries.length >= maxBatchSize) this.full(batch)
    return entry
  }

  /** A batch that can take no more need not wait for more. */
  private full(batch: Batch): void {
    this.open = undefined
    this.state.dispatcher.soon(batch)
  }

  /** A batch of this lane has left. */
  closed(batch: Batch): void {
    if (this.open === batch) this.open = undefined
  }

  /** Decides what stays of a value. */
  succeeded(entry: Entry, value: unknown, batch: Batch): void {
    const { bounded, remembers } = this.definition
    if (bounded !== undefined) this.keep(entry, Exit.succeed(value), batch, bounded.memo)
    if (!remembers) this.forget(entry)
  }

  /** Decides what stays of a failure. Interruptions and defects are never remembered. */
  failed(entry: Entry, exit: Exit.Failure<unknown, unknown>, batch: Batch): void {
    const { bounded, remembers, remembersFailure } = this.definition
    const lasts = exit.cause._tag === "Fail" && remembersFailure(exit.cause.error)
    if (bounded !== undefined && lasts) this.keep(entry, exit, batch, bounded.memo)
    if (!remembers || !lasts) this.forget(entry)
  }

  private keep(entry: Entry, exit: Answer, batch: Batch, memo: BoundedMemo.BoundedMemo): void {
    if (!this.holds(entry)) return
    memo.put(
      this.owner,
      this.groupId,
      entry.id,
      exit,
      batch.selection,
      this.clock.unsafeCurrentTimeMillis(),
      batch.since
    )
  }

  /** Whether an entry is still the one for its key: a key cleared, replaced or asked for anew has another, or none. */
  holds(entry: Entry): boolean {
    return this.table.get(entry.id) === entry
  }

  /** Forgets an entry, unless another has taken its place. */
  forget(entry: Entry): void {
    if (this.holds(entry)) this.table.delete(entry.id)
  }

  /** Puts an answer in place without a call. Who waits for a call goes on waiting for it. */
  put(key: unknown, exit: Answer, replaces: boolean): Entry | undefined {
    const { bounded, remembers } = this.definition
    const id = this.definition.key.of(key)
    const known = this.table.get(id)
    if (this.state.isClosed) return undefined
    let entry = known
    if (known?.batch?.isOpen === true && !known.isAnswered) {
      // Nothing has been asked yet: those who wait can have it at once.
      known.batch.complete(known, exit)
    } else if (!replaces && this.has(id)) return undefined
    else {
      entry = new Entry(id, key, undefined, undefined)
      entry.complete(exit)
      if (remembers) this.table.set(id, entry)
      else this.table.delete(id)
    }
    const now = this.clock.unsafeCurrentTimeMillis()
    bounded?.memo.put(this.owner, this.groupId, id, exit, undefined, now, BoundedMemo.next())
    return entry
  }

  private has(id: unknown): boolean {
    if (this.table.get(id) !== undefined) return true
    const { bounded } = this.definition
    if (bounded === undefined) return false
    return this.remembered(bounded.memo, bounded.acrossEpochs, id, anything) !== undefined
  }

  clear(keys: Iterable<unknown>): ReadonlyArray<unknown> {
    const { bounded, key } = this.definition
    const now = this.clock.unsafeCurrentTimeMillis()
    const ids: Array<unknown> = []
    for (const one of keys) {
      const id = key.of(one)
      ids.push(id)
      this.table.delete(id)
      bounded?.memo.clear(this.owner, this.groupId, id, now)
    }
    return ids
  }

  clearAll(): void {
    this.table.clear()
    this.definition.bounded?.memo.clearAll(this.owner, { id: this.groupId })
  }

  private get clock(): Clock.Clock {
    return this.state.clock
  }
}

/** Whose answers they are, among what a memo keeps beyond the Operation. */
export const ownerOf = ({ bounded, closed, external }: Definition, place: Place): unknown =>
  (bounded ?? external)?.owner(closed === undefined ? place.services : closed.unsafeMap)

/** Asks for anything that is there, whatever it selects. */
const anything: Ask = { policy: { _tag: "Turn" }, distinct: false, fresh: false, selection: undefined }
