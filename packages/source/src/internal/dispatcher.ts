/** Decides when the open batches of an Operation leave. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Policy from "../Policy.ts"
import type { Batch } from "./batch.ts"
import type { State } from "./state.ts"

export class Dispatcher {
  private readonly open = new Set<Batch>()
  /** Open batches to look at when the turn is over. */
  private readonly waiting = new Set<Batch>()
  private due: Array<Batch> = []
  private isTurning = false
  private held = 0
  private readonly state: State

  constructor(state: State) {
    this.state = state
  }

  schedule(batch: Batch, policy: Policy.Policy): void {
    this.open.add(batch)
    switch (policy._tag) {
      case "Immediate":
        this.soon(batch)
        break
      case "Turn":
        this.wait(batch)
        break
      case "Quiet":
      case "Exhausted":
        this.wait(batch)
        this.timer(batch, policy.maxWait)
        break
      case "Window":
        this.timer(batch, policy.duration)
        break
      case "Manual":
        this.timer(batch, policy.maxWait)
    }
  }

  /** Lets a batch leave as soon as the code that is running pauses. */
  soon(batch: Batch): void {
    this.due.push(batch)
    if (this.due.length > 1) return
    queueMicrotask(() => {
      const { due } = this
      this.due = []
      this.send(due)
    })
  }

  /** Holds the batches that wait for the Operation to be exhausted. */
  busy(): () => void {
    let isHolding = true
    this.held++
    return () => {
      if (!isHolding) return
      isHolding = false
      this.held--
      this.calmer()
    }
  }

  /** Something has ended, or paused, that could have brought more keys. */
  calmer(): void {
    if (this.waiting.size > 0) this.turn()
  }

  /** Sends what is open now. What its resolvers load in turn gathers anew. */
  flush(): void {
    this.send([...this.open])
  }

  /** Lets go of every batch that has not left. */
  close(): void {
    const open = [...this.open]
    this.open.clear()
    this.waiting.clear()
    for (const batch of open) batch.drop()
  }

  private send(batches: ReadonlyArray<Batch>): void {
    for (const batch of batches) {
      this.open.delete(batch)
      this.waiting.delete(batch)
    }
    for (const batch of batches) batch.dispatch()
  }

  private wait(batch: Batch): void {
    this.waiting.add(batch)
    this.turn()
  }

  private turn(): void {
    if (this.isTurning) return
    this.isTurning = true
    this.state.settings.schedule(() => {
      this.isTurning = false
      const ready: Array<Batch> = []
      let isGrowing = false
      for (const batch of this.waiting) {
        if (this.isReady(batch)) ready.push(batch)
        else isGrowing ||= batch.policies.some((policy) => policy._tag === "Quiet")
      }
      this.send(ready)
      if (isGrowing) this.turn()
    })
  }

  private isReady(batch: Batch): boolean {
    const hasGrown = batch.entries.length !== batch.seen
    batch.seen = batch.entries.length
    for (const policy of batch.policies) {
      if (policy._tag === "Turn") return true
      if (policy._tag === "Quiet" && !hasGrown) return true
      if (policy._tag === "Exhausted" && this.held === 0 && this.state.running === 0) return true
    }
    return false
  }

  private timer(batch: Batch, duration: Duration.Duration): void {
    if (!Duration.isFinite(duration)) return
    const { runtime } = this.state.settings
    const fiber = Runtime.runFork(
      runtime,
      Effect.zipRight(
        Effect.sleep(duration),
        Effect.sync(() => this.send([batch]))
      )
    )
    batch.onLeave(() => fiber.unsafeInterruptAsFork(FiberId.none))
  }
}
