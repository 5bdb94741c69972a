/** An operation's scope, which few operations put anything in: until one does, it costs no more than itself. */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"

/** What Effect asks of a scope, besides what its types say. */
interface Parts extends Scope.CloseableScope {
  readonly state: unknown
}

const real = (): Parts => Effect.runSync(Scope.make()) as Parts

/** Stands for a scope of Effect's own, which it makes when anybody puts something in. */
class LazyScope implements Parts {
  readonly [Scope.ScopeTypeId]: Scope.ScopeTypeId = Scope.ScopeTypeId
  readonly [Scope.CloseableScopeTypeId]: Scope.CloseableScopeTypeId = Scope.CloseableScopeTypeId
  readonly strategy: ExecutionStrategy.ExecutionStrategy = ExecutionStrategy.sequential
  private made: Parts | undefined = undefined
  private closed: Exit.Exit<unknown, unknown> | undefined = undefined

  get isUsed(): boolean {
    return this.made !== undefined
  }

  private get own(): Parts {
    if (this.made === undefined) {
      this.made = real()
      if (this.closed !== undefined) Effect.runSync(Scope.close(this.made, this.closed))
    }
    return this.made
  }

  get state(): unknown {
    return this.own.state
  }

  addFinalizer(finalizer: Scope.Scope.Finalizer): Effect.Effect<void> {
    return Effect.suspend(() => Scope.addFinalizerExit(this.own, finalizer))
  }

  fork(strategy: ExecutionStrategy.ExecutionStrategy): Effect.Effect<Scope.CloseableScope> {
    return Effect.suspend(() => Scope.fork(this.own, strategy))
  }

  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    if (this.made !== undefined) return Scope.close(this.made, exit)
    this.closed ??= exit
    return Exit.void
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
}

const partsOf = (scope: object): ReadonlyArray<string> =>
  [scope, Object.getPrototypeOf(scope)].flatMap(Reflect.ownKeys).map(String).sort()

const known = [
  ...["strategy", "state", "pipe", "fork", "close", "addFinalizer"],
  ...[Scope.ScopeTypeId, Scope.CloseableScopeTypeId].map(String)
].sort()

/** Whether this Effect's scopes have the parts that the stand-in has, and no more. */
const canStandIn = partsOf(real()).join() === known.join()

/** Whether anything may have been put into a scope. */
export const isUsed = (scope: Scope.Scope): boolean => !(scope instanceof LazyScope) || scope.isUsed

export const make = (): Scope.CloseableScope => (canStandIn ? new LazyScope() : real())
