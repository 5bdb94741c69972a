/**
 * One response model, whoever answered: the platform's response over a stored
 * entry, or over a call that has just been made.
 *
 * Nothing is built before it is asked for: a caller who wants the decoded value
 * pays for neither headers nor body.
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Message from "../Message.ts"
import type { Outcome } from "../Outcome.ts"
import * as Body from "./body.ts"
import { BytesTypeId, bytesOf, RawHeadersTypeId } from "./origin.ts"
import type { Recorder } from "./recorder.ts"
import type { Stored } from "./stored.ts"

type Failure = HttpClientError.ResponseError

/** Where a response's body is: at hand, passing through, or still with the client below. */
export type Source =
  | { readonly _tag: "Held"; readonly body: Body.Body }
  | { readonly _tag: "Passing"; readonly recorder: Recorder<Failure> }
  | { readonly _tag: "Below"; readonly response: HttpClientResponse.HttpClientResponse }

/** Status, fields and outcome as the caller gets them. */
export interface Head {
  readonly status: number
  readonly outcome: Outcome
  readonly fields: () => Message.Fields
  readonly contentType: string | undefined
}

const headersProto = Object.getPrototypeOf(Headers.empty) as object

export class CacheResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly source: Source
  /** The entry this is all of. Absent for what is not stored; it comes later when the body is being recorded. */
  stored: Stored | undefined
  /** Weighs the entry again after a decoded value joined it. */
  readonly reweigh: ((stored: Stored) => void) | undefined
  private readonly head: Head
  private fieldsMade: Message.Fields | undefined = undefined
  private headersMade: Headers.Headers | undefined = undefined

  constructor(
    request: HttpClientRequest.HttpClientRequest,
    head: Head,
    source: Source,
    stored: Stored | undefined,
    reweigh: ((stored: Stored) => void) | undefined
  ) {
    super()
    this.request = request
    this.head = head
    this.source = source
    this.stored = stored
    this.reweigh = reweigh
  }

  get outcome(): Outcome {
    return this.head.outcome
  }

  get [HttpClientResponse.TypeId](): HttpClientResponse.TypeId {
    return HttpClientResponse.TypeId
  }

  get [HttpIncomingMessage.TypeId](): HttpIncomingMessage.TypeId {
    return HttpIncomingMessage.TypeId
  }

  get status(): number {
    return this.head.status
  }

  /** All fields, repeated ones apart. */
  get fields(): Message.Fields {
    this.fieldsMade ??= this.head.fields()
    return this.fieldsMade
  }

  /** The one field that whoever decodes asks for, without the others being made. */
  get contentType(): string | undefined {
    return this.head.contentType
  }

  get headers(): Headers.Headers {
    this.headersMade ??= this.makeHeaders()
    return this.headersMade
  }

  private makeHeaders(): Headers.Headers {
    const headers: Record<string, string> = Object.create(headersProto)
    for (const name in this.fields) {
      const value = this.fields[name]
      if (value !== undefined) headers[name] = typeof value === "string" ? value : value.join(", ")
    }
    return headers as Headers.Headers
  }

  get [RawHeadersTypeId](): ReadonlyArray<string> {
    const raw: Array<string> = []
    for (const name in this.fields) {
      const value = this.fields[name]
      if (typeof value === "string") raw.push(name, value)
      else if (value !== undefined) for (const line of value) raw.push(name, line)
    }
    return raw
  }

  get cookies(): Cookies.Cookies {
    const lines = this.fields["set-cookie"]
    return lines === undefined ? Cookies.empty : Cookies.fromSetCookie(lines)
  }

  get remoteAddress(): Option.Option<string> {
    return this.source._tag === "Below" ? this.source.response.remoteAddress : Option.none()
  }

  /** The bytes without a copy; not to be written to. */
  get [BytesTypeId](): Effect.Effect<Uint8Array, Failure> {
    const { source } = this
    if (source._tag === "Held") return Exit.succeed(Body.view(source.body))
    return source._tag === "Passing" ? source.recorder.bytes : bytesOf(source.response)
  }

  get stream(): Stream.Stream<Uint8Array, Failure> {
    const { source } = this
    if (source._tag === "Below") return source.response.stream
    if (source._tag === "Passing") return source.recorder.stream
    return Body.length(source.body) === 0 ? Stream.empty : Stream.sync(() => Body.copy(source.body))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, Failure> {
    const { source } = this
    if (source._tag === "Below") return source.response.arrayBuffer
    if (source._tag === "Held") return Effect.sync(() => Body.copy(source.body).buffer)
    return Effect.map(source.recorder.bytes, (bytes) => Body.copy(bytes).buffer)
  }

  get text(): Effect.Effect<string, Failure> {
    const { source } = this
    if (source._tag === "Held") return Exit.succeed(Body.text(source.body))
    return source._tag === "Below" ? source.response.text : Effect.map(source.recorder.bytes, Body.text)
  }

  /** Parsed anew at each access, so that whoever gets the value may change it. */
  get json(): Effect.Effect<unknown, Failure> {
    if (this.source._tag === "Held") return this.parse(Body.text(this.source.body))
    return Effect.flatMap(this.text, (text) => this.parse(text))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, Failure> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, Failure> {
    if (this.source._tag === "Below") return this.source.response.formData
    return Effect.flatMap(this.arrayBuffer, (body) =>
      Effect.tryPromise({
        try: () => new Response(body, { headers: { "content-type": this.contentType ?? "" } }).formData(),
        catch: (cause) => this.undecodable(cause)
      })
    )
  }

  toJSON(): unknown {
    return {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status,
      headers: Inspectable.redact(this.headers),
      outcome: this.outcome
    }
  }

  private parse(text: string): Exit.Exit<unknown, Failure> {
    try {
      return Exit.succeed(text === "" ? null : JSON.parse(text))
    } catch (cause) {
      return Exit.fail(this.undecodable(cause))
    }
  }

  private undecodable(cause: unknown): Failure {
    return new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })
  }
}
