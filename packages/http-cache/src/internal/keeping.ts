/** Putting into the store what the origin answered, in place of what it replaces. */

import * as Exit from "effect/Exit"
import type * as Entry from "../Entry.ts"
import type * as Message from "../Message.ts"
import * as Selection from "../Selection.ts"
import * as Storing from "../Storing.ts"
import * as Vary from "../Vary.ts"
import type { Answering, Ask } from "./ask.ts"
import { andThen, run } from "./begin.ts"
import * as Body from "./body.ts"
import type { Arrival, Engine, Errand } from "./errand.ts"
import { alone, answer } from "./errand.ts"
import * as Intake from "./intake.ts"
import { bytesOf } from "./origin.ts"
import * as Parts from "./parts.ts"
import { failed } from "./recovering.ts"
import * as Reply from "./reply.ts"
import type { CacheResponse } from "./response.ts"
import type { Guard } from "./slots.ts"
import type { Slot } from "./stored.ts"
import * as Stored from "./stored.ts"

/** Forgets what would answer a request like this one, whosever it is: nothing older may come back in its place. */
export const drop = ({ slots }: Engine, { head, place, plan, policy }: Ask, guard: Guard): void => {
  const remaining = (slot: Slot): Slot => {
    const kept = slot.filter(
      (entry) => !Selection.admits(plan, entry) || !Vary.matches(policy, entry.vary, head.headers)
    )
    return kept.length === slot.length ? slot : kept
  }
  slots.change(place, "shared", guard, remaining)
  slots.change(place, "private", guard, remaining)
}

export const replace = (
  { slots }: Engine,
  { place }: Ask,
  previous: Stored.Stored,
  stored: Stored.Stored,
  guard: Guard
): void =>
  slots.change(place, stored.scope, guard, (slot) => {
    const others = slot.filter((other) => !Stored.isSame(other, previous))
    return others.length === 0 ? [stored] : others.concat(stored)
  })

export const insert = (engine: Engine, { head, place, policy }: Ask, stored: Stored.Stored, guard: Guard): void =>
  engine.slots.change(place, stored.scope, guard, (slot) =>
    Parts.insert(policy, slot, stored, head.headers, engine.maxEntryBytes)
  )

/** The bytes a stored part lacked. `again` asks for all of it where they do not fit. */
export const completed = (
  engine: Engine,
  errand: Errand,
  arrival: Arrival,
  entry: Entry.Entry,
  selected: Stored.Stored,
  again: () => Answering
): Answering => {
  const { ask } = errand
  const { guard, response, times } = arrival
  return andThen(run(bytesOf(response), ask.runtime), (exit) => {
    if (Exit.isFailure(exit)) return failed(engine, errand, exit)
    const part = Stored.make(entry, Body.fromBytes(exit.value), selected.tags)
    const whole = Parts.join(selected, part, { sameForSure: true })
    if (whole === undefined || whole.range !== undefined) return again()
    if (Body.length(whole.body) <= engine.maxEntryBytes) replace(engine, ask, selected, whole, guard)
    const course: Reply.Course = { outcome: "miss", fwd: "partial", fwdStatus: 206, stored: true }
    return answer(Reply.fromStored(ask, whole, times.responseTime, course))
  })
}

/** A response that is stored as it passes. */
export const kept = (engine: Engine, errand: Errand, arrival: Arrival, entry: Entry.Entry): Answering => {
  const { ask, reason } = errand
  const { guard, head, response, times } = arrival
  const at = times.responseTime
  const tags = engine.tagsOf(ask, head)
  const keep = (body: Body.Body | undefined, complete: boolean): Stored.Stored | undefined => {
    const settled = body === undefined ? undefined : Storing.settle(ask.policy, entry, Body.length(body), complete)
    if (body === undefined || settled === undefined) {
      errand.land(alone)
      return undefined
    }
    const stored = Stored.make(settled, body, tags)
    insert(engine, ask, stored, guard)
    errand.land({ _tag: "Landed", stored })
    return stored
  }
  let passing: CacheResponse | undefined
  const taking = Intake.take(
    {
      response,
      declared: declaredLength(head),
      maxBytes: engine.maxEntryBytes,
      runtime: ask.runtime,
      background: engine.background
    },
    (body, complete) => {
      const stored = keep(body, complete)
      if (passing !== undefined) passing.stored = stored
    }
  )
  return andThen(taking, (exit) => {
    if (Exit.isFailure(exit)) return failed(engine, errand, exit)
    const source = exit.value
    if (source._tag === "Below") {
      errand.land(alone)
      return answer(Reply.passed(ask, head, response, at, { outcome: "miss", fwd: reason }))
    }
    const stored = source._tag === "Held" ? keep(source.body, true) : undefined
    const isStored = source._tag === "Passing" || stored !== undefined
    passing = Reply.fromOrigin(ask, head, source, at, { outcome: "miss", fwd: reason, stored: isStored }, entry, stored)
    return answer(passing)
  })
}

/** The length of the body as we get it; negative when the head does not say. */
const declaredLength = (head: Message.ResponseHead): number => {
  const length = head.decoded ? undefined : head.headers["content-length"]
  return typeof length === "string" && /^\d{1,15}$/.test(length) ? Number(length) : -1
}
