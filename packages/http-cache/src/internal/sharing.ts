/**
 * Asking the origin together: whoever wants what is being fetched already waits for it.
 *
 * Within the process by flights, among the processes that share a store by leases.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as CacheControl from "../CacheControl.ts"
import * as Reuse from "../Reuse.ts"
import * as Selection from "../Selection.ts"
import * as Vary from "../Vary.ts"
import type { Ask, Coming, Receive } from "./ask.ts"
import type { Leave } from "./begin.ts"
import { after, fiberless, run } from "./begin.ts"
import { call } from "./calling.ts"
import type { Engine, Errand, Landing } from "./errand.ts"
import { alone, giveBack, land, now, release } from "./errand.ts"
import * as Fleet from "./fleet.ts"
import { Flight, type Waiter } from "./flights.ts"
import { recover } from "./recovering.ts"
import * as Reply from "./reply.ts"
import type * as Stored from "./stored.ts"
import type { Slot } from "./stored.ts"

/** Whether a request may wait for another's answer: one that asks for nothing special. */
const isShareable = ({ plan }: Ask): boolean =>
  plan._tag === "Lookup" &&
  plan.method !== "HEAD" &&
  plan.mode === "default" &&
  !plan.conditional &&
  plan.range === undefined &&
  plan.directives === CacheControl.none

/** As often as this an answer turns out not to be what a waiter needs before it goes alone. */
const mostJoins = 3

export const flightKey = ({ place }: Ask): string => place.own ?? place.shared ?? place.url

/** Whether the origin is being asked what this request wants. */
export const isUnderWay = (engine: Engine, ask: Ask): boolean => engine.flights.has(flightKey(ask))

/** The way of a request once more, for whom what was waited for does not do. */
type Again = (engine: Engine, ask: Ask, joins: number, resume: Receive) => Coming

/** Calls the origin, together with everybody who wants the same at this time. */
export const share = (engine: Engine, errand: Errand, joins: number, again: Again, resume: Receive): Coming => {
  const { ask } = errand
  if (engine.collapseFor === undefined || !isShareable(ask) || joins >= mostJoins) return call(engine, errand, resume)
  const key = flightKey(ask)
  if (!engine.unshareable.isEmpty && engine.unshareable.has(key, now(engine))) return call(engine, errand, resume)
  const flight = engine.flights.get(key)
  return flight === undefined
    ? lead(engine, errand, key, resume)
    : follow(engine, errand, flight, engine.collapseFor, joins, again, resume)
}

/** Begins a flight. Who leads it may leave; it then goes on for the others. */
export const lead = (engine: Engine, alone: Errand, key: string, resume: Receive): Coming => {
  const flight = new Flight<Landing>(engine.flights, key)
  const { ask, asked, lease, question, reason, selected } = alone
  const errand: Errand = { ask, question, asked, reason, selected, flight, lease }
  let left = false
  const begun = guarded(engine, errand, (exit) => {
    if (!left) resume(exit)
    else if (Exit.isSuccess(exit)) release(engine, exit.value)
  })
  if (typeof begun !== "function") return begun
  flight.calls(begun)
  return () => {
    if (left) return
    left = true
    if (flight.hasEnded) begun()
    else flight.leave()
  }
}

/** Begins a call; a defect on the way lands its flight, so that nobody waits for it. */
const guarded = (engine: Engine, errand: Errand, resume: Receive): Coming => {
  try {
    return engine.slots.store.direct === undefined ? inTurn(engine, errand, resume) : call(engine, errand, resume)
  } catch (defect) {
    land(engine, errand, alone)
    return Exit.die(defect)
  }
}

/** Calls the origin when no other process does; otherwise takes what that one brings. */
const inTurn = (engine: Engine, errand: Errand, resume: Receive): Coming => {
  const { ask } = errand
  const { background, slots } = engine
  const { store } = slots
  const read = fiberless<Slot, never>((_runtime, resume) => slots.read(ask.place)(resume))
  const pick = (slot: Slot): Stored.Stored | undefined => {
    if (ask.plan._tag !== "Lookup") return undefined
    const stored = Selection.select(ask.policy, ask.plan, ask.head.headers, slot)
    return Reuse.decide(ask.policy, ask.plan, stored, slot.length, now(engine))._tag === "Hit" ? stored : undefined
  }
  const atMost = engine.collapseFor ?? Duration.zero
  const turn = Fleet.turn(store, flightKey(ask), read, (slot) => pick(slot) !== undefined, atMost)
  return after(run(turn, background.runtime), resume, (exit, resume) => {
    if (Exit.isSuccess(exit) && exit.value._tag === "Made") {
      const stored = pick(exit.value.slot)
      if (stored !== undefined) {
        land(engine, errand, { _tag: "Landed", stored, at: now(engine) })
        return Exit.succeed(Reply.fromStored(ask, stored, now(engine), Reply.collapsed(errand.reason)))
      }
    }
    const lease = Exit.isSuccess(exit) && exit.value._tag === "Mine" ? exit.value.lease : undefined
    const begun = call(engine, { ...errand, lease }, resume)
    if (typeof begun !== "function" || lease === undefined) return begun
    return () => {
      begun()
      giveBack(engine, lease)
    }
  })
}

/** Waits for a flight that somebody else leads. */
const follow = (
  engine: Engine,
  errand: Errand,
  flight: Flight<Landing>,
  atMost: Duration.Duration,
  joins: number,
  again: Again,
  resume: Receive
): Coming => {
  // Whoever waits in vain goes alone: a body that never ends must not hold up others.
  if (flight.isUnlimited) {
    const limit = Effect.zipRight(
      Effect.sleep(atMost),
      Effect.sync(() => flight.land(alone))
    )
    flight.limited(engine.background.fork(limit))
  }
  const follower = new Follower(engine, errand, flight, joins, again, resume)
  flight.join(follower)
  return () => follower.leave()
}

class Follower implements Waiter<Landing> {
  hasLeft = false
  /** How to leave what came after the flight. */
  private next: Leave | undefined
  private readonly engine: Engine
  private readonly errand: Errand
  private readonly flight: Flight<Landing>
  private readonly joins: number
  private readonly again: Again
  private readonly resume: Receive

  constructor(engine: Engine, errand: Errand, flight: Flight<Landing>, joins: number, again: Again, resume: Receive) {
    this.engine = engine
    this.errand = errand
    this.flight = flight
    this.joins = joins
    this.again = again
    this.resume = resume
  }

  landed(landing: Landing): void {
    const coming = this.taking(landing)
    if (typeof coming === "function") this.next = coming
    else this.resume(coming)
  }

  leave(): void {
    if (this.hasLeft) return
    this.hasLeft = true
    if (this.next === undefined) this.flight.leave()
    else this.next()
  }

  private taking(landing: Landing): Coming {
    const { engine, errand, joins, resume } = this
    const { ask } = errand
    if (landing._tag === "Failed") {
      const answer = recover(engine, errand, landing.failure) ?? landing.exit
      if (answer !== undefined) return answer
    }
    if (landing._tag === "Landed" && ask.plan._tag === "Lookup") {
      const { at, stored } = landing
      const isMine = Selection.admits(ask.plan, stored) && Vary.matches(ask.policy, stored.vary, ask.head.headers)
      if (isMine && Reuse.decide(ask.policy, ask.plan, stored, 1, at)._tag === "Hit") {
        return Exit.succeed(Reply.fromStored(ask, stored, at, Reply.collapsed(errand.reason)))
      }
    }
    return this.again(engine, ask, joins + 1, resume)
  }
}
