/** Work behind a response: it ends with the layer, and is never in a caller's way. */
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import type { Leave } from "./begin.ts"

export class Background {
  readonly runtime: Runtime.Runtime<never>
  private readonly scope: Scope.Scope
  private readonly leaves = new Set<Leave>()

  private constructor(runtime: Runtime.Runtime<never>, scope: Scope.Scope) {
    this.runtime = runtime
    this.scope = scope
  }

  static readonly make: Effect.Effect<Background, never, Scope.Scope> = Effect.gen(function* () {
    const scope = yield* Effect.scope
    const background = new Background(yield* Effect.runtime<never>(), scope)
    yield* Scope.addFinalizer(
      scope,
      Effect.sync(() => {
        for (const leave of background.leaves) leave()
      })
    )
    return background
  })

  /** Runs an Effect in a fiber of the layer's scope. */
  fork(effect: Effect.Effect<unknown>): Leave {
    const fiber = Runtime.runFork(this.runtime)(effect, { scope: this.scope })
    return () => fiber.unsafeInterruptAsFork(FiberId.none)
  }

  /** Runs an Effect that the end of the layer waits for: a write, which the store does not let wait for long. */
  finish(effect: Effect.Effect<unknown>): void {
    this.fork(Effect.uninterruptible(effect))
  }

  /** Leaves work that was begun without a fiber when the layer ends, unless `done` is called before. */
  track(leave: Leave): () => void {
    this.leaves.add(leave)
    return () => this.leaves.delete(leave)
  }
}
