/** What calls of one Operation to one source share: calls under way, and answers kept until invalidated. */
import type * as Exit from "effect/Exit"

type Resume<X> = (exit: X) => void

/** One call under way, or done and kept. */
export class Flight<X extends Exit.Exit<unknown, unknown>> {
  readonly key: string
  readonly url: string
  readonly keep: boolean
  /** Stops the call; set once it has been started. */
  leave: (() => void) | undefined
  exit: X | undefined
  /** The exit as it is told to those who joined, made once. */
  joined: X | undefined
  readonly waiters = new Set<Resume<X>>()
  constructor(key: string, url: string, keep: boolean) {
    this.key = key
    this.url = url
    this.keep = keep
  }
}

/** Answers kept at most; beyond it the oldest is dropped. */
const maxKept = 10_000

export class Inflight<X extends Exit.Exit<unknown, unknown>> {
  readonly #flights = new Map<string, Flight<X>>()
  readonly #byUrl = new Map<string, Set<Flight<X>>>()
  #kept = 0
  #epoch = 0

  /** Nothing of an earlier epoch is joined or read from here on; those who wait are still answered. */
  enter(epoch: number): void {
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#flights.clear()
    this.#byUrl.clear()
    this.#kept = 0
  }

  get size(): number {
    return this.#flights.size
  }

  find(key: string): Flight<X> | undefined {
    return this.#flights.get(key)
  }

  open(key: string, url: string, keep: boolean): Flight<X> {
    const flight = new Flight<X>(key, url, keep)
    this.#flights.set(key, flight)
    const siblings = this.#byUrl.get(url)
    if (siblings === undefined) this.#byUrl.set(url, new Set([flight]))
    else siblings.add(flight)
    return flight
  }

  /** Adds a caller to a call under way; the function returned takes it out again, and the last one out stops the call. */
  join(flight: Flight<X>, resume: Resume<X>): () => void {
    // A function of its own, so that one caller joining twice is two waiters.
    const waiter: Resume<X> = (exit) => resume(exit)
    flight.waiters.add(waiter)
    return () => {
      if (!flight.waiters.delete(waiter) || flight.waiters.size > 0 || flight.exit !== undefined) return
      this.#remove(flight)
      flight.leave?.()
    }
  }

  /** Ends a call: everyone waiting is answered; a success is kept where that was asked for and nothing invalidated it. */
  settle(flight: Flight<X>, exit: X): void {
    flight.exit = exit
    const isCurrent = this.#flights.get(flight.key) === flight
    if (isCurrent && !(flight.keep && exit._tag === "Success")) this.#remove(flight)
    else if (isCurrent && ++this.#kept > maxKept) this.#dropOldest()
    const waiters = [...flight.waiters]
    flight.waiters.clear()
    for (const waiter of waiters) waiter(exit)
  }

  /** Nobody joins what is under way for this URL from now on, nor reads what was kept; those who wait are still answered. */
  invalidate(url: string): void {
    const flights = this.#byUrl.get(url)
    if (flights !== undefined) for (const flight of [...flights]) this.#remove(flight)
  }

  /** Removes its own entry, never one that has taken its place since. */
  #remove(flight: Flight<X>): void {
    if (this.#flights.get(flight.key) === flight) {
      this.#flights.delete(flight.key)
      if (flight.exit !== undefined && flight.keep) this.#kept = Math.max(0, this.#kept - 1)
    }
    const siblings = this.#byUrl.get(flight.url)
    if (siblings?.delete(flight) === true && siblings.size === 0) this.#byUrl.delete(flight.url)
  }

  #dropOldest(): void {
    for (const flight of this.#flights.values()) {
      if (flight.exit === undefined) continue
      this.#remove(flight)
      return
    }
  }
}
