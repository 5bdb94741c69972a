/** Whatever has to be told when a run ends before it has. */
export interface Wait {
  /** Called when the run ends. */
  stop(): void
  /** Where it stands among the others. */
  at: number
}

/** A list in no order, which a wait leaves in one step: one who leaves is replaced by the last. */
export class Waits {
  private list: Array<Wait> = []

  add(wait: Wait): void {
    wait.at = this.list.length
    this.list.push(wait)
  }

  remove(wait: Wait): void {
    const { list } = this
    // The run's end has told it already.
    if (list[wait.at] !== wait) return
    const last = list.pop()
    if (last === undefined || last === wait) return
    list[wait.at] = last
    last.at = wait.at
  }

  /** Registers a function; the one that it returns takes it out. */
  on(stop: () => void): () => void {
    const wait: Wait = { stop, at: 0 }
    this.add(wait)
    return () => this.remove(wait)
  }

  stopAll(): void {
    const { list } = this
    this.list = []
    for (const wait of list) wait.stop()
  }
}
