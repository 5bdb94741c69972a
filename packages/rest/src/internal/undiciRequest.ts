/**
 * A platform request as undici takes it.
 */
import { randomUUID } from "node:crypto"
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
  own: ReadonlyArray<string>,
  propagated: Readonly<Record<string, string>> | undefined
): Array<string> => {
  const out = [...own]
  let negotiates = !decompress
  for (const name in request.headers) {
    // The body's own say what it is: no caller knows the boundary of a form.
    if (own.length > 0 && (name === "content-type" || name === "content-length")) continue
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

const quote = (text: string): string => text.replace(/\r\n|\r|\n/g, "%0D%0A").replace(/"/g, "%22")

/** A form as `multipart/form-data`, by the [HTML Standard](https://html.spec.whatwg.org/#multipart-form-data). */
const multipart = (form: FormData): { readonly body: Body; readonly headers: ReadonlyArray<string> } => {
  const boundary = `----wellspring-${randomUUID()}`
  const parts: Array<Uint8Array | Blob> = []
  let length = 0
  const add = (part: Uint8Array | Blob) => {
    length += part instanceof Uint8Array ? part.length : part.size
    parts.push(part)
  }
  for (const [name, value] of form) {
    const disposition = `--${boundary}\r\ncontent-disposition: form-data; name="${quote(name)}"`
    if (typeof value === "string") {
      add(Buffer.from(`${disposition}\r\n\r\n${value.replace(/\r\n|\r|\n/g, "\r\n")}\r\n`))
    } else {
      const type = value.type === "" ? "application/octet-stream" : value.type
      add(Buffer.from(`${disposition}; filename="${quote(value.name)}"\r\ncontent-type: ${type}\r\n\r\n`))
      add(value)
      add(Buffer.from("\r\n"))
    }
  }
  add(Buffer.from(`--${boundary}--\r\n`))
  const content = async function* () {
    for (const part of parts) {
      if (part instanceof Uint8Array) yield part
      else yield* part.stream() as unknown as AsyncIterable<Uint8Array>
    }
  }
  return {
    // A form of text alone needs no stream.
    body: parts.every((part) => part instanceof Uint8Array)
      ? Buffer.concat(parts)
      : Readable.from(content(), { objectMode: false }),
    headers: ["content-type", `multipart/form-data; boundary=${boundary}`, "content-length", String(length)]
  }
}

/** The body, and the headers that come with it. */
export const body = (
  body: HttpBody.HttpBody,
  runtime: () => Runtime.Runtime<never>
): { readonly body: Body; readonly headers: ReadonlyArray<string> } => {
  switch (body._tag) {
    case "Empty":
      return none
    case "Uint8Array":
      return { body: body.body, headers: [] }
    case "Raw":
      return body.body instanceof FormData ? multipart(body.body) : { body: fromRaw(body.body), headers: [] }
    case "FormData":
      return multipart(body.formData)
    case "Stream":
      return { body: fromStream(body.stream, runtime()), headers: [] }
  }
}

const none = { body: null, headers: [] }
