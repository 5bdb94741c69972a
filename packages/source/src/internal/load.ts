/** The values that loading gives: Effects that can be answered without a fiber, and Requests. */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Fiberless from "../Fiberless.ts"
import type * as Operation from "../Operation.ts"
import type { Batch } from "./batch.ts"
import type { Answer, Ask, Definition, Resume } from "./definition.ts"
import { Entry } from "./entry.ts"
import type { Lane } from "./lane.ts"
import { type Caller, OperationTypeId, operationKey, type State } from "./state.ts"

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

const begin = (
  target: Target,
  context: Context.Context<never>,
  key: unknown,
  resume: Resume
): Answer | Fiberless.Leave => {
  try {
    const state = stateOf(context)
    const caller = state.caller(context)
    const lane = state.lane(target.definition, target.group, target.groupId, caller)
    if (caller.batch !== undefined && !caller.batch.isOver) {
      return nested(caller.batch, key, resume, (wait) => lane.load(caller, key, target.ask, wait))
    }
    const started = lane.load(caller, key, target.ask, resume)
    return started instanceof Entry ? () => started.leave(resume) : started
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** A wait by a resolver, whose batch then waits for the one that it enters. */
const nested = (
  parent: Batch,
  key: unknown,
  resume: Resume,
  enter: (wait: Resume) => Answer | Entry
): Answer | Fiberless.Leave => {
  let batches: ReadonlyArray<Batch> = []
  const wait: Resume = (exit) => {
    parent.waitedFor(batches)
    resume(exit)
  }
  const started = enter(wait)
  if (!(started instanceof Entry)) return started
  if (started.batch !== undefined) batches = [started.batch]
  const cycle = parent.waitFor(batches, key)
  if (cycle !== undefined) {
    started.leave(wait)
    return Exit.die(cycle)
  }
  return () => {
    parent.waitedFor(batches)
    batches = []
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
      if (started.exit === undefined) started.join(wait)
      return started.exit ?? started
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
export class Load extends Effectable.Class<unknown, unknown, unknown> {
  readonly target: Target
  readonly key: unknown

  constructor(target: Target, key: unknown) {
    super()
    this.target = target
    this.key = key
  }

  [Fiberless.TypeId](context: Context.Context<never>, resume: Resume): Answer | Fiberless.Leave {
    return begin(this.target, context, this.key, resume)
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

/** Requests reach resolvers behind a proxy, so this asks by what a load is, not by where it comes from. */
const isLoad = (value: unknown): value is Load => value instanceof Load

/** What many answers become: `keep` is given each, and may end the wait with a failure. */
export interface Gathering<A> {
  readonly value: A
  readonly keep: (exit: Answer, index: number) => Exit.Exit<never, unknown> | undefined
}

/** Many keys in one suspension. */
export const gather = <A>(
  target: Target,
  keys: Iterable<unknown>,
  make: () => Gathering<A>
): Fiberless.Fiberless<A, unknown, unknown> =>
  Fiberless.make((context: Context.Context<unknown>, resume: (exit: Exit.Exit<A, unknown>) => void) => {
    try {
      const [state, caller] = callerOf(context as Context.Context<never>)
      const lane = state.lane(target.definition, target.group, target.groupId, caller)
      return new Many(make(), resume).start(lane, caller, target.ask, keys)
    } catch (defect) {
      return Exit.die(defect)
    }
  })

class Many<A> {
  private readonly entries: Array<Entry> = []
  private readonly waits: Array<Resume> = []
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
    let index = 0
    try {
      for (const key of keys) {
        const at = index++
        const wait: Resume = (exit) => this.answer(exit, at)
        const started = lane.load(caller, key, ask, wait)
        if (started instanceof Entry) {
          this.left++
          this.entries.push(started)
          this.waits.push(wait)
          continue
        }
        const ended = this.gathering.keep(started, at)
        if (ended === undefined) continue
        this.leave()
        return ended
      }
    } catch (defect) {
      this.leave()
      return Exit.die(defect)
    }
    if (this.left === 0) return Exit.succeed(this.gathering.value)
    if (caller.batch !== undefined && !caller.batch.isOver) {
      const cycle = this.waitIn(caller.batch)
      if (cycle !== undefined) return Exit.die(cycle)
    }
    return () => this.leave()
  }

  private waitIn(parent: Batch): unknown {
    const batches = new Set<Batch>()
    for (const { batch } of this.entries) if (batch !== undefined) batches.add(batch)
    const cycle = parent.waitFor(batches, this.entries[0]?.key)
    if (cycle !== undefined) {
      this.leave()
      return cycle
    }
    this.parent = parent
    this.batches = batches
    return undefined
  }

  private answer(exit: Answer, index: number): void {
    if (this.isDone) return
    const ended = this.gathering.keep(exit, index)
    if (ended !== undefined) {
      this.leave()
      this.resume(ended)
    } else if (--this.left === 0) {
      this.done()
      this.resume(Exit.succeed(this.gathering.value))
    }
  }

  private leave(): void {
    if (this.isDone) return
    this.done()
    for (let i = 0; i < this.entries.length; i++) {
      const wait = this.waits[i]
      if (wait !== undefined) this.entries[i]?.leave(wait)
    }
  }

  private done(): void {
    this.isDone = true
    if (this.batches !== undefined) this.parent?.waitedFor(this.batches)
  }
}

const resolvers = new WeakMap<Definition, RequestResolver.RequestResolver<Load, unknown>>()

/** A source as a resolver of its own loads, for `Effect.request`. */
export const resolverOf = (definition: Definition): RequestResolver.RequestResolver<Load, unknown> => {
  const known = resolvers.get(definition)
  if (known !== undefined) return known
  const resolver = RequestResolver.makeWithEntry((blocks: Array<Array<Request.Entry<Load>>>) =>
    Effect.contextWithEffect((context: Context.Context<unknown>) =>
      Effect.forEach(blocks, (entries) => resolveAll(definition, entries, context as Context.Context<never>), {
        discard: true
      })
    )
  )
  resolvers.set(definition, resolver)
  return resolver
}

const resolveAll = (
  definition: Definition,
  entries: ReadonlyArray<Request.Entry<Load>>,
  context: Context.Context<never>
): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const leaves: Array<() => void> = []
    let left = 1
    const done = (): void => {
      if (--left === 0) resume(Effect.void)
    }
    for (const entry of entries) {
      if (entry.state.completed) continue
      const complete = (exit: Answer): void => {
        if (entry.state.completed) return
        entry.state.completed = true
        Deferred.unsafeDone(entry.result as unknown as Deferred.Deferred<unknown, unknown>, exit)
      }
      const { target, key } = entry.request
      if (target.definition !== definition) {
        const names = `"${definition.name}" was given a load of "${target.definition.name}"`
        complete(Exit.die(new TypeError(`The resolver of source ${names}.`)))
        continue
      }
      const started = begin(target, context, key, (exit) => {
        entry.listeners.removeObserver(watch)
        complete(exit)
        done()
      })
      // A caller that was interrupted gives up its key; the others of its batch go on.
      const watch = (count: number): void => {
        if (count > 0 || typeof started !== "function") return
        entry.listeners.removeObserver(watch)
        started()
        complete(Exit.interrupt(entry.ownerId))
        done()
      }
      if (typeof started !== "function") {
        complete(started)
        continue
      }
      left++
      leaves.push(started)
      entry.listeners.addObserver(watch)
    }
    done()
    return Effect.sync(() => {
      for (const leave of leaves) leave()
    })
  })
