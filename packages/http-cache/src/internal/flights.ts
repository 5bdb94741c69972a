/**
 * Origin calls under way, and who waits for them.
 *
 * A flight goes on while anybody waits: one who leaves harms nobody, whoever
 * began it included, and the last one to leave ends it.
 */
import type { Leave } from "./begin.ts"

/** Somebody who waits for a flight. */
export interface Waiter<A> {
  /** Whether nothing is to be told any more. */
  readonly hasLeft: boolean
  readonly landed: (answer: A) => void
}

export class Flight<A> {
  readonly key: string
  private readonly flights: Map<string, Flight<A>>
  private waiters: Array<Waiter<A>> = []
  /** How many wait: whoever began it, and those of the waiters who have not left. */
  private count = 1
  private ended = false
  private stop: Leave | undefined
  private limit: Leave | undefined

  /** Begun by somebody who waits for it, and found by others until it has ended. */
  constructor(flights: Map<string, Flight<A>>, key: string) {
    this.flights = flights
    this.key = key
    flights.set(key, this)
  }

  get hasEnded(): boolean {
    return this.ended
  }

  /** Tells how the call is ended early. */
  calls(stop: Leave): void {
    if (!this.ended) this.stop = stop
  }

  /** Whether nothing bounds the wait yet. */
  get isUnlimited(): boolean {
    return this.limit === undefined && !this.ended
  }

  /** Tells how what bounds the wait is called off when the flight ends. */
  limited(limit: Leave): void {
    if (this.ended) limit()
    else this.limit = limit
  }

  join(waiter: Waiter<A>): void {
    this.count++
    this.waiters.push(waiter)
  }

  /** One of those who wait does not any more, and says so once. */
  leave(): void {
    if (this.ended) return
    this.count--
    if (this.count === 0) {
      const { stop } = this
      this.end()
      stop?.()
    } else if (this.waiters.length > 2 * this.count + 8) {
      this.waiters = this.waiters.filter(({ hasLeft }) => !hasLeft)
    }
  }

  land(answer: A): void {
    if (this.ended) return
    const { waiters } = this
    this.end()
    for (const waiter of waiters) if (!waiter.hasLeft) this.tell(waiter, answer)
  }

  /** A caller that throws must not keep the others from their answers: it is reported as what it is, uncaught. */
  private tell(waiter: Waiter<A>, answer: A): void {
    try {
      waiter.landed(answer)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }

  private end(): void {
    const { limit } = this
    this.ended = true
    // V8 chains the tables a Map has outgrown: what flights of old still held would keep all that came after alive.
    this.waiters = []
    this.stop = undefined
    this.limit = undefined
    limit?.()
    if (this.flights.get(this.key) === this) this.flights.delete(this.key)
  }
}

/** Flights by what is asked for. */
export interface Flights<A> {
  readonly flights: Map<string, Flight<A>>
}

/** Ends joining flights that began before an invalidation: what they bring may be older than it. */
export const detach = <A>({ flights }: Flights<A>, concerns: (key: string) => boolean): void => {
  for (const key of flights.keys()) if (concerns(key)) flights.delete(key)
}

export const detachUrl = <A>(engine: Flights<A>, url: string): void =>
  detach(engine, (key) => key === url || key.startsWith(`${url}\n`))
