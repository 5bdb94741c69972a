/**
 * One attempt: a request sent, its redirects followed, and the answer read whole, within its deadlines.
 *
 * Written with callbacks: over a client that answers without a fiber, none is
 * started here either.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Collect from "./collect.ts"
import * as Run from "./run.ts"
import * as Tracing from "./tracing.ts"

/** What went wrong, before it is told in the endpoint's terms. */
export type Fault =
  | { readonly _tag: "Transport"; readonly phase: "request" | "response"; readonly cause: unknown }
  | { readonly _tag: "Timeout"; readonly phase: "total" | "attempt" | "headers" | "body"; readonly millis: number }
  | { readonly _tag: "TooLarge"; readonly what: "body" | "headers"; readonly limitBytes: number }
  | { readonly _tag: "Undecodable"; readonly status: number; readonly problem: string }
  | { readonly _tag: "Redirect"; readonly status: number; readonly problem: string }
  | {
      readonly _tag: "Refused"
      readonly why: "circuit" | "queue" | "rate"
      readonly retryAfterMillis: number | undefined
    }

/** An answer with its body read, not yet parsed. */
export interface Exchanged {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly bytes: Uint8Array
  readonly decoded: Exit.Success<unknown, never> | undefined
  /** When the headers were there, on the site's clock. */
  readonly headersAt: number
}

export interface Limits {
  readonly attemptMillis: number
  readonly headersMillis: number
  readonly bodyIdleMillis: number
  readonly maxBodyBytes: number
  readonly totalMillis: number
}

/** Where a redirect leads, `undefined` when the answer is not one to follow. */
export type Redirects = (
  request: HttpClientRequest.HttpClientRequest,
  response: HttpClientResponse.HttpClientResponse,
  hops: number
) => HttpClientRequest.HttpClientRequest | Fault | undefined

export interface Plan {
  readonly client: HttpClient.HttpClient
  readonly limits: Limits
  readonly redirects: Redirects
  /** The instant by which the whole call must be answered. */
  readonly callEnd: number
  /** Whether the call has a span already, so that the client must not make one. */
  readonly isTraced: boolean
  /** What was decoded from a stored answer before; its body need not be read. */
  readonly remembered: (response: HttpClientResponse.HttpClientResponse) => Exit.Success<unknown, never> | undefined
  readonly site: Run.Site
}

const nothing = new Uint8Array(0)

type Settled = Exit.Exit<Exchanged, Fault>

export class Exchange {
  readonly #plan: Plan
  readonly #resume: (exit: Settled) => void
  readonly #begun: number
  #phase: "headers" | "body" = "headers"
  #phaseAt: number
  #leave: Fiberless.Leave | undefined
  #cancelTimer: (() => void) | undefined
  #firesAt = Number.POSITIVE_INFINITY
  #idleMillis: (() => number) | undefined
  #isDone = false
  #hops = 0

  constructor(plan: Plan, resume: (exit: Settled) => void) {
    this.#plan = plan
    this.#resume = resume
    this.#begun = plan.site.clock.unsafeCurrentTimeMillis()
    this.#phaseAt = this.#begun
  }

  /** Sends; the callback of the constructor is called once, possibly before this returns. */
  send(request: HttpClientRequest.HttpClientRequest): void {
    const { client, isTraced, site } = this.#plan
    const effect = client.execute(request)
    const isOurs = !isTraced && (Fiberless.isFiberless(effect) || Exit.isExit(effect))
    this.#run(isOurs ? effect : Tracing.quiet(effect), (exit) => this.receive(request, exit), site)
  }

  /** Goes on from a request that has been sent already: its response is there, or comes to {@link receive}. */
  adopt(
    request: HttpClientRequest.HttpClientRequest,
    started: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown> | Fiberless.Leave
  ): void {
    if (Run.isLeave(started)) {
      this.#leave = started
      this.#watch()
    } else this.receive(request, started)
  }

