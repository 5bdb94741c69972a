/**
 * A named way to get values for keys, in batches.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as HashMap from "effect/HashMap"
import type * as Schema from "effect/Schema"
import * as Fiberless from "./Fiberless.ts"
import { Failed, Rows } from "./internal/answers.ts"
import * as Identity from "./internal/identity.ts"
import { type Answer, type Ask, type Definition, Entry, type Lane } from "./internal/kernel.ts"
import { operationKey } from "./internal/state.ts"
import * as Operation from "./Operation.ts"
import * as Policy from "./Policy.ts"
import * as SourceError from "./SourceError.ts"

export const TypeId: unique symbol = Symbol.for("@wellspring/source/Source")
export type TypeId = typeof TypeId

/** One load: an Effect, answerable by callback without a fiber. */
export interface Load<out A, out E = never, out R = never> extends Fiberless.Fiberless<A, E, R> {}

/** How the loads of a view ask, where that differs from its source. */
export interface LoadOptions {
  /** When the batch leaves at the latest, as far as these loads are concerned. */
  readonly policy?: Policy.Policy
  /** Does not share a call with equal keys, and remembers nothing. Default false. */
  readonly distinct?: boolean
  /** Takes no answer whose call began before the load. Default false. */
  readonly fresh?: boolean
}

/** A named way to get values for keys, in batches. */
export interface Source<in K, in out A, in out E = never, out R = never> {
  readonly [TypeId]: Definition
  readonly name: string
  /** The value for one key. */
  readonly load: (key: K) => Load<A, E, R | Operation.Operation>
  /** The values for many keys, in their order, in one suspension. Fails with the first failure. */
  readonly loadMany: (keys: Iterable<K>) => Load<Array<A>, E, R | Operation.Operation>
  /** As `loadMany`, with each key's failure in its place. */
  readonly loadEithers: (keys: Iterable<K>) => Load<Array<Either.Either<A, E>>, never, R | Operation.Operation>
  /** Remembers a value for a key, unless there is one or one is on its way. */
  readonly prime: (key: K, value: A) => Effect.Effect<void, never, R | Operation.Operation>
  /** Remembers a value for a key in place of what is there. */
  readonly replace: (key: K, value: A) => Effect.Effect<void, never, R | Operation.Operation>
  /** Forgets a key. Who waits for it keeps waiting; who asks for it from now on asks anew. */
  readonly clear: (key: K) => Effect.Effect<void, never, R | Operation.Operation>
  /** Forgets every key of the source, or of the group. */
  readonly clearAll: Effect.Effect<void, never, R | Operation.Operation>
  /** The same source, whose loads ask otherwise. */
  readonly with: (options: LoadOptions) => Source<K, A, E, R>
}

/** A source whose batches share parameters besides their keys. */
export interface Grouped<in G, in K, in out A, in out E = never, out R = never> {
  readonly [TypeId]: Definition
  readonly name: string
  /** The source for one group. Equal groups share batches and memory. */
  readonly of: (group: G) => Source<K, A, E, R>
}

/** What a resolver knows of its batch, and how it answers keys while it runs. */
export interface Batch<out G, in K, in A, in E> {
  readonly group: G
  /** Answers one key at once, whatever the rest of the batch does. The first answer counts. */
  readonly answer: (key: K, exit: Exit.Exit<A, E>) => void
}

/** The forms an answer may take: by position, by key, or nothing when each key was answered by itself. */
export type Answers<K, A, E = never> =
  | ReadonlyArray<A | Failed<E>>
  | ReadonlyMap<K, A | Failed<E>>
  | HashMap.HashMap<K, A | Failed<E>>
  | Rows<K, A | Failed<E>>
  | undefined

interface Settings<K, KI, A, AI, E, EI> {
  /** What keys are. Keys are told apart by value, whatever they are made of. */
  readonly key: Schema.Schema<K, KI>
  readonly success: Schema.Schema<A, AI>
  readonly failure?: Schema.Schema<E, EI>
  /** Tells keys apart by a primitive of your choice. The first key of a kind is the one that is fetched. */
  readonly cacheKey?: (key: K) => Primitive
  /** When a batch leaves. Default {@link Policy.turn}. */
  readonly policy?: Policy.Policy
  /** The most keys in one call. Default unbounded. */
  readonly maxBatchSize?: number
  /** Never merges equal keys. Default false. */
  readonly distinct?: boolean
  /** What is remembered for the rest of the Operation: answers, or nothing. Default `operation`. */
  readonly memo?: "operation" | "none"
  /** Which failures are remembered. Default none. */
  readonly rememberFailure?: (error: E) => boolean
  /** What it means that a key has no answer. Default a defect that names the source and the key. */
  readonly missing?: (key: K) => Exit.Exit<A, E>
}

