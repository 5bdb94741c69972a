/** One key, wanted or remembered. */
import * as Exit from "effect/Exit"
import type { Pending, Reader } from "../Fiberless.ts"
import type { Batch } from "./batch.ts"
import type { Answer, Resume } from "./definition.ts"

export type Waiter = Resume | Reader

/** A few are looked through; more are looked up. */
type Waiters = Waiter | Array<Waiter> | Set<Waiter>

const few = 16

/** What is in an entry's place for an answer. */
const pending = 0
const value = 1
const exit = 2

/**
 * A key in a batch, with those who wait for it; after the answer, what is
 * remembered of it.
 *
 * There is one for every key of every batch, so it is small: a few callers need
 * no set, and a value no `Exit` until somebody asks for one.
 */
export class Entry implements Pending {
  private phase: typeof pending | typeof value | typeof exit = pending
  private answer: unknown = undefined
  private waiters: Waiters | undefined
  readonly id: unknown
  key: unknown
  /**
   * The batch it travels in; none for a value that was put there. After the
   * answer, the batch whose selection the value has; none for a value that is whole.
   */
  batch: Batch | undefined

  constructor(id: unknown, key: unknown, batch: Batch | undefined, waiter: Waiter | undefined) {
    this.id = id
    this.key = key
    this.batch = batch
    this.waiters = waiter
  }

  get isAnswered(): boolean {
    return this.phase !== pending
  }

  get isWanted(): boolean {
    return this.waiters !== undefined
  }

  /** The answer, for an entry that has one. Kept, because whoever reads it may come again. */
  get exit(): Answer {
    if (this.phase === value) {
      this.answer = Exit.succeed(this.answer)
      this.phase = exit
    }
    return this.answer as Answer
  }

  /** The same for one caller, with nothing kept of it. */
  private get copy(): Answer {
    return this.phase === value ? Exit.succeed(this.answer) : (this.answer as Answer)
  }

  /** Whether it was answered with a failure or a defect. */
  get hasFailed(): boolean {
    return this.phase === exit && Exit.isFailure(this.answer as Answer)
  }

  /** The value of an entry that has one. */
  get value(): unknown {
    if (this.phase === value) return this.answer
    const answer = this.answer as Answer
    return Exit.isSuccess(answer) ? answer.value : undefined
  }

  /** Adds a caller. One that waits already waits once. */
  join(waiter: Waiter): void {
    const { waiters } = this
    if (waiters === undefined) this.waiters = waiter
    else if (Array.isArray(waiters)) {
      if (waiters.includes(waiter)) return
      if (waiters.length === few) this.waiters = new Set(waiters).add(waiter)
      else waiters.push(waiter)
    } else if (waiters instanceof Set) waiters.add(waiter)
    else if (waiters !== waiter) this.waiters = [waiters, waiter]
  }

  /** Takes a caller out. An entry that nobody wants any more leaves its batch. */
  leave(waiter: Waiter): void {
    const { waiters } = this
    if (waiters === waiter) this.waiters = undefined
    else if (Array.isArray(waiters)) {
      const at = waiters.indexOf(waiter)
      if (at === -1) return
      waiters.splice(at, 1)
      if (waiters.length === 0) this.waiters = undefined
    } else if (waiters instanceof Set && waiters.delete(waiter)) {
      if (waiters.size === 0) this.waiters = undefined
    } else return
    if (this.waiters === undefined && !this.isAnswered) this.batch?.abandon(this)
  }

  /** Told when nobody wants it any more, before it is answered. */
  abandoned(): void {}

  succeed(answer: unknown): void {
    this.phase = value
    this.answer = answer
    this.alight()
    this.tellAll()
  }

  complete(answer: Answer): void {
    this.phase = exit
    this.answer = answer
    this.alight()
    this.tellAll()
  }

  /** Lets go of the batch, so that what is remembered of one key does not keep its whole Operation from the collector. */
  private alight(): void {
    if (this.batch?.selection === undefined) this.batch = undefined
  }

  private tellAll(): void {
    const { waiters } = this
    if (waiters === undefined) return
    if (!Array.isArray(waiters) && !(waiters instanceof Set)) {
      this.waiters = undefined
      this.tell(waiters)
      return
    }
    // Callbacks take an `Exit`: one is made for all of them.
    const { exit } = this
    // They stay among those who wait until their turn, for whoever is told may take another out.
    if (Array.isArray(waiters)) for (let next = waiters.shift(); next; next = waiters.shift()) this.tell(next, exit)
    else for (const waiter of waiters) if (waiters.delete(waiter)) this.tell(waiter, exit)
    this.waiters = undefined
  }

  /** A caller that throws must not keep the others from their answers: it is reported as what it is, uncaught. */
  private tell(waiter: Waiter, shared?: Answer): void {
    try {
      if (typeof waiter === "function") waiter(shared ?? this.copy)
      else waiter.told(this)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
