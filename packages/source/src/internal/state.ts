/** What an Operation is inside: its lanes, its calls in flight, its counts. */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Account, Call, Lifetime, Outcome } from "../Operation.ts"
import type { Batch } from "./batch.ts"
import * as BoundedMemo from "./boundedMemo.ts"
import type { Definition } from "./definition.ts"
import { Dispatcher } from "./dispatcher.ts"
import type { Guests } from "./guest.ts"
import { Lane } from "./lane.ts"
import { batchKey, operationKey, type Place, Places } from "./place.ts"

export const OperationTypeId: unique symbol = Symbol.for(operationKey)
/** Where a batch's sight of its Operation keeps the batch. */
export const ReporterId: unique symbol = Symbol.for("@wellspring/source/Operation/reporter")

/** Where a load comes from. */
export interface Caller {
  readonly place: Place
  /** The batch whose resolver it is, if it is one. */
  readonly batch: Batch | undefined
  readonly span: Tracer.AnySpan | undefined
}

export interface Settings {
  readonly runtime: Runtime.Runtime<never>
  readonly scope: Scope.Scope
  readonly clock: Clock.Clock
  readonly isTraced: boolean
  readonly schedule: (task: () => void) => void
}

export class State {
  loads = 0
  hits = 0
  joins = 0
  batches = 0
  keys = 0
  lifetime: Lifetime | undefined = undefined
  /** Whether everything that was read has been recorded as a call. */
  isAccounted = true
  /** How many batches run and do not wait for others. */
  running = 0
  epoch = 0
  epochBegan: BoundedMemo.Position = 0
  isClosed = false
  readonly clock: Clock.Clock
  readonly isTraced: boolean
  readonly dispatcher: Dispatcher
  /** Batches that wait for a place in front of their backend. */
  readonly queued = new Set<Batch>()
  readonly settings: Settings
  private readonly inFlight = new Set<Batch>()
  private background: Set<Fiber.RuntimeFiber<unknown, unknown>> | undefined = undefined
  private invited: Guests | undefined = undefined
  private calls = 0
  private readonly outcomes: Record<Outcome, number> = {
    hit: 0,
    stale: 0,
    revalidated: 0,
    miss: 0,
    collapsed: 0,
    bypass: 0
  }
  private slots: Map<object, unknown> | undefined = undefined
  private lastContext: Context.Context<never> | undefined = undefined
  private lastCaller: Caller | undefined = undefined
  private callers: WeakMap<Context.Context<never>, Caller> | undefined = undefined
  private readonly places = new Places()

  constructor(settings: Settings) {
    this.settings = settings
    this.clock = settings.clock
    this.isTraced = settings.isTraced
    this.dispatcher = new Dispatcher(this)
  }

  // Callers and lanes

  /** Who has these services. Nearly always the caller before. */
  caller(context: Context.Context<never>): Caller {
    if (context === this.lastContext && this.lastCaller !== undefined) return this.lastCaller
    let caller = this.callers?.get(context)
    if (caller === undefined) {
      const { unsafeMap } = context
      const batch: Batch | undefined = unsafeMap.get(batchKey)
      const place =
        batch?.lane.state === this && batch.lane.place.isOf(unsafeMap) ? batch.lane.place : this.places.of(unsafeMap)
      caller = { place, batch, span: unsafeMap.get(Tracer.ParentSpan.key) }
      // The first context is remembered as the last one; a table is for those who come back in turns.
      if (this.lastContext !== undefined) {
        this.callers ??= new WeakMap()
        this.callers.set(context, caller)
        if (this.lastCaller !== undefined) this.callers.set(this.lastContext, this.lastCaller)
      }
    }
    this.lastContext = context
    this.lastCaller = caller
    return caller
  }

  lane(definition: Definition, group: unknown, groupId: unknown, caller: Caller): Lane {
    const place = definition.closed === undefined ? caller.place : this.places.apart
    if (definition.group === undefined) {
      if (place.last?.definition === definition) return place.last
      let lane = place.lanes.get(definition)
      if (lane === undefined) {
        lane = new Lane(this, place, definition, group, groupId)
        place.lanes.set(definition, lane)
      }
      place.last = lane
      return lane
    }
    place.groups ??= new Map()
    let lanes = place.groups.get(definition)
    if (lanes === undefined) {
      lanes = definition.group.table<Lane>()
      place.groups.set(definition, lanes)
    }
    const known = lanes.get(groupId)
    if (known !== undefined) return known
    const lane = new Lane(this, place, definition, group, groupId)
    lanes.set(groupId, lane)
    return lane
  }

