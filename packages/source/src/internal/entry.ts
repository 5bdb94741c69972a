/** One key, wanted or remembered. */
import * as Exit from "effect/Exit"
import type { Batch } from "./batch.ts"
import type { Answer, Resume } from "./definition.ts"

/** A caller that waits for many entries, and reads them for itself. */
export interface Reader {
  readonly told: (entry: Entry) => void
}

export type Waiter = Resume | Reader

/** What is in an entry's place for an answer. */
const pending = 0
const value = 1
const exit = 2

/**
 * A key in a batch, with those who wait for it; after the answer, what is
 * remembered of it.
 *
 * There is one for every key of every batch, so it is small: one caller needs
 * no set, and a value no `Exit` until somebody asks for one.
 */
export class Entry {
  private phase: typeof pending | typeof value | typeof exit = pending
  private answer: unknown = undefined
  private waiters: Waiter | Set<Waiter> | undefined
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
    else if (waiters instanceof Set) waiters.add(waiter)
    else if (waiters !== waiter) this.waiters = new Set([waiters, waiter])
  }

  /** Takes a caller out. An entry that nobody wants any more leaves its batch. */
  leave(waiter: Waiter): void {
    if (this.waiters === waiter) this.waiters = undefined
    else if (this.waiters instanceof Set && this.waiters.delete(waiter)) {
      if (this.waiters.size === 0) this.waiters = undefined
    } else return
    if (this.waiters === undefined) this.batch?.abandon(this)
  }

  /** Told when nobody wants it any more, before it is answered. */
  abandoned(): void {}

  succeed(answer: unknown): void {
    this.phase = value
    this.answer = answer
    this.alight()
    const { waiters } = this
    this.waiters = undefined
    if (waiters !== undefined) this.tellAll(waiters)
  }

  complete(answer: Answer): void {
    this.phase = exit
    this.answer = answer
    this.alight()
    const { waiters } = this
    this.waiters = undefined
    if (waiters !== undefined) this.tellAll(waiters)
  }

  /** Lets go of the batch, so that what is remembered of one key does not keep its whole Operation from the collector. */
  private alight(): void {
    if (this.batch?.selection === undefined) this.batch = undefined
  }

  private tellAll(waiters: Waiter | Set<Waiter>): void {
    if (typeof waiters === "function" || !(waiters instanceof Set)) this.tell(waiters)
    else for (const waiter of waiters) this.tell(waiter)
  }

  /** A caller that throws must not keep the others from their answers: it is reported as what it is, uncaught. */
  private tell(waiter: Waiter): void {
    try {
      if (typeof waiter !== "function") waiter.told(this)
      else waiter(this.phase === value ? Exit.succeed(this.answer) : (this.answer as Answer))
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
