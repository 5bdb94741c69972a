/** What a guard knows of each origin: calls under way, its circuit breaker, its rate limit. */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Breaker from "../Breaker.ts"
import type * as OriginGuard from "../OriginGuard.ts"
import * as RateLimit from "../RateLimit.ts"
import * as RetryAfter from "../RetryAfter.ts"
import { Places } from "./places.ts"

export type Answer = Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
export type Round = number | undefined

export interface Numbers {
  readonly places: number | undefined
  readonly queue: number
  readonly unreadMillis: number
  readonly breaker: Breaker.Breaker | undefined
  readonly learns: boolean
  readonly maxWaitMillis: number
}

export const numbers = (options: OriginGuard.Options): Numbers => ({
  places: options.maxConcurrent,
  queue: options.maxQueued ?? (options.maxConcurrent ?? 0) * 10,
  unreadMillis: Duration.toMillis(options.maxUnread ?? Duration.seconds(5)),
  breaker: options.breaker === undefined ? undefined : Breaker.make(options.breaker),
  learns: options.learnRateLimits !== false,
  maxWaitMillis: Duration.toMillis(options.maxRateLimitWait ?? Duration.seconds(5))
})

/** What is known of one origin. */
export class Origin {
  readonly #settings: Numbers
  readonly places: Places | undefined
  #breaker: Breaker.State
  /** No call before this instant. */
  #closedUntil = 0

  constructor(settings: Numbers, now: number) {
    this.#settings = settings
    this.#breaker = Breaker.initial(now)
    this.places =
      settings.places === undefined ? undefined : new Places(settings.places, settings.queue, settings.unreadMillis)
  }

  get isIdle(): boolean {
    return this.places?.isIdle !== false
  }

  /** Milliseconds until its rate limit lets a call pass. */
  wait(now: number): number {
    return this.#settings.learns ? Math.max(0, this.#closedUntil - now) : 0
  }

  admit(now: number): Breaker.Admission {
    const { breaker } = this.#settings
    if (breaker === undefined) return pass
    const [state, admission] = Breaker.admit(breaker, this.#breaker, now)
    this.#breaker = state
    return admission
  }

  /** Accounts for a call that was admitted, and gives what its caller is to see of it. */
  settle(round: Round, answer: Answer, now: number): Answer {
    const { breaker, learns } = this.#settings
    if (breaker !== undefined) this.#breaker = Breaker.settle(breaker, this.#breaker, round, resultOf(answer), now)
    if (Exit.isFailure(answer)) {
      this.places?.leave()
      return answer
    }
    if (learns) this.#learn(answer.value, now)
    if (this.places === undefined) return answer
    const response = this.places.keep(answer.value, now)
    return response === answer.value ? answer : Exit.succeed(response)
  }

  #learn({ headers, status }: HttpClientResponse.HttpClientResponse, now: number): void {
    const limit = RateLimit.parse(headers, now)
    if (Option.isSome(limit) && limit.value.remaining <= 0) {
      this.#closedUntil = Math.max(this.#closedUntil, limit.value.resetAtMillis)
    }
    const after = headers["retry-after"]
    if (after === undefined || (status !== 429 && status !== 503)) return
    const asked = RetryAfter.parse(after, DateTime.unsafeMake(now))
    if (Option.isSome(asked)) this.#closedUntil = Math.max(this.#closedUntil, now + Duration.toMillis(asked.value))
  }
}

const pass: Breaker.Admission = { _tag: "Pass", round: undefined }

/** Origins remembered at once; the oldest without calls under way is forgotten. */
const maxOrigins = 1000

export class Origins {
  readonly settings: Numbers
  readonly #known = new Map<string, Origin>()

  constructor(settings: Numbers) {
    this.settings = settings
  }

  get(name: string, now: number): Origin {
    let found = this.#known.get(name)
    if (found === undefined) {
      if (this.#known.size >= maxOrigins) this.#forget()
      found = new Origin(this.settings, now)
      this.#known.set(name, found)
    }
    return found
  }

  #forget(): void {
    for (const [name, origin] of this.#known) {
      if (!origin.isIdle) continue
      this.#known.delete(name)
      return
    }
  }
}

const resultOf = (
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): Breaker.Result => {
  if (Exit.isSuccess(exit)) return exit.value.status >= 500 ? "failure" : "success"
  if (Cause.isInterruptedOnly(exit.cause)) return "abandoned"
  const failure = Cause.failureOption(exit.cause)
  // A request that could not even be written says nothing about the upstream.
  return Option.isSome(failure) && failure.value._tag === "RequestError" && failure.value.reason !== "Transport"
    ? "abandoned"
    : "failure"
}
