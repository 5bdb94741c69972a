/** An operation's scope, which few operations put anything in: until one does, it costs no more than itself. */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"

export class LazyScope implements Scope.CloseableScope {
  readonly [Scope.ScopeTypeId]: Scope.ScopeTypeId = Scope.ScopeTypeId
  readonly [Scope.CloseableScopeTypeId]: Scope.CloseableScopeTypeId = Scope.CloseableScopeTypeId
  readonly strategy: ExecutionStrategy.ExecutionStrategy = ExecutionStrategy.sequential
  private made: Scope.CloseableScope | undefined = undefined
  private closed: Exit.Exit<unknown, unknown> | undefined = undefined

  /** Effect's own scope, once it is needed. */
  private get own(): Scope.CloseableScope {
    if (this.made === undefined) {
      this.made = Effect.runSync(Scope.make())
      if (this.closed !== undefined) Effect.runSync(Scope.close(this.made, this.closed))
    }
    return this.made
  }

  addFinalizer(finalizer: Scope.Scope.Finalizer): Effect.Effect<void> {
    return Effect.suspend(() => Scope.addFinalizerExit(this.own, finalizer))
  }

  fork(strategy: ExecutionStrategy.ExecutionStrategy): Effect.Effect<Scope.CloseableScope> {
    return Effect.suspend(() => Scope.fork(this.own, strategy))
  }

  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    if (this.made !== undefined) return Scope.close(this.made, exit)
    this.closed = exit
    return Exit.void
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
}
