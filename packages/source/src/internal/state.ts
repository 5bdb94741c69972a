/** What an Operation is inside: its lanes, its open batches, its counts. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Account, Call, Lifetime, Outcome } from "../Operation.ts"
import type * as Policy from "../Policy.ts"
import type { Table } from "./identity.ts"
import { type Batch, type Definition, Lane } from "./kernel.ts"

export const operationKey = "@wellspring/source/Operation"

/** Services that come and go with a caller and change nothing about an answer. */
const ignored: ReadonlySet<string> = new Set([operationKey, Tracer.ParentSpan.key, Scope.Scope.key])

/** One set of services, as callers of one Operation provide it. */
export class Place {
  runtime: Runtime.Runtime<never> | undefined = undefined
  lanes = new Map<Definition, Lane>()
  groups = new Map<Definition, Table<Lane>>()
  readonly services: ReadonlyMap<string, unknown>
  constructor(services: ReadonlyMap<string, unknown>) {
    this.services = services
  }

  holds(services: ReadonlyMap<string, unknown>): boolean {
    if (services.size !== this.services.size) return false
    for (const [key, service] of services) {
      if (!this.services.has(key)) return false
      const other = this.services.get(key)
      if (service !== other && !Equal.equals(service, other)) return false
    }
    return true
  }
}

export interface Settings {
  readonly runtime: Runtime.Runtime<never>
  readonly scope: Scope.Scope
  readonly schedule: (task: () => void) => void
}

export class State {
  loads = 0
  hits = 0
  joins = 0
  batches = 0
  keys = 0
  closed = false
  readonly inFlight = new Set<Batch>()
  readonly dispatcher: Dispatcher
  lifetime: Lifetime | undefined = undefined
  private calls = 0
  private readonly outcomes: Record<Outcome, number> = {
    hit: 0,
    stale: 0,
    revalidated: 0,
    miss: 0,
    collapsed: 0,
    bypass: 0
  }
  private readonly slots = new Map<object, unknown>()
  readonly settings: Settings
  private lastContext: Context.Context<never> | undefined
  private lastPlace: Place | undefined
  private contexts = new WeakMap<object, Place>()
  private places: Array<Place> = []
  private readonly closedPlace = new Place(new Map())

  constructor(settings: Settings) {
    this.settings = settings
    this.dispatcher = new Dispatcher(this)
  }

  /** The place of a caller's services. Nearly always the one of the caller before. */
  private placeOf(context: Context.Context<never>): Place {
    if (context === this.lastContext && this.lastPlace !== undefined) return this.lastPlace
    const place = this.contexts.get(context) ?? this.findPlace(context)
    this.lastContext = context
    this.lastPlace = place
    return place
  }

  private findPlace(context: Context.Context<never>): Place {
    const services = new Map<string, unknown>()
    for (const [key, service] of context.unsafeMap) if (!ignored.has(key)) services.set(key, service)
    let place = this.places.find((place) => place.holds(services))
    if (place === undefined) {
      place = new Place(services)
      this.places.push(place)
    }
    this.contexts.set(context, place)
    return place
  }

  lane(definition: Definition, group: unknown, groupId: unknown, context: Context.Context<never>): Lane {
    const place = definition.closed === undefined ? this.placeOf(context) : this.closedPlace
    if (definition.group === undefined) {
      const known = place.lanes.get(definition)
      if (known !== undefined) return known
      const lane = new Lane(this, place, definition, undefined)
      place.lanes.set(definition, lane)
      return lane
    }
    let lanes = place.groups.get(definition)
    if (lanes === undefined) {
      lanes = definition.group.table<Lane>()
      place.groups.set(definition, lanes)
    }
    let lane = lanes.get(groupId)
    if (lane === undefined) {
      lane = new Lane(this, place, definition, group)
      lanes.set(groupId, lane)
    }
    return lane
  }

  /** Forgets what is remembered. Batches under way go on for those who wait for them. */
  newEpoch(): void {
    for (const place of [...this.places, this.closedPlace]) {
      place.lanes = new Map()
      place.groups = new Map()
    }
  }

