/** Who makes the value of a key, within one process. Ended leases leave when looked at, and in a round as others are taken. */
const sweepPerGrant = 2

interface Held {
  readonly token: string
  /** Where the history of invalidations stood when it was granted. */
  readonly position: number
  readonly expiresAt: number
}

export class Leases {
  private readonly held = new Map<string, Held>()
  private round = this.held.entries()
  private serial = 0

  acquire(key: string, position: number, now: number, expiresAt: number): string | undefined {
    const before = this.held.get(key)
    if (before !== undefined && before.expiresAt > now) return undefined
    this.sweep(now)
    const token = String(++this.serial)
    this.held.set(key, { token, position, expiresAt })
    return token
  }

  /** Ends a lease, and answers it if it was still held. */
  end(key: string, token: string, now: number): Held | undefined {
    const held = this.held.get(key)
    if (held === undefined || held.token !== token) return undefined
    this.held.delete(key)
    return held.expiresAt > now ? held : undefined
  }

  void(key: string): void {
    this.held.delete(key)
  }

  voidPrefix(prefix: string): void {
    for (const key of this.held.keys()) if (key.startsWith(prefix)) this.held.delete(key)
  }

  voidAll(): void {
    this.held.clear()
  }

  private sweep(now: number): void {
    for (let looked = 0; looked < sweepPerGrant; looked++) {
      const next = this.round.next()
      if (next.done === true) {
        this.round = this.held.entries()
        return
      }
      if (next.value[1].expiresAt <= now) this.held.delete(next.value[0])
    }
  }
}