  receive(
    request: HttpClientRequest.HttpClientRequest,
    exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>
  ): void {
    if (this.#isDone) return
    if (Exit.isFailure(exit)) this.#fail(exit.cause, "request")
    else this.#onResponse(request, exit.value)
  }

  /** Stops whatever is under way, down to the socket; the callback is not called any more. */
  stop(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#cancelTimer?.()
    this.#leave?.()
  }

  #onResponse(request: HttpClientRequest.HttpClientRequest, response: HttpClientResponse.HttpClientResponse): void {
    const next =
      response.status >= 300 && response.status < 400 ? this.#plan.redirects(request, response, this.#hops) : undefined
    if (next !== undefined) {
      Collect.discard(response, this.#plan.site)
      if ("_tag" in next) {
        this.#settle(Exit.fail(next))
      } else {
        this.#hops++
        this.#phaseAt = this.#plan.site.clock.unsafeCurrentTimeMillis()
        this.send(next)
      }
      return
    }
    this.#phase = "body"
    const headersAt = this.#plan.site.clock.unsafeCurrentTimeMillis()
    this.#phaseAt = headersAt
    const decoded = this.#plan.remembered(response)
    if (decoded !== undefined) {
      this.#settle(Exit.succeed({ response, bytes: nothing, decoded, headersAt }))
      return
    }
    this.#idleMillis = Collect.idleMillis(response, this.#plan.site)
    const collect = Collect.bytes(response, request.method, this.#plan.limits.maxBodyBytes, this.#plan.site, () => {
      this.#phaseAt = this.#plan.site.clock.unsafeCurrentTimeMillis()
    })
    this.#run(
      collect,
      (exit) => {
        if (Exit.isFailure(exit)) this.#fail(exit.cause, "response")
        else this.#settle(Exit.succeed({ response, bytes: exit.value, decoded: undefined, headersAt }))
      },
      this.#plan.site
    )
  }

  #run<A, E>(effect: Effect.Effect<A, E>, next: (exit: Exit.Exit<A, E>) => void, site: Run.Site): void {
    const started = Run.start(effect, site, (exit) => {
      if (!this.#isDone) next(exit)
    })
    if (Run.isLeave(started)) {
      this.#leave = started
      this.#watch()
    } else next(started)
  }

  /** One timer for all deadlines of the attempt: set to the earliest, and moved when it fires too soon. */
  #watch(): void {
    const { callEnd, limits, site } = this.#plan
    const now = site.clock.unsafeCurrentTimeMillis()
    if (this.#idleMillis !== undefined) this.#phaseAt = Math.max(this.#phaseAt, now - this.#idleMillis())
    const phaseMillis = this.#phase === "headers" ? limits.headersMillis : limits.bodyIdleMillis
    const attemptEnd = this.#begun + limits.attemptMillis
    const phaseEnd = this.#phaseAt + phaseMillis
    // A phase is named before the attempt that contains it, and that before the call.
    if (now >= phaseEnd) this.#expire(this.#phase, phaseMillis)
    else if (now >= attemptEnd) this.#expire("attempt", limits.attemptMillis)
    else if (now >= callEnd) this.#expire("total", limits.totalMillis)
    else {
      const end = Math.min(attemptEnd, phaseEnd, callEnd)
      if (end >= this.#firesAt) return
      this.#cancelTimer?.()
      this.#firesAt = end
      this.#cancelTimer = Run.after(site, end - now, () => {
        this.#firesAt = Number.POSITIVE_INFINITY
        this.#watch()
      })
    }
  }

  #expire(phase: "total" | "attempt" | "headers" | "body", millis: number): void {
    if (this.#isDone) return
    const leave = this.#leave
    this.#settle(Exit.fail({ _tag: "Timeout", phase, millis }))
    leave?.()
  }

  #fail(cause: Cause.Cause<unknown>, phase: "request" | "response"): void {
    const failure = Cause.failureOption(cause)
    // A defect of the client, or an interruption from within it, stays what it is.
    this.#settle(
      failure._tag === "Some"
        ? Exit.fail(Collect.faultOf(failure.value, phase))
        : Exit.failCause(cause as Cause.Cause<never>)
    )
  }

  #settle(exit: Settled): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#cancelTimer?.()
    this.#resume(exit)
  }
}