  /** The lanes of every group of a source that the caller can reach. */
  lanes(definition: Definition, caller: Caller): Iterable<Lane> {
    const place = definition.closed === undefined ? caller.place : this.places.apart
    return place.groups?.get(definition)?.values() ?? []
  }

  /** Forgets what is remembered and what is under way: calls go on for those who wait for them. */
  newEpoch(): void {
    this.epoch++
    this.epochBegan = BoundedMemo.next()
    for (const place of this.places) place.forget()
  }

  // Batches

  /** What a batch runs with: the services of its callers, or its source's own; the rest from the Operation. */
  runtimeFor(batch: Batch, place: Place, definition: Definition): Runtime.Runtime<never> {
    const { runtime, scope } = this.settings
    const own = runtime.context.unsafeMap
    const services = new Map<string, unknown>(definition.closed?.unsafeMap ?? place.given)
    services.set(operationKey, { [OperationTypeId]: this, [ReporterId]: batch })
    services.set(Scope.Scope.key, scope)
    services.set(batchKey, batch)
    const span = own.get(Tracer.ParentSpan.key)
    if (span === undefined) services.delete(Tracer.ParentSpan.key)
    else services.set(Tracer.ParentSpan.key, span)
    return Runtime.make({
      context: Context.unsafeMake<never>(services),
      runtimeFlags: runtime.runtimeFlags,
      fiberRefs: runtime.fiberRefs
    })
  }

  started(batch: Batch): void {
    this.inFlight.add(batch)
    this.running++
  }

  ended(batch: Batch, isPaused: boolean): void {
    this.inFlight.delete(batch)
    if (!isPaused) this.running--
    this.dispatcher.calmer()
  }

  paused(): void {
    this.running--
    this.dispatcher.calmer()
  }

  resumed(): void {
    this.running++
  }

  /** Lets a fiber finish what nobody waits for; the end of the Operation waits for it. */
  inBackground(fiber: Fiber.RuntimeFiber<unknown, unknown>): void {
    const background = this.background ?? new Set()
    this.background = background
    background.add(fiber)
    fiber.addObserver(() => background.delete(fiber))
  }

  /** Ends everything under way. Afterwards nobody waits and nothing is kept. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => this.end())
  }

  /** The same, begun at once; what it returns waits for whatever takes time to end. */
  end(): Effect.Effect<void> {
    this.isClosed = true
    this.dispatcher.close()
    for (const batch of this.queued) batch.drop()
    if (this.inFlight.size === 0) return this.settle()
    const running = [...this.inFlight].flatMap(({ fiber }) => (fiber === undefined ? [] : [fiber]))
    return Effect.zipRight(
      Fiber.interruptAllAs(running, FiberId.none),
      Effect.suspend(() => this.settle())
    )
  }

  private settle(): Effect.Effect<void> {
    // Resolvers have ended, and with them what they waited for; this is for everyone else.
    for (const guest of [...(this.invited ?? [])]) guest.stop()
    if (this.background === undefined || this.background.size === 0) {
      this.release()
      return Exit.void
    }
    return Effect.zipRight(
      Fiber.awaitAll(this.background),
      Effect.sync(() => this.release())
    )
  }

  private release(): void {
    this.epoch++
    for (const place of this.places) place.forget()
    this.places.clear()
    this.slots = undefined
    this.callers = undefined
    this.lastContext = undefined
    this.lastCaller = undefined
  }

  // For the rooms above

  get guests(): Guests {
    this.invited ??= new Set()
    return this.invited
  }

  findSlot<A>(key: object): A | undefined {
    return this.slots?.get(key) as A | undefined
  }

  slot<A>(key: object, make: () => A): A {
    if (this.slots?.has(key) === true) return this.slots.get(key) as A
    const made = make()
    if (this.isClosed) return made
    this.slots ??= new Map()
    this.slots.set(key, made)
    return made
  }

  recordCall({ lifetime, outcome }: Call): void {
    this.calls++
    this.outcomes[outcome]++
    if (lifetime === undefined) return
    const so = this.lifetime
    const narrows = lifetime.scope === "private" && so?.scope !== "private"
    // Most calls of an operation change nothing about it.
    if (so !== undefined && so.secondsLeft <= lifetime.secondsLeft && !narrows) return
    this.lifetime =
      so === undefined
        ? lifetime
        : {
            secondsLeft: Math.min(so.secondsLeft, lifetime.secondsLeft),
            scope: so.scope === "private" ? "private" : lifetime.scope
          }
  }

  account(): Account {
    const { batches, calls, hits, joins, keys, loads, outcomes } = this
    return { loads, batches, keys, hits, joins, calls, outcomes: { ...outcomes } }
  }
}
