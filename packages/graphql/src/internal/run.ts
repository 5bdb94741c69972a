/**
 * One GraphQL operation as it runs: its services, its Operation, its fibers.
 *
 * Opened by the first field that needs it, so that a query of plain values
 * costs nothing; ended once, with the response or with the client's leaving.
 */
import { Fiberless, Operation } from "@wellspring/source"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { GraphQLResolveInfo } from "graphql"
import { GraphqlRequest } from "../GraphqlRequest.ts"
import * as Lean from "./lean.ts"
import * as Shown from "./shown.ts"
import * as TraceParent from "./traceparent.ts"

/** What the operations of one application share. */
export interface Application {
  readonly managed: ManagedRuntime.ManagedRuntime<never, unknown>
  readonly perOperation: PerOperation | undefined
  lean: Lean.Lean | undefined
}

export type PerOperation = Layer.Layer<never, unknown, never> | Effect.Effect<Context.Context<never>, unknown, never>

/** Where a context value keeps its run. */
export const RunId: unique symbol = Symbol.for("@wellspring/graphql/Run")

/** What graphql-js gets as the root value of a subscription's event. */
export class SubscriptionEvent {
  readonly value: unknown
  readonly run: Run
  constructor(value: unknown, run: Run) {
    this.value = value
    this.run = run
  }
}

/** The run a field belongs to: its event's, or that of its operation. `undefined` outside an adapter. */
export const runOf = (contextValue: unknown, info: GraphQLResolveInfo): Run | undefined =>
  info.rootValue instanceof SubscriptionEvent
    ? info.rootValue.run
    : (contextValue as { readonly [RunId]?: Run } | null | undefined)?.[RunId]

type State =
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Opening"; readonly opened: Promise<unknown> }
  | { readonly _tag: "Open"; readonly runtime: Runtime.Runtime<never>; readonly operation: Operation.Service }
  | { readonly _tag: "Failed"; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "Ended" }

const idle: State = { _tag: "Idle" }
const ended: State = { _tag: "Ended" }

export class Run {
  readonly application: Application
  readonly request: GraphqlRequest["Type"]
  private readonly parent: Run | undefined
  private state: State = idle
  private scope: Scope.CloseableScope | undefined
  /** What to do for each field still waiting, when the run ends before its answer. */
  private readonly waiting = new Set<() => void>()

  constructor(application: Application, request: GraphqlRequest["Type"], parent?: Run) {
    this.application = application
    this.request = request
    this.parent = parent
  }

  /** A run of its own for one event of a subscription, with the subscription's services. */
  child(): Run {
    return new Run(this.application, this.request, this)
  }

  /** The Operation, once a field has needed it. */
  get operation(): Operation.Service | undefined {
    return this.state._tag === "Open" ? this.state.operation : undefined
  }

  /** What a resolver returned, as graphql-js takes it: a value when it is at hand, else a Promise. */
  settle(answer: unknown, info: GraphQLResolveInfo): unknown {
    if (typeof answer !== "object" || answer === null) return answer
    if (Effect.EffectTypeId in answer) return this.runEffect(answer as Effect.Effect<unknown, unknown>, info)
    if (isThenable(answer)) {
      return answer.then(
        (value) => this.settle(value, info),
        (thrown) => this.thrown(thrown, info)
      )
    }
    return answer
  }

  /** Turns whatever a resolver threw into what the client may see, and throws that. */
  thrown(thrown: unknown, info: GraphQLResolveInfo): never {
    throw Shown.fromThrown(thrown, (effect) => this.report(effect), info)
  }

  /** What the client may see of a failure; the rest goes to the log. */
  shown(cause: Cause.Cause<unknown>, info: GraphQLResolveInfo): unknown {
    return Shown.fromCause(cause, (effect) => this.report(effect), info)
  }

  /** Forgets what was read, before and after a mutation's field. */
  beginEpoch(): void {
    if (this.state._tag === "Open") Operation.beginEpoch(this.state.operation)
  }

