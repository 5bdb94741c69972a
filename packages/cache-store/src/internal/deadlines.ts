/**
 * Many waits of one length, at the price of one timer.
 *
 * They end in the order they began, so one fiber sleeps for the first of them;
 * a wait that is over before its time costs nothing but its place in the line.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface Deadline {
  readonly at: number
  /** `undefined` once the wait is over. */
  expire: (() => void) | undefined
}

export class Deadlines {
  private line: Array<Deadline> = []
  private first = 0
  private watching = false
  private readonly clock: Clock.Clock
  private readonly millis: number
  private readonly fork: (effect: Effect.Effect<void>) => void

  constructor(clock: Clock.Clock, millis: number, fork: (effect: Effect.Effect<void>) => void) {
    this.clock = clock
    this.millis = millis
    this.fork = fork
  }

  /** Calls `expire` when the time is over, unless the deadline was met before. */
  add(expire: () => void): Deadline {
    const deadline: Deadline = { at: this.clock.unsafeCurrentTimeMillis() + this.millis, expire }
    this.line.push(deadline)
    if (!this.watching) {
      this.watching = true
      this.fork(this.watch)
    }
    return deadline
  }

  /** Ends every wait now. */
  expireAll(): void {
    const line = this.line.slice(this.first)
    this.line = []
    this.first = 0
    for (const deadline of line) expireNow(deadline)
  }

  private readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    const left = this.advance(this.clock.unsafeCurrentTimeMillis())
    if (left === undefined) {
      this.watching = false
      return Effect.void
    }
    return Effect.zipRight(this.clock.sleep(Duration.millis(left)), this.watch)
  })

  /** Expires what is due, and answers how long until the next, if there is one. */
  private advance(now: number): number | undefined {
    while (this.first < this.line.length) {
      const deadline = this.line[this.first]
      if (deadline === undefined) break
      if (deadline.expire !== undefined && deadline.at > now) {
        this.compact()
        return deadline.at - now
      }
      this.first++
      expireNow(deadline)
    }
    this.line = []
    this.first = 0
    return undefined
  }

  private compact(): void {
    if (this.first === 0) return
    this.line = this.line.slice(this.first)
    this.first = 0
  }
}

const expireNow = (deadline: Deadline): void => {
  const expire = deadline.expire
  deadline.expire = undefined
  expire?.()
}
