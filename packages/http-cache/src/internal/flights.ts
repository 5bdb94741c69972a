/**
 * Origin calls under way, and who waits for them.
 *
 * A flight goes on while anybody waits: one who leaves harms nobody, whoever
 * began it included, and the last one to leave ends it.
 */
import type { Leave } from "./begin.ts"

export class Flight<A> {
  private waiting: Set<(answer: A) => void> | undefined = new Set()
  private stop: Leave | undefined
  private limit: Leave | undefined
  private readonly onEnd: () => void

  /** @param onEnd called once, when it lands or is given up, before anybody is told */
  constructor(onEnd: () => void) {
    this.onEnd = onEnd
  }

  /** How many wait. */
  get size(): number {
    return this.waiting?.size ?? 0
  }

  get hasEnded(): boolean {
    return this.waiting === undefined
  }

  /** Tells how the call is ended early. */
  calls(stop: Leave): void {
    if (this.waiting === undefined) stop()
    else this.stop = stop
  }

  /** Whether nothing bounds the wait yet. */
  get isUnlimited(): boolean {
    return this.limit === undefined && this.waiting !== undefined
  }

  /** Tells how what bounds the wait is called off when the flight ends. */
  limited(limit: Leave): void {
    if (this.waiting === undefined) limit()
    else this.limit = limit
  }

  join(resume: (answer: A) => void): Leave {
    this.waiting?.add(resume)
    return () => {
      if (this.waiting?.delete(resume) && this.waiting.size === 0) {
        this.end()
        this.stop?.()
      }
    }
  }

  land(answer: A): void {
    const { waiting } = this
    if (waiting === undefined) return
    this.end()
    for (const resume of waiting) resume(answer)
  }

  private end(): void {
    this.waiting = undefined
    this.limit?.()
    this.onEnd()
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
