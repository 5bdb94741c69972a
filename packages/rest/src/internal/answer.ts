/** A whole answer, shared by everyone who asked. */
import type * as Headers from "@effect/platform/Headers"
import * as Exit from "effect/Exit"
import type * as RestSource from "../RestSource.ts"

export class Answer implements RestSource.Answer<unknown> {
  readonly value: unknown
  readonly status: number
  readonly headers: Headers.Headers
  readonly outcome: RestSource.Answered
  readonly timings: RestSource.Timings
  #exit: Exit.Exit<unknown> | undefined
  constructor(
    value: unknown,
    status: number,
    headers: Headers.Headers,
    outcome: RestSource.Answered,
    timings: RestSource.Timings
  ) {
    this.value = value
    this.status = status
    this.headers = headers
    this.outcome = outcome
    this.timings = timings
    Object.freeze(this)
  }

  /** The same answer, told to someone for whom it was not fetched. */
  as(outcome: RestSource.Answered): Answer {
    return new Answer(this.value, this.status, this.headers, outcome, this.timings)
  }

  /** The value as an Exit, made once: an Exit is an Effect, so a shared answer costs nothing. */
  get exit(): Exit.Exit<unknown> {
    this.#exit ??= Exit.succeed(this.value)
    return this.#exit
  }
}
