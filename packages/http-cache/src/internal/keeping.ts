/** Putting into the store what the origin answered, in place of what it replaces. */

import * as Exit from "effect/Exit"
import type * as Entry from "../Entry.ts"
import type * as Message from "../Message.ts"
import * as Selection from "../Selection.ts"
import * as Storing from "../Storing.ts"
import * as Vary from "../Vary.ts"
import type { Ask, Coming, Failure, Receive } from "./ask.ts"
import { after, run } from "./begin.ts"
import * as Body from "./body.ts"
import type { Arrival, Engine, Errand } from "./errand.ts"
import { alone, land, now } from "./errand.ts"
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
  again: () => Coming,
  resume: Receive
): Coming => {
  const { ask } = errand
  const { guard, response, times } = arrival
  return after(run(bytesOf(response), ask.runtime), resume, (exit) => {
    if (Exit.isFailure(exit)) return failed(engine, errand, exit)
    const part = Stored.make(entry, Body.fromBytes(exit.value), selected.tags)
    const whole = Parts.join(selected, part, { sameForSure: true })
    if (whole === undefined || whole.range !== undefined) return again()
    if (Body.length(whole.body) <= engine.maxEntryBytes) replace(engine, ask, selected, whole, guard)
    const course: Reply.Course = { outcome: "miss", fwd: "partial", fwdStatus: 206, stored: true }
    return Exit.succeed(Reply.fromStored(ask, whole, times.responseTime, course))
  })
}

/** A response that is to be stored: when its body has come, if that is soon, or as it passes. */
export const kept = (engine: Engine, errand: Errand, arrival: Arrival, entry: Entry.Entry, resume: Receive): Coming => {
  const { ask, reason } = errand
  const { head, response, times } = arrival
  const declared = declaredLength(head)
  if (declared > engine.maxEntryBytes) {
    land(engine, errand, alone)
    return Exit.succeed(Reply.passed(ask, head, response, times.responseTime, { outcome: "miss", fwd: reason }))
  }
  let tags: ReadonlyArray<string>
  try {
    tags = engine.tagsOf(ask, head)
  } catch (defect) {
    // The application's own function, asked before anything is read: nobody is to wait for what comes after it.
    engine.background.fork(Intake.abandon(response))
    land(engine, errand, alone)
    return Exit.die(defect)
  }
  const whole = Intake.whole(response, declared)
  if (whole === undefined) return Exit.succeed(recorded(engine, errand, arrival, entry, tags))
  return after(run(whole, ask.runtime), resume, (exit) => arrived(engine, errand, arrival, entry, tags, exit))
}

const arrived = (
  engine: Engine,
  errand: Errand,
  arrival: Arrival,
  entry: Entry.Entry,
  tags: ReadonlyArray<string>,
  exit: Exit.Exit<Uint8Array, Intake.Failure>
): Exit.Exit<CacheResponse, Failure> => {
  if (Exit.isFailure(exit)) return failed(engine, errand, exit)
  const body = Body.fromBytes(exit.value)
  const stored = keep(engine, errand, arrival, entry, tags, body, true)
  const course: Reply.Course = { outcome: "miss", fwd: errand.reason, stored: stored !== undefined }
  const { head, times } = arrival
  return Exit.succeed(
    Reply.fromOrigin(errand.ask, head, { _tag: "Held", body }, times.responseTime, course, entry, stored)
  )
}

const recorded = (
  engine: Engine,
  errand: Errand,
  arrival: Arrival,
  entry: Entry.Entry,
  tags: ReadonlyArray<string>
): CacheResponse => {
  const { ask, reason } = errand
  const { head, response, times } = arrival
  let passing: CacheResponse | undefined
  const source = Intake.passing(response, engine.maxEntryBytes, engine.background, (body, complete) => {
    const stored = keep(engine, errand, arrival, entry, tags, body, complete)
    if (passing !== undefined) passing.stored = stored
  })
  const course: Reply.Course = { outcome: "miss", fwd: reason, stored: true }
  passing = Reply.fromOrigin(ask, head, source, times.responseTime, course, entry)
  return passing
}

/** Stores what has come of a body, if it is worth it, and tells those who wait. */
const keep = (
  engine: Engine,
  errand: Errand,
  { guard }: Arrival,
  entry: Entry.Entry,
  tags: ReadonlyArray<string>,
  body: Body.Body | undefined,
  complete: boolean
): Stored.Stored | undefined => {
  const { ask } = errand
  const settled = body === undefined ? undefined : Storing.settle(ask.policy, entry, Body.length(body), complete)
  if (body === undefined || settled === undefined) {
    land(engine, errand, alone)
    return undefined
  }
  const stored = Stored.make(settled, body, tags)
  insert(engine, ask, stored, guard)
  land(engine, errand, { _tag: "Landed", stored, at: now(engine) })
  return stored
}

/** The length of the body as we get it; negative when the head does not say. */
const declaredLength = (head: Message.ResponseHead): number => {
  const length = head.decoded ? undefined : head.headers["content-length"]
  return typeof length === "string" && /^\d{1,15}$/.test(length) ? Number(length) : -1
}
