/** Many keys in one suspension. */
import type * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Fiberless from "../Fiberless.ts"
import type { Batch } from "./batch.ts"
import type { Answer, Ask } from "./definition.ts"
import { Entry } from "./entry.ts"
import type { Lane } from "./lane.ts"
import { callerOf, type Target } from "./load.ts"
import type { Caller } from "./state.ts"
import * as Waits from "./waits.ts"

/** By position, the answer that was at hand or the entry that has it now. */
export type Slot = Answer | Entry

/** What the answers to many keys come to. */
export interface Gathering<A> {
  /** Whether a failure ends the wait for the others. */
  readonly isFinal: (exit: Answer) => boolean
  readonly finish: (slots: ReadonlyArray<Slot>) => A
}

export const gather = <A>(
  target: Target,
  keys: Iterable<unknown>,
  gathering: Gathering<A>
): Fiberless.Fiberless<A, unknown, unknown> =>
  Fiberless.make((context: Context.Context<unknown>, resume: (exit: Exit.Exit<A, unknown>) => void) => {
    try {
      const [state, caller] = callerOf(context as Context.Context<never>)
      const lane = state.lane(target.definition, target.group, target.groupId, caller)
      return new Many(gathering, resume).start(lane, caller, target.ask, keys)
    } catch (defect) {
      return Exit.die(defect)
    }
  })

/** One caller that waits for many entries, and reads them all at the end. */
class Many<A> implements Fiberless.Reader {
  private slots: Array<Slot> = []
  /** The entries waited for, once there is a chance that two positions have the same. */
  private distinct: Set<Entry> | undefined = undefined
  private left = 0
  private isDone = false
  private batches: Set<Batch> | undefined = undefined
  private parent: Batch | undefined = undefined
  private readonly gathering: Gathering<A>
  private readonly resume: (exit: Exit.Exit<A, unknown>) => void

  constructor(gathering: Gathering<A>, resume: (exit: Exit.Exit<A, unknown>) => void) {
    this.gathering = gathering
    this.resume = resume
  }

  start(lane: Lane, caller: Caller, ask: Ask, keys: Iterable<unknown>): Exit.Exit<A, unknown> | Fiberless.Leave {
    const { state } = lane
    try {
      for (const key of keys) {
        const joins = state.joins
        const started = lane.load(caller, key, ask, this)
        if (started instanceof Entry) {
          // Only a key that was joined can be one of ours already.
          if (state.joins === joins || this.isNew(started)) this.left++
          this.distinct?.add(started)
        } else if (Exit.isFailure(started) && this.gathering.isFinal(started)) return this.end(started)
        this.slots.push(started)
      }
    } catch (defect) {
      return this.end(Exit.die(defect))
    }
    if (this.left === 0) return Exit.succeed(this.gathering.finish(this.slots))
    if (caller.batch !== undefined && !caller.batch.isOver) {
      const cycle = this.waitIn(caller.batch)
      if (cycle !== undefined) return this.end(Exit.die(cycle))
    }
    return () => this.leave()
  }

  private isNew(entry: Entry): boolean {
    this.distinct ??= new Set(this.entries())
    return !this.distinct.has(entry)
  }

  private *entries(): Iterable<Entry> {
    for (const slot of this.slots) if (slot instanceof Entry) yield slot
  }

  private waitIn(parent: Batch): unknown {
    const batches = new Set<Batch>()
    let key: unknown
    for (const entry of this.entries()) {
      if (entry.batch === undefined || batches.has(entry.batch)) continue
      batches.add(entry.batch)
      key = entry.key
    }
    const cycle = Waits.begin(parent, batches, key)
    if (cycle !== undefined) return cycle
    this.parent = parent
    this.batches = batches
    return undefined
  }

  told(entry: Entry): void {
    if (this.isDone) return
    if (entry.hasFailed && this.gathering.isFinal(entry.exit)) this.resume(this.end(entry.exit))
    else if (--this.left === 0) {
      this.done()
      const { slots } = this
      this.slots = []
      this.resume(Exit.succeed(this.gathering.finish(slots)))
    }
  }

  private end(exit: Answer): Exit.Exit<never, unknown> {
    this.leave()
    return exit as Exit.Exit<never, unknown>
  }

  private leave(): void {
    if (this.isDone) return
    this.done()
    for (const entry of this.entries()) entry.leave(this)
  }

  private done(): void {
    this.isDone = true
    if (this.parent !== undefined && this.batches !== undefined) Waits.end(this.parent, this.batches)
  }
}