  runEffect(effect: Effect.Effect<unknown, unknown>, info: GraphQLResolveInfo): unknown {
    if (Exit.isExit(effect)) return this.unwrap(effect, info)
    if (Option.isOption(effect)) return Option.getOrNull(effect)
    const state = this.state._tag === "Idle" ? this.open(info) : this.state
    switch (state._tag) {
      case "Open":
        return Fiberless.isFiberless(effect)
          ? this.start(effect, state.runtime, info)
          : this.fork(effect, state.runtime, info)
      case "Opening":
        return state.opened.then(() => this.runEffect(effect, info))
      case "Failed":
        throw Shown.fromCause(state.cause, (report) => this.report(report), info)
      default:
        throw Shown.cancelled()
    }
  }

  private start(
    effect: Fiberless.Fiberless<unknown, unknown>,
    runtime: Runtime.Runtime<never>,
    info: GraphQLResolveInfo
  ): unknown {
    let resume: (exit: Exit.Exit<unknown, unknown>) => void = () => {}
    const started = effect[Fiberless.TypeId](runtime.context, (exit) => resume(exit))
    if (typeof started !== "function") return this.unwrap(started, info)
    return new Promise((resolve, reject) => {
      const leave = () => {
        started()
        reject(Shown.cancelled())
      }
      this.waiting.add(leave)
      resume = (exit) => {
        this.waiting.delete(leave)
        this.complete(exit, resolve, reject, info)
      }
    })
  }

  private fork(
    effect: Effect.Effect<unknown, unknown>,
    runtime: Runtime.Runtime<never>,
    info: GraphQLResolveInfo
  ): unknown {
    const fiber = Runtime.runFork(runtime, effect, { scheduler: Lean.scheduler })
    const exit = fiber.unsafePoll()
    if (exit !== null) return this.unwrap(exit, info)
    const done = this.hold()
    return new Promise((resolve, reject) => {
      const interrupt = () => fiber.unsafeInterruptAsFork(FiberId.none)
      this.waiting.add(interrupt)
      fiber.addObserver((exit) => {
        this.waiting.delete(interrupt)
        done()
        this.complete(exit, resolve, reject, info)
      })
    })
  }

  /** Tells the Operation that something which may load more is running. */
  private hold(): () => void {
    return this.state._tag === "Open" ? Operation.busy(this.state.operation) : () => {}
  }

  private complete(
    exit: Exit.Exit<unknown, unknown>,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
    info: GraphQLResolveInfo
  ): void {
    if (Exit.isSuccess(exit)) resolve(unwrapOption(exit.value))
    else reject(Shown.fromCause(exit.cause, (effect) => this.report(effect), info))
  }

  private unwrap(exit: Exit.Exit<unknown, unknown>, info: GraphQLResolveInfo): unknown {
    if (Exit.isSuccess(exit)) return unwrapOption(exit.value)
    throw Shown.fromCause(exit.cause, (effect) => this.report(effect), info)
  }

  /** Runs an effect that no one waits for, with the application's loggers. */
  private report(effect: Effect.Effect<void>): void {
    if (this.state._tag === "Open") Runtime.runFork(this.state.runtime, effect)
    else this.application.managed.runFork(effect)
  }

  /** Builds what this operation needs; at once when nothing of it has to wait. */
  open(info: GraphQLResolveInfo): State {
    const scope = Effect.runSync(Scope.make())
    this.scope = scope
    const building = this.parent === undefined ? this.build(info) : this.parent.buildEvent(info)
    const fiber = this.application.managed.runFork(Scope.extend(building, scope), { scheduler: Lean.scheduler })
    const exit = fiber.unsafePoll()
    if (exit !== null) return this.opened(exit)
    const opened = new Promise<void>((resolve) => {
      const interrupt = () => fiber.unsafeInterruptAsFork(FiberId.none)
      this.waiting.add(interrupt)
      fiber.addObserver((exit) => {
        this.waiting.delete(interrupt)
        this.opened(exit)
        resolve()
      })
    })
    this.state = { _tag: "Opening", opened }
    return this.state
  }

  private opened(exit: Exit.Exit<Opened, unknown>): State {
    if (this.state._tag !== "Ended") {
      this.state = Exit.isSuccess(exit)
        ? { _tag: "Open", runtime: exit.value.runtime, operation: exit.value.operation }
        : { _tag: "Failed", cause: exit.cause }
    }
    return this.state
  }

