/** Keys that leave together. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
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

/** A chain of resolvers that wait for each other is not followed further than this. */
const maxDepth = 1000

export class Batch {
  /** Whether it still takes keys. */
  isOpen = true
  /** Whether it has been answered, or given up. */
  isOver = false
  /** How many entries somebody waits for and nothing has answered. */
  wanted = 0
  entries: Array<Entry> = []
  /** How many entries there were when the dispatcher last looked. */
  seen = 0
  cost = 0
  /** What its loads select together; `undefined` is everything. */
  selection: unknown = undefined
  readonly policies: Array<Policy.Policy> = []
  /** When the call began, in the order of calls and clears. */
  since: BoundedMemo.Position = 0
  /** Where the store's history of invalidations stood when it was asked. */
  position: number | undefined = undefined
  /** Entries that take no answer from the store. */
  fresh: Set<Entry> | undefined = undefined
  private timers: Array<() => void> | undefined = undefined
  private spans: Set<Tracer.AnySpan> | undefined = undefined
  fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined = undefined
  private isRunning = false
  private isQueued = false
  private depth = 0
  private loads = 0
  private readonly opened: number
  /** The batches that this one's resolver waits for, with how many waits each. */
  private waitsFor: Map<Batch, number> | undefined = undefined
  /** The entries by key, for answers that come one by one. */
  private index: Table<Array<Entry>> | undefined = undefined
  readonly lane: Lane

  constructor(lane: Lane) {
    this.lane = lane
    this.opened = lane.state.clock.unsafeCurrentTimeMillis()
  }

  // Filling

  add(entry: Entry, selection: unknown): void {
    const { cost, selection: merge } = this.lane.definition
    if (merge !== undefined) {
      this.selection =
        this.entries.length === 0
          ? selection
          : this.selection === undefined || selection === undefined
            ? undefined
            : merge.merge(this.selection, selection)
    }
    if (cost !== undefined) this.cost += cost.of(entry.key)
    this.entries.push(entry)
    this.wanted++
    this.loads++
  }

  /** Widens what an open batch selects for a key that is already in it. */
  widen(selection: unknown): void {
    const merge = this.lane.definition.selection
    this.loads++
    if (merge === undefined || this.selection === undefined) return
    this.selection = selection === undefined ? undefined : merge.merge(this.selection, selection)
  }

  /** Lets a load's policy have a say in when the batch leaves. */
  admit(policy: Policy.Policy): void {
    for (const admitted of this.policies) if (admitted === policy || Equal.equals(admitted, policy)) return
    this.policies.push(policy)
    this.lane.state.dispatcher.schedule(this, policy)
  }

  link(span: Tracer.AnySpan | undefined): void {
    if (span === undefined) return
    this.spans ??= new Set()
    this.spans.add(span)
  }

