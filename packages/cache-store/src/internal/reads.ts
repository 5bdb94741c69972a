/** Reads of one event-loop turn, as one command. */
import { type Link, lost } from "./link.ts"

/** Keys in one command: enough to make round trips rare, and few enough not to hold up others at the backend. */
const maxKeys = 500

type Waiter<F> = (found: F | undefined) => void

export class Reads<F> {
  private open = new Map<string, Array<Waiter<F>>>()
  private readonly link: Link
  private readonly namespace: string
  private readonly decode: (keyHash: string, bytes: Uint8Array) => F | undefined

  constructor(link: Link, namespace: string, decode: (keyHash: string, bytes: Uint8Array) => F | undefined) {
    this.link = link
    this.namespace = namespace
    this.decode = decode
  }

  /** Asks for a key with the next command. The waiter is called later, once, unless it leaves first. */
  join(keyHash: string, waiter: Waiter<F>): () => void {
    if (this.open.size === 0) setImmediate(this.flush)
    const open = this.open
    const waiters = open.get(keyHash)
    if (waiters === undefined) open.set(keyHash, [waiter])
    else waiters.push(waiter)
    if (open.size >= maxKeys) this.flush()
    return () => leave(open, keyHash, waiter)
  }

  private readonly flush = (): void => {
    const batch = this.open
    this.open = new Map()
    const keys = [...batch.keys()]
    if (keys.length === 0) return
    this.link.reads.run(this.link.backend.getMany(this.namespace, keys), (answers) => {
      keys.forEach((key, index) => {
        const waiters = batch.get(key)
        if (waiters === undefined) return
        const answer = answers === lost ? undefined : answers[index]
        const found = answer?._tag === "Some" ? this.decode(key, answer.value) : undefined
        for (const waiter of waiters) waiter(found)
      })
    })
  }
}

/** The last one to leave takes its key out: before the command nobody asks for it, after it nobody decodes it. */
const leave = <F>(batch: Map<string, Array<Waiter<F>>>, key: string, waiter: Waiter<F>): void => {
  const waiters = batch.get(key)
  if (waiters === undefined) return
  const index = waiters.indexOf(waiter)
  if (index >= 0) waiters.splice(index, 1)
  if (waiters.length === 0) batch.delete(key)
}
