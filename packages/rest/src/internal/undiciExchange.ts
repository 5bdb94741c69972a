/**
 * One request and its response, as undici's dispatcher drives them.
 *
 * undici calls the `on…` methods; `begin`'s caller hears once, of the response
 * or of the failure. The form with `onConnect` and raw headers is undici's
 * older one: it is the one its clients call without a wrapper in between.
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type { Dispatcher } from "undici"
import { Body, type Source } from "./undiciBody.ts"
import { type Deadlines, now, type Watched } from "./undiciDeadlines.ts"
import * as Decoding from "./undiciDecoding.ts"
import {
  ConnectionLost,
  DeadlineExceeded,
  type ExchangeFailure,
  fromUndici,
  HeadersTooLarge,
  type Phase
} from "./undiciErrors.ts"

/** The client's settings, in numbers. Infinity is no limit. */
export interface Limits {
  readonly connectMillis: number
  readonly headersMillis: number
  readonly idleMillis: number
  readonly totalMillis: number
  readonly maxHeaderBytes: number
  readonly maxBodyBytes: number
  readonly maxStreamBytes: number
  readonly decompress: boolean
}

/** What the exchange gives: the response's head, and a body that may still be coming. */
export interface Head {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  /** Name, value, name, value, with names in lower case, repeats apart, in the order they came. */
  readonly rawHeaders: ReadonlyArray<string>
  readonly body: Body
}

/** What the client shares among its exchanges. */
export interface Shared {
  readonly limits: Limits
  readonly deadlines: Deadlines
  /** Lower-case name of a header, the same string each time. */
  readonly headerName: (name: Buffer) => string
  /** Bodies that wait for a reader hold a connection: when their response is collected, they give it back. */
  readonly abandoned: FinalizationRegistry<Exchange>
}

/** What the exchanges on one connection share. */
export interface Lane {
  /** How many of them are not over. */
  live: number
  /** Ends the attempt to connect, if nobody waits for it. */
  readonly abandon: () => void
}

/** Final responses are preceded by few of these; a peer that sends nothing else is not let on for long. */
const maxInformational = 32

const noBody = (method: string, status: number): boolean => method === "HEAD" || status === 204 || status === 304

export class Exchange implements Dispatcher.DispatchHandler, Watched, Source {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly maxBodyBytes: number
  readonly #shared: Shared
  deadline: number
  before: Watched | undefined
  after: Watched | undefined
  #lane: Lane | undefined
  #totalDeadline: number
  #phase: Phase = "connect"
  /** When the last of the final headers, or of the body, came: an instant of the deadlines' clock. */
  receivedAt = Number.NaN
  #informational = 0
  #received = 0
  #declared: number | undefined
  #body: Body | undefined
  #response: WeakKey | undefined
  #abort: ((error: Error) => void) | undefined
  #resume: (() => void) | undefined
  #answer: ((head: Head | ExchangeFailure) => void) | undefined
  /** Nothing more is expected from undici. */
  #over = false

