/**
 * `HttpClientResponse` over a {@link Body} that may still be coming.
 *
 * Whatever is at hand is an `Exit`, which costs its reader no fiber; what is
 * not is a `Fiberless`. Bytes and text are kept: a body is read as often as
 * its readers like, unless it was taken as a stream.
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Chunk from "effect/Chunk"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Body, isFailure, type Pulled } from "./undiciBody.ts"
import { now } from "./undiciDeadlines.ts"
import { BodyTooLarge, type ExchangeFailure } from "./undiciErrors.ts"
import type { Head } from "./undiciExchange.ts"

/** Under this key a response has its headers as they came: name, value, name, value, names in lower case. */
export const RawHeaders: unique symbol = Symbol.for("@wellspring/http/rawHeaders")
/** Under this key a response has its decoded body without a copy; nobody may change the bytes. */
export const Bytes: unique symbol = Symbol.for("@wellspring/http/bytes")
/**
 * Under this key a response tells for how many milliseconds nothing has come, neither headers nor bytes: whoever waits
 * for the whole body by {@link Bytes} sees no pieces, and can tell one that is slow from one that has stopped.
 */
export const IdleMillis: unique symbol = Symbol.for("@wellspring/http/idleMillis")
/** Under this key a response tells whether its body is still on its way, and when it no longer is. */
export const Coming: unique symbol = Symbol.for("@wellspring/http/coming")
export interface Coming {
  /** Whether every byte is here, or will not come. */
  readonly isSettled: boolean
  readonly mode: "unread" | "whole" | "stream"
  /** Calls `f`, once, when it has settled. To be asked only before. */
  readonly onSettled: (f: () => void) => void
}

type Read<A> = Exit.Exit<A, HttpClientError.ResponseError> | Fiberless.Fiberless<A, HttpClientError.ResponseError>

/** The length a body read whole may have: the caller's, else the client's. */
export const maxBodyBytes = (context: Context.Context<never>, fallback: number): number => {
  const size: Option.Option<bigint> | undefined = context.unsafeMap.get(HttpIncomingMessage.MaxBodySize.key)
  return size !== undefined && Option.isSome(size) ? Number(size.value) : fallback
}

/** As `fetch` reads text: UTF-8 whatever is declared, without its byte order mark. */
const decodeText = (bytes: Buffer): string => {
  const text = bytes.toString("utf8")
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

const toHeaders = (rawHeaders: ReadonlyArray<string>): Headers.Headers => {
  const headers: Record<string, string> = { __proto__: Object.getPrototypeOf(Headers.empty) }
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    const value = rawHeaders[index + 1] as string
    const earlier = headers[name]
    headers[name] = typeof earlier === "string" ? `${earlier}, ${value}` : value
  }
  return headers as Headers.Headers
}

