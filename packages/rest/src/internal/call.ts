/** A call as its caller sees it: an Effect that is also answered without a fiber. */
import * as Fiberless from "@wellspring/source/Fiberless"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"
import type * as Endpoint from "../Endpoint.ts"
import type { Answer } from "./answer.ts"
import type { Engine } from "./engine.ts"
import { Flight } from "./inflight.ts"
import type { Awaited, Ready } from "./preparing.ts"
import * as Promised from "./promised.ts"
import type { RequestImpl } from "./request.ts"
import * as Run from "./run.ts"

/** What of an answer a caller is handed. */
export type View = (answer: Answer) => Exit.Exit<unknown>

export const value: View = (answer) => answer.exit
export const whole: View = (answer) => Exit.succeed(answer)

export class Call<A, E, R> extends Effectable.Class<A, E, R> implements Fiberless.Fiberless<A, E, R> {
  private readonly engine: Engine
  private readonly request: RequestImpl
  private readonly options: Endpoint.Policy | undefined
  private readonly view: View
  constructor(engine: Engine, request: RequestImpl, options: Endpoint.Policy | undefined, view: View) {
    super()
    this.engine = engine
    this.request = request
    this.options = options
    this.view = view
  }
  [Fiberless.TypeId](
    context: Context.Context<R>,
    resume: (exit: Exit.Exit<A, E>) => void
  ): Exit.Exit<A, E> | Fiberless.Leave {
    // The caller provides what `prepare` needs; the engine does not know the types of its source.
    const services = context as Context.Context<never>
    const kept = services.unsafeMap.has(Tracer.Tracer.key) ? undefined : this.kept(services)
    if (kept !== undefined) return kept
    const site = this.engine.site(services)
    const ready = this.engine.preparing.prepare(this.request, this.options, site)
    return Exit.isExit(ready) ? this.see(ready) : this.follow(ready, site, resume)
  }
  commit(): Effect.Effect<A, E, R> {
    return Effect.withFiberRuntime<A, E, R>((fiber) => {
      const site = Run.siteIn(fiber)
      const kept = site.tracer === undefined ? this.kept(site.context) : undefined
      if (kept !== undefined) return kept
      const ready = this.engine.preparing.prepare(this.request, this.options, site)
      return Exit.isExit(ready) ? this.see(ready) : Run.inFiber(fiber, (resume) => this.follow(ready, site, resume))
    })
  }
  /** The answer by a promise, for a caller who does not leave: those who wait for one call share one. */
  promise(context: Context.Context<R>): Promise<A> {
    const services = context as Context.Context<never>
    const kept = services.unsafeMap.has(Tracer.Tracer.key) ? undefined : this.kept(services)
    if (kept !== undefined) return Promised.settled(kept)
    const site = this.engine.site(services)
    const ready = this.engine.preparing.prepare(this.request, this.options, site)
    if (Exit.isExit(ready)) return Promised.settled(this.see(ready))
    if (this.view !== value || !(ready instanceof Flight) || ready.exit !== undefined) {
      return Promised.of((resume) => this.follow(ready, site, resume))
    }
    ready.promise ??= Promised.of((resume) => this.follow(ready, site, resume))
    return ready.promise as Promise<A>
  }
  /** The value, where that is all that is wanted and a cache keeps it. */
  private kept(context: Context.Context<never>): Exit.Exit<A, E> | undefined {
    if (this.view !== value || this.options !== undefined) return undefined
    // The cache keeps it by the endpoint, whose type it has.
    return this.engine.preparing.kept(this.request, context) as Exit.Exit<A, E> | undefined
  }
  private follow(
    ready: Ready | Awaited,
    site: Run.Site,
    resume: (exit: Exit.Exit<A, E>) => void
  ): Exit.Exit<A, E> | Fiberless.Leave {
    const started = this.engine.follow(ready, site, (exit) => resume(this.see(exit)))
    return typeof started === "function" ? started : this.see(started)
  }
  private see(exit: Exit.Exit<Answer, unknown>): Exit.Exit<A, E> {
    return (Exit.isFailure(exit) ? exit : this.view(exit.value)) as Exit.Exit<A, E>
  }
}

/** A call in a context of its own making. In a fiber it keeps what else the fiber has: its tracer, clock and refs. */
export class Within<A, E, R> extends Effectable.Class<A, E> implements Fiberless.Fiberless<A, E> {
  private readonly call: Fiberless.Fiberless<A, E, R>
  private readonly within: (own: Context.Context<never>) => Context.Context<R>
  constructor(call: Fiberless.Fiberless<A, E, R>, within: (own: Context.Context<never>) => Context.Context<R>) {
    super()
    this.call = call
    this.within = within
  }
  [Fiberless.TypeId](own: Context.Context<never>, resume: (exit: Exit.Exit<A, E>) => void) {
    return Fiberless.start(this.call, this.within(own), resume)
  }
  commit(): Effect.Effect<A, E> {
    return Effect.mapInputContext(this.call, this.within)
  }
}
