/** One key, wanted or remembered. */
import type { Batch } from "./batch.ts"
import type { Answer, Resume } from "./definition.ts"

/**
 * A key in a batch, with those who wait for it; after the answer, what is
 * remembered of it. Most keys have one caller, which is kept without a set.
 */
export class Entry {
  exit: Answer | undefined = undefined
  private first: Resume | undefined
  private more: Set<Resume> | undefined = undefined
  readonly id: unknown
  readonly key: unknown
  /** The batch it travels in; none for a value that was put there. */
  readonly batch: Batch | undefined

  constructor(id: unknown, key: unknown, batch: Batch | undefined, first: Resume | undefined) {
    this.id = id
    this.key = key
    this.batch = batch
    this.first = first
  }

  get isWanted(): boolean {
    return this.first !== undefined || (this.more !== undefined && this.more.size > 0)
  }

  join(resume: Resume): void {
    if (this.first === undefined) this.first = resume
    else if (this.more === undefined) this.more = new Set([resume])
    else this.more.add(resume)
  }

  /** Takes a caller out. An entry that nobody wants any more leaves its batch. */
  leave(resume: Resume): void {
    if (this.exit !== undefined) return
    if (this.first === resume) this.first = undefined
    else if (this.more?.delete(resume) !== true) return
    if (!this.isWanted) this.batch?.abandon(this)
  }

  complete(exit: Answer): void {
    this.exit = exit
    const { first, more } = this
    this.first = undefined
    this.more = undefined
    if (first !== undefined) tell(first, exit)
    if (more !== undefined) for (const resume of more) tell(resume, exit)
  }
}

/** A caller that throws must not keep the others from their answers: it is reported as what it is, uncaught. */
const tell = (resume: Resume, exit: Answer): void => {
  try {
    resume(exit)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