/** What may stand for a key. */
export type Primitive = string | number | bigint | boolean | symbol | null | undefined

/**
 * Describes a source.
 *
 * `resolve` is given the keys of a batch, each once, in the order in which they were first asked for.
 */
export const make: {
  <K, KI, A, AI, R, G, GI, E = never, EI = never>(
    name: string,
    options: Settings<K, KI, A, AI, E, EI> & {
      /** What a whole batch shares. */
      readonly group: Schema.Schema<G, GI>
      /** Tells groups apart by a primitive of your choice. */
      readonly groupKey?: (group: G) => Primitive
      readonly resolve: (
        keys: ReadonlyArray<K>,
        batch: Batch<G, K, A, E>
      ) => Effect.Effect<Answers<K, NoInfer<A>, NoInfer<E>>, E, R>
    }
  ): Grouped<G, K, A, E, R>
  <K, KI, A, AI, R, E = never, EI = never>(
    name: string,
    options: Settings<K, KI, A, AI, E, EI> & {
      readonly resolve: (
        keys: ReadonlyArray<K>,
        batch: Batch<undefined, K, A, E>
      ) => Effect.Effect<Answers<K, NoInfer<A>, NoInfer<E>>, E, R>
    }
  ): Source<K, A, E, R>
} = (name: string, options: unknown) => fromDefinition(define(name, options as Loose)) as never

interface Loose extends Settings<unknown, unknown, unknown, unknown, unknown, unknown> {
  readonly group?: Schema.Schema<unknown, unknown>
  readonly groupKey?: (group: unknown) => Primitive
  readonly resolve: Definition["resolve"]
}

const define = (name: string, options: Loose): Definition => ({
  name,
  key: options.cacheKey === undefined ? Identity.fromSchema(options.key) : Identity.fromFunction(options.cacheKey),
  group:
    options.group === undefined
      ? undefined
      : options.groupKey === undefined
        ? Identity.fromSchema(options.group)
        : Identity.fromFunction(options.groupKey),
  policy: options.policy ?? Policy.turn,
  maxBatchSize: options.maxBatchSize ?? Number.POSITIVE_INFINITY,
  distinct: options.distinct ?? false,
  remember: options.memo !== "none" && options.distinct !== true,
  rememberFailure: options.rememberFailure ?? (() => false),
  missing: options.missing ?? ((key) => Exit.die(new SourceError.UnansweredKey({ source: name, key }))),
  closed: undefined,
  resolve: options.resolve
})

const fromDefinition = (definition: Definition): unknown =>
  definition.group === undefined
    ? new View(definition, askOf(definition), undefined, undefined)
    : new GroupedView(definition)

const askOf = (definition: Definition): Ask => ({
  policy: definition.policy,
  distinct: definition.distinct,
  fresh: false
})

class GroupedView implements Grouped<unknown, unknown, unknown, unknown, unknown> {
  readonly [TypeId]: Definition
  private readonly ask: Ask
  constructor(definition: Definition) {
    this[TypeId] = definition
    this.ask = askOf(definition)
  }
  get name(): string {
    return this[TypeId].name
  }
  readonly of = (group: unknown): Source<unknown, unknown, unknown, unknown> => {
    const definition = this[TypeId]
    return new View(definition, this.ask, group, definition.group?.of(group))
  }
}

class View implements Source<unknown, unknown, unknown, unknown> {
  readonly [TypeId]: Definition
  readonly ask: Ask
  readonly group: unknown
  readonly groupId: unknown

  constructor(definition: Definition, ask: Ask, group: unknown, groupId: unknown) {
    this[TypeId] = definition
    this.ask = ask
    this.group = group
    this.groupId = groupId
  }

  get name(): string {
    return this[TypeId].name
  }

  lane(context: Context.Context<unknown>): Lane {
    const operation = context.unsafeMap.get(operationKey) as Operation.Service
    return operation[Operation.TypeId].lane(this[TypeId], this.group, this.groupId, context as Context.Context<never>)
  }

  readonly load = (key: unknown): Load<unknown, unknown, unknown> =>
    Fiberless.make((context, resume) => {
      const started = this.begin(context, key, resume)
      return started instanceof Entry ? () => started.leave(resume) : started
    })

