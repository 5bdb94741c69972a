/**
 * What a backend was told to forget, and has not confirmed: not believed until then.
 *
 * An invalidation that the backend did not take is brought to it again until
 * it does, so that an outage never brings back what was thrown away in it.
 */
import type * as Effect from "effect/Effect"
import type { CacheStoreError } from "../CacheBackend.ts"
import { type Link, lost } from "./link.ts"

/** More removals than this waiting for the backend's return become one of the whole namespace. */
const maxWaiting = 10_000

export class Suspects {
  /** How many removals of a key are not confirmed. */
  private readonly keys = new Map<string, number>()
  /** Keys whose removal waits for the backend's return: one is enough. */
  private readonly waiting = new Set<string>()
  private all = 0
  private waitingCount = 0
  private collapsed = false
  private readonly link: Link
  private readonly clear: Effect.Effect<void, CacheStoreError>

  constructor(link: Link, clear: Effect.Effect<void, CacheStoreError>) {
    this.link = link
    this.clear = clear
  }

  has(keyHash: string): boolean {
    return this.all > 0 || (this.keys.size > 0 && this.keys.has(keyHash))
  }

  /** `done` is called when the command has been answered or lost; the suspicion may last longer. */
  remove(keyHash: string, command: Effect.Effect<void, CacheStoreError>, done: () => void = noop): void {
    if (this.waiting.has(keyHash)) {
      done()
      return
    }
    this.keys.set(keyHash, (this.keys.get(keyHash) ?? 0) + 1)
    const confirm = () => {
      const left = (this.keys.get(keyHash) ?? 1) - 1
      if (left <= 0) this.keys.delete(keyHash)
      else this.keys.set(keyHash, left)
    }
    this.link.writes.run(command, (answer) => {
      if (answer !== lost) confirm()
      else {
        this.waiting.add(keyHash)
        this.keep(command, () => {
          this.waiting.delete(keyHash)
          confirm()
        })
      }
      done()
    })
  }

  /** As {@link remove}, where nothing of the namespace is believed meanwhile. */
  removeAll(command: Effect.Effect<void, CacheStoreError>, done: () => void = noop): void {
    this.all++
    const confirm = () => void this.all--
    this.link.writes.run(command, (answer) => {
      if (answer !== lost) confirm()
      else this.keep(command, confirm)
      done()
    })
  }

  private keep(command: Effect.Effect<void, CacheStoreError>, confirm: () => void): void {
    if (this.collapsed) {
      confirm()
      return
    }
    if (this.waitingCount >= maxWaiting) {
      this.collapsed = true
      this.all++
      this.link.redeliver({
        effect: this.clear,
        delivered: () => {
          this.collapsed = false
          this.all--
        }
      })
      confirm()
      return
    }
    this.waitingCount++
    this.link.redeliver({
      effect: command,
      delivered: () => {
        this.waitingCount--
        confirm()
      }
    })
  }
}

const noop = () => {}
