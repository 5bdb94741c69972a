/** Asking the origin, and doing with its answer what the policy says. */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"
import * as Invalidation from "../Invalidation.ts"
import * as Reuse from "../Reuse.ts"
import * as Storing from "../Storing.ts"
import * as Validation from "../Validation.ts"
import type { Coming, Failure, Receive } from "./ask.ts"
import type { Work } from "./begin.ts"
import { after, isStartable, run } from "./begin.ts"
import type { Arrival, Engine, Errand } from "./errand.ts"
import { alone, land, now } from "./errand.ts"
import { detachUrl } from "./flights.ts"
import * as Intake from "./intake.ts"
import { completed, drop, kept } from "./keeping.ts"
import { headOf } from "./origin.ts"
import * as Outgoing from "./outgoing.ts"
import { failed, recover } from "./recovering.ts"
import * as Reply from "./reply.ts"
import { learn, notModified } from "./revalidating.ts"
import type { Guard } from "./slots.ts"

/** Asks the origin, and does with its answer what the policy says. */
export const call = (engine: Engine, errand: Errand, resume: Receive): Coming => {
  const { ask, question } = errand
  const guard: Guard = { since: engine.slots.store.position(), lease: errand.lease }
  const fields = Validation.requestHeaders(ask.plan, ask.head.headers, question)
  const requestTime = now(engine)
  const sending = send(engine, ask.runtime, Outgoing.withFields(ask.request, fields))
  return after(sending, resume, (exit, resume) => {
    if (Exit.isFailure(exit)) return failed(engine, errand, exit)
    const times = { requestTime, responseTime: now(engine), partition: ask.partition }
    return answered(engine, errand, { response: exit.value, head: headOf(exit.value), times, guard }, resume)
  })
}

const send = (
  { client }: Engine,
  runtime: Runtime.Runtime<never>,
  request: HttpClientRequest.HttpClientRequest
): Work<HttpClientResponse.HttpClientResponse, Failure> => {
  const effect = client.execute(request)
  return run(effect, isStartable(effect) ? runtime : Outgoing.quiet(runtime))
}

const answered = (engine: Engine, errand: Errand, arrival: Arrival, resume: Receive): Coming => {
  const { ask } = errand
  const gone = Invalidation.targets(ask.policy, ask.plan, arrival.head)
  if (gone.length === 0) return digested(engine, errand, arrival, resume)
  for (const url of gone) detachUrl(engine, url)
  return after(engine.slots.forget(gone), resume, (_, resume) => {
    // What this answer brings is not older than the invalidation it makes.
    const guard = { ...arrival.guard, since: engine.slots.store.position() }
    return digested(engine, errand, { ...arrival, guard }, resume)
  })
}

const digested = (engine: Engine, errand: Errand, arrival: Arrival, resume: Receive): Coming => {
  const { ask, question, reason, selected } = errand
  const { guard, head, response, times } = arrival
  const { status } = head
  if (status === 304 && question._tag === "Validate")
    return notModified(engine, errand, arrival, () => again(engine, errand, response, resume))
  if (Reuse.standsForFailure(status)) {
    const failure: Reuse.Failure = { _tag: "Answered", status }
    const recovered = recover(engine, errand, failure)
    if (recovered !== undefined) {
      engine.background.fork(Intake.abandon(response))
      land(engine, errand, { _tag: "Failed", failure, exit: undefined })
      return recovered
    }
  }
  if (ask.plan.method === "HEAD" && selected !== undefined) learn(engine, errand, arrival, selected)
  const storing = Storing.decide(ask.policy, ask.plan, ask.head, head, times)
  if ((status === 206 || status === 416) && question._tag === "Complete" && selected !== undefined) {
    const anew = () => again(engine, errand, response, resume)
    return storing._tag === "Store" ? completed(engine, errand, arrival, storing.entry, selected, anew, resume) : anew()
  }
  if (storing._tag === "Store") return kept(engine, errand, arrival, storing.entry, resume)
  if (selected !== undefined && Invalidation.outdates(ask.plan, status)) drop(engine, ask, guard)
  land(engine, errand, alone)
  const outcome = ask.plan._tag === "Forward" && reason !== "request" ? "bypass" : "miss"
  return Exit.succeed(Reply.passed(ask, head, response, times.responseTime, { outcome, fwd: reason }))
}

/** Asks once more, without a question of our own, and on nobody's conditions. */
const again = (
  engine: Engine,
  errand: Errand,
  response: HttpClientResponse.HttpClientResponse,
  resume: Receive
): Coming => {
  engine.background.fork(Intake.abandon(response))
  const request = Outgoing.unconditioned(errand.ask.request)
  const ask = { ...errand.ask, request, head: { ...errand.ask.head, headers: request.headers } }
  return call(engine, { ...errand, ask, question: Validation.plain, asked: [] }, resume)
}
