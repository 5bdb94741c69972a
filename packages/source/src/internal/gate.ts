/** How many batches of one source run at once, and how often one may start. */
import type { Batch } from "./batch.ts"

/** At most `limit` starts in any stretch of `interval` milliseconds, spread evenly once a burst is used up. */
export interface Rate {
  readonly limit: number
  readonly interval: number
}

/**
 * A queue before the backend, shared by every Operation of the process.
 *
 * A batch that waits for other batches holds no place: its resolver has
 * nothing to send, and those it waits for may need the place.
 */
export class Gate {
  private running = 0
  private isDraining = false
  /** When the next start would be due if starts were spread evenly, in milliseconds. */
  private due = Number.NEGATIVE_INFINITY
  private readonly queue = new Set<Batch>()
  private readonly places: number
  private readonly rate: Rate | undefined

  constructor(places: number, rate: Rate | undefined) {
    this.places = places
    this.rate = rate
  }

  /** Runs a batch, now or when a place is free. */
  enter(batch: Batch): void {
    if (this.running < this.places) {
      this.running++
      batch.run()
    } else this.queue.add(batch)
  }

  /** A batch that waited no longer wants to run. */
  forget(batch: Batch): void {
    this.queue.delete(batch)
  }

  /** Takes back a place that was given up while a batch waited; for a moment there may be one too many. */
  reenter(): void {
    this.running++
  }

  leave(): void {
    this.running--
    // A batch that is answered at once leaves from within the loop, which goes on to the next.
    if (this.isDraining) return
    this.isDraining = true
    for (const batch of this.queue) {
      if (this.running >= this.places) break
      this.queue.delete(batch)
      this.running++
      batch.run()
    }
    this.isDraining = false
  }

  /** Takes a turn, and says how long to wait for it, in milliseconds. */
  delay(now: number): number {
    if (this.rate === undefined) return 0
    const { interval, limit } = this.rate
    const pause = interval / limit
    // A token bucket told by one instant: full buckets are due `interval - pause` in the past.
    const start = Math.max(now, this.due - (interval - pause))
    this.due = Math.max(this.due, now) + pause
    return Math.max(0, start - now)
  }
}