  runtimeOf(place: Place, definition: Definition): Runtime.Runtime<never> {
    const { runtime } = this.settings
    const services = new Map(place.services)
    const own = runtime.context.unsafeMap
    services.set(operationKey, own.get(operationKey))
    const span = own.get(Tracer.ParentSpan.key)
    if (span !== undefined) services.set(Tracer.ParentSpan.key, span)
    services.set(Scope.Scope.key, this.settings.scope)
    const context =
      definition.closed === undefined
        ? Context.unsafeMake(services)
        : Context.merge(definition.closed, Context.unsafeMake(services))
    return Runtime.make({ context, runtimeFlags: runtime.runtimeFlags, fiberRefs: runtime.fiberRefs })
  }

  slot<A>(key: object, make: () => A): A {
    if (this.slots.has(key)) return this.slots.get(key) as A
    const made = make()
    if (!this.closed) this.slots.set(key, made)
    return made
  }

  recordCall({ lifetime, outcome }: Call): void {
    this.calls++
    this.outcomes[outcome]++
    if (lifetime === undefined) return
    const so = this.lifetime
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

  close(): Array<Fiber.RuntimeFiber<unknown, unknown>> {
    this.closed = true
    const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    this.dispatcher.close()
    for (const { fiber } of this.inFlight) if (fiber !== undefined) fibers.push(fiber)
    this.newEpoch()
    this.slots.clear()
    return fibers
  }
}

/** Decides when open batches leave. */
export class Dispatcher {
  private turns = new Set<Batch>()
  private open = new Set<Batch>()
  private due: Array<Batch> = []
  private turning = false
  private held = 0
  private readonly state: State

  constructor(state: State) {
    this.state = state
  }

  schedule(batch: Batch, policy: Policy.Policy): void {
    this.open.add(batch)
    switch (policy._tag) {
      case "Immediate":
        return this.soon(batch)
      case "Turn":
      case "Quiet":
      case "Exhausted": {
        this.turns.add(batch)
        if (policy._tag !== "Turn") this.timer(batch, policy.maxWait)
        return this.turn()
      }
      case "Window":
        return this.timer(batch, policy.duration)
      case "Manual":
        return this.timer(batch, policy.maxWait)
    }
  }

  /** Lets a batch leave as soon as the code that is running pauses. */
  soon(batch: Batch): void {
    this.due.push(batch)
    if (this.due.length > 1) return
    queueMicrotask(() => {
      const due = this.due
      this.due = []
      for (const batch of due) this.go(batch)
    })
  }

  /** Holds the batches that wait for the Operation to be exhausted. */
  busy(): () => void {
    let holding = true
    this.held++
    return () => {
      if (!holding) return
      holding = false
      this.held--
      this.settled()
    }
  }

  /** Something that could have brought more keys has ended. */
  settled(): void {
    if (this.turns.size > 0) this.turn()
  }

  flush(): void {
    for (const batch of this.open) this.go(batch)
  }

  close(): void {
    for (const batch of this.open) batch.drop()
    this.open.clear()
    this.turns.clear()
  }

  private go(batch: Batch): void {
    this.open.delete(batch)
    this.turns.delete(batch)
    batch.dispatch()
  }

  private turn(): void {
    if (this.turning) return
    this.turning = true
    this.state.settings.schedule(() => {
      this.turning = false
      let again = false
      const ready: Array<Batch> = []
      for (const batch of this.turns) {
        if (this.isReady(batch)) ready.push(batch)
        else again ||= batch.policies.some((policy) => policy._tag === "Quiet")
      }
      for (const batch of ready) this.go(batch)
      if (again) this.turn()
    })
  }

  private isReady(batch: Batch): boolean {
    const grown = batch.entries.length !== batch.seen
    batch.seen = batch.entries.length
    return batch.policies.some((policy) => {
      if (policy._tag === "Turn") return true
      if (policy._tag === "Quiet") return !grown
      return policy._tag === "Exhausted" && this.held === 0 && this.state.inFlight.size === 0
    })
  }

  private timer(batch: Batch, duration: Duration.Duration): void {
    if (!Duration.isFinite(duration)) return
    const fiber = Runtime.runFork(
      this.state.settings.runtime,
      Effect.zipRight(
        Effect.sleep(duration),
        Effect.sync(() => this.go(batch))
      )
    )
    batch.timers ??= []
    batch.timers.push(() => fiber.unsafeInterruptAsFork(FiberId.none))
  }
}
