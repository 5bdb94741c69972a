/** What calls of one Operation to one source share: calls under way, and answers kept until invalidated. */
import type * as Fiberless from "@wellspring/source/Fiberless"
import * as Exit from "effect/Exit"

/** By what a call is found again. */
export interface Name {
  /** What tells it from every other call. */
  readonly key: string
  /** Another name for the same, known before the key is worked out; undefined where there is none. */
  readonly alias: Alias | undefined
  /** The endpoint's own URL: what an unsafe call to it invalidates. */
  readonly url: string
}

/** A text that names a call among those of one endpoint. */
export interface Alias {
  readonly endpoint: object
  readonly text: string
}

/** How an answer is told to someone for whom it was not fetched. */
export type Retell<X> = (exit: X, outcome: "joined" | "memo") => X

type Ended = Exit.Exit<unknown, unknown>

interface Waiter<X> {
  readonly resume: (exit: X) => void
  /** Whether the call was made for this one. */
  readonly isFirst: boolean
}

/** One call under way, or done and kept. */
export class Flight<X extends Ended = Ended> {
  readonly name: Name
  readonly keep: boolean
  /** Stops the call; set once it has been started. */
  leave: (() => void) | undefined = undefined
  exit: X | undefined = undefined
  isKept = false
  /** The answer for those who wait by a promise and cannot leave: they share one. */
  promise: Promise<unknown> | undefined = undefined
  private memo: X | undefined = undefined
  private readonly waiters = new Set<Waiter<X>>()
  private readonly table: Inflight<X>

  constructor(table: Inflight<X>, name: Name, keep: boolean) {
    this.table = table
    this.name = name
    this.keep = keep
  }

  /** The answer if it was kept, or a place among those who wait for it, which the function returned gives up; the last one out stops the call. */
  join(resume: (exit: X) => void, isFirst = false): X | Fiberless.Leave {
    if (this.exit !== undefined) {
      if (isFirst) return this.exit
      this.memo ??= this.table.retell(this.exit, "memo")
      return this.memo
    }
    const waiter: Waiter<X> = { resume, isFirst }
    this.waiters.add(waiter)
    return () => {
      if (!this.waiters.delete(waiter) || this.waiters.size > 0 || this.exit !== undefined) return
      this.table.remove(this)
      this.leave?.()
    }
  }

  /** Ends the call: everyone waiting is answered; a success is kept where that was asked for and nothing invalidated it. */
  settle(exit: X): void {
    if (this.exit !== undefined) return
    this.exit = exit
    this.promise = undefined
    this.table.settled(this, exit)
    const waiters = [...this.waiters]
    this.waiters.clear()
    let joined: X | undefined
    for (const { isFirst, resume } of waiters) {
      if (isFirst) resume(exit)
      else {
        joined ??= this.table.retell(exit, "joined")
        resume(joined)
      }
    }
  }
}

/** Answers kept at most; beyond it the oldest is dropped. */
const maxKept = 10_000

export class Inflight<X extends Ended> {
  private readonly flights = new Map<string, Flight<X>>()
  private readonly byAlias = new Map<object, Map<string, Flight<X>>>()
  private readonly byUrl = new Map<string, Set<Flight<X>>>()
  private kept = 0
  private epoch = 0
  readonly retell: Retell<X>

  constructor(retell: Retell<X>) {
    this.retell = retell
  }

  /** Nothing of an earlier epoch is joined or read from here on; those who wait are still answered. */
  enter(epoch: number): void {
    if (epoch === this.epoch) return
    this.epoch = epoch
    this.flights.clear()
    this.byAlias.clear()
    this.byUrl.clear()
    this.kept = 0
  }

  get size(): number {
    return this.flights.size
  }

  find(key: string): Flight<X> | undefined {
    return this.flights.get(key)
  }

  findByAlias(endpoint: object, text: string): Flight<X> | undefined {
    return this.byAlias.get(endpoint)?.get(text)
  }

  open(name: Name, keep: boolean): Flight<X> {
    const flight = new Flight<X>(this, name, keep)
    this.flights.set(name.key, flight)
    if (name.alias !== undefined) this.alias(name.alias, flight)
    const siblings = this.byUrl.get(name.url)
    if (siblings === undefined) this.byUrl.set(name.url, new Set([flight]))
    else siblings.add(flight)
    return flight
  }

  /** Nobody joins what is under way for this URL from now on, nor reads what was kept; those who wait are still answered. */
  invalidate(url: string): void {
    const flights = this.byUrl.get(url)
    if (flights !== undefined) for (const flight of [...flights]) this.remove(flight)
  }

  /** Takes note of an answer: a success is kept where that was asked for and nothing invalidated it. */
  settled(flight: Flight<X>, exit: X): void {
    if (this.flights.get(flight.name.key) !== flight) return
    if (!flight.keep || Exit.isFailure(exit)) this.remove(flight)
    else {
      flight.isKept = true
      if (++this.kept > maxKept) this.dropOldest()
    }
  }

  /** Removes its own entry, never one that has taken its place since. */
  remove(flight: Flight<X>): void {
    const { alias, key, url } = flight.name
    if (this.flights.get(key) === flight) {
      this.flights.delete(key)
      if (flight.isKept) this.kept--
    }
    const named = alias && this.byAlias.get(alias.endpoint)
    if (alias !== undefined && named?.get(alias.text) === flight) named.delete(alias.text)
    const siblings = this.byUrl.get(url)
    if (siblings?.delete(flight) === true && siblings.size === 0) this.byUrl.delete(url)
  }

  private alias({ endpoint, text }: Alias, flight: Flight<X>): void {
    const named = this.byAlias.get(endpoint)
    if (named === undefined) this.byAlias.set(endpoint, new Map([[text, flight]]))
    else named.set(text, flight)
  }

  private dropOldest(): void {
    for (const flight of this.flights.values()) {
      if (!flight.isKept) continue
      this.remove(flight)
      return
    }
  }
}
