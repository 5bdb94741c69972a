/** What the origin says about responses that are stored: in a 304, and in the answer to a HEAD. */
import * as Exit from "effect/Exit"
import * as Validation from "../Validation.ts"
import type { Coming } from "./ask.ts"
import * as Body from "./body.ts"
import type { Arrival, Engine, Errand } from "./errand.ts"
import { alone, land, now } from "./errand.ts"
import { drop, insert, replace } from "./keeping.ts"
import * as Reply from "./reply.ts"
import * as Stored from "./stored.ts"

/** A 304: the stored response is good, and as new. `again` asks without conditions where it is not told which one. */
export const notModified = (engine: Engine, errand: Errand, arrival: Arrival, again: () => Coming): Coming => {
  const { ask, asked, reason } = errand
  const { guard, head, response, times } = arrival
  const result = Validation.onNotModified(ask.policy, ask.plan, ask.head, head, times, asked)
  switch (result._tag) {
    case "AskAgain":
      return again()
    case "PassOn":
      land(engine, errand, alone)
      return Exit.succeed(Reply.passed(ask, head, response, times.responseTime, { outcome: "miss", fwd: reason }))
    case "Freshened": {
      const { entry, headers, isAnother, previous } = result
      const course: Reply.Course = {
        outcome: "revalidated",
        fwd: reason,
        fwdStatus: 304,
        stored: entry !== undefined
      }
      if (entry === undefined) {
        if (!isAnother) drop(engine, ask, guard)
        land(engine, errand, alone)
        return Exit.succeed(Reply.fromStored(ask, previous, times.responseTime, course, headers))
      }
      const stored = entry === previous ? previous : Stored.make(entry, previous.body, previous.tags, previous.decoded)
      if (isAnother) insert(engine, ask, stored, guard)
      else if (stored !== previous) replace(engine, ask, previous, stored, guard)
      land(engine, errand, { _tag: "Landed", stored, at: now(engine) })
      return Exit.succeed(Reply.fromStored(ask, stored, times.responseTime, course, headers))
    }
  }
}

/** What a HEAD says about the response a GET would be given. */
export const learn = (
  engine: Engine,
  { ask }: Errand,
  { guard, head, times }: Arrival,
  selected: Stored.Stored
): void => {
  const bytes = Body.length(selected.body)
  const update = Validation.onHead(ask.policy, ask.plan, ask.head, head, times, Stored.entryOf(selected), bytes)
  if (update._tag === "Unrelated") return
  const stored = Stored.make(update.entry, selected.body, selected.tags, selected.decoded)
  replace(engine, ask, selected, stored, guard)
}
