/** How many calls to one origin are under way: each from its sending until its body was read, given up, or broke. */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { type Held, hold } from "./holding.ts"
import * as Run from "./run.ts"

type Response = HttpClientResponse.HttpClientResponse

export class Places {
  #taken = 0
  readonly #waiting = new Set<() => void>()
  /** Responses whose body is still to come, oldest first, with when they came. */
  readonly #held = new Map<Held, number>()
  #site: Run.Site | undefined
  #cancelTimer: (() => void) | undefined
  readonly #places: number
  readonly #queue: number
  readonly #unreadMillis: number

  constructor(places: number, queue: number, unreadMillis: number) {
    this.#places = places
    this.#queue = queue
    this.#unreadMillis = unreadMillis
  }

  get isIdle(): boolean {
    return this.#taken === 0 && this.#waiting.size === 0
  }

  /** Takes a place if one is free. */
  take(): boolean {
    if (this.#taken >= this.#places || this.#waiting.size > 0) return false
    this.#taken++
    return true
  }

  /** Whether there is no room even to wait. */
  isFull(now: number): boolean {
    if (this.#waiting.size < this.#queue) return false
    this.#sweep(now)
    return this.#taken >= this.#places && this.#waiting.size >= this.#queue
  }

  /** Waits for a place. The function returned leaves the queue, or gives back the place that was given meanwhile. */
  wait(site: Run.Site, resume: () => void): () => void {
    if (this.take()) {
      resume()
      return () => this.leave()
    }
    const waiter = () => resume()
    this.#waiting.add(waiter)
    this.#site = site
    this.#watch()
    return () => {
      if (!this.#waiting.delete(waiter)) this.leave()
      else if (this.#waiting.size === 0) this.#rest()
    }
  }

  /** Gives a place back: to who has waited longest, if anybody has. */
  leave(): void {
    const next = this.#waiting.values().next()
    if (next.done === true) {
      this.#taken--
      return
    }
    this.#waiting.delete(next.value)
    if (this.#waiting.size === 0) this.#rest()
    next.value()
  }

  /** Leaves once the body of a response is over. Gives the response to hand on, which may be one that can tell. */
  keep(response: Response, now: number): Response {
    const held = hold(response, (held) => {
      if (this.#held.delete(held)) this.leave()
    })
    if (held === undefined) this.leave()
    else {
      this.#held.set(held, now)
      if (this.#waiting.size > 0) this.#watch()
    }
    return held?.response ?? response
  }

  /** Takes places from those who let their response lie. Only looked at when somebody waits: nobody else is hurt by them. */
  #sweep(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const [held, since] of this.#held) {
      if (held.isRead) continue
      const end = since + this.#unreadMillis
      if (end > now) next = Math.min(next, end)
      else if (this.#held.delete(held)) this.leave()
    }
    return next
  }

  #watch(): void {
    if (this.#cancelTimer !== undefined || this.#site === undefined) return
    const site = this.#site
    const now = site.clock.unsafeCurrentTimeMillis()
    const next = this.#sweep(now)
    if (this.#waiting.size === 0 || next === Number.POSITIVE_INFINITY) return
    this.#cancelTimer = Run.after(site, next - now, () => {
      this.#cancelTimer = undefined
      this.#watch()
    })
  }

  #rest(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#site = undefined
  }
}