  readonly loadMany = (keys: Iterable<unknown>): Load<Array<unknown>, unknown, unknown> =>
    Fiberless.make((context, resume) => {
      const values: Array<unknown> = []
      return this.each<Array<unknown>, unknown>(context, keys, resume, values, (exit, index) => {
        if (Exit.isFailure(exit)) return Exit.failCause(exit.cause)
        values[index] = exit.value
        return undefined
      })
    })

  readonly loadEithers = (keys: Iterable<unknown>): Load<Array<Either.Either<unknown, unknown>>, never, unknown> =>
    Fiberless.make((context, resume) => {
      const values: Array<Either.Either<unknown, unknown>> = []
      return this.each<Array<Either.Either<unknown, unknown>>, never>(context, keys, resume, values, (exit, index) => {
        if (Exit.isSuccess(exit)) values[index] = Either.right(exit.value)
        else if (exit.cause._tag === "Fail") values[index] = Either.left(exit.cause.error)
        else return exit as Exit.Exit<never, never>
        return undefined
      })
    })

  readonly prime = (key: unknown, value: unknown): Effect.Effect<void, never, unknown> =>
    this.change((lane) => lane.put(key, Exit.succeed(value), false))

  readonly replace = (key: unknown, value: unknown): Effect.Effect<void, never, unknown> =>
    this.change((lane) => lane.put(key, Exit.succeed(value), true))

  readonly clear = (key: unknown): Effect.Effect<void, never, unknown> => this.change((lane) => lane.remove(key))

  get clearAll(): Effect.Effect<void, never, unknown> {
    return this.change((lane) => lane.table.clear())
  }

  readonly with = (options: LoadOptions): Source<unknown, unknown, unknown, unknown> =>
    new View(this[TypeId], { ...this.ask, ...options }, this.group, this.groupId)

  private begin(context: Context.Context<unknown>, key: unknown, resume: (exit: Answer) => void): Answer | Entry {
    try {
      return this.lane(context).load(key, this.ask, resume)
    } catch (defect) {
      return Exit.die(defect)
    }
  }

  private change(f: (lane: Lane) => void): Effect.Effect<void, never, unknown> {
    return Effect.contextWith((context: Context.Context<unknown>) => f(this.lane(context)))
  }

  private each<A, E>(
    context: Context.Context<unknown>,
    keys: Iterable<unknown>,
    resume: (exit: Exit.Exit<A, E>) => void,
    values: A,
    keep: (exit: Answer, index: number) => Exit.Exit<never, E> | undefined
  ): Exit.Exit<A, E> | Fiberless.Leave {
    const waits: Array<[Entry, (exit: Answer) => void]> = []
    const leave = (): void => {
      for (const [entry, wait] of waits) entry.leave(wait)
    }
    let missing = 0
    let index = 0
    for (const key of keys) {
      const at = index++
      const wait = (exit: Answer): void => {
        const ended = keep(exit, at)
        if (ended !== undefined) {
          leave()
          resume(ended)
        } else if (--missing === 0) resume(Exit.succeed(values))
      }
      const started = this.begin(context, key, wait)
      if (started instanceof Entry) {
        missing++
        waits.push([started, wait])
        continue
      }
      const ended = keep(started, at)
      if (ended === undefined) continue
      leave()
      return ended
    }
    return missing === 0 ? Exit.succeed(values) : leave
  }
}

/** A key's failure, in the place where its value would be. */
export const fail = <E>(error: E): Failed<E> => new Failed(error)

/** Answers from rows in any order, by the key each of them carries. The last row of a key counts. */
export const byKey =
  <A, K>(keyOf: (row: A) => K) =>
  (rows: Iterable<A>): Rows<K, A> =>
    new Rows(rows, keyOf as (row: never) => K, false)

/** Answers with all rows of each key, in their order. A key without rows is answered with an empty list. */
export const groupBy =
  <A, K>(keyOf: (row: A) => K) =>
  (rows: Iterable<A>): Rows<K, Array<A>> =>
    new Rows(rows, keyOf as (row: never) => K, true)

/**
 * Gives a source its services for good, so that callers need not have them.
 *
 * Its batches are then shared by all callers of an Operation, whatever services
 * they have themselves.
 */
export const provideContext = <K, A, E, R>(
  source: Source<K, A, E, R>,
  context: Context.Context<R>
): Source<K, A, E> => {
  const definition: Definition = { ...source[TypeId], closed: context as Context.Context<never> }
  const { ask, group, groupId } = source as unknown as View
  return new View(definition, ask, group, groupId) as unknown as Source<K, A, E>
}