  private build(info: GraphQLResolveInfo): Effect.Effect<Opened, unknown, Scope.Scope> {
    return Effect.gen(this, function* () {
      const own = yield* Effect.runtime<never>()
      const span = yield* Effect.makeSpanScoped(info.operation.operation, {
        kind: "server",
        captureStackTrace: false,
        ...Option.match(TraceParent.parse(this.request.header("traceparent")), {
          onNone: () => ({}),
          onSome: (parent) => ({ parent })
        }),
        attributes: {
          "graphql.operation.type": info.operation.operation,
          ...(info.operation.name !== undefined && { "graphql.operation.name": info.operation.name.value })
        }
      })
      const base = own.context.pipe(
        Context.add(GraphqlRequest, this.request),
        Context.add(Tracer.ParentSpan, span)
      ) as Context.Context<never>
      const context = yield* this.provide(base)
      return yield* this.begin(own, context)
    })
  }

  private provide(base: Context.Context<never>): Effect.Effect<Context.Context<never>, unknown, Scope.Scope> {
    const given = this.application.perOperation
    if (given === undefined) return Effect.succeed(base)
    const building: Effect.Effect<Context.Context<never>, unknown, Scope.Scope> = isLayer(given)
      ? Effect.flatMap(Effect.scope, (scope) => Layer.buildWithScope(given, scope))
      : given
    return Effect.map(
      Effect.mapInputContext(building, (scoped: Context.Context<Scope.Scope>) => Context.merge(base, scoped)),
      (services) => Context.merge(base, services)
    )
  }

  private begin(
    own: Runtime.Runtime<never>,
    context: Context.Context<never>
  ): Effect.Effect<Opened, never, Scope.Scope> {
    const lean = this.application.lean ?? Lean.from(own)
    this.application.lean = lean
    return Effect.map(
      Effect.mapInputContext(Operation.make(), (scoped: Context.Context<Scope.Scope>) =>
        Context.merge(context, scoped)
      ),
      (operation) => ({
        operation,
        runtime: Lean.withContext(lean, Context.add(context, Operation.Operation, operation)) as Runtime.Runtime<never>
      })
    )
  }

  /** An event's services are those of its subscription, with an Operation of its own. */
  private buildEvent(info: GraphQLResolveInfo): Effect.Effect<Opened, unknown, Scope.Scope> {
    return Effect.suspend(() => {
      const state = this.state._tag === "Idle" ? this.open(info) : this.state
      switch (state._tag) {
        case "Open":
          return Effect.flatMap(Effect.runtime<never>(), (own) => this.begin(own, state.runtime.context))
        case "Opening":
          return Effect.zipRight(
            Effect.promise(() => state.opened),
            this.buildEvent(info)
          )
        case "Failed":
          return Effect.failCause(state.cause)
        default:
          return Effect.interrupt
      }
    })
  }

  /** Registers what to stop when the run ends; the function it returns takes that back. */
  onEnd(stop: () => void): () => void {
    this.waiting.add(stop)
    return () => this.waiting.delete(stop)
  }

  /**
   * Ends the run: whatever is still waiting is interrupted, then its scope is
   * closed. Resolves when that is done. A second call finds nothing left to do.
   */
  end(): Promise<void> {
    if (this.state._tag === "Ended") return Promise.resolve()
    this.state = ended
    for (const stop of [...this.waiting]) stop()
    this.waiting.clear()
    if (this.scope === undefined) return Promise.resolve()
    return this.application.managed.runPromise(Scope.close(this.scope, Exit.void))
  }
}

const isLayer = (given: PerOperation): given is Layer.Layer<never, unknown> => Layer.isLayer(given)

interface Opened {
  readonly operation: Operation.Service
  readonly runtime: Runtime.Runtime<never>
}

const unwrapOption = (value: unknown): unknown => (Option.isOption(value) ? Option.getOrNull(value) : value)

const isThenable = (value: object): value is PromiseLike<unknown> => "then" in value && typeof value.then === "function"
