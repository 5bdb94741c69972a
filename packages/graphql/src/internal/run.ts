/**
 * One GraphQL operation, or one event of a subscription, as it runs: what its
 * resolvers return becomes what graphql-js takes.
 */
import { Fiberless, Operation } from "@wellspring/source"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Request from "effect/Request"
import * as Runtime from "effect/Runtime"
import type { GraphQLResolveInfo } from "graphql"
import { Accounting, count } from "./accounting.ts"
import { isEffect, isOption, isThenable, unwrapOption } from "./answer.ts"
import type { Application, Opened } from "./application.ts"
import type { Field } from "./field.ts"
import { FieldSpan } from "./fieldSpan.ts"
import { Joints } from "./joints.ts"
import * as Lean from "./lean.ts"
import type { Session } from "./session.ts"
import * as Shown from "./shown.ts"
import * as View from "./view.ts"
import type { Wait } from "./waits.ts"

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

type Answer = Exit.Exit<unknown, unknown>

export class Run {
  readonly application: Application
  readonly accounting: Accounting
  readonly session: Session
  private reader: Joints | undefined = undefined

  constructor(session: Session) {
    this.application = session.application
    this.accounting = new Accounting(this.application.isDevelopment)
    this.session = session
  }

  /** A run of its own for one event of a subscription. */
  child(): Run {
    return new Run(this.session.child())
  }

  /** The Operation, once a field has needed it. */
  get operation(): Operation.Service | undefined {
    return this.session.opened?.operation
  }

  /** What a resolver returned, as graphql-js takes it: a value when it is at hand, else a Promise. */
  settle(answer: unknown, info: GraphQLResolveInfo, field: Field): unknown {
    this.accounting.began(info, field)
    if (isEffect(answer)) return this.effect(answer, info, field)
    if (!isThenable(answer)) return this.value(answer, info, field)
    this.accounting.unaccounted(info, field)
    const done = this.session.running()
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
    throw Shown.fromThrown(thrown, info, this.session.report)
  }

  /** What the client may see of a failure; the rest goes to the log. */
  shown(cause: Cause.Cause<unknown>, info: GraphQLResolveInfo): unknown {
    return Shown.fromCause(cause, info, this.session.report)
  }

  /** A value at the root may come from anywhere; further down it comes from its parent. */
  private value(value: unknown, info: GraphQLResolveInfo, field: Field): unknown {
    if (field.isRoot) this.accounting.unaccounted(info, field)
    return value
  }

  private effect(effect: Effect.Effect<unknown, unknown>, info: GraphQLResolveInfo, field: Field): unknown {
    const isFiberless = Fiberless.isFiberless(effect)
    if (!isFiberless && Exit.isExit(effect)) return this.value(this.unwrap(effect, info), info, field)
    if (!isFiberless && isOption(effect)) return this.value(Option.getOrNull(effect), info, field)
    const state = this.session.enter(info)
    switch (state._tag) {
      case "Open":
        count(this.accounting.effects, field)
        return isFiberless
          ? this.start(effect, state.opened, info, field)
          : this.fork(effect, state.opened, info, field)
      case "Opening":
        return state.opened.then(() => this.effect(effect, info, field))
      case "Failed":
        throw Shown.fromCause(state.cause, info, this.session.report)
      default:
        throw Shown.cancelled(info)
    }
  }

  /** Asks without a fiber of its own. What is asked reports what it reads to the Operation by itself. */
  private start(
    effect: Fiberless.Fiberless<unknown, unknown>,
    { runtime, tracing }: Opened,
    info: GraphQLResolveInfo,
    field: Field
  ): unknown {
    this.accounting.used(info, field)
    if (this.accounting.calls !== undefined && !Request.isRequest(effect)) count(this.accounting.calls, field)
    const span = tracing === undefined ? undefined : new FieldSpan(tracing, info, field)
    const context = span === undefined ? runtime.context : span.within(runtime.context)
    if (Fiberless.isJoinable(effect)) {
      const { joints } = this
      const joined = effect[Fiberless.JoinId](context, joints)
      if (joined !== undefined) {
        return "_tag" in joined ? this.ended(joined, info, span) : joints.wait(joined, info, field, span)
      }
    }
    return this.call(effect, context, info, span)
  }

