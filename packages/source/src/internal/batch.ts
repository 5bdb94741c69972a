/** Keys that leave together: how they gather, how they are asked for, how they are answered. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Tracer from "effect/Tracer"
import type * as Policy from "../Policy.ts"
import * as SourceError from "../SourceError.ts"
import * as Answers from "./answers.ts"
import * as BoundedMemo from "./boundedMemo.ts"
import type { Answer, External as ExternalMemo, ResolverView } from "./definition.ts"
import type { Entry } from "./entry.ts"
import * as External from "./external.ts"
import type { Table } from "./identity.ts"
import * as Instruments from "./instruments.ts"
import type { Lane } from "./lane.ts"

export class Batch {
  /** Whether it still takes keys. */
  isOpen = true
  /** Whether it has been answered, or given up. */
  isOver = false
  entries: Array<Entry> = []
  /** What its entries cost together. */
  cost = 0
  /** What its loads select together; `undefined` is everything. */
  selection: unknown = undefined
  /** How many entries there were when the dispatcher last looked. */
  seen = 0
  readonly policies: Array<Policy.Policy> = []
  /** When the call began, in the order of calls and clears. */
  since: BoundedMemo.Position = 0
  /** Where the history of an external store stood when it was asked. */
  position: number | undefined = undefined
  /** Entries that take no answer from a store. */
  fresh: Set<Entry> | undefined = undefined
  fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined = undefined
  /** The batches that its resolver waits for, with how many waits each. */
  waits: Map<Batch, number> | undefined = undefined
  /** How many resolvers wait for it in a row. */
  depth = 0
  /** How many entries somebody waits for and nothing has answered. */
  private wanted = 0
  private loads = 0
  private isRunning = false
  private isQueued = false
  private timers: Array<() => void> | undefined = undefined
  private spans: Set<Tracer.AnySpan> | undefined = undefined
  /** The entries by key, for answers that come one by one. */
  private index: Table<Array<Entry>> | undefined = undefined
  private readonly opened: number
  readonly lane: Lane

  constructor(lane: Lane) {
    this.lane = lane
    this.opened = lane.state.clock.unsafeCurrentTimeMillis()
  }

  // Gathering

  add(entry: Entry, selection: unknown): void {
    const { cost, selection: merge } = this.lane.definition
    if (merge !== undefined) {
      if (this.entries.length === 0) this.selection = selection
      else this.widen(selection)
    }
    if (cost !== undefined) this.cost += cost.of(entry.key)
    this.entries.push(entry)
    this.wanted++
    this.loads++
  }

  /** Adds a load of a key that is in the batch already. */
  rejoin(selection: unknown): void {
    this.loads++
    this.widen(selection)
  }

  private widen(selection: unknown): void {
    const merge = this.lane.definition.selection
    if (merge === undefined || this.selection === undefined) return
    this.selection = selection === undefined ? undefined : merge.merge(this.selection, selection)
  }

  /** Lets a load's policy have a say in when the batch leaves. */
  admit(policy: Policy.Policy): void {
    if (this.policies[0] === policy || this.policies.some((admitted) => Equal.equals(admitted, policy))) return
    this.policies.push(policy)
    this.lane.state.dispatcher.schedule(this, policy)
  }

  refresh(entry: Entry): void {
    this.fresh ??= new Set()
    this.fresh.add(entry)
  }

  /** Whether its resolver recorded a call, or loaded from sources that account for themselves. */
  isReported = false

  link(span: Tracer.AnySpan | undefined): void {
    if (span === undefined) return
    this.spans ??= new Set()
    this.spans.add(span)
  }

  onLeave(stop: () => void): void {
    this.timers ??= []
    this.timers.push(stop)
  }

  /** Takes out an entry that nobody wants. A call that nobody wants is interrupted. */
  abandon(entry: Entry): void {
    this.lane.forget(entry)
    this.wanted--
    entry.abandoned()
    if (this.wanted > 0 || this.isOpen) return
    if (this.fiber !== undefined) this.fiber.unsafeInterruptAsFork(FiberId.none)
    else if (this.isQueued) this.end()
  }

  // Asking

  /** Closes the batch to further keys, and sends it once its source's limits allow. */
  dispatch(): void {
    if (!this.isOpen) return
    this.close()
    const { gate } = this.lane.definition
    if (this.wanted === 0) this.end()
    else if (gate === undefined) this.run()
    else {
      this.isQueued = true
      this.lane.state.queued.add(this)
      gate.enter(this)
    }
  }

  private close(): void {
    this.isOpen = false
    this.lane.closed(this)
    if (this.timers === undefined) return
    for (const stop of this.timers) stop()
    this.timers = undefined
  }

  /** Asks the resolver, in a fiber of its own unless its answer is at hand. For the gate to call. */
  run(): void {
    const { definition, place, state } = this.lane
    if (this.isQueued) state.queued.delete(this)
    this.isQueued = false
    this.isRunning = true
    state.started(this)
    this.since = BoundedMemo.next()
    const effect = this.call()
    if (Exit.isExit(effect)) {
      this.settle(effect)
      return
    }
    const fiber = Runtime.runFork(state.runtimeFor(this, place, definition), effect)
    const exit = fiber.unsafePoll()
    if (exit !== null) {
      this.settle(exit)
      return
    }
    this.fiber = fiber
    fiber.addObserver((exit) => this.settle(exit))
    if (this.wanted === 0) fiber.unsafeInterruptAsFork(FiberId.none)
  }

  private call(): Effect.Effect<unknown, unknown> {
    const { external, gate } = this.lane.definition
    const delay = gate === undefined ? 0 : gate.delay(this.lane.state.clock.unsafeCurrentTimeMillis())
    if (external === undefined && delay === 0) return this.ask()
    const ask = Effect.suspend(() => this.ask())
    const call = external === undefined ? ask : External.lookUp(this, external, ask)
    return delay === 0 ? call : Effect.zipRight(Effect.sleep(delay), call)
  }

  /** Asks for the keys that are wanted at this moment, and not yet answered. */
  private ask(): Effect.Effect<unknown, unknown> {
    const { definition, group, state, tally } = this.lane
    if (this.wanted !== this.entries.length) this.entries = this.entries.filter((entry) => entry.isWanted)
    const size = this.entries.length
    if (size === 0) return Exit.void
    const waited = state.clock.unsafeCurrentTimeMillis() - this.opened
    const { hits } = tally
    state.batches++
    state.keys += size
    definition.instruments.batch(size, waited, tally)
    let effect: Effect.Effect<unknown, unknown>
    try {
      effect = definition.resolve(
        this.entries.map((entry) => entry.key),
        new Answering(this),
        this
      )
    } catch (defect) {
      effect = Exit.die(defect)
    }
    if (!state.isTraced) return effect
    return Instruments.span(effect, definition.name, this.spans ?? [], {
      "wellspring.batch.group": Instruments.show(group),
      "wellspring.batch.size": this.loads,
      "wellspring.batch.distinct": size,
      "wellspring.batch.hits": hits,
      "wellspring.batch.wait_millis": waited
    })
  }

  /** Its resolver waits for other batches: somebody else may have its place meanwhile. */
  paused(): void {
    if (!this.isRunning) return
    this.lane.definition.gate?.leave()
    this.lane.state.paused()
  }

  resumed(): void {
    if (!this.isRunning) return
    this.lane.definition.gate?.reenter()
    this.lane.state.resumed()
  }

  // Answering

  /** Answers one key while the resolver still runs. The first answer counts. */
  answer(key: unknown, exit: Answer): void {
    if (!this.isReported) this.lane.state.isAccounted = false
    const { of, table } = this.lane.definition.key
    if (this.index === undefined) {
      this.index = table()
      for (const entry of this.entries) {
        const same = this.index.get(entry.id)
        if (same === undefined) this.index.set(entry.id, [entry])
        else same.push(entry)
      }
    }
    for (const entry of this.index.get(of(key)) ?? []) {
      if (Exit.isSuccess(exit)) this.succeed(entry, exit.value)
      else this.complete(entry, exit)
    }
  }

  /** Answers an entry with a value from the resolver, unless it has an answer. */
  succeed(entry: Entry, value: unknown): void {
    if (entry.isAnswered) return
    if (entry.isWanted) this.wanted--
    const { found: wrap } = this.lane.definition
    const found = wrap === undefined ? value : wrap(value)
    this.lane.succeeded(entry, found, this)
    entry.succeed(found)
  }

  /** Answers an entry, unless it has an answer. */
  complete(entry: Entry, exit: Answer): void {
    if (entry.isAnswered) return
    if (entry.isWanted) this.wanted--
    if (Exit.isSuccess(exit)) {
      this.lane.succeeded(entry, exit.value, this)
      entry.complete(exit)
    } else entry.complete(this.failed(entry, exit))
  }

  /** The failure as its callers are to see it. */
  private failed(entry: Entry, exit: Exit.Failure<unknown, unknown>): Answer {
    try {
      this.lane.failed(entry, exit, this)
      return exit
    } catch (defect) {
      // What says whether a failure is remembered is the source's own code too.
      this.lane.forget(entry)
      return this.broken(defect)
    }
  }

  private settle(exit: Exit.Exit<unknown, unknown>): void {
    const { definition } = this.lane
    this.fiber = undefined
    if (!this.isReported) this.lane.state.isAccounted = false
    if (Exit.isFailure(exit)) this.failAll(this.explain(exit.cause))
    else this.answerAll(exit.value)
    if (definition.external !== undefined) this.keep(definition.external)
    this.end()
  }

  private answerAll(answers: unknown): void {
    const { key, missing } = this.lane.definition
    const { entries } = this
    if (Array.isArray(answers)) {
      const { length } = answers
      if (length !== entries.length) this.malformed(`answered ${length} values for ${entries.length} keys`)
      else for (let i = 0; i < length; i++) this.take(entries[i] as Entry, answers[i])
      return
    }
    try {
      const read = Answers.reader(answers, key)
      if (read === undefined) {
        this.malformed(`answered with ${Instruments.show(answers)}, not with a list or by key`)
        return
      }
      for (const entry of entries) {
        if (entry.isAnswered) continue
        const slot = read(entry.key, entry.id)
        if (slot === Answers.none) this.complete(entry, missing(entry.key))
        else this.take(entry, slot)
      }
    } catch (defect) {
      // What says the key of a row is the source's own code too.
      this.failAll(this.broken(defect))
    }
  }

  private take(entry: Entry, slot: unknown): void {
    if (slot instanceof Answers.Failed) this.complete(entry, Exit.fail(slot.error))
    else this.succeed(entry, slot)
  }

  private failAll(exit: Answer): void {
    for (const entry of this.entries) this.complete(entry, exit)
  }

  /** A failure goes to the callers as it is; anything else names the source and keeps its cause. */
  private explain(cause: Cause.Cause<unknown>): Answer {
    if (Cause.isFailure(cause)) return Exit.failCause(cause)
    if (this.lane.state.isClosed) return Exit.interrupt(FiberId.none)
    return this.broken(Cause.squash(cause))
  }

  private broken(cause: unknown): Answer {
    return Exit.die(new SourceError.ResolverDefect({ source: this.lane.definition.name, keys: this.keys(), cause }))
  }

  private malformed(problem: string): void {
    const source = this.lane.definition.name
    this.failAll(Exit.die(new SourceError.MalformedAnswer({ source, keys: this.keys(), problem })))
  }

  private keys(): Array<unknown> {
    return this.entries.map((entry) => entry.key)
  }

  /** Writes behind: nobody waits for it but the end of the Operation. */
  private keep(external: ExternalMemo): void {
    const { definition, place, state } = this.lane
    const write = External.keep(this, external)
    if (write !== undefined) state.inBackground(Runtime.runFork(state.runtimeFor(this, place, definition), write))
  }

  // Ending

  /** Lets go of every caller: the Operation has closed. */
  drop(): void {
    if (this.isOpen) this.close()
    this.failAll(Exit.interrupt(FiberId.none))
    this.end()
  }

  /** Gives back whatever the batch holds, and lets go of everything it points at. */
  private end(): void {
    if (this.isOver) return
    const { definition, state } = this.lane
    this.isOver = true
    if (this.isQueued) {
      definition.gate?.forget(this)
      state.queued.delete(this)
    }
    if (this.isRunning) {
      const isPaused = this.waits !== undefined
      this.isRunning = false
      state.ended(this, isPaused)
      if (!isPaused) definition.gate?.leave()
    }
    this.waits = undefined
    this.entries = []
    this.index = undefined
    this.spans = undefined
    this.fresh = undefined
  }
}

/** What a resolver sees of its batch. Its functions may be taken out of it. */
class Answering implements ResolverView {
  private readonly batch: Batch

  constructor(batch: Batch) {
    this.batch = batch
  }

  get group(): unknown {
    return this.batch.lane.group
  }

  get selection(): unknown {
    return this.batch.selection
  }

  get answer(): ResolverView["answer"] {
    return (key, exit) => this.batch.answer(key, exit)
  }

  get succeed(): ResolverView["succeed"] {
    return (key, value) => this.batch.answer(key, Exit.succeed(value))
  }

  get fail(): ResolverView["fail"] {
    return (key, error) => this.batch.answer(key, Exit.fail(error))
  }
}
