/** Reading a response's body whole, whatever client it came from, and never more of it than allowed. */

import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Fault } from "./exchange.ts"
import * as Run from "./run.ts"

type Response = HttpClientResponse.HttpClientResponse

/** Clients of ours give the bytes at once, or without a fiber. */
const bytesKey: unique symbol = Symbol.for("@wellspring/http/bytes")

/** They also tell how long ago the last bytes came. */
const idleKey: unique symbol = Symbol.for("@wellspring/http/idleMillis")

/**
 * How long nothing has come, from a client that reads the body itself. On any
 * other clock than the machine's its figure means nothing: then the body is read here.
 */
export const idleMillis = (response: Response, site: Run.Site): (() => number) | undefined => {
  const known = response as { readonly [idleKey]?: () => number }
  return Run.isLive(site.clock) && known[idleKey] !== undefined ? () => known[idleKey]?.() ?? 0 : undefined
}

const empty = new Uint8Array(0)

export class TooLarge {
  readonly _tag = "BodyTooLarge"
  readonly limitBytes: number
  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }
}

/** The whole body. `onChunk` is told of every piece that arrives, where the client shows them. */
export const bytes = (
  response: Response,
  method: string,
  maxBytes: number,
  site: Run.Site,
  onChunk: () => void
): Effect.Effect<Uint8Array, unknown> => {
  const { status } = response
  if (method === "HEAD" || status === 204 || status === 304) return Exit.succeed(empty)
  const ready = (response as { readonly [bytesKey]?: Effect.Effect<Uint8Array, unknown> })[bytesKey]
  if (ready !== undefined && Exit.isExit(ready)) {
    const exit = ready as Exit.Exit<Uint8Array, unknown>
    return Exit.isSuccess(exit) && exit.value.length > maxBytes ? Exit.fail(new TooLarge(maxBytes)) : exit
  }
  // Only now, for some responses make their headers when they are read.
  const { headers } = response
  const declared = headers["content-length"]
  if (declared === "0") return Exit.succeed(empty)
  if (declared !== undefined && headers["content-encoding"] === undefined && Number(declared) > maxBytes) {
    abandon(response, site)
    return Exit.fail(new TooLarge(maxBytes))
  }
  return ready === undefined || idleMillis(response, site) === undefined || !Fiberless.isFiberless(ready)
    ? counted(response, maxBytes, onChunk)
    : within(ready as Whole, maxBytes)
}

type Whole = Fiberless.Fiberless<Uint8Array, unknown>

/** The client counts: a body too long ends there, not once it has been read. */
const within = (whole: Whole, maxBytes: number): Whole => {
  const limit = Option.some(FileSystem.Size(Math.min(maxBytes, Number.MAX_SAFE_INTEGER)))
  return Fiberless.make((context, resume) =>
    whole[Fiberless.TypeId](Context.add(context, HttpIncomingMessage.MaxBodySize, limit), resume)
  )
}

const counted = (response: Response, maxBytes: number, onChunk: () => void): Effect.Effect<Uint8Array, unknown> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return Stream.runForEachChunk(response.stream, (pieces) => {
      onChunk()
      for (const piece of pieces) {
        size += piece.length
        if (size > maxBytes) return Effect.fail(new TooLarge(maxBytes))
        chunks.push(piece)
      }
      return Effect.void
    }).pipe(
      // Some clients make an empty body an error.
      Effect.catchIf(
        (error) => Predicate.hasProperty(error, "reason") && error.reason === "EmptyBody",
        () => Effect.void
      ),
      Effect.map(() => join(chunks, size))
    )
  })

const join = (chunks: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const [first] = chunks
  if (first === undefined) return empty
  if (chunks.length === 1) return first
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

const isEmpty = ({ headers, status }: Response): boolean =>
  status === 204 || status === 304 || headers["content-length"] === "0"

/** Lets go of a body nobody reads: what little there is of it is read, so that its connection is free again. */
export const discard = (response: Response, site: Run.Site): void => {
  if (isEmpty(response)) return
  const little = Stream.takeUntil(response.stream, leftAfter(65_536))
  Run.start(Effect.ignore(Effect.timeout(Stream.runDrain(little), Duration.seconds(1))), site, () => {})
}

/** Ends a body that is not wanted, and its connection with it. */
export const abandon = (response: Response, site: Run.Site): void => {
  if (isEmpty(response)) return
  const started = Run.start(Effect.ignore(Stream.runDrain(response.stream)), site, () => {})
  if (Run.isLeave(started)) started()
}

const leftAfter = (bytes: number) => {
  let left = bytes
  return (piece: Uint8Array): boolean => {
    left -= piece.length
    return left <= 0
  }
}

/** A client's failure in our terms. */
export const faultOf = (error: unknown, phase: "request" | "response"): Fault => {
  if (error instanceof TooLarge) return { _tag: "TooLarge", what: "body", limitBytes: error.limitBytes }
  const cause = Predicate.hasProperty(error, "cause") ? error.cause : undefined
  if (Predicate.hasProperty(cause, "_tag")) {
    const known = cause as { readonly _tag: unknown; readonly [name: string]: unknown }
    switch (known._tag) {
      case "BodyTooLarge":
        return { _tag: "TooLarge", what: "body", limitBytes: Number(known["limitBytes"]) }
      case "HeadersTooLarge":
        return { _tag: "TooLarge", what: "headers", limitBytes: Number(known["limitBytes"]) }
      case "EncodingRefused":
        return {
          _tag: "Undecodable",
          status: statusOf(error),
          problem: "its content encoding is corrupt or nested too deeply"
        }
      case "DeadlineExceeded": {
        const at = known["phase"]
        const millis = Predicate.hasProperty(known["limit"], "value")
          ? durationMillis(known["limit"].value)
          : Number.NaN
        return { _tag: "Timeout", phase: at === "body" ? "body" : at === "total" ? "attempt" : "headers", millis }
      }
      case "OriginRefused": {
        const why = known["why"]
        return {
          _tag: "Refused",
          why: why === "queue" || why === "rate" ? why : "circuit",
          retryAfterMillis: typeof known["retryAfterMillis"] === "number" ? known["retryAfterMillis"] : undefined
        }
      }
    }
  }
  return { _tag: "Transport", phase, cause: cause ?? error }
}

const durationMillis = (value: unknown): number =>
  Predicate.hasProperty(value, "millis") ? Number(value.millis) : Number.NaN

const statusOf = (error: unknown): number =>
  Predicate.hasProperty(error, "response") && Predicate.hasProperty(error.response, "status")
    ? Number(error.response.status)
    : 0
