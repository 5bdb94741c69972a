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
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Request from "effect/Request"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { type GraphQLResolveInfo, responsePathAsArray } from "graphql"
import type { GraphqlRequest } from "../GraphqlRequest.ts"
import { Accounting, count } from "./accounting.ts"
import * as Application from "./application.ts"
import type { Field } from "./field.ts"
import * as Lean from "./lean.ts"
import * as Shown from "./shown.ts"
import * as View from "./view.ts"

/** Where a context value keeps its run. Enumerable there, since servers copy context values. */
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
  | { readonly _tag: "Open"; readonly opened: Application.Opened }
  | { readonly _tag: "Failed"; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "Ended" }

const nothing = (): void => {}

const idle: State = { _tag: "Idle" }
const ended: State = { _tag: "Ended" }

type Answer = Exit.Exit<unknown, unknown>

export class Run {
  readonly application: Application.Application
  readonly request: GraphqlRequest["Type"]
  readonly accounting: Accounting
  private readonly parent: Run | undefined
  private state: State = idle
  private lastOpened: Application.Opened | undefined
  private scope: Scope.CloseableScope | undefined
  /** What to do for each field still waiting, when the run ends before its answer. */
  private readonly waiting = new Set<() => void>()
  private runners = 0
  private releaseBusy = nothing

  constructor(application: Application.Application, request: GraphqlRequest["Type"], parent?: Run) {
    this.application = application
    this.request = request
    this.parent = parent
    this.accounting = new Accounting(application.isDevelopment)
  }

  /** A run of its own for one event of a subscription, with the subscription's services. */
  child(): Run {
    return new Run(this.application, this.request, this)
  }

  /** The Operation, once a field has needed it. Its account stays readable after the end. */
  get operation(): Operation.Service | undefined {
    return this.lastOpened?.operation
  }

  // Fields

  /** What a resolver returned, as graphql-js takes it: a value when it is at hand, else a Promise. */
  settle(answer: unknown, info: GraphQLResolveInfo, field: Field): unknown {
    this.accounting.began(info, field)
    if (typeof answer !== "object" || answer === null) return this.value(answer, info, field)
    if (isEffect(answer)) return this.effect(answer, info, field)
    if (!isThenable(answer)) return this.value(answer, info, field)
    this.accounting.unaccounted(info, field)
    const done = this.running()
    return answer.then(
      (value) => {
        done()
        return isEffect(value) ? this.effect(value, info, field) : value
      },
      (thrown) => {
        done()
        return this.throw(thrown, info)
      }
    )
  }

  /** Turns whatever a resolver threw into what the client may see, and throws that. */
  throw(thrown: unknown, info: GraphQLResolveInfo): never {
    throw Shown.fromThrown(thrown, info, this.report)
  }

  /** What the client may see of a failure; the rest goes to the log. */
  shown(cause: Cause.Cause<unknown>, info: GraphQLResolveInfo): unknown {
    return Shown.fromCause(cause, info, this.report)
  }

  /** Forgets what was read, before and after a mutation's field. */
  beginEpoch(): void {
    if (this.state._tag === "Open") Operation.beginEpoch(this.state.opened.operation)
  }

  /** A value at the root may come from anywhere; further down it comes from its parent. */
  private value(value: unknown, info: GraphQLResolveInfo, field: Field): unknown {
    if (field.isRoot) this.accounting.unaccounted(info, field)
    return value
  }

  private effect(effect: Effect.Effect<unknown, unknown>, info: GraphQLResolveInfo, field: Field): unknown {
    const isFiberless = Fiberless.isFiberless(effect)
    if (!isFiberless && Exit.isExit(effect)) return this.value(this.unwrap(effect, info), info, field)
    if (!isFiberless && Option.isOption(effect)) return this.value(Option.getOrNull(effect), info, field)
    const state = this.state._tag === "Idle" ? this.open(info) : this.state
    switch (state._tag) {
      case "Open":
        count(this.accounting.effects, field)
        return isFiberless
          ? this.start(effect, state.opened, info, field)
          : this.fork(effect, state.opened, info, field)
      case "Opening":
        return state.opened.then(() => this.effect(effect, info, field))
      case "Failed":
        throw Shown.fromCause(state.cause, info, this.report)
      default:
        throw Shown.cancelled(info)
    }
  }

  /**
   * Notes a resolver that runs and may load more keys, until what it returns is
   * called. A fiber's first load ends it: from then on it waits like any other.
   */
  private running(): () => void {
    if (this.runners++ === 0) this.holdBusy()
    let isRunning = true
    return () => {
      if (!isRunning) return
      isRunning = false
      if (--this.runners > 0) return
      this.releaseBusy()
      this.releaseBusy = nothing
    }
  }

  private holdBusy(): void {
    if (this.state._tag === "Open") this.releaseBusy = Operation.busy(this.state.opened.operation)
  }

