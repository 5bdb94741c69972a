/** What becomes of a request whose origin failed. */
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Reuse from "../Reuse.ts"
import type { Failure } from "./ask.ts"
import type { Engine, Errand } from "./errand.ts"
import { alone, land, now } from "./errand.ts"
import * as Reply from "./reply.ts"
import type { CacheResponse } from "./response.ts"

const disconnected: Reuse.Failure = { _tag: "Disconnected" }

type Answered = Exit.Exit<CacheResponse, Failure>

export const failed = (engine: Engine, errand: Errand, exit: Exit.Failure<unknown, Failure>): Answered => {
  const failure = Exit.failCause(exit.cause)
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (error === undefined || !isLost(error)) {
    land(engine, errand, alone)
    return failure
  }
  land(engine, errand, { _tag: "Failed", failure: disconnected, exit: failure })
  return recover(engine, errand, disconnected) ?? failure
}

/** A 504 where what was stored may not be used without the origin. */
const unreachable = ({ ask, reason }: Errand): Answered => {
  const error = new HttpClientError.ResponseError({
    request: ask.request,
    response: Reply.gatewayTimeout(ask, { outcome: "miss", fwd: reason, detail: "disconnected" }),
    reason: "StatusCode",
    description: "the origin cannot be reached, and what is stored may not be used without it"
  })
  return Exit.fail(error)
}

/** Whether the origin was not reached or broke off, rather than that the request could not be made. */
const isLost = (error: Failure): boolean => error._tag === "ResponseError" || error.reason === "Transport"

/** What stands in for a failed origin, if anything does. */
export const recover = (engine: Engine, errand: Errand, failure: Reuse.Failure): Answered | undefined => {
  const { ask, reason, selected } = errand
  const at = now(engine)
  const fwdStatus = failure._tag === "Answered" ? failure.status : undefined
  switch (Reuse.recover(ask.policy, ask.plan, selected, failure, at)) {
    case "pass-on":
      return undefined
    case "serve-stale":
      return selected && Exit.succeed(Reply.fromStored(ask, selected, at, { outcome: "stale", fwd: reason, fwdStatus }))
    case "gateway-timeout":
      return unreachable(errand)
  }
}
