/**
 * The way of a request through the cache: what the policy decides, done.
 *
 * Written in callbacks, so that a hit needs neither fiber nor suspension, and a
 * miss no more of them than the client below. Each step gives the next one; a
 * step that waits can be left.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Store from "@wellspring/cache-store/Store"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Runtime from "effect/Runtime"
import * as CacheControl from "../CacheControl.ts"
import type * as Entry from "../Entry.ts"
import * as Invalidation from "../Invalidation.ts"
import type * as Message from "../Message.ts"
import type * as Plan from "../Plan.ts"
import * as Reuse from "../Reuse.ts"
import * as Selection from "../Selection.ts"
import * as Storing from "../Storing.ts"
import * as Validation from "../Validation.ts"
import * as Vary from "../Vary.ts"
import type { Answering, Ask, Failure } from "./ask.ts"
import type { Background } from "./background.ts"
import type { Begun, Leave, Resume, Work } from "./begin.ts"
import { andThen, fiberless, isStartable, run } from "./begin.ts"
import * as Body from "./body.ts"
import * as Fleet from "./fleet.ts"
import { Flight } from "./flights.ts"
import * as Intake from "./intake.ts"
import { bytesOf, headOf } from "./origin.ts"
import * as Outgoing from "./outgoing.ts"
import * as Parts from "./parts.ts"
import type { Remembered } from "./remembered.ts"
import * as Reply from "./reply.ts"
import type { CacheResponse } from "./response.ts"
import type { Guard, Slots } from "./slots.ts"
import type { Slot } from "./stored.ts"
import * as Stored from "./stored.ts"

export interface Engine {
  readonly client: HttpClient.HttpClient
  readonly clock: Clock.Clock
  readonly slots: Slots
  readonly background: Background
  readonly flights: Map<string, Flight<Landing>>
  /** Whose last answer could not be shared: who asks for one does not queue behind another for nothing. */
  readonly unshareable: Remembered
  readonly maxEntryBytes: number
  /** How long a caller waits for another's answer; `undefined` when nobody is to wait. */
  readonly collapseFor: Duration.Duration | undefined
  readonly tagsOf: (ask: Ask, head: Message.ResponseHead) => ReadonlyArray<string>
}

/** What a flight ends with, for those who waited. */
export type Landing =
  /** An entry, which may or may not be what a waiter needs. */
  | { readonly _tag: "Landed"; readonly stored: Stored.Stored }
  /** Nothing that can be shared: everybody for himself. */
  | { readonly _tag: "Alone" }
  /** The origin failed. */
  | { readonly _tag: "Failed"; readonly failure: Reuse.Failure; readonly exit: Exit.Exit<never, Failure> | undefined }

const alone: Landing = { _tag: "Alone" }

/** A call that is to be made, and what is known before it. */
interface Errand {
  readonly ask: Ask
  readonly question: Validation.Question
  /** What the question is about. */
  readonly asked: ReadonlyArray<Stored.Stored>
  readonly reason: Plan.ForwardReason
  /** The stored entry that might have answered. */
  readonly selected: Stored.Stored | undefined
  /** Tells those who wait for the same. */
  readonly land: (landing: Landing) => void
  /** What keeps other processes from making the same call. */
  readonly lease?: Store.Granted | undefined
}

interface Times {
  readonly requestTime: number
  readonly responseTime: number
}

const nobodyWaits = () => {}

const answer =
  (response: CacheResponse): Answering =>
  () =>
    Exit.succeed(response)

const now = (engine: Engine): number => engine.clock.unsafeCurrentTimeMillis()

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
        return share(engine, errand, joins)
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
  return share(engine, { ask, question, asked, reason, selected, land: nobodyWaits }, joins)
}

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

const flightKey = ({ place }: Ask): string => place.own ?? place.shared ?? place.url

/** Whether the origin is being asked what this request wants. */
export const isUnderWay = (engine: Engine, ask: Ask): boolean => engine.flights.has(flightKey(ask))

/** Calls the origin, together with everybody who wants the same at this time. */
const share = (engine: Engine, errand: Errand, joins: number): Answering => {
  const { ask } = errand
  if (engine.collapseFor === undefined || !isShareable(ask) || joins >= mostJoins) return call(engine, errand)
  const key = flightKey(ask)
  if (engine.unshareable.has(key, now(engine))) return call(engine, errand)
  const flight = engine.flights.get(key)
  return flight === undefined ? lead(engine, errand, key) : follow(engine, errand, flight, engine.collapseFor, joins)
}

const lead =
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
  (engine: Engine, errand: Errand, flight: Flight<Landing>, atMost: Duration.Duration, joins: number): Answering =>
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
    return andThen(wait, (exit) => landed(engine, errand, Exit.isSuccess(exit) ? exit.value : alone, joins))(resume)
  }

const landed = (engine: Engine, errand: Errand, landing: Landing, joins: number): Answering => {
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
  return answering(engine, ask, joins + 1)
}