  constructor(
    shared: Shared,
    request: HttpClientRequest.HttpClientRequest,
    maxBodyBytes: number,
    answer: (head: Head | ExchangeFailure) => void
  ) {
    this.#shared = shared
    this.request = request
    this.maxBodyBytes = maxBodyBytes
    this.#answer = answer
    const instant = now()
    this.#totalDeadline = instant + shared.limits.totalMillis
    this.deadline = Math.min(instant + shared.limits.connectMillis, this.#totalDeadline)
    shared.deadlines.watch(this)
  }

  get phase(): Phase {
    return this.#phase
  }

  // Of the caller

  /** Gives up, wherever the exchange is, and closes what it holds. Harmless once it is over. */
  leave(): void {
    if (this.#over) return
    this.#answer = undefined
    this.abort(new ConnectionLost({ phase: this.#phase, cause: new Error("The caller has left.") }))
  }

  /** Ends the exchange with a failure of ours. */
  abort(failure: ExchangeFailure): void {
    if (this.#over) return
    const abort = this.#abort
    const lane = this.#lane
    this.#fail(failure)
    if (abort !== undefined) abort(failure)
    // Nothing was sent. undici's queue still holds the request; `onConnect` lets it fall.
    else lane?.abandon()
  }

  /** The body's reader wants more. */
  resume(): void {
    if (this.#over) return
    const resume = this.#resume
    this.#await(this.#shared.limits.idleMillis)
    resume?.()
  }

  /** Ties a connection that waits for a reader to the response the reader would come from. */
  tie(response: WeakKey): void {
    if (this.#over) return
    this.#response = response
    if (this.deadline === Number.POSITIVE_INFINITY) this.#shared.abandoned.register(response, this)
  }

  // Of the deadlines

  expire(): void {
    const { connectMillis, headersMillis, idleMillis, totalMillis } = this.#shared.limits
    const isTotal = this.deadline >= this.#totalDeadline
    const phase = isTotal ? "total" : this.#phase
    const millis = { connect: connectMillis, headers: headersMillis, body: idleMillis, total: totalMillis }[phase]
    this.abort(new DeadlineExceeded({ phase, limit: Duration.millis(millis) }))
  }

  // Of undici

  /** It waits for this connection from now on. */
  enter(lane: Lane): void {
    if (this.#over || this.#lane !== undefined) return
    this.#lane = lane
    lane.live++
  }

  onConnect(abort: (error?: Error) => void): void {
    // Thrown, it drops the request and keeps the connection; `abort` would close it.
    if (this.#over) throw new Error("The caller has left.")
    this.#abort = abort
    this.#phase = "headers"
    this.#await(this.#shared.limits.headersMillis)
  }

  onHeaders(status: number, raw: Array<Buffer>, resume: () => void): boolean {
    if (this.#over) return true
    if (status < 200) {
      if (++this.#informational > maxInformational) {
        this.abort(new ConnectionLost({ phase: "headers", cause: new Error("Too many informational responses.") }))
      }
      return true
    }
    const { limits, headerName } = this.#shared
    this.#phase = "body"
    this.receivedAt = now()
    this.#resume = resume
    const rawHeaders: Array<string> = []
    let size = 0
    let encoding: string | undefined
    for (let index = 0; index + 1 < raw.length; index += 2) {
      const name = headerName(raw[index] as Buffer)
      const value = (raw[index + 1] as Buffer).toString("latin1")
      size += name.length + value.length
      if (name === "content-encoding") encoding = encoding === undefined ? value : `${encoding},${value}`
      else if (name === "content-length") this.#declared = Number(value)
      rawHeaders.push(name, value)
    }
    if (size > limits.maxHeaderBytes) {
      this.abort(new HeadersTooLarge({ limitBytes: limits.maxHeaderBytes }))
      return true
    }
    const bodiless = noBody(this.request.method, status)
    if (bodiless) this.#declared = undefined
    let codings: ReadonlyArray<Decoding.Coding> = []
    if (encoding !== undefined && limits.decompress && !bodiless) {
      const planned = Decoding.plan(encoding)
      if (Either.isLeft(planned)) {
        this.abort(planned.left)
        return true
      }
      codings = planned.right
    }
    const isDecoded = codings.length > 0
    const body = new Body({
      source: this,
      codings,
      length: isDecoded ? undefined : this.#declared,
      maxBodyBytes: this.maxBodyBytes,
      maxStreamBytes: limits.maxStreamBytes
    })
    this.#body = body
    if (bodiless) {
      // Now, for a 304 may have the content-length of what it does not send, and undici ends the exchange badly for it.
      this.#finish()
      body.end()
    } else this.#await(limits.idleMillis, this.receivedAt)
    this.#tell({
      request: this.request,
      status,
      // Once decoded, the body is no longer what these two describe.
      rawHeaders: isDecoded ? withoutCoding(rawHeaders) : rawHeaders,
      body
    })
    return true
  }

  onData(chunk: Buffer): boolean {
    const body = this.#body
    if (this.#over || body === undefined) return true
    this.#received += chunk.length
    this.receivedAt = now()
    // After the last byte there is nothing to hold back but the end, which must not wait for a reader.
    if (body.push(chunk) || this.#received === this.#declared) {
      this.#await(this.#shared.limits.idleMillis, this.receivedAt)
      return true
    }
    // It is the reader that takes its time now.
    this.deadline = Number.POSITIVE_INFINITY
    if (body.mode === "unread" && this.#response !== undefined) {
      this.#shared.abandoned.register(this.#response, this)
      this.#response = undefined
    }
    return false
  }

  onComplete(): void {
    if (this.#over) return
    if (this.#declared !== undefined && this.#declared !== this.#received) {
      const cause = new Error(`${this.#received} bytes came, where content-length promised ${this.#declared}.`)
      this.#fail(new ConnectionLost({ phase: "body", cause }))
      return
    }
    const body = this.#body
    this.#finish()
    body?.end()
  }

  onError(error: Error): void {
    this.#fail(fromUndici(this.#phase, error, this.#shared.limits.maxHeaderBytes))
  }

  #fail(failure: ExchangeFailure): void {
    if (this.#over) return
    const body = this.#body
    this.#finish()
    if (body === undefined) this.#tell(failure)
    else body.fail(failure)
  }

  #finish(): void {
    this.#over = true
    this.#response = undefined
    if (this.#lane !== undefined) this.#lane.live--
    // Whoever still holds the exchange holds no more than that: not the request undici made, nor the body.
    this.#lane = undefined
    this.#abort = undefined
    this.#resume = undefined
    this.#body = undefined
    this.#shared.deadlines.forget(this)
  }

  #tell(head: Head | ExchangeFailure): void {
    const answer = this.#answer
    if (answer === undefined) return
    this.#answer = undefined
    answer(head)
  }

  #await(millis: number, from = now()): void {
    const deadline = from + millis
    const isBounded = this.#body === undefined || this.#body.mode !== "stream"
    this.#shared.deadlines.move(this, isBounded ? Math.min(deadline, this.#totalDeadline) : deadline)
  }
}

const withoutCoding = (rawHeaders: ReadonlyArray<string>): ReadonlyArray<string> => {
  const kept: Array<string> = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ""
    if (name !== "content-encoding" && name !== "content-length") kept.push(name, rawHeaders[index + 1] ?? "")
  }
  return kept
}
