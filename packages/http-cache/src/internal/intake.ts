/**
 * Taking in a body that is going to be stored.
 *
 * A short body whose length is known is waited for: it has come with its head.
 * Any other one is recorded as it passes to the caller.
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { Background } from "./background.ts"
import type { Leave } from "./begin.ts"
import * as Body from "./body.ts"
import { bytesOf } from "./origin.ts"
import { pump, Recorder } from "./recorder.ts"
import type { Source } from "./response.ts"

/** A body up to this long is waited for. */
const shortBytes = 128 * 1024

export type Failure = HttpClientError.ResponseError

/** A response that nobody reads leaves its body behind; the origin is not to be held for it. */
const forgotten = new FinalizationRegistry<Leave>((stop) => stop())

/** A body as far as it came, and whether that is all of it; nothing when it outgrew the limit. */
export type Settled = (body: Body.Body | undefined, complete: boolean) => void

/**
 * The body where it is waited for: because it is at hand, or short.
 *
 * @param declared the length the response gives for its body as we get it; negative when unknown
 */
export const whole = (
  response: HttpClientResponse.HttpClientResponse,
  declared: number
): Effect.Effect<Uint8Array, Failure> | Exit.Exit<Uint8Array, Failure> | undefined => {
  const bytes = bytesOf(response)
  return Exit.isExit(bytes) || (declared >= 0 && declared <= shortBytes) ? bytes : undefined
}

/** The body where it is recorded as it passes. */
export const passing = (
  response: HttpClientResponse.HttpClientResponse,
  maxBytes: number,
  background: Background,
  onSettled: Settled
): Source => {
  const recorder = new Recorder<Failure>(maxBytes, (bytes, complete) =>
    onSettled(bytes === undefined ? undefined : Body.fromBytes(bytes), complete)
  )
  const source: Source = { _tag: "Passing", recorder }
  // From here on the body belongs to the cache: it is read to its end whether or not the caller is.
  const stop = background.fork(pump(recorder, response.stream))
  recorder.stoppedBy(stop)
  forgotten.register(source, stop)
  return source
}

/** Lets go of a body that nobody is going to read, so that its connection is free. */
export const abandon = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Effect.ignore(Stream.runForEachWhile(response.stream, () => Effect.succeed(false)))