  /** Asks by callback: no fiber is started for it here. It reports what it reads to the Operation by itself. */
  private start(
    effect: Fiberless.Fiberless<unknown, unknown>,
    { runtime, tracing }: Application.Opened,
    info: GraphQLResolveInfo,
    field: Field
  ): unknown {
    this.accounting.used(info, field)
    if (this.accounting.calls !== undefined && !Request.isRequest(effect)) count(this.accounting.calls, field)
    const span = tracing === undefined ? undefined : begin(tracing, info, field)
    let resume: (exit: Answer) => void = () => {}
    const started = effect[Fiberless.TypeId](within(runtime.context, span), (exit) => resume(exit))
    if (typeof started !== "function") {
      finish(tracing, span, started)
      return this.unwrap(started, info)
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        started()
        reject(Shown.cancelled(info))
      }
      this.waiting.add(leave)
      resume = (exit) => {
        this.waiting.delete(leave)
        finish(tracing, span, exit)
        this.complete(exit, resolve, reject, info)
      }
    })
  }

  private fork(
    effect: Effect.Effect<unknown, unknown>,
    { operation, runtime, tracing }: Application.Opened,
    info: GraphQLResolveInfo,
    field: Field
  ): unknown {
    const span = tracing === undefined ? undefined : begin(tracing, info, field)
    const running = this.running()
    const view = View.make(operation, running)
    const context = Context.add(within(runtime.context, span), Operation.Operation, view) as Context.Context<never>
    const { fiberRefs, runtimeFlags } = runtime
    const fiber = Runtime.runFork(Runtime.make({ context, fiberRefs, runtimeFlags }), effect, {
      scheduler: Lean.scheduler
    })
    const settled = (exit: Answer) => {
      finish(tracing, span, exit)
      if (!view.isUsed) return this.accounting.unaccounted(info, field)
      this.accounting.used(info, field)
      count(this.accounting.calls, field)
    }
    const exit = fiber.unsafePoll()
    if (exit !== null) {
      running()
      settled(exit)
      return this.unwrap(exit, info)
    }
    return new Promise((resolve, reject) => {
      const interrupt = () => fiber.unsafeInterruptAsFork(FiberId.none)
      this.waiting.add(interrupt)
      fiber.addObserver((exit) => {
        this.waiting.delete(interrupt)
        running()
        settled(exit)
        this.complete(exit, resolve, reject, info)
      })
    })
  }

  private complete(
    exit: Answer,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
    info: GraphQLResolveInfo
  ): void {
    if (Exit.isSuccess(exit)) resolve(unwrapOption(exit.value))
    else reject(this.shown(exit.cause, info))
  }

  private unwrap(exit: Answer, info: GraphQLResolveInfo): unknown {
    if (Exit.isSuccess(exit)) return unwrapOption(exit.value)
    throw this.shown(exit.cause, info)
  }

  /** Runs an effect that no one waits for, with the application's loggers. */
  readonly report = (effect: Effect.Effect<void>): void => {
    if (this.lastOpened !== undefined) Runtime.runFork(this.lastOpened.runtime, effect)
    else this.application.managed.runFork(effect)
  }

  // From opening to end

  /** Builds what this operation needs; at once when nothing of it has to wait. */
  private open(info: GraphQLResolveInfo): State {
    const { parent } = this
    if (parent === undefined)
      return this.opening((scope) => Application.open(this.application, this.request, info, scope))
    const state = parent.state._tag === "Idle" ? parent.open(info) : parent.state
    switch (state._tag) {
      case "Open":
        return this.opening((scope) => Application.openEvent(this.application, state.opened, scope))
      case "Opening":
        return this.wait(state.opened.then(() => this.state._tag === "Opening" && this.open(info)))
      default:
        this.state = state
        return state
    }
  }

  private opening(fork: (scope: Scope.Scope) => Fiber.RuntimeFiber<Application.Opened, unknown>): State {
    const scope = Effect.runSync(Scope.make())
    this.scope = scope
    const fiber = fork(scope)
    const exit = fiber.unsafePoll()
    if (exit !== null) return this.opened(exit)
    return this.wait(
      new Promise<void>((resolve) => {
        const interrupt = () => fiber.unsafeInterruptAsFork(FiberId.none)
        this.waiting.add(interrupt)
        fiber.addObserver((exit) => {
          this.waiting.delete(interrupt)
          this.opened(exit)
          resolve()
        })
      })
    )
  }

  private wait(opened: Promise<unknown>): State {
    this.state = { _tag: "Opening", opened }
    return this.state
  }

  private opened(exit: Exit.Exit<Application.Opened, unknown>): State {
    if (this.state._tag === "Ended") return this.state
    if (Exit.isSuccess(exit)) this.lastOpened = exit.value
    this.state = Exit.isSuccess(exit) ? { _tag: "Open", opened: exit.value } : { _tag: "Failed", cause: exit.cause }
    if (this.runners > 0) this.holdBusy()
    return this.state
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
    const runtime = this.lastOpened?.runtime ?? Runtime.defaultRuntime
    const fiber = Runtime.runFork(runtime, Scope.close(this.scope, Exit.void), { scheduler: Lean.scheduler })
    if (fiber.unsafePoll() !== null) return Promise.resolve()
    return new Promise((resolve) => fiber.addObserver(() => resolve()))
  }
}

const unwrapOption = (value: unknown): unknown => (Option.isOption(value) ? Option.getOrNull(value) : value)

/** An Effect of a resolver: whatever it needs, the compiler has seen to. */
const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> => Effect.isEffect(value)

const isThenable = (value: object): value is PromiseLike<unknown> => "then" in value && typeof value.then === "function"

const begin = (tracing: Application.Tracing, info: GraphQLResolveInfo, field: Field): Tracer.Span =>
  Application.fieldSpan(tracing, field.coordinate, responsePathAsArray(info.path).join("."))

const finish = (tracing: Application.Tracing | undefined, span: Tracer.Span | undefined, exit: Answer): void => {
  if (tracing !== undefined) span?.end(tracing.clock.unsafeCurrentTimeNanos(), exit)
}

const within = (context: Context.Context<never>, span: Tracer.Span | undefined): Context.Context<never> =>
  span === undefined ? context : (Context.add(context, Tracer.ParentSpan, span) as Context.Context<never>)
