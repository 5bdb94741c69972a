/** Work that is done once for everyone who asks for it meanwhile, and stopped when nobody waits for it any more. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { Inflight } from "./inflight.ts"
import * as Run from "./run.ts"

export class Shared {
  readonly #table = new Inflight<Exit.Exit<void, unknown>>((exit) => exit)

  run(key: string, effect: Effect.Effect<void, unknown>, site: Run.Site): Effect.Effect<void, unknown> {
    return Effect.async((resume) => {
      const known = this.#table.find(this, key)
      const flight = known ?? this.#table.open({ owner: this, text: key }, "", false)
      if (known === undefined) {
        const started = Run.start(effect, site, (exit) => flight.settle(exit))
        if (Run.isLeave(started)) flight.leave = started
        else flight.settle(started)
      }
      const joined = flight.join(resume, true)
      if (Run.isLeave(joined)) return Effect.sync(joined)
      resume(joined)
      return undefined
    })
  }
}
