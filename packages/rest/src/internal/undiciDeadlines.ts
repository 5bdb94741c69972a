/**
 * Many deadlines on one timer.
 *
 * A timer for each phase of each request costs more than the phases' own
 * bookkeeping. Here a wait is a number that moves as bytes arrive; the one
 * timer sleeps until the earliest of them, and most requests are over before.
 *
 * These are the machine's monotonic clock and timers, not Effect's `Clock`: a
 * peer that stops sending does so in real time, also under a test clock, and
 * nobody may be running a fiber while it does.
 */

/** Something that waits. `deadline` is an instant of {@link now}; infinity never comes. */
export interface Watched {
  deadline: number
  /** The list's own. */
  before: Watched | undefined
  after: Watched | undefined
  /** Called once `deadline` has passed. It must be forgotten then, or its deadline move. */
  readonly expire: () => void
}

/** Milliseconds on a clock that only goes forward. */
export const now = (): number => performance.now()

/** The longest delay a Node timer takes; longer ones fire at once. */
const longestDelay = 2_147_483_647

/**
 * The waits are a linked list through themselves. A `Set` would do, but for the
 * garbage collector: the tables it has outgrown refer to each other and to what
 * was in them, and one that has grown old keeps all that follow alive.
 */
export class Deadlines {
  #first: Watched | undefined
  #timer: NodeJS.Timeout | undefined
  #firesAt = Number.POSITIVE_INFINITY

  watch(wait: Watched): void {
    const first = this.#first
    wait.after = first
    if (first !== undefined) first.before = wait
    this.#first = wait
    if (wait.deadline < this.#firesAt) this.#arm(wait.deadline)
  }

  /** Once, for something watched. */
  forget(wait: Watched): void {
    const { before, after } = wait
    if (before === undefined) this.#first = after
    else before.after = after
    if (after !== undefined) after.before = before
    wait.before = undefined
    wait.after = undefined
  }

  /** Moves a deadline of something watched. Later is free; earlier than all others sets the timer anew. */
  move(wait: Watched, deadline: number): void {
    wait.deadline = deadline
    if (deadline < this.#firesAt) this.#arm(deadline)
  }

  #arm(deadline: number): void {
    clearTimeout(this.#timer)
    this.#firesAt = deadline
    // A sleeping timer must not keep the process up: a socket that is in use does that.
    this.#timer = setTimeout(this.#sweep, Math.min(Math.max(1, Math.ceil(deadline - now())), longestDelay)).unref()
  }

  readonly #sweep = (): void => {
    this.#timer = undefined
    this.#firesAt = Number.POSITIVE_INFINITY
    const instant = now()
    const expired: Array<Watched> = []
    for (let wait = this.#first; wait !== undefined; wait = wait.after) if (wait.deadline <= instant) expired.push(wait)
    for (const wait of expired) wait.expire()
    let next = Number.POSITIVE_INFINITY
    for (let wait = this.#first; wait !== undefined; wait = wait.after) if (wait.deadline < next) next = wait.deadline
    if (next < this.#firesAt) this.#arm(next)
  }
}
