/** The values that loading gives: Effects that can be answered without a fiber, and Requests. */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Request from "effect/Request"
import * as Fiberless from "../Fiberless.ts"
import type * as Operation from "../Operation.ts"
import type { Batch } from "./batch.ts"
import type { Answer, Ask, Definition, Resume } from "./definition.ts"
import { Entry } from "./entry.ts"
import type { Lane } from "./lane.ts"
import { operationKey } from "./place.ts"
import { type Caller, OperationTypeId, type State } from "./state.ts"
import * as Waits from "./waits.ts"

/** Which keys, of which source: what loads of one view have in common. */
export interface Target {
  readonly definition: Definition
  readonly group: unknown
  readonly groupId: unknown
  readonly ask: Ask
}

const stateOf = (context: Context.Context<never>): State => {
  const operation = context.unsafeMap.get(operationKey) as Operation.Service | undefined
  if (operation === undefined) throw new Error(`Service not found: ${operationKey}`)
  return operation[OperationTypeId]
}

export const callerOf = (context: Context.Context<never>): readonly [State, Caller] => {
  const state = stateOf(context)
  return [state, state.caller(context)]
}

export const laneOf = (target: Target, context: Context.Context<never>): Lane => {
  const state = stateOf(context)
  return state.lane(target.definition, target.group, target.groupId, state.caller(context))
}

export const begin = (
  target: Target,
  context: Context.Context<never>,
  key: unknown,
  resume: Resume
): Answer | Fiberless.Leave => {
  try {
    const state = stateOf(context)
    const caller = state.caller(context)
    const lane = state.lane(target.definition, target.group, target.groupId, caller)
    if (caller.batch !== undefined && !caller.batch.isOver)
      return within(caller.batch, lane, caller, target, key, resume)
    const started = lane.load(caller, key, target.ask, resume)
    return started instanceof Entry ? leaving(started, resume) : started
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** The same for a caller that waits for many keys. */
const join = (
  target: Target,
  context: Context.Context<never>,
  key: unknown,
  reader: Fiberless.Reader
): Answer | Entry | undefined => {
  try {
    const state = stateOf(context)
    const caller = state.caller(context)
    if (caller.batch !== undefined && !caller.batch.isOver) return undefined
    return state.lane(target.definition, target.group, target.groupId, caller).load(caller, key, target.ask, reader)
  } catch (defect) {
    return Exit.die(defect)
  }
}

// Closures are made apart from the path of every load, whose variables they would otherwise move to the heap.

const leaving =
  (entry: Entry, resume: Resume): Fiberless.Leave =>
  () =>
    entry.leave(resume)

const within = (
  parent: Batch,
  lane: Lane,
  caller: Caller,
  target: Target,
  key: unknown,
  resume: Resume
): Answer | Fiberless.Leave => nested(parent, key, resume, (wait) => lane.load(caller, key, target.ask, wait))

/** A wait by a resolver, whose batch then waits for the one that it enters. */
const nested = (
  parent: Batch,
  key: unknown,
  resume: Resume,
  enter: (wait: Resume) => Answer | Entry
): Answer | Fiberless.Leave => {
  let batches: ReadonlyArray<Batch> = []
  // A wait ends once: others of the same resolver may go on for the same batch.
  const over = (): void => {
    const ended = batches
    batches = []
    Waits.end(parent, ended)
  }
  const wait: Resume = (exit) => {
    over()
    resume(exit)
  }
  const started = enter(wait)
  if (!(started instanceof Entry)) return started
  if (started.batch !== undefined) batches = [started.batch]
  const cycle = Waits.begin(parent, batches, key)
  if (cycle !== undefined) {
    started.leave(wait)
    return Exit.die(cycle)
  }
  return () => {
    over()
    started.leave(wait)
  }
}

/** Asks for a key now, and gives what waits for it. */
export const start = (
  target: Target,
  context: Context.Context<never>,
  key: unknown
): Fiberless.Fiberless<unknown, unknown, unknown> => {
  const [state, caller] = callerOf(context)
  const lane = state.lane(target.definition, target.group, target.groupId, caller)
  const started = lane.load(caller, key, target.ask, hold)
  if (!(started instanceof Entry)) return Fiberless.make(() => started)
  return Fiberless.make((context: Context.Context<never>, resume: Resume) => {
    const { batch } = state.caller(context)
    const enter = (wait: Resume): Answer | Entry => {
      if (started.isAnswered) return started.exit
      started.join(wait)
      return started
    }
    if (batch !== undefined && !batch.isOver) return nested(batch, key, resume, enter)
    const entered = enter(resume)
    return entered instanceof Entry ? () => entered.leave(resume) : entered
  })
}

/** Wants a key for nobody in particular. */
const hold: Resume = () => undefined

const variance = { _E: (_: never) => _, _A: (_: never) => _ }

/** One key wanted. Two loads of a key are equal as requests, unless each must have its own answer. */
export class Load {
  readonly target: Target
  readonly key: unknown

  constructor(target: Target, key: unknown) {
    this.target = target
    this.key = key
  }

  [Fiberless.TypeId](context: Context.Context<never>, resume: Resume): Answer | Fiberless.Leave {
    return begin(this.target, context, this.key, resume)
  }

  [Fiberless.JoinId](context: Context.Context<never>, reader: Fiberless.Reader): Answer | Entry | undefined {
    return join(this.target, context, this.key, reader)
  }

  commit(): Effect.Effect<unknown, unknown, unknown> {
    return Fiberless.run(this as unknown as Fiberless.Fiberless<unknown, unknown, unknown>)
  }

  get [Request.RequestTypeId](): typeof variance {
    return variance
  }

  private get id(): unknown {
    return this.target.definition.key.of(this.key)
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    if (this === that) return true
    if (!isLoad(that)) return false
    const { ask, definition, groupId } = this.target
    return (
      definition === that.target.definition &&
      ask === that.target.ask &&
      !ask.distinct &&
      !ask.fresh &&
      Equal.equals(groupId, that.target.groupId) &&
      Equal.equals(this.id, that.id)
    )
  }

  [Hash.symbol](): number {
    const { definition, groupId } = this.target
    return Hash.cached(this, Hash.combine(Hash.hash(groupId))(Hash.combine(Hash.hash(this.id))(Hash.hash(definition))))
  }
}

// An Effect by its prototype, with no constructor to call on the way up: there is one of these for every load.
Object.setPrototypeOf(Load.prototype, Effectable.CommitPrototype)

/** Requests reach resolvers behind a proxy, so this asks by what a load is, not by where it comes from. */
const isLoad = (value: unknown): value is Load => value instanceof Load