/** Asks the origin, and does with its answer what the policy says. */
const call =
  (engine: Engine, errand: Errand): Answering =>
  (resume) => {
    const { ask, question } = errand
    const guard: Guard = { since: engine.slots.store.position(), lease: errand.lease }
    const fields = Validation.requestHeaders(ask.plan, ask.head.headers, question)
    const requestTime = now(engine)
    return andThen(send(engine, ask.runtime, Outgoing.withFields(ask.request, fields)), (exit) => {
      if (Exit.isFailure(exit)) return failed(engine, errand, exit)
      const times = { requestTime, responseTime: now(engine) }
      return answered(engine, errand, { response: exit.value, head: headOf(exit.value), times, guard })
    })(resume)
  }

const send = (
  { client }: Engine,
  runtime: Runtime.Runtime<never>,
  request: HttpClientRequest.HttpClientRequest
): Work<HttpClientResponse.HttpClientResponse, Failure> => {
  const effect = client.execute(request)
  return run(effect, isStartable(effect) ? runtime : Outgoing.quiet(runtime))
}

/** What the origin answered, and when. */
interface Arrival {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly head: Message.ResponseHead
  readonly times: Times
  readonly guard: Guard
}

const disconnected: Reuse.Failure = { _tag: "Disconnected" }

const failed = (engine: Engine, errand: Errand, exit: Exit.Failure<unknown, Failure>): Answering => {
  const failure = Exit.failCause(exit.cause)
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (error === undefined || !isLost(error)) {
    errand.land(alone)
    return () => failure
  }
  errand.land({ _tag: "Failed", failure: disconnected, exit: failure })
  return recover(engine, errand, disconnected) ?? (() => failure)
}

/** A 504 where what was stored may not be used without the origin. */
const unreachable = ({ ask, reason }: Errand): Answering => {
  const error = new HttpClientError.ResponseError({
    request: ask.request,
    response: Reply.gatewayTimeout(ask, { outcome: "miss", fwd: reason, detail: "disconnected" }),
    reason: "StatusCode",
    description: "the origin cannot be reached, and what is stored may not be used without it"
  })
  return () => Exit.fail(error)
}

/** Whether the origin was not reached or broke off, rather than that the request could not be made. */
const isLost = (error: Failure): boolean => error._tag === "ResponseError" || error.reason === "Transport"

/** What stands in for a failed origin, if anything does. */
const recover = (engine: Engine, errand: Errand, failure: Reuse.Failure): Answering | undefined => {
  const { ask, reason, selected } = errand
  const at = now(engine)
  const fwdStatus = failure._tag === "Answered" ? failure.status : undefined
  switch (Reuse.recover(ask.policy, ask.plan, selected, failure, at)) {
    case "pass-on":
      return undefined
    case "serve-stale":
      return selected && answer(Reply.fromStored(ask, selected, at, { outcome: "stale", fwd: reason, fwdStatus }))
    case "gateway-timeout":
      return unreachable(errand)
  }
}

const answered = (engine: Engine, errand: Errand, arrival: Arrival): Answering => {
  const { ask } = errand
  const gone = Invalidation.targets(ask.policy, ask.plan, arrival.head)
  if (gone.length === 0) return digested(engine, errand, arrival)
  for (const url of gone) detachUrl(engine, url)
  return andThen(engine.slots.forget(gone), () => {
    // What this answer brings is not older than the invalidation it makes.
    const guard = { ...arrival.guard, since: engine.slots.store.position() }
    return digested(engine, errand, { ...arrival, guard })
  })
}

/** Ends joining flights that began before an invalidation: what they bring may be older than it. */
export const detach = ({ flights }: Engine, concerns: (key: string) => boolean): void => {
  for (const key of flights.keys()) if (concerns(key)) flights.delete(key)
}

export const detachUrl = (engine: Engine, url: string): void =>
  detach(engine, (key) => key === url || key.startsWith(`${url}\n`))

const digested = (engine: Engine, errand: Errand, arrival: Arrival): Answering => {
  const { ask, question, reason, selected } = errand
  const { guard, head, response, times } = arrival
  const { status } = head
  if (status === 304 && question._tag === "Validate") return notModified(engine, errand, arrival)
  if (Reuse.standsForFailure(status)) {
    const failure: Reuse.Failure = { _tag: "Answered", status }
    const recovered = recover(engine, errand, failure)
    if (recovered !== undefined) {
      engine.background.fork(Intake.abandon(response))
      errand.land({ _tag: "Failed", failure, exit: undefined })
      return recovered
    }
  }
  if (ask.plan.method === "HEAD" && selected !== undefined) learn(engine, errand, arrival, selected)
  const storing = Storing.decide(ask.policy, ask.plan, ask.head, head, { ...times, partition: ask.partition })
  if ((status === 206 || status === 416) && question._tag === "Complete" && selected !== undefined) {
    return storing._tag === "Store"
      ? completed(engine, errand, arrival, storing.entry, selected)
      : again(engine, errand, response)
  }
  if (storing._tag === "Store") return kept(engine, errand, arrival, storing.entry)
  if (selected !== undefined && Invalidation.outdates(ask.plan, status)) drop(engine, ask, guard)
  errand.land(alone)
  const outcome = ask.plan._tag === "Forward" && reason !== "request" ? "bypass" : "miss"
  return answer(Reply.passed(ask, head, response, times.responseTime, { outcome, fwd: reason }))
}

