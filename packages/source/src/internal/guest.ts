/** Callers of the rooms above, which wait for something that must not outlast the Operation. */
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import type * as Fiberless from "../Fiberless.ts"

export type Guests = Set<{ readonly stop: () => void }>

export class Guest<A, E> {
  private leave: Fiberless.Leave | undefined = undefined
  private isOver = false
  private readonly guests: Guests
  private readonly resume: (exit: Exit.Exit<A, E>) => void

  constructor(guests: Guests, resume: (exit: Exit.Exit<A, E>) => void) {
    this.guests = guests
    this.resume = resume
  }

  /** Begins the work. One that is answered at once is never noted. */
  begin(work: (resume: (exit: Exit.Exit<A, E>) => void) => Exit.Exit<A, E> | Fiberless.Leave) {
    const started = work((exit) => this.end(exit))
    if (typeof started !== "function") return started
    this.leave = started
    if (!this.isOver) this.guests.add(this)
    return () => {
      if (this.depart()) started()
    }
  }

  /** Leaves the work, and tells whoever waits for it. */
  stop(): void {
    if (!this.depart()) return
    try {
      this.leave?.()
      this.resume(Exit.interrupt(FiberId.none))
    } catch (error) {
      // The others have to be told as well: it is reported as what it is, uncaught.
      queueMicrotask(() => {
        throw error
      })
    }
  }

  private end(exit: Exit.Exit<A, E>): void {
    if (this.depart()) this.resume(exit)
  }

  private depart(): boolean {
    if (this.isOver) return false
    this.isOver = true
    this.guests.delete(this)
    return true
  }
}
