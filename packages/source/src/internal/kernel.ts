/**
 * The queue under every load: plain objects, no fiber and no promise per key.
 *
 * A lane is what one Operation keeps for one source, group, set of services
 * and read epoch. Keys wanted of a lane gather in its open batch; the table
 * of the lane holds an entry for each key in flight and each key remembered.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Policy from "../Policy.ts"
import * as SourceError from "../SourceError.ts"
import * as Answers from "./answers.ts"
import type { Identity, Table } from "./identity.ts"
import type { Place, State } from "./state.ts"

export type Answer = Exit.Exit<unknown, unknown>
export type Resume = (exit: Answer) => void

/** What a source is, as the kernel sees it. */
export interface Definition {
  readonly name: string
  readonly key: Identity<unknown>
  readonly group: Identity<unknown> | undefined
  readonly policy: Policy.Policy
  readonly maxBatchSize: number
  readonly distinct: boolean
  readonly remember: boolean
  readonly rememberFailure: (error: unknown) => boolean
  readonly missing: (key: unknown) => Answer
  /** The services its batches run with, when it does not take them from its callers. */
  readonly closed: Context.Context<never> | undefined
  readonly resolve: (
    keys: ReadonlyArray<unknown>,
    batch: View
  ) => Effect.Effect<Answers.Answers<unknown, unknown, unknown>, unknown, never>
}

/** What a resolver sees of its batch. */
export interface View {
  readonly group: unknown
  readonly answer: (key: unknown, exit: Answer) => void
}

/** How one load asks, where that differs from its source. */
export interface Ask {
  readonly policy: Policy.Policy
  readonly distinct: boolean
  readonly fresh: boolean
}

/** One key wanted once. */
export class Entry {
  exit: Answer | undefined = undefined
  private first: Resume | undefined
  private more: Set<Resume> | undefined = undefined
  readonly id: unknown
  readonly key: unknown
  readonly batch: Batch | undefined

  constructor(id: unknown, key: unknown, batch: Batch | undefined, first: Resume | undefined) {
    this.id = id
    this.key = key
    this.batch = batch
    this.first = first
  }

  get isWanted(): boolean {
    return this.first !== undefined || (this.more !== undefined && this.more.size > 0)
  }

  join(resume: Resume): void {
    if (this.first === undefined) this.first = resume
    else if (this.more === undefined) this.more = new Set([resume])
    else this.more.add(resume)
  }

  /** Takes a caller out; the entry nobody wants any more leaves its batch. */
  leave(resume: Resume): void {
    if (this.exit !== undefined) return
    if (this.first === resume) this.first = undefined
    else if (this.more?.delete(resume) !== true) return
    if (!this.isWanted) this.batch?.abandon(this)
  }

  /** Answers everyone who waits. A caller that throws is its own problem, and is reported as such. */
  complete(exit: Answer): void {
    this.exit = exit
    const { first, more } = this
    this.first = undefined
    this.more = undefined
    if (first !== undefined) call(first, exit)
    if (more !== undefined) for (const resume of more) call(resume, exit)
  }
}

