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
import type { Answering, Ask, Failure } from "./ask.ts"
import type { Begun, Resume, Work } from "./begin.ts"
import { andThen, fiberless, run } from "./begin.ts"
import { call } from "./calling.ts"
import type { Engine, Errand, Landing } from "./errand.ts"
import { alone, answer, nobodyWaits, now, release } from "./errand.ts"
import * as Fleet from "./fleet.ts"
import { Flight } from "./flights.ts"
import { recover } from "./recovering.ts"
import * as Reply from "./reply.ts"
import type { CacheResponse } from "./response.ts"
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
type Again = (engine: Engine, ask: Ask, joins: number) => Answering

/** Calls the origin, together with everybody who wants the same at this time. */
export const share = (engine: Engine, errand: Errand, joins: number, again: Again): Answering => {
  const { ask } = errand
  if (engine.collapseFor === undefined || !isShareable(ask) || joins >= mostJoins) return call(engine, errand)
  const key = flightKey(ask)
  if (engine.unshareable.has(key, now(engine))) return call(engine, errand)
  const flight = engine.flights.get(key)
  return flight === undefined
    ? lead(engine, errand, key)
    : follow(engine, errand, flight, engine.collapseFor, joins, again)
}
export const lead =
  (engine: Engine, errand: Errand, key: string): Answering =>
  (resume) => {
    const flight = new Flight<Landing>(() => {
      if (engine.flights.get(key) === flight) engine.flights.delete(key)
    })
    engine.flights.set(key, flight)
    const land = (landing: Landing) => {
      if (landing._tag === "Alone") engine.unshareable.add(key, now(engine))
      else if (landing._tag === "Landed") engine.unshareable.remove(key)
      flight.land(landing)
    }
    let left = false
    const leave = flight.join(nobodyWaits)
    const calling =
      engine.slots.store.direct === undefined ? inTurn(engine, errand, key, land) : call(engine, { ...errand, land })
    const begun = guarded(
      calling,
      (exit) => {
        if (!left) resume(exit)
        else if (Exit.isSuccess(exit)) release(engine, exit.value)
      },
      land
    )
    if (typeof begun !== "function") return begun
    flight.calls(begun)
    return () => {
      left = true
      if (flight.hasEnded) begun()
      else leave()
    }
  }

/** Begins a call; a defect on the way lands its flight, so that nobody waits for it. */
const guarded = (
  calling: Answering,
  resume: Resume<CacheResponse, Failure>,
  land: (landing: Landing) => void
): Begun<CacheResponse, Failure> => {
  try {
    return calling(resume)
  } catch (defect) {
    land(alone)
    return Exit.die(defect)
  }
}

/** Calls the origin when no other process does; otherwise takes what that one brings. */
const inTurn = (engine: Engine, errand: Errand, key: string, land: (landing: Landing) => void): Answering => {
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
  const turn = Fleet.turn(store, key, read, (slot) => pick(slot) !== undefined, atMost)
  return andThen(run(turn, background.runtime), (exit): Answering => {
    if (Exit.isSuccess(exit) && exit.value._tag === "Made") {
      const stored = pick(exit.value.slot)
      if (stored !== undefined) {
        land({ _tag: "Landed", stored })
        const course: Reply.Course = { outcome: "collapsed", fwd: errand.reason, collapsed: true }
        return answer(Reply.fromStored(ask, stored, now(engine), course))
      }
    }
    const lease = Exit.isSuccess(exit) && exit.value._tag === "Mine" ? exit.value.lease : undefined
    const release = () => {
      if (lease !== undefined) background.finish(store.release(lease))
    }
    const calling = call(engine, {
      ...errand,
      lease,
      land: (landing) => {
        // What is stored gives the lease back as it is written.
        if (landing._tag !== "Landed") release()
        land(landing)
      }
    })
    return (resume) => {
      const begun = calling(resume)
      if (typeof begun !== "function") return begun
      return () => {
        begun()
        release()
      }
    }
  })
}

const follow =
  (
    engine: Engine,
    errand: Errand,
    flight: Flight<Landing>,
    atMost: Duration.Duration,
    joins: number,
    again: Again
  ): Answering =>
  (resume) => {
    // Whoever waits in vain goes alone: a body that never ends must not hold up others.
    if (flight.isUnlimited) {
      const limit = Effect.zipRight(
        Effect.sleep(atMost),
        Effect.sync(() => flight.land(alone))
      )
      flight.limited(engine.background.fork(limit))
    }
    const wait: Work<Landing, never> = (resume) => flight.join((landing) => resume(Exit.succeed(landing)))
    return andThen(wait, (exit) => landed(engine, errand, Exit.isSuccess(exit) ? exit.value : alone, joins, again))(
      resume
    )
  }

const landed = (engine: Engine, errand: Errand, landing: Landing, joins: number, again: Again): Answering => {
  const { ask } = errand
  if (landing._tag === "Failed") {
    const recovered = recover(engine, errand, landing.failure)
    if (recovered !== undefined) return recovered
    const { exit } = landing
    if (exit !== undefined) return () => exit
  }
  if (landing._tag === "Landed" && ask.plan._tag === "Lookup") {
    const at = now(engine)
    const mine = Selection.select(ask.policy, ask.plan, ask.head.headers, [landing.stored])
    if (mine !== undefined && Reuse.decide(ask.policy, ask.plan, mine, 1, at)._tag === "Hit") {
      return answer(Reply.fromStored(ask, mine, at, { outcome: "collapsed", fwd: errand.reason, collapsed: true }))
    }
  }
  return again(engine, ask, joins + 1)
}
