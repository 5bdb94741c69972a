/**
 * One unit of work for one caller: a GraphQL operation, a job, an HTTP request.
 *
 * An Operation owns what its loads share: open batches, calls in flight, and
 * what has been remembered. Nothing of it is visible to another Operation, and
 * nothing of it is left when its scope closes.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as Fiberless from "./Fiberless.ts"
import { Guest } from "./internal/guest.ts"
import { isTraced } from "./internal/instruments.ts"
import { operationKey } from "./internal/place.ts"
import { OperationTypeId, ReporterId, State } from "./internal/state.ts"

export const TypeId: typeof OperationTypeId = OperationTypeId
export type TypeId = typeof TypeId

/** A running Operation. What it holds is its own; the functions of this module work on it. */
export interface Service {
  readonly [TypeId]: State
  /** @internal */
  readonly [ReporterId]?: { isReported: boolean }
}

export class Operation extends Context.Tag("@wellspring/source/Operation")<Operation, Service>() {}

/** How a call that passed a cache was answered. */
export type Outcome = "hit" | "stale" | "revalidated" | "miss" | "collapsed" | "bypass"

/** For how long, and for whom, an answer may be kept. */
export interface Lifetime {
  /** Whole or fractional seconds from now; zero or less may not be kept. */
  readonly secondsLeft: number
  /** `private` when the answer belongs to one caller. */
  readonly scope: "public" | "private"
}

/** One call to a backend, as the rooms above report it. */
export interface Call {
  readonly outcome: Outcome
  readonly lifetime?: Lifetime
}

/** What an Operation has done so far. */
export interface Account {
  /** Keys asked for, duplicates included. */
  readonly loads: number
  /** Batches sent to resolvers. */
  readonly batches: number
  /** Keys sent to resolvers. */
  readonly keys: number
  /** Loads answered from what was remembered. */
  readonly hits: number
  /** Loads that joined a key already on its way. */
  readonly joins: number
  /** Calls recorded by the rooms above. */
  readonly calls: number
  readonly outcomes: Readonly<Record<Outcome, number>>
}

export interface Options {
  /**
   * Runs a task after the code that is running, its microtasks included: what the
   * `turn` policy waits for. `setImmediate` unless given, `setTimeout` where there is none.
   */
  readonly schedule?: (task: () => void) => void
}

/**
 * Begins an Operation that ends with the scope.
 *
 * Its batches run with the fiber refs of the caller of `make`. When the scope
 * closes, calls in flight are interrupted, and so is everyone who waits for them.
 */
export const make = (options?: Options): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.withFiberRuntime((fiber) =>
    Effect.flatMap(Effect.scope, (scope) => {
      const settings = settingsOf(fiber.getFiberRefs(), Runtime.defaultRuntimeFlags, options)
      const { operation } = begin(settings, fiber.currentContext, scope)
      return Effect.as(Scope.addFinalizer(scope, operation[TypeId].close), operation)
    })
  )

/** An Operation, with the runtime that has it among its services. */
export interface Opened {
  readonly operation: Service
  readonly runtime: Runtime.Runtime<never>
}

/**
 * Begins Operations outside Effect, for adapters: no fiber is started for one.
 *
 * Each has its own services and scope, and the fiber refs and flags of
 * `runtime`. Whoever begins one ends it, with {@link end}: its scope does not.
 */
export const opener = (
  { fiberRefs, runtimeFlags }: Runtime.Runtime<never>,
  options?: Options
): (<R>(context: Context.Context<R>, scope: Scope.Scope) => Opened) => {
  const settings = settingsOf(fiberRefs, runtimeFlags, options)
  return (context, scope) => begin(settings, context, scope)
}

/**
 * Ends an Operation that {@link opener} began. All that can be done at once is
 * done before it returns; the effect, an `Exit` where nothing is left to do,
 * waits for the calls that were interrupted.
 */
export const end = (operation: Service): Effect.Effect<void> => operation[TypeId].end()

/** What Operations begun in one place share. */
interface Shared {
  readonly fiberRefs: FiberRefs.FiberRefs
  readonly runtimeFlags: RuntimeFlags.RuntimeFlags
  readonly clock: Clock.Clock
  /** `undefined` where tracing is off. */
  readonly tracer: Tracer.Tracer | undefined
  readonly schedule: NonNullable<Options["schedule"]>
}

const settingsOf = (
  fiberRefs: FiberRefs.FiberRefs,
  runtimeFlags: RuntimeFlags.RuntimeFlags,
  options: Options | undefined
): Shared => {
  const services = FiberRefs.getOrDefault(fiberRefs, DefaultServices.currentServices)
  return {
    fiberRefs,
    // Layers are built where interruption is off; what runs in the Operation must be open to it.
    runtimeFlags: RuntimeFlags.enable(runtimeFlags, RuntimeFlags.Interruption),
    clock: Context.get(services, Clock.Clock),
    tracer: FiberRefs.getOrDefault(fiberRefs, FiberRef.currentTracerEnabled)
      ? Context.get(services, Tracer.Tracer)
      : undefined,
    schedule: options?.schedule ?? nextTurn
  }
}

