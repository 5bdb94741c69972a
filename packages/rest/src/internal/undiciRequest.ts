/**
 * A platform request as undici takes it.
 */
import { Readable } from "node:stream"
import type * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import type { Dispatcher } from "undici"
import { acceptEncoding } from "./undiciDecoding.ts"

type Body = Exclude<Dispatcher.DispatchOptions["body"], undefined>

/**
 * The headers, name and value in turn. undici refuses line breaks, NUL and what
 * else no field may hold, a second `content-length` or `host`, and one that is
 * not the body's length.
 */
export const headers = (
  request: HttpClientRequest.HttpClientRequest,
  decompress: boolean,
  propagated: Readonly<Record<string, string>> | undefined
): Array<string> => {
  const out: Array<string> = []
  let negotiates = !decompress
  for (const name in request.headers) {
    // The boundary is the body's: a caller cannot know it.
    if (name === "content-type" && request.body._tag === "FormData") continue
    // A part of an encoded body cannot be decoded.
    if (name === "accept-encoding" || name === "range") negotiates = true
    out.push(name, request.headers[name] as string)
  }
  if (!negotiates) out.push("accept-encoding", acceptEncoding)
  for (const name in propagated) if (!(name in request.headers)) out.push(name, propagated[name] as string)
  return out
}

/** A body read at the pace of the socket, in a fiber that ends with it. */
const fromStream = (stream: Stream.Stream<Uint8Array, unknown>, runtime: Runtime.Runtime<never>): Readable => {
  let fiber: Fiber.RuntimeFiber<void, unknown> | undefined
  let isWanted = false
  let goOn: (() => void) | undefined
  const send = (readable: Readable, chunk: Uint8Array): Effect.Effect<void> => {
    isWanted = false
    if (chunk.length === 0 || readable.push(chunk)) return Effect.void
    return Effect.async((resume) => {
      // It may have been asked for while the fiber yielded.
      if (isWanted) resume(Effect.void)
      else goOn = () => resume(Effect.void)
    })
  }
  return new Readable({
    read() {
      isWanted = true
      if (fiber !== undefined) {
        const resume = goOn
        goOn = undefined
        return resume?.()
      }
      fiber = Runtime.runFork(runtime)(Stream.runForEach(stream, (chunk) => Effect.suspend(() => send(this, chunk))))
      fiber.addObserver((exit) => {
        if (Exit.isSuccess(exit)) this.push(null)
        else this.destroy(new Error("The request's body failed; see cause.", { cause: Cause.squash(exit.cause) }))
      })
    },
    destroy(error, done) {
      fiber?.unsafeInterruptAsFork(fiber.id())
      done(error)
    }
  })
}

const fromRaw = (body: unknown): Body => {
  if (body instanceof URLSearchParams) return body.toString()
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  // undici checks the rest, and refuses what it cannot send.
  return (body ?? null) as Body
}

/** The body, and nothing for a method that has none to send. */
export const body = (body: HttpBody.HttpBody, runtime: () => Runtime.Runtime<never>): Body => {
  switch (body._tag) {
    case "Empty":
      return null
    case "Uint8Array":
      return body.body
    case "Raw":
      return fromRaw(body.body)
    case "FormData":
      return body.formData as Body
    case "Stream":
      return fromStream(body.stream, runtime())
  }
}
