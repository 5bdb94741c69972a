/** A whole answer, shared by everyone who asked. */
import type * as Headers from "@effect/platform/Headers"
import * as Exit from "effect/Exit"
import type * as RestSource from "../RestSource.ts"

/** Where status and headers are read when somebody asks for them; most callers want the value alone. */
interface Head {
  readonly status: number
  readonly headers: Headers.Headers
}

export class Answer implements RestSource.Answer<unknown> {
  /** The value as an Exit: an Exit is an Effect, so handing out a shared answer costs nothing. */
  readonly exit: Exit.Success<unknown, never>
  readonly outcome: RestSource.Answered
  readonly timings: RestSource.Timings
  private readonly head: Head
  constructor(
    exit: Exit.Success<unknown, never>,
    head: Head,
    outcome: RestSource.Answered,
    timings: RestSource.Timings
  ) {
    this.exit = exit
    this.head = head
    this.outcome = outcome
    this.timings = timings
  }
  get value(): unknown {
    return this.exit.value
  }
  get status(): number {
    return this.head.status
  }
  get headers(): Headers.Headers {
    return this.head.headers
  }
  toJSON(): unknown {
    const { headers, outcome, status, timings, value } = this
    return { value, status, headers, outcome, timings }
  }

  /** The same answer, told to someone for whom it was not fetched. */
  as(outcome: RestSource.Answered): Answer {
    return new Answer(this.exit, this.head, outcome, this.timings)
  }
}

export const of = (value: unknown, head: Head, outcome: RestSource.Answered, timings: RestSource.Timings): Answer =>
  new Answer(Exit.succeed(value) as Exit.Success<unknown, never>, head, outcome, timings)

/** An answer as it is told to someone for whom it was not fetched. */
export const retold = <E>(exit: Exit.Exit<Answer, E>, outcome: "joined" | "memo"): Exit.Exit<Answer, E> =>
  Exit.isFailure(exit) ? exit : Exit.succeed(exit.value.as(outcome))
