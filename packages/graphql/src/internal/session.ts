/** What the fields of one run work with, from the first that needs it to the end. */
import { Operation } from "@wellspring/source"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import type { GraphQLResolveInfo } from "graphql"
import type { GraphqlRequest } from "../GraphqlRequest.ts"
import * as Application from "./application.ts"
import * as Lean from "./lean.ts"
import * as LazyScope from "./scope.ts"
import { Waits } from "./waits.ts"

export type State =
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Opening"; readonly opened: Promise<unknown> }
  | { readonly _tag: "Open"; readonly opened: Application.Opened }
  | { readonly _tag: "Failed"; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "Ended" }

const nothing = (): void => {}

const idle: State = { _tag: "Idle" }
const ended: State = { _tag: "Ended" }
const atOnce: Promise<void> = Promise.resolve()

export class Session {
  readonly application: Application.Application
  /** Whatever is to be told when the session ends before it has. */
  readonly waits: Waits = new Waits()
  /** What was opened last. Its Operation's account stays readable after the end. */
  opened: Application.Opened | undefined = undefined
  private state: State = idle
  private scope: Scope.CloseableScope | undefined = undefined
  private runners = 0
  private releaseBusy = nothing
  private readonly request: GraphqlRequest["Type"]
  private readonly parent: Session | undefined

  constructor(application: Application.Application, request: GraphqlRequest["Type"], parent: Session | undefined) {
    this.application = application
    this.request = request
    this.parent = parent
  }

  /** A session for one event of a subscription, with the subscription's services. */
  child(): Session {
    return new Session(this.application, this.request, this)
  }

  /** Forgets what was read. */
  beginEpoch(): void {
    if (this.state._tag === "Open") Operation.beginEpoch(this.state.opened.operation)
  }

  /**
   * Notes a resolver that runs and may load more keys, until what it returns is
   * called. A fiber's first load ends it: from then on it waits like any other.
   */
  running(): () => void {
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

  /** Runs an effect that no one waits for, with the application's loggers. */
  readonly report = (effect: Effect.Effect<void>): void => {
    if (this.opened !== undefined) Runtime.runFork(this.opened.runtime, effect)
    else this.application.managed.runFork(effect)
  }

  /** Where it stands. The first to ask builds what is needed; at once when nothing of it has to wait. */
  enter(info: GraphQLResolveInfo): State {
    return this.state._tag === "Idle" ? this.begin(info) : this.state
  }

  private begin(info: GraphQLResolveInfo): State {
    const { parent } = this
    if (parent === undefined) {
      return this.open((scope) => Application.open(this.application, this.request, info, scope))
    }
    const state = parent.enter(info)
    switch (state._tag) {
      case "Open":
        return this.open((scope) => Application.openEvent(state.opened, scope))
      case "Opening":
        return this.wait(state.opened.then(() => this.state._tag === "Opening" && this.begin(info)))
      default:
        this.state = state
        return state
    }
  }

  private open(build: (scope: Scope.Scope) => Application.Opened | Application.Opening): State {
    this.scope = LazyScope.make()
    const built = build(this.scope)
    if ("operation" in built) return this.done(Exit.succeed(built))
    const exit = built.unsafePoll()
    if (exit !== null) return this.done(exit)
    return this.wait(
      new Promise<void>((resolve) => {
        const forget = this.waits.on(() => built.unsafeInterruptAsFork(FiberId.none))
        built.addObserver((exit) => {
          forget()
          this.done(exit)
          resolve()
        })
      })
    )
  }

  private wait(opened: Promise<unknown>): State {
    this.state = { _tag: "Opening", opened }
    return this.state
  }

  private done(exit: Exit.Exit<Application.Opened, unknown>): State {
    if (this.state._tag === "Ended") return this.state
    if (Exit.isSuccess(exit)) this.opened = exit.value
    this.state = Exit.isSuccess(exit) ? { _tag: "Open", opened: exit.value } : { _tag: "Failed", cause: exit.cause }
    if (this.runners > 0) this.holdBusy()
    return this.state
  }

  /**
   * Whatever is still waiting is interrupted, then what resolvers acquired is
   * released, then the Operation ends. Resolves when that is done. A second call
   * finds nothing left to do.
   */
  end(): Promise<void> {
    if (this.state._tag === "Ended") return atOnce
    this.state = ended
    this.waits.stopAll()
    const { opened, scope } = this
    if (scope === undefined) return atOnce
    const closing = Scope.close(scope, Exit.void)
    const last = Effect.suspend(() => (opened === undefined ? Effect.void : Operation.end(opened.operation)))
    const ending =
      Exit.isExit(closing) && opened !== undefined ? Operation.end(opened.operation) : Effect.zipRight(closing, last)
    if (Exit.isExit(ending)) return atOnce
    const runtime = opened?.runtime ?? Runtime.defaultRuntime
    const fiber = Runtime.runFork(runtime, ending, { scheduler: Lean.scheduler })
    if (fiber.unsafePoll() !== null) return atOnce
    return new Promise((resolve) => fiber.addObserver(() => resolve()))
  }
}
