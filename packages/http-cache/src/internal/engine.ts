/**
 * The way of a request through the cache: what the policy decides, done.
 *
 * Written in callbacks, so that a hit needs neither fiber nor suspension, and a
 * miss no more of them than the client below. Each step gives the next one; a
 * step that waits can be left.
 */
import * as Exit from "effect/Exit"
import type * as Plan from "../Plan.ts"
import * as Reuse from "../Reuse.ts"
import * as Selection from "../Selection.ts"
import * as Validation from "../Validation.ts"
import type { Answering, Ask } from "./ask.ts"
import type { Leave } from "./begin.ts"
import { andThen } from "./begin.ts"
import { call } from "./calling.ts"
import type { Engine } from "./errand.ts"
import { answer, nobodyWaits, now, release } from "./errand.ts"
import * as Reply from "./reply.ts"
import type { CacheResponse } from "./response.ts"
import { flightKey, lead, share } from "./sharing.ts"
import type { Slot } from "./stored.ts"
import * as Stored from "./stored.ts"

export type { Engine } from "./errand.ts"
export { release } from "./errand.ts"
export { detach, detachUrl } from "./flights.ts"
export { isUnderWay } from "./sharing.ts"

/** Answers a request, from the store or from the origin. */
export const answering = (engine: Engine, ask: Ask, joins = 0): Answering => {
  const { plan } = ask
  switch (plan._tag) {
    case "Unavailable":
      return answer(Reply.gatewayTimeout(ask, { outcome: "miss" }))
    case "Forward":
      return call(engine, {
        ask,
        question: Validation.plain,
        asked: [],
        reason: plan.reason,
        selected: undefined,
        land: nobodyWaits
      })
    case "Lookup":
      return andThen(engine.slots.read(ask.place), (exit) =>
        found(engine, ask, plan, Exit.isSuccess(exit) ? exit.value : [], joins)
      )
  }
}

/** The response if it is at hand, and asks nothing of the origin. */
export const peek = (engine: Engine, ask: Ask): CacheResponse | undefined => {
  if (ask.plan._tag !== "Lookup") return undefined
  const slot = engine.slots.peek(ask.place)
  if (slot === undefined) return undefined
  const at = now(engine)
  const selected = Selection.select(ask.policy, ask.plan, ask.head.headers, slot)
  const reuse = Reuse.decide(ask.policy, ask.plan, selected, slot.length, at)
  return selected !== undefined && reuse._tag === "Hit" ? Reply.fromStored(ask, selected, at, Reply.hit) : undefined
}

const found = (engine: Engine, ask: Ask, plan: Plan.Lookup, slot: Slot, joins: number): Answering => {
  const at = now(engine)
  const selected = Selection.select(ask.policy, plan, ask.head.headers, slot)
  const reuse = Reuse.decide(ask.policy, plan, selected, slot.length, at)
  if (selected !== undefined) {
    switch (reuse._tag) {
      case "Hit":
        return answer(Reply.fromStored(ask, selected, at, Reply.hit))
      case "Stale":
        if (reuse.revalidate) revalidateBehind(engine, ask, selected)
        return answer(Reply.fromStored(ask, selected, at, Reply.stale))
      case "Validate": {
        const question: Validation.Question = { _tag: "Validate", entries: [selected] }
        const errand = { ask, question, asked: [selected], reason: reuse.reason, selected, land: nobodyWaits }
        return share(engine, errand, joins, answering)
      }
      case "Complete": {
        const question: Validation.Question = { _tag: "Complete", entry: selected, range: reuse.range }
        return call(engine, { ask, question, asked: [], reason: "partial", selected, land: nobodyWaits })
      }
    }
  }
  if (reuse._tag === "Unavailable") return answer(Reply.gatewayTimeout(ask, { outcome: "miss" }))
  const asked = selected === undefined ? Selection.candidates(plan, slot) : []
  const question: Validation.Question = asked.length > 0 ? { _tag: "Validate", entries: asked } : Validation.plain
  const reason = reuse._tag === "Miss" ? reuse.reason : "miss"
  return share(engine, { ask, question, asked, reason, selected, land: nobodyWaits }, joins, answering)
}

/** One revalidation at a time behind the answers that are stale meanwhile. */
const revalidateBehind = (engine: Engine, ask: Ask, selected: Stored.Stored): void => {
  const key = flightKey(ask)
  if (engine.flights.has(key)) return
  const behind = ask.behind()
  const question: Validation.Question = Stored.hasValidator(selected)
    ? { _tag: "Validate", entries: [selected] }
    : Validation.plain
  const asked = question._tag === "Validate" ? [selected] : []
  let done: Leave = nobodyWaits
  const begun = lead(
    engine,
    { ask: behind, question, asked, reason: "stale", selected, land: nobodyWaits },
    key
  )((exit) => {
    done()
    if (Exit.isSuccess(exit)) release(engine, exit.value)
  })
  if (typeof begun === "function") done = engine.background.track(begun)
  else if (Exit.isSuccess(begun)) release(engine, begun.value)
}