/** Asks once more, without a question of our own, and on nobody's conditions. */
const again = (engine: Engine, errand: Errand, response: HttpClientResponse.HttpClientResponse): Answering => {
  engine.background.fork(Intake.abandon(response))
  const request = Outgoing.unconditioned(errand.ask.request)
  const ask = { ...errand.ask, request, head: { ...errand.ask.head, headers: request.headers } }
  return call(engine, { ...errand, ask, question: Validation.plain, asked: [] })
}

/** Forgets what would answer a request like this one, whosever it is: nothing older may come back in its place. */
const drop = ({ slots }: Engine, { head, place, plan, policy }: Ask, guard: Guard): void => {
  const remaining = (slot: Slot): Slot => {
    const kept = slot.filter(
      (entry) => !Selection.admits(plan, entry) || !Vary.matches(policy, entry.vary, head.headers)
    )
    return kept.length === slot.length ? slot : kept
  }
  slots.change(place, "shared", guard, remaining)
  slots.change(place, "private", guard, remaining)
}

const replace = (
  { slots }: Engine,
  { place }: Ask,
  previous: Stored.Stored,
  stored: Stored.Stored,
  guard: Guard
): void =>
  slots.change(place, stored.scope, guard, (slot) => [
    ...slot.filter((other) => !Stored.isSame(other, previous)),
    stored
  ])

const insert = (engine: Engine, { head, place, policy }: Ask, stored: Stored.Stored, guard: Guard): void =>
  engine.slots.change(place, stored.scope, guard, (slot) =>
    Parts.insert(policy, slot, stored, head.headers, engine.maxEntryBytes)
  )

/** A 304: the stored response is good, and as new. */
const notModified = (engine: Engine, errand: Errand, arrival: Arrival): Answering => {
  const { ask, asked, reason } = errand
  const { guard, head, response, times } = arrival
  const result = Validation.onNotModified(ask.policy, ask.plan, ask.head, head, times, asked)
  switch (result._tag) {
    case "AskAgain":
      return again(engine, errand, response)
    case "PassOn":
      errand.land(alone)
      return answer(Reply.passed(ask, head, response, times.responseTime, { outcome: "miss", fwd: reason }))
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
        errand.land(alone)
        return answer(Reply.fromStored(ask, previous, times.responseTime, course, headers))
      }
      const stored = entry === previous ? previous : Stored.make(entry, previous.body, previous.tags, previous.decoded)
      if (isAnother) insert(engine, ask, stored, guard)
      else if (stored !== previous) replace(engine, ask, previous, stored, guard)
      errand.land({ _tag: "Landed", stored })
      return answer(Reply.fromStored(ask, stored, times.responseTime, course, headers))
    }
  }
}

/** What a HEAD says about the response a GET would be given. */
const learn = (engine: Engine, { ask }: Errand, { guard, head, times }: Arrival, selected: Stored.Stored): void => {
  const bytes = Body.length(selected.body)
  const update = Validation.onHead(ask.policy, ask.plan, ask.head, head, times, Stored.entryOf(selected), bytes)
  if (update._tag === "Unrelated") return
  const stored = Stored.make(update.entry, selected.body, selected.tags, selected.decoded)
  replace(engine, ask, selected, stored, guard)
}

/** The bytes a stored part lacked. */
const completed = (
  engine: Engine,
  errand: Errand,
  arrival: Arrival,
  entry: Entry.Entry,
  selected: Stored.Stored
): Answering => {
  const { ask } = errand
  const { guard, response, times } = arrival
  return andThen(run(bytesOf(response), ask.runtime), (exit) => {
    if (Exit.isFailure(exit)) return failed(engine, errand, exit)
    const part = Stored.make(entry, Body.fromBytes(exit.value), selected.tags)
    const whole = Parts.join(selected, part, { sameForSure: true })
    if (whole === undefined || whole.range !== undefined) return again(engine, errand, response)
    if (Body.length(whole.body) <= engine.maxEntryBytes) replace(engine, ask, selected, whole, guard)
    const course: Reply.Course = { outcome: "miss", fwd: "partial", fwdStatus: 206, stored: true }
    return answer(Reply.fromStored(ask, whole, times.responseTime, course))
  })
}

/** A response that is stored as it passes. */
const kept = (engine: Engine, errand: Errand, arrival: Arrival, entry: Entry.Entry): Answering => {
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

/** Lets go of a response nobody is there to take. */
export const release = ({ background }: Engine, { source }: CacheResponse): void => {
  if (source._tag === "Below") background.fork(Intake.abandon(source.response))
}
