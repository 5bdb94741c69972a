/** Work that is done once for everyone who asks for it meanwhile, and stopped when nobody waits for it any more. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { Inflight } from "./inflight.ts"
import * as Run from "./run.ts"

export class Shared {
  readonly #table = new Inflight<Exit.Exit<void, unknown>>()

  run(key: string, effect: Effect.Effect<void, unknown>, site: Run.Site): Effect.Effect<void, unknown> {
    return Effect.async((resume) => {
      const known = this.#table.find(key)
      const flight = known ?? this.#table.open(key, key, false)
      const leave = this.#table.join(flight, resume)
      if (known === undefined) {
        const started = Run.start(effect, site, (exit) => this.#table.settle(flight, exit))
        if (Run.isLeave(started)) flight.leave = started
        else this.#table.settle(flight, started)
      }
      return Effect.sync(leave)
    })
  }
}