export class Response extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly [RawHeaders]: ReadonlyArray<string>
  readonly #body: Body
  readonly #limitBytes: number
  #headers: Headers.Headers | undefined
  #cookies: Cookies.Cookies | undefined
  #text: Exit.Exit<string, HttpClientError.ResponseError> | undefined

  constructor(head: Head, limitBytes: number) {
    super()
    this.request = head.request
    this.status = head.status
    this[RawHeaders] = head.rawHeaders
    this.#body = head.body
    this.#limitBytes = limitBytes
  }

  /** Made when they are first read: a cache in between reads the raw ones. */
  get headers(): Headers.Headers {
    this.#headers ??= toHeaders(this[RawHeaders])
    return this.#headers
  }

  get remoteAddress(): Option.Option<string> {
    return Option.none()
  }

  get cookies(): Cookies.Cookies {
    if (this.#cookies === undefined) {
      const raw = this[RawHeaders]
      this.#cookies = Cookies.fromSetCookie(
        raw.filter((_, index) => index % 2 === 1 && raw[index - 1] === "set-cookie")
      )
    }
    return this.#cookies
  }

  get [Bytes](): Read<Uint8Array> {
    return this.#read((bytes) => Exit.succeed(bytes))
  }

  get [Coming](): Coming {
    return this.#body
  }

  [IdleMillis](): number {
    return now() - this.#body.receivedAt
  }

  get text(): Read<string> {
    return this.#text ?? this.#read(this.#toText)
  }

  /** The text as JSON, parsed for each reader anew, so that none sees another's changes. Nothing is `null`. */
  get json(): Read<unknown> {
    return this.#read((bytes) => {
      const text = this.#toText(bytes)
      if (Exit.isFailure(text)) return text
      try {
        return Exit.succeed(text.value === "" ? null : JSON.parse(text.value))
      } catch (cause) {
        return Exit.fail(this.#decodeError(cause, "the body is not JSON"))
      }
    })
  }

  get arrayBuffer(): Read<ArrayBuffer> {
    return this.#read((bytes) => {
      const copy = new ArrayBuffer(bytes.length)
      new Uint8Array(copy).set(bytes)
      return Exit.succeed(copy)
    })
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this[Bytes], (bytes) =>
      Effect.tryPromise({
        try: () =>
          new globalThis.Response(bytes, {
            headers: { "content-type": this.headers["content-type"] ?? "" }
          }).formData(),
        catch: (cause) => this.#decodeError(cause, "the body is not a form")
      })
    )
  }

  /** The decoded bytes as they come. Ending early closes the exchange. A body read whole is streamed from memory. */
  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.suspend(() => {
      const body = this.#body
      if (body.isSettled || !body.open()) return Stream.fromEffect(this[Bytes])
      return Stream.ensuring(
        Stream.repeatEffectChunkOption(this.#pull(body)),
        Effect.sync(() => body.abort())
      )
    })
  }

  /** Only what is at hand: to look at a response must not read it. */
  override toJSON(): unknown {
    const text = this.#body.isSettled ? this.text : undefined
    return {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status,
      headers: Inspectable.redact(this.headers),
      ...(Exit.isExit(text) && Exit.isSuccess(text) ? { body: text.value } : {})
    }
  }

  readonly #toText = (bytes: Buffer): Exit.Exit<string, HttpClientError.ResponseError> => {
    this.#text ??= Exit.succeed(decodeText(bytes))
    return this.#text
  }

  #read<A>(f: (bytes: Buffer) => Exit.Exit<A, HttpClientError.ResponseError>): Read<A> {
    const whole = this.#body.whole
    if (whole !== undefined) return this.#over(whole, this.#limitBytes, f)
    return Fiberless.make((context, resume) => {
      const limitBytes = maxBodyBytes(context, this.#limitBytes)
      // It may have come since the property was read.
      const whole = this.#body.whole
      if (whole !== undefined) return this.#over(whole, limitBytes, f)
      return this.#body.collect(limitBytes, (whole) => resume(this.#over(whole, limitBytes, f)))
    })
  }

  #over<A>(
    whole: Buffer | ExchangeFailure,
    limitBytes: number,
    f: (bytes: Buffer) => Exit.Exit<A, HttpClientError.ResponseError>
  ): Exit.Exit<A, HttpClientError.ResponseError> {
    if (isFailure(whole)) return Exit.fail(this.#error(whole))
    if (whole.length > limitBytes) return Exit.fail(this.#error(new BodyTooLarge({ limitBytes })))
    return f(whole)
  }

  #pull(body: Body): Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<HttpClientError.ResponseError>> {
    const answer = (pulled: Pulled) => {
      if (pulled === "end") return Exit.fail(Option.none())
      if (isFailure(pulled)) return Exit.fail(Option.some(this.#error(pulled)))
      return Exit.succeed(Chunk.unsafeFromArray<Uint8Array>(pulled))
    }
    return Effect.async((resume) => {
      const leave = body.pull((pulled) => resume(answer(pulled)))
      return Effect.sync(leave)
    })
  }

  #error(failure: ExchangeFailure): HttpClientError.ResponseError {
    return this.#decodeError(failure, failure.message)
  }

  #decodeError(cause: unknown, description: string): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({
      request: this.request,
      response: this,
      reason: "Decode",
      cause,
      description
    })
  }
}
