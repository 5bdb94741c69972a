/** A response whose body is left to the caller, with the deadlines that still make sense then. */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Collect from "./collect.ts"
import type { Fault } from "./exchange.ts"
import type { Call } from "./retrying.ts"
import * as Tracing from "./tracing.ts"

type Response = HttpClientResponse.HttpClientResponse

/** Sends, follows redirects, and gives the response when its headers are there. Never fails. */
export const open = (call: Call): Effect.Effect<Exit.Exit<Response, Fault>> => {
  const { plan, prepared } = call
  const timeout: Fault = { _tag: "Timeout", phase: "headers", millis: plan.limits.headersMillis }
  const send = (request: HttpClientRequest.HttpClientRequest, hops: number): Effect.Effect<Response, Fault> =>
    Tracing.quiet(plan.client.execute(request)).pipe(
      Effect.mapError((error) => Collect.faultOf(error, "request")),
      Effect.flatMap((response) => {
        const next =
          response.status >= 300 && response.status < 400 ? plan.redirects(request, response, hops) : undefined
        if (next === undefined) return Effect.succeed(response)
        Collect.discard(response, plan.site)
        return "_tag" in next ? Effect.fail(next) : send(next, hops + 1)
      })
    )
  return send(prepared.request, 0).pipe(
    Effect.timeoutFail({ duration: Duration.millis(plan.limits.headersMillis), onTimeout: () => timeout }),
    Effect.provide(plan.site.context),
    Effect.exit
  )
}

/** The body, piece by piece; fails when no piece comes for too long. */
export const body = (call: Call, response: Response): Stream.Stream<Uint8Array, Fault> => {
  const { bodyIdleMillis } = call.plan.limits
  const idle: Fault = { _tag: "Timeout", phase: "body", millis: bodyIdleMillis }
  const pieces: Stream.Stream<Uint8Array, Fault> = response.stream.pipe(
    Stream.catchAll((error) =>
      error.reason === "EmptyBody" ? Stream.empty : Stream.fail(Collect.faultOf(error, "response"))
    )
  )
  return bodyIdleMillis === Number.POSITIVE_INFINITY
    ? pieces
    : Stream.timeoutFail(pieces, () => idle, Duration.millis(bodyIdleMillis))
}