const begin = (
  { clock, fiberRefs, runtimeFlags, schedule, tracer }: Shared,
  { unsafeMap }: Context.Context<never>,
  scope: Scope.Scope
): Opened => {
  const operation = {} as { [TypeId]: State }
  const context = Context.unsafeMake<never>(new Map(unsafeMap).set(operationKey, operation))
  const runtime = Runtime.make({ context, runtimeFlags, fiberRefs })
  operation[TypeId] = new State({
    runtime,
    scope,
    clock,
    isTraced: tracer !== undefined && isTraced(tracer, context),
    schedule
  })
  return { operation, runtime }
}

/** Looked up when used, so that a test's fake timers are honoured. */
const nextTurn = (task: () => void): void => {
  if (typeof setImmediate === "function") setImmediate(task)
  else setTimeout(task, 0)
}

/** An Operation for as long as the layer lives. */
export const layer: Layer.Layer<Operation> = Layer.scoped(Operation, make())

/** An Operation with options, for as long as the layer lives. */
export const layerWith = (options: Options): Layer.Layer<Operation> => Layer.scoped(Operation, make(options))

/**
 * Runs an effect as one Operation, which ends with it.
 *
 * @example
 * import { Effect } from "effect"
 * import { Operation, type Source } from "@wellspring/source"
 *
 * declare const users: Source.Source<string, { readonly name: string }>
 *
 * // One batch of two keys.
 * const names = Operation.scoped(Effect.all([users.load("1"), users.load("2")], { concurrency: "unbounded" }))
 */
export const scoped = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Operation>> =>
  Effect.acquireUseRelease(
    // A scope of its own: one that the effect needs is its caller's, and lives on.
    Scope.make(),
    (scope) =>
      Effect.flatMap(Scope.extend(make(), scope), (operation) => Effect.provideService(effect, Operation, operation)),
    Scope.close
  )

/**
 * Forgets everything remembered and refuses to join what is on its way: what is
 * loaded from here on is read anew. For use between the fields of a mutation
 * and between the events of a subscription.
 */
export const newEpoch: Effect.Effect<void, never, Operation> = Effect.map(Operation, (operation) =>
  beginEpoch(operation)
)

/** {@link newEpoch} for callers outside Effect. */
export const beginEpoch = (operation: Service): void => operation[TypeId].newEpoch()

/** Sends every open batch now, whatever its policy. Does not wait for the answers. */
export const flush: Effect.Effect<void, never, Operation> = Effect.map(Operation, (operation) => flushNow(operation))

/** {@link flush} for callers outside Effect. */
export const flushNow = (operation: Service): void => operation[TypeId].dispatcher.flush()

/**
 * Tells that something is running which may load more keys, until the function
 * it returns is called. A hint for the `exhausted` policy: it may delay a batch,
 * within the policy's `maxWait`, and changes nothing else.
 */
export const busy = (operation: Service): (() => void) => operation[TypeId].dispatcher.busy()

/**
 * State that another module keeps in an Operation, one for each `key` object.
 * Made when first asked for, dropped when the Operation closes.
 */
export const slot = <A>(operation: Service, key: object, make: () => A): A => operation[TypeId].slot(key, make)

/** What {@link slot} has made for `key`, if it has. */
export const findSlot = <A>(operation: Service, key: object): A | undefined => operation[TypeId].findSlot(key)

/**
 * Begins work for one caller that ends with the Operation at the latest: when
 * it closes, the work is left, and `resume` is told of an interruption. Until
 * then it is as {@link Fiberless.Start} says. Work that is answered at once costs next to nothing.
 *
 * Look at {@link isClosed} first: nothing stops what is begun later.
 */
export const whileOpen = <A, E>(
  operation: Service,
  work: (resume: (exit: Exit.Exit<A, E>) => void) => Exit.Exit<A, E> | Fiberless.Leave,
  resume: (exit: Exit.Exit<A, E>) => void
): Exit.Exit<A, E> | Fiberless.Leave => new Guest(operation[TypeId].guests, resume).begin(work)

/** Whether the Operation has begun to close. Loads on it are defects from then on. */
export const isClosed = (operation: Service): boolean => operation[TypeId].isClosed

/** What the Operation has done so far: a snapshot. */
export const account = (operation: Service): Account => operation[TypeId].account()

/** Adds a call to the account. */
export const recordCall = (operation: Service, call: Call): void => {
  operation[TypeId].recordCall(call)
  const reporter = operation[ReporterId]
  if (reporter !== undefined) reporter.isReported = true
}

/**
 * The least time left and the strictest scope over all recorded calls, or
 * `undefined` when none said how long its answer may be kept.
 */
export const lifetime = (operation: Service): Lifetime | undefined => operation[TypeId].lifetime

/**
 * Whether every batch so far has recorded the calls that its answer came from.
 * When one has not, {@link lifetime} does not speak for all that was read.
 */
export const isAccounted = (operation: Service): boolean => operation[TypeId].isAccounted