const call = (resume: Resume, exit: Answer): void => {
  try {
    resume(exit)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** What one Operation keeps for one source, group, set of services and epoch. */
export class Lane {
  open: Batch | undefined = undefined
  readonly table: Table<Entry>
  readonly state: State
  readonly place: Place
  readonly definition: Definition
  readonly group: unknown

  constructor(state: State, place: Place, definition: Definition, group: unknown) {
    this.state = state
    this.place = place
    this.definition = definition
    this.group = group
    this.table = definition.key.table()
  }

  /** Begins to wait for a key; an answer at hand is returned, and nobody waits. */
  load(key: unknown, ask: Ask, resume: Resume): Answer | Entry {
    const { state } = this
    state.loads++
    if (state.closed) return Exit.die(new SourceError.OperationClosed({ source: this.definition.name, key }))
    const id = this.definition.key.of(key)
    if (ask.distinct) return this.enqueue(id, key, ask.policy, resume, false)
    const known = this.table.get(id)
    if (known === undefined) return this.enqueue(id, key, ask.policy, resume, true)
    const { batch } = known
    if (ask.fresh && batch?.isOpen !== true) return this.enqueue(id, key, ask.policy, resume, true)
    if (known.exit !== undefined) {
      state.hits++
      return known.exit
    }
    state.joins++
    known.join(resume)
    if (batch?.isOpen === true) batch.admit(ask.policy)
    return known
  }

  private enqueue(
    id: unknown,
    key: unknown,
    policy: Policy.Policy,
    resume: Resume | undefined,
    shared: boolean
  ): Entry {
    let batch = this.open
    if (batch === undefined) {
      batch = new Batch(this)
      this.open = batch
    }
    const entry = new Entry(id, key, batch, resume)
    if (shared) this.table.set(id, entry)
    batch.entries.push(entry)
    batch.wanted++
    batch.admit(policy)
    if (batch.entries.length >= this.definition.maxBatchSize) {
      this.open = undefined
      this.state.dispatcher.soon(batch)
    }
    return entry
  }

  /** Puts a value in place without asking for it. What is in flight for the key stays with its callers. */
  put(key: unknown, exit: Answer, replace: boolean): void {
    const id = this.definition.key.of(key)
    if (!replace && this.table.get(id) !== undefined) return
    const entry = new Entry(id, key, undefined, undefined)
    entry.exit = exit
    this.table.set(id, entry)
  }

  remove(key: unknown): void {
    this.table.delete(this.definition.key.of(key))
  }

  /** Forgets an entry, unless another has taken its place. */
  forget(entry: Entry): void {
    if (this.table.get(entry.id) === entry) this.table.delete(entry.id)
  }
}

/** Keys that leave together. */
export class Batch implements View {
  isOpen = true
  /** How many entries somebody waits for and nothing has answered. */
  wanted = 0
  entries: Array<Entry> = []
  /** How many entries there were when the dispatcher last looked. */
  seen = 0
  policies: Array<Policy.Policy> = []
  timers: Array<() => void> | undefined = undefined
  fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined = undefined
  readonly lane: Lane

  constructor(lane: Lane) {
    this.lane = lane
  }

  get group(): unknown {
    return this.lane.group
  }

  /** Lets a load's policy have a say in when the batch leaves. */
  admit(policy: Policy.Policy): void {
    if (this.policies.includes(policy)) return
    this.policies.push(policy)
    this.lane.state.dispatcher.schedule(this, policy)
  }

  /** Takes out an entry that nobody wants; a call that nobody wants is interrupted. */
  abandon(entry: Entry): void {
    this.lane.forget(entry)
    this.wanted--
    if (this.wanted > 0) return
    if (this.fiber !== undefined) this.fiber.unsafeInterruptAsFork(FiberId.none)
  }

  /** Closes the batch to further keys and asks the resolver for those still wanted. */
  dispatch(): void {
    if (!this.isOpen) return
    const { definition, place, state } = this.lane
    this.isOpen = false
    if (this.lane.open === this) this.lane.open = undefined
    if (this.timers !== undefined) for (const stop of this.timers) stop()
    if (this.wanted !== this.entries.length) this.entries = this.entries.filter((entry) => entry.isWanted)
    if (this.entries.length === 0) return
    const keys = this.entries.map((entry) => entry.key)
    state.batches++
    state.keys += keys.length
    state.inFlight.add(this)
    const effect = Effect.suspend(() => definition.resolve(keys, this))
    const fiber = Runtime.runFork(state.runtimeOf(place, definition), effect)
    const exit = fiber.unsafePoll()
    if (exit !== null) return this.settle(exit)
    this.fiber = fiber
    fiber.addObserver((exit) => this.settle(exit))
  }

  /** Answers one key while the resolver still runs. The first answer counts. */
  answer(key: unknown, exit: Answer): void {
    const id = this.lane.definition.key.of(key)
    for (const entry of this.entries) {
      if (entry.exit === undefined && entry.id === id) this.complete(entry, exit)
    }
  }

  private complete(entry: Entry, exit: Answer): void {
    const { definition } = this.lane
    if (!definition.remember || (Exit.isFailure(exit) && !this.keeps(exit.cause))) this.lane.forget(entry)
    if (entry.isWanted) this.wanted--
    entry.complete(exit)
  }

  private keeps(cause: Cause.Cause<unknown>): boolean {
    const failure = Cause.failureOption(cause)
    return failure._tag === "Some" && this.lane.definition.rememberFailure(failure.value)
  }

  private settle(exit: Exit.Exit<Answers.Answers<unknown, unknown, unknown>, unknown>): void
  private settle(exit: Exit.Exit<unknown, unknown>): void
  private settle(exit: Exit.Exit<Answers.Answers<unknown, unknown, unknown>, unknown>): void {
    const { state } = this.lane
    this.fiber = undefined
    state.inFlight.delete(this)
    const answers = Exit.isSuccess(exit) ? exit.value : undefined
    if (Exit.isFailure(exit)) this.failAll(exit.cause)
    else this.answerAll(answers)
    this.entries = []
    state.dispatcher.settled()
  }

  private failAll(cause: Cause.Cause<unknown>): void {
    const exit = this.lane.state.closed ? Exit.interrupt(FiberId.none) : this.explain(cause)
    for (const entry of this.entries) if (entry.exit === undefined) this.complete(entry, exit)
  }

  /** A failure goes to the callers as it is; anything else names the source and keeps its cause. */
  private explain(cause: Cause.Cause<unknown>): Answer {
    if (Cause.isFailure(cause)) return Exit.failCause(cause)
    return Exit.die(this.defect(cause))
  }

  private defect(cause: unknown): SourceError.ResolverDefect {
    const error = Cause.isCause(cause) ? Cause.squash(cause) : cause
    return new SourceError.ResolverDefect({
      source: this.lane.definition.name,
      keys: this.entries.map((entry) => entry.key),
      cause: error
    })
  }

  private answerAll(answers: Answers.Answers<unknown, unknown, unknown>): void {
    const { definition } = this.lane
    const { entries } = this
    const malformed = (problem: string): void => {
      const keys = entries.map((entry) => entry.key)
      this.failAll(Cause.die(new SourceError.MalformedAnswer({ source: definition.name, keys, problem })))
    }
    if (Array.isArray(answers)) {
      if (answers.length !== entries.length) {
        return malformed(`answered ${answers.length} values for ${entries.length} keys`)
      }
      for (let i = 0; i < entries.length; i++) {
        const entry = entries[i]
        if (entry !== undefined && entry.exit === undefined) this.complete(entry, toExit(answers[i]))
      }
      return
    }
    const { of, isPrimitive } = definition.key
    const read = Answers.reader(answers, of, isPrimitive)
    if (read === undefined) return malformed(`answered with ${describe(answers)}, not with a list or a map`)
    for (const entry of entries) {
      if (entry.exit !== undefined) continue
      const slot = read(entry.key, entry.id)
      this.complete(entry, slot === Answers.none ? definition.missing(entry.key) : toExit(slot))
    }
  }

  /** Lets go of every caller without asking for anything: the Operation has closed. */
  drop(): void {
    this.isOpen = false
    if (this.timers !== undefined) for (const stop of this.timers) stop()
    this.failAll(Cause.interrupt(FiberId.none))
  }
}

const toExit = (slot: unknown): Answer => (slot instanceof Answers.Failed ? Exit.fail(slot.error) : Exit.succeed(slot))

const describe = (value: unknown): string => (value === null ? "null" : `a ${typeof value}`)
