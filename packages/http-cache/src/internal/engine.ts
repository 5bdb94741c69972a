/**
 * The way of a request through the cache: what the policy decides, done.
 *
 * Written in callbacks, so that a hit needs neither fiber nor suspension, and a
 * miss no more of them than the client below. Each step gives the next one; a
 * step that waits can be left.
 */
import * as Exit from "effect/Exit"
import type { Kept } from "../HttpCache.ts"
import type * as Plan from "../Plan.ts"
import * as Reuse from "../Reuse.ts"
import * as Selection from "../Selection.ts"
import * as Validation from "../Validation.ts"
import type { Answering, Ask, Coming, Receive } from "./ask.ts"
import { after } from "./begin.ts"
import { call } from "./calling.ts"
import type { Engine, Errand } from "./errand.ts"
import { now, release } from "./errand.ts"
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
export const answering =
  (engine: Engine, ask: Ask): Answering =>
  (resume) =>
    begin(engine, ask, 0, resume)

/** @param joins how often it has waited in vain for somebody else's answer */
const begin = (engine: Engine, ask: Ask, joins: number, resume: Receive): Coming => {
  const { plan } = ask
  switch (plan._tag) {
    case "Unavailable":
      return Exit.succeed(Reply.gatewayTimeout(ask, { outcome: "miss" }))
    case "Forward":
      return call(engine, errand(ask, Validation.plain, nothing, plan.reason, undefined), resume)
    case "Lookup": {
      const { slots } = engine
      if (slots.store.direct !== undefined) {
        return found(engine, ask, plan, slots.peek(ask.place) ?? nothing, joins, resume)
      }
      return after(slots.read(ask.place), resume, (exit, resume) =>
        found(engine, ask, plan, Exit.isSuccess(exit) ? exit.value : nothing, joins, resume)
      )
    }
  }
}

const nothing: Slot = []

/** What is to be asked of the origin; nobody waits for it yet. */
const errand = (
  ask: Ask,
  question: Validation.Question,
  asked: Errand["asked"],
  reason: Errand["reason"],
  selected: Errand["selected"]
): Errand => ({ ask, question, asked, reason, selected, flight: undefined, lease: undefined })

/** The response if it is at hand, and asks nothing of the origin. */
export const peek = (engine: Engine, ask: Ask): CacheResponse | undefined => {
  const at = now(engine)
  const fresh = freshAt(engine, ask, at)
  return fresh && Reply.fromStored(ask, fresh, at, Reply.hit)
}

/** What a decoder has made of that response, where that is all of a successful one. */
export const peekDecoded = (engine: Engine, ask: Ask, decoder: object): Kept | undefined => {
  const at = now(engine)
  const fresh = freshAt(engine, ask, at)
  if (fresh === undefined || fresh.status < 200 || fresh.status > 299 || !Reply.isWhole(ask, fresh)) return undefined
  const exit = Stored.decodedBy(fresh, decoder)
  return exit && { _tag: "Kept", exit, outcome: "hit", lifetime: Reply.lifetimeOf(fresh, at) }
}

const freshAt = ({ slots }: Engine, ask: Ask, at: number): Stored.Stored | undefined => {
  if (ask.plan._tag !== "Lookup") return undefined
  const slot = slots.peek(ask.place)
  if (slot === undefined) return undefined
  const selected = Selection.select(ask.policy, ask.plan, ask.head.headers, slot)
  const reuse = Reuse.decide(ask.policy, ask.plan, selected, slot.length, at)
  return reuse._tag === "Hit" ? selected : undefined
}

const found = (engine: Engine, ask: Ask, plan: Plan.Lookup, slot: Slot, joins: number, resume: Receive): Coming => {
  const at = now(engine)
  const selected = Selection.select(ask.policy, plan, ask.head.headers, slot)
  const reuse = Reuse.decide(ask.policy, plan, selected, slot.length, at)
  if (selected !== undefined) {
    switch (reuse._tag) {
      case "Hit":
        return Exit.succeed(Reply.fromStored(ask, selected, at, Reply.hit))
      case "Stale":
        if (reuse.revalidate) revalidateBehind(engine, ask, selected)
        return Exit.succeed(Reply.fromStored(ask, selected, at, Reply.stale))
      case "Validate": {
        const asked = [selected]
        const question: Validation.Question = { _tag: "Validate", entries: asked }
        return share(engine, errand(ask, question, asked, reuse.reason, selected), joins, begin, resume)
      }
      case "Complete": {
        const question: Validation.Question = { _tag: "Complete", entry: selected, range: reuse.range }
        return call(engine, errand(ask, question, nothing, "partial", selected), resume)
      }
    }
  }
  if (reuse._tag === "Unavailable") return Exit.succeed(Reply.gatewayTimeout(ask, { outcome: "miss" }))
  const asked = selected === undefined && slot.length > 0 ? Selection.candidates(plan, slot) : nothing
  const question: Validation.Question = asked.length > 0 ? { _tag: "Validate", entries: asked } : Validation.plain
  const reason = reuse._tag === "Miss" ? reuse.reason : "miss"
  return share(engine, errand(ask, question, asked, reason, selected), joins, begin, resume)
}

/** One revalidation at a time behind the answers that are stale meanwhile. */
const revalidateBehind = (engine: Engine, ask: Ask, selected: Stored.Stored): void => {
  const key = flightKey(ask)
  if (engine.flights.has(key)) return
  const asked = Stored.hasValidator(selected) ? [selected] : nothing
  const question: Validation.Question = asked.length > 0 ? { _tag: "Validate", entries: asked } : Validation.plain
  let done: (() => void) | undefined
  const begun = lead(engine, errand(ask.behind(), question, asked, "stale", selected), key, (exit) => {
    done?.()
    if (Exit.isSuccess(exit)) release(engine, exit.value)
  })
  if (typeof begun === "function") done = engine.background.track(begun)
  else if (Exit.isSuccess(begun)) release(engine, begun.value)
}
