/** What calls of one Operation to one source share: calls under way, and answers kept until invalidated. */
import type * as Fiberless from "@wellspring/source/Fiberless"
import * as Exit from "effect/Exit"

/** By what a call is found again: a text, among those of `owner`. */
export interface Name {
  readonly owner: object
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
  /** The endpoint's own URL: what an unsafe call to it invalidates. */
  readonly url: string
  readonly keep: boolean
  readonly serial: number
  /** Stops the call; set once it has been started. */
  leave: (() => void) | undefined = undefined
  exit: X | undefined = undefined
  isKept = false
  /** The answer for those who wait by a promise and cannot leave: they share one. */
  promise: Promise<unknown> | undefined = undefined
  private memo: X | undefined = undefined
  private readonly waiters = new Set<Waiter<X>>()
  private readonly table: Inflight<X>

  constructor(table: Inflight<X>, name: Name, url: string, keep: boolean, serial: number) {
    this.table = table
    this.name = name
    this.url = url
    this.keep = keep
    this.serial = serial
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
    let joined: X | undefined
    // One by one, for whoever is told may take another out.
    for (const waiter of this.waiters) {
      this.waiters.delete(waiter)
      if (!waiter.isFirst) joined ??= this.table.retell(exit, "joined")
      tell(waiter, joined === undefined || waiter.isFirst ? exit : joined)
    }
  }
}

/** A caller that throws must not keep the others from their answers: it is reported as what it is, uncaught. */
const tell = <X>({ resume }: Waiter<X>, exit: X): void => {
  try {
    resume(exit)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** Answers kept at most; beyond it the oldest is dropped. */
const maxKept = 10_000

export class Inflight<X extends Ended> {
  /** How many calls are under way or kept. */
  size = 0
  readonly retell: Retell<X>
  private named = new Map<object, Map<string, Flight<X>>>()
  /** URLs that unsafe calls have invalidated, with the number of the last flight before. */
  private readonly invalidated = new Map<string, number>()
  private serial = 0
  private kept = 0
  private epoch = 0

  constructor(retell: Retell<X>) {
    this.retell = retell
  }

  /** Nothing of an earlier epoch is joined or read from here on; those who wait are still answered. */
  enter(epoch: number): void {
    if (epoch === this.epoch) return
    this.epoch = epoch
    this.named = new Map()
    this.invalidated.clear()
    this.size = 0
    this.kept = 0
  }

  find(owner: object, text: string): Flight<X> | undefined {
    const flight = this.named.get(owner)?.get(text)
    if (flight === undefined || !this.isOutdated(flight)) return flight
    this.remove(flight)
    return undefined
  }

  open(name: Name, url: string, keep: boolean): Flight<X> {
    const flight = new Flight<X>(this, name, url, keep, ++this.serial)
    const { owner, text } = name
    const named = this.named.get(owner)
    if (named === undefined) this.named.set(owner, new Map([[text, flight]]))
    else named.set(text, flight)
    this.size++
    return flight
  }

  /** Nobody joins what is under way for this URL from now on, nor reads what was kept; those who wait are still answered. */
  invalidate(url: string): void {
    if (this.size > 0) this.invalidated.set(url, this.serial)
  }

  /** Takes note of an answer: a success is kept where that was asked for and nothing invalidated it. */
  settled(flight: Flight<X>, exit: X): void {
    if (!this.holds(flight)) return
    if (!flight.keep || Exit.isFailure(exit) || this.isOutdated(flight)) this.remove(flight)
    else {
      flight.isKept = true
      if (++this.kept > maxKept) this.dropOldest()
    }
  }

  /** Removes its own entry, never one that has taken its place since. */
  remove(flight: Flight<X>): void {
    if (!this.holds(flight)) return
    this.named.get(flight.name.owner)?.delete(flight.name.text)
    this.size--
    if (flight.isKept) this.kept--
  }

  private holds(flight: Flight<X>): boolean {
    const { owner, text } = flight.name
    return this.named.get(owner)?.get(text) === flight
  }

  private isOutdated({ serial, url }: Flight<X>): boolean {
    return this.invalidated.size > 0 && serial <= (this.invalidated.get(url) ?? 0)
  }

  private dropOldest(): void {
    let oldest: Flight<X> | undefined
    for (const named of this.named.values()) {
      for (const flight of named.values()) {
        if (!flight.isKept) continue
        // Within an owner they stand in the order they were opened.
        if (oldest === undefined || flight.serial < oldest.serial) oldest = flight
        break
      }
    }
    if (oldest !== undefined) this.remove(oldest)
  }
}