  /** Waits by callback. */
  private call(
    effect: Fiberless.Fiberless<unknown, unknown>,
    context: Context.Context<never>,
    info: GraphQLResolveInfo,
    span: FieldSpan | undefined
  ): unknown {
    let waiting: Waiting | undefined
    const started = effect[Fiberless.TypeId](context, (exit) => waiting?.answered(exit))
    if (typeof started !== "function") return this.ended(started, info, span)
    return new Promise((resolve, reject) => {
      waiting = new Waiting(this, info, span, started, resolve, reject)
      this.session.waits.add(waiting)
    })
  }

  private fork(
    effect: Effect.Effect<unknown, unknown>,
    { operation, runtime, tracing }: Opened,
    info: GraphQLResolveInfo,
    field: Field
  ): unknown {
    const span = tracing === undefined ? undefined : new FieldSpan(tracing, info, field)
    const running = this.session.running()
    const view = View.make(operation, running)
    const outer = span === undefined ? runtime.context : span.within(runtime.context)
    const context = Context.add(outer, Operation.Operation, view) as Context.Context<never>
    const { fiberRefs, runtimeFlags } = runtime
    const fiber = Runtime.runFork(Runtime.make({ context, fiberRefs, runtimeFlags }), effect, {
      scheduler: Lean.scheduler
    })
    const settled = (exit: Answer) => {
      running()
      span?.end(exit)
      if (!view.isUsed) return this.accounting.unaccounted(info, field)
      this.accounting.used(info, field)
      count(this.accounting.calls, field)
    }
    const exit = fiber.unsafePoll()
    if (exit !== null) {
      settled(exit)
      return this.unwrap(exit, info)
    }
    return new Promise((resolve, reject) => {
      const forget = this.session.waits.on(() => fiber.unsafeInterruptAsFork(FiberId.none))
      fiber.addObserver((exit) => {
        forget()
        settled(exit)
        if (Exit.isSuccess(exit)) resolve(unwrapOption(exit.value))
        else reject(this.shown(exit.cause, info))
      })
    })
  }

  /** Waits for the keys of sources, on behalf of all fields. */
  private get joints(): Joints {
    if (this.reader === undefined) {
      this.reader = new Joints((cause, info) => this.shown(cause, info))
      this.session.waits.add(this.reader)
    }
    return this.reader
  }

  private ended(exit: Answer, info: GraphQLResolveInfo, span: FieldSpan | undefined): unknown {
    span?.end(exit)
    return this.unwrap(exit, info)
  }

  private unwrap(exit: Answer, info: GraphQLResolveInfo): unknown {
    if (Exit.isSuccess(exit)) return unwrapOption(exit.value)
    throw this.shown(exit.cause, info)
  }
}

const interrupted = Exit.interrupt(FiberId.none)

/** A field that waits for its answer by callback. */
class Waiting implements Wait {
  at = 0
  private readonly run: Run
  private readonly info: GraphQLResolveInfo
  private readonly span: FieldSpan | undefined
  private readonly leave: Fiberless.Leave
  private readonly resolve: (value: unknown) => void
  private readonly reject: (error: unknown) => void

  constructor(
    run: Run,
    info: GraphQLResolveInfo,
    span: FieldSpan | undefined,
    leave: Fiberless.Leave,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void
  ) {
    this.run = run
    this.info = info
    this.span = span
    this.leave = leave
    this.resolve = resolve
    this.reject = reject
  }

  stop(): void {
    this.leave()
    this.settle(interrupted)
  }

  answered(exit: Answer): void {
    this.run.session.waits.remove(this)
    this.settle(exit)
  }

  private settle(exit: Answer): void {
    this.span?.end(exit)
    if (Exit.isSuccess(exit)) this.resolve(unwrapOption(exit.value))
    else this.reject(this.run.shown(exit.cause, this.info))
  }
}
