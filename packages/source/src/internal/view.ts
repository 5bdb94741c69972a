/** A source as its users hold it. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as RequestResolver from "effect/RequestResolver"
import type { LoadOptions } from "../Source.ts"
import type { Ask, Definition } from "./definition.ts"
import { Entry } from "./entry.ts"
import * as External from "./external.ts"
import { type Lane, ownerOf } from "./lane.ts"
import { callerOf, Load, laneOf, start, type Target } from "./load.ts"
import { type Gathering, gather, type Slot } from "./many.ts"
import { resolverOf } from "./requests.ts"

type Change = Effect.Effect<void, never, unknown>

export const SourceTypeId: unique symbol = Symbol.for("@wellspring/source/Source")

export const askOf = (definition: Definition): Ask => ({
  policy: definition.policy,
  distinct: definition.distinct,
  fresh: false,
  selection: undefined
})

/**
 * Its functions may be taken out of it: `Effect.forEach(ids, users.load)`. All
 * but the one that is used most are made when they are, since a view of a group
 * may live for one load.
 */
export class View {
  readonly [SourceTypeId]: Definition
  readonly target: Target

  constructor(target: Target) {
    this[SourceTypeId] = target.definition
    this.target = target
  }

  get name(): string {
    return this.target.definition.name
  }

  readonly load = (key: unknown): Load => new Load(this.target, key)

  get loadMany() {
    return (keys: Iterable<unknown>) => gather(this.target, keys, values)
  }

  get loadEithers() {
    return (keys: Iterable<unknown>) => gather(this.target, keys, eithers)
  }

  get loadAll() {
    return (keys: Readonly<Record<string, unknown>>) => {
      const names = Object.keys(keys)
      const wanted = names.map((name) => keys[name])
      return gather(this.target, wanted, record(names))
    }
  }

  get request() {
    return (key: unknown) => this.inContext((context) => start(this.target, context, key))
  }

  get prime() {
    return (key: unknown, value: unknown): Change => this.put([[key, value]], false)
  }

  get primeMany() {
    return (entries: Iterable<readonly [unknown, unknown]>): Change => this.put(entries, false)
  }

  get replace() {
    return (key: unknown, value: unknown): Change => this.put([[key, value]], true)
  }

  get clear() {
    return (key: unknown): Change => this.remove([key])
  }

  get clearMany() {
    return (keys: Iterable<unknown>): Change => this.remove(keys)
  }

  get clearAll(): Change {
    return this.inLane((lane) => {
      lane.clearAll()
      const { external } = lane.definition
      return external === undefined ? undefined : External.removeAll(external, lane.owner, { id: lane.groupId })
    })
  }

  get with() {
    return (options: LoadOptions): View => this.asking(options)
  }

  get select() {
    return (selection: unknown): View => this.asking({ selection })
  }

  get resolver(): RequestResolver.RequestResolver<Load, unknown> {
    return resolverOf(this.target.definition)
  }

  /** The same source over services of its own. */
  providing(context: Context.Context<never>): View {
    return new View({ ...this.target, definition: { ...this.target.definition, closed: context } })
  }

  private asking(options: Partial<Ask>): View {
    return new View({ ...this.target, ask: { ...this.target.ask, ...options } })
  }

  private remove(keys: Iterable<unknown>): Change {
    return this.inLane((lane) => {
      const ids = lane.clear(keys)
      const { external } = this.target.definition
      return external === undefined ? undefined : External.remove(lane, external, ids)
    })
  }

  private put(entries: Iterable<readonly [unknown, unknown]>, replaces: boolean): Change {
    return this.inLane((lane) => {
      const { external } = this.target.definition
      const writes: Array<Effect.Effect<void>> = []
      for (const [key, value] of entries) {
        const entry = lane.put(key, Exit.succeed(value), replaces)
        if (entry !== undefined && external !== undefined) writes.push(External.put(lane, external, entry, value))
      }
      return writes.length === 0 ? undefined : Effect.all(writes, { concurrency: 16, discard: true })
    })
  }

  private inLane(change: (lane: Lane) => Effect.Effect<void> | undefined): Change {
    return this.inContext((context) => change(laneOf(this.target, context))).pipe(
      Effect.flatMap((rest) => rest ?? Effect.void)
    )
  }

  private inContext<A>(f: (context: Context.Context<never>) => A): Effect.Effect<A, never, unknown> {
    return Effect.contextWith((context: Context.Context<unknown>) => f(context as Context.Context<never>))
  }
}

export class GroupedView {
  readonly [SourceTypeId]: Definition
  private readonly ask: Ask

  constructor(definition: Definition) {
    this[SourceTypeId] = definition
    this.ask = askOf(definition)
  }

  get name(): string {
    return this[SourceTypeId].name
  }

  readonly of = (group: unknown): View => {
    const definition = this[SourceTypeId]
    return new View({ definition, group, groupId: definition.group?.of(group), ask: this.ask })
  }

  get clearAll(): Change {
    const definition = this[SourceTypeId]
    return Effect.contextWithEffect((context: Context.Context<unknown>) => {
      const [state, caller] = callerOf(context as Context.Context<never>)
      for (const lane of state.lanes(definition, caller)) lane.clearAll()
      const { bounded, external } = definition
      if (bounded === undefined && external === undefined) return Effect.void
      const owner = ownerOf(definition, caller.place)
      bounded?.memo.clearAll(owner)
      return external === undefined ? Effect.void : External.removeAll(external, owner)
    })
  }
}

const values: Gathering<Array<unknown>> = {
  isFinal: () => true,
  finish: (slots) => slots.map(valueOf)
}

/** For answers among which a failure would have been final. */
const valueOf = (slot: Slot): unknown => {
  if (slot instanceof Entry) return slot.value
  return Exit.isSuccess(slot) ? slot.value : undefined
}

const eithers: Gathering<Array<Either.Either<unknown, unknown>>> = {
  isFinal: (exit) => Exit.isFailure(exit) && exit.cause._tag !== "Fail",
  finish: (slots) =>
    slots.map((slot) => {
      const exit = slot instanceof Entry ? slot.exit : slot
      if (Exit.isSuccess(exit)) return Either.right(exit.value)
      return Either.left(exit.cause._tag === "Fail" ? exit.cause.error : exit.cause)
    })
}

const record = (names: ReadonlyArray<string>): Gathering<Record<string, unknown>> => ({
  isFinal: () => true,
  finish: (slots) => Object.fromEntries(slots.map((slot, i) => [names[i], valueOf(slot)]))
})
