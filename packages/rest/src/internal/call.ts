/** A call as its caller sees it: an Effect that is also answered without a fiber. */
import * as Fiberless from "@wellspring/source/Fiberless"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type * as FiberRefs from "effect/FiberRefs"
import type * as Endpoint from "../Endpoint.ts"
import type { Answer } from "./answer.ts"
import type { Engine } from "./engine.ts"
import type { RequestImpl } from "./request.ts"

/** What of an answer a caller is handed. */
export type View = (answer: Answer) => Exit.Exit<unknown>

export const value: View = (answer) => answer.exit
export const whole: View = (answer) => Exit.succeed(answer)

export class Call<A, E, R> extends Effectable.Class<A, E, R> implements Fiberless.Fiberless<A, E, R> {
  readonly #engine: Engine
  readonly #request: RequestImpl
  readonly #options: Endpoint.Policy | undefined
  readonly #view: View
  constructor(engine: Engine, request: RequestImpl, options: Endpoint.Policy | undefined, view: View) {
    super()
    this.#engine = engine
    this.#request = request
    this.#options = options
    this.#view = view
  }
  get [Fiberless.TypeId](): Fiberless.Start<A, E, R> {
    return (context, resume) => this.#begin(context, undefined, resume)
  }
  commit(): Effect.Effect<A, E, R> {
    return Effect.withFiberRuntime<A, E, R>((fiber) =>
      Effect.async<A, E>((resume) => {
        const started = this.#begin(fiber.currentContext as Context.Context<R>, fiber.getFiberRefs(), resume)
        if (typeof started === "function") return Effect.sync(started)
        resume(started)
        return undefined
      })
    )
  }
  #begin(
    context: Context.Context<R>,
    fiberRefs: FiberRefs.FiberRefs | undefined,
    resume: (exit: Exit.Exit<A, E>) => void
  ): Exit.Exit<A, E> | Fiberless.Leave {
    const see = (exit: Exit.Exit<Answer, unknown>) =>
      (Exit.isFailure(exit) ? exit : this.#view(exit.value)) as Exit.Exit<A, E>
    // The caller provides what `prepare` needs; the engine does not know the types of its source.
    const site = this.#engine.site(context as Context.Context<never>, fiberRefs)
    const started = this.#engine.start(this.#request, this.#options, site, (exit) => resume(see(exit)))
    return typeof started === "function" ? started : see(started)
  }
}