  refresh(entry: Entry): void {
    this.fresh ??= new Set()
    this.fresh.add(entry)
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

  // Leaving

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

  /** Calls the resolver. For the gate to call. */
  run(): void {
    const { definition, place, state } = this.lane
    this.isQueued = false
    this.isRunning = true
    state.queued.delete(this)
    state.started(this)
    this.since = BoundedMemo.next()
    const fiber = Runtime.runFork(state.runtimeFor(this, place, definition), this.effect())
    const exit = fiber.unsafePoll()
    if (exit !== null) {
      this.settle(exit)
      return
    }
    this.fiber = fiber
    fiber.addObserver((exit) => this.settle(exit))
    if (this.wanted === 0) fiber.unsafeInterruptAsFork(FiberId.none)
  }

  private effect(): Effect.Effect<unknown, unknown> {
    const { definition, state } = this.lane
    const call = definition.external === undefined ? this.call : External.lookUp(this, definition.external, this.call)
    const delay = definition.gate?.delay(state.clock.unsafeCurrentTimeMillis()) ?? 0
    return delay > 0 ? Effect.zipRight(Clock.sleep(Duration.millis(delay)), call) : call
  }

  /** Asks for the keys that are wanted at this moment, and not yet answered. */
  private readonly call: Effect.Effect<unknown, unknown> = Effect.suspend(() => {
    const { definition, state } = this.lane
    const before = this.entries.length
    if (this.wanted !== before) this.entries = this.entries.filter((entry) => entry.isWanted)
    if (this.entries.length === 0) return Effect.void
    const keys = this.entries.map((entry) => entry.key)
    state.batches++
    state.keys += keys.length
    const waited = state.clock.unsafeCurrentTimeMillis() - this.opened
    definition.instruments.batch(keys.length, waited)
    const hits = this.lane.tally.hits
    definition.instruments.tally(this.lane.tally)
    const effect = definition.resolve(keys, this.view(), this)
    if (!state.isTraced) return effect
    return Instruments.span(effect, definition.name, this.spans ?? [], {
      "wellspring.batch.group": describe(this.lane.group),
      "wellspring.batch.size": this.loads,
      "wellspring.batch.distinct": keys.length,
      "wellspring.batch.hits": hits,
      "wellspring.batch.wait_millis": waited
    })
  })

  private view(): ResolverView {
    return {
      group: this.lane.group,
      selection: this.selection,
      answer: (key, exit) => this.answer(key, exit),
      succeed: (key, value) => this.answer(key, Exit.succeed(value)),
      fail: (key, error) => this.answer(key, Exit.fail(error))
    }
  }

  // Waiting for other batches

  /** Notes that the resolver waits for other batches, unless that would be for ever. */
  waitFor(batches: Iterable<Batch>, key: unknown): SourceError.LoadCycle | undefined {
    for (const batch of batches) {
      const path = this.waitsFor?.has(batch) === true ? undefined : batch.pathTo(this, new Set())
      if (path === undefined && this.depth < maxDepth) continue
      const sources = [this, ...(path ?? [batch])].map(({ lane }) => lane.definition.name)
      return new SourceError.LoadCycle({ sources, key })
    }
    const wasWaiting = this.waitsFor !== undefined
    this.waitsFor ??= new Map()
    for (const batch of batches) {
      batch.depth = Math.max(batch.depth, this.depth + 1)
      this.waitsFor.set(batch, (this.waitsFor.get(batch) ?? 0) + 1)
    }
    if (!wasWaiting && this.isRunning) {
      this.lane.definition.gate?.leave()
      this.lane.state.parked()
    }
    return undefined
  }

  waitedFor(batches: Iterable<Batch>): void {
    const waits = this.waitsFor
    if (waits === undefined) return
    for (const batch of batches) {
      const left = (waits.get(batch) ?? 1) - 1
      if (left > 0) waits.set(batch, left)
      else waits.delete(batch)
    }
    if (waits.size > 0) return
    this.waitsFor = undefined
    if (!this.isRunning) return
    this.lane.definition.gate?.reenter()
    this.lane.state.unparked()
  }

  /** The batches by which this one waits for another, the other included. */
  private pathTo(other: Batch, visited: Set<Batch>): ReadonlyArray<Batch> | undefined {
    if (this === other) return [this]
    if (this.waitsFor === undefined || visited.has(this)) return undefined
    visited.add(this)
    for (const batch of this.waitsFor.keys()) {
      const path = batch.pathTo(other, visited)
      if (path !== undefined) return [this, ...path]
    }
    return undefined
  }

  // Answers

  /** Answers one key while the resolver still runs. The first answer counts. */
  answer(key: unknown, exit: Answer): void {
    const { of, table } = this.lane.definition.key
    if (this.index === undefined) {
      this.index = table()
      for (const entry of this.entries) {
        const same = this.index.get(entry.id)
        if (same === undefined) this.index.set(entry.id, [entry])
        else same.push(entry)
      }
    }
    const entries = this.index.get(of(key)) ?? []
    for (const entry of entries) {
      if (Exit.isSuccess(exit)) this.succeed(entry, exit.value)
      else this.complete(entry, exit)
    }
  }

  /** Answers an entry with a value from the resolver, unless it has an answer. */
  succeed(entry: Entry, value: unknown): void {
    if (entry.isAnswered) return
    if (entry.isWanted) this.wanted--
    const found = this.lane.definition.found(value)
    this.lane.succeeded(entry, found, this)
    entry.succeed(found)
  }

  /** Answers an entry, unless it has an answer. */
  complete(entry: Entry, exit: Answer): void {
    if (entry.isAnswered) return
    if (entry.isWanted) this.wanted--
    if (Exit.isSuccess(exit)) this.lane.succeeded(entry, exit.value, this)
    else this.lane.failed(entry, exit, this)
    entry.complete(exit)
  }

  private settle(exit: Exit.Exit<unknown, unknown>): void {
    const { definition } = this.lane
    this.fiber = undefined
    if (Exit.isFailure(exit)) this.failAll(this.explain(exit.cause))
    else this.answerAll(exit.value)
    if (definition.external !== undefined) this.keep(definition.external)
    this.end()
  }

  /** Writes behind: nobody waits for it but the end of the Operation. */
  private keep(external: ExternalMemo): void {
    const { definition, place, state } = this.lane
    const write = External.keep(this, external)
    if (write !== undefined) state.inBackground(Runtime.runFork(state.runtimeFor(this, place, definition), write))
  }

  /** Gives back whatever the batch holds, and lets go of everything it points at. */
  private end(): void {
    if (this.isOver) return
    const { definition, state } = this.lane
    const isParked = this.waitsFor !== undefined
    this.isOver = true
    if (this.isQueued) {
      definition.gate?.forget(this)
      state.queued.delete(this)
    }
    if (this.isRunning) {
      state.ended(this, isParked)
      if (!isParked) definition.gate?.leave()
    }
    this.isRunning = false
    this.waitsFor = undefined
    this.entries = []
    this.index = undefined
    this.spans = undefined
  }

  /** Lets go of every caller: the Operation has closed. */
  drop(): void {
    if (this.isOpen) this.close()
    this.failAll(Exit.interrupt(FiberId.none))
    this.end()
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
    const keys = this.entries.map((entry) => entry.key)
    return Exit.die(new SourceError.ResolverDefect({ source: this.lane.definition.name, keys, cause }))
  }

  private malformed(problem: string): void {
    const keys = this.entries.map((entry) => entry.key)
    this.failAll(Exit.die(new SourceError.MalformedAnswer({ source: this.lane.definition.name, keys, problem })))
  }

  private answerAll(answers: unknown): void {
    const { key, missing } = this.lane.definition
    if (Array.isArray(answers)) {
      this.answerInOrder(answers)
      return
    }
    try {
      const read = Answers.reader(answers, key)
      if (read === undefined) this.malformed(`answered with ${describe(answers)}, not with a list or by key`)
      else {
        for (const entry of this.entries) {
          if (entry.isAnswered) continue
          const slot = read(entry.key, entry.id)
          if (slot === Answers.none) this.complete(entry, missing(entry.key))
          else this.read(entry, slot)
        }
      }
    } catch (error) {
      // What reads the rows is the source's own code too.
      this.failAll(this.broken(error))
    }
  }

  private answerInOrder(answers: ReadonlyArray<unknown>): void {
    const { entries } = this
    const { length } = answers
    if (length !== entries.length) {
      this.malformed(`answered ${length} ${length === 1 ? "value" : "values"} for ${entries.length} keys`)
      return
    }
    for (let i = 0; i < length; i++) {
      const entry = entries[i]
      if (entry !== undefined) this.read(entry, answers[i])
    }
  }

  private read(entry: Entry, slot: unknown): void {
    if (slot instanceof Answers.Failed) this.complete(entry, Exit.fail(slot.error))
    else this.succeed(entry, slot)
  }
}

const describe = (value: unknown): string => {
  if (value === undefined || typeof value === "string") return value ?? ""
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return typeof value
  }
}
