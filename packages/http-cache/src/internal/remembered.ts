/** Keys of which one thing is remembered for a while: a bounded number of them, the latest. */
const capacity = 8192

export class Remembered {
  private readonly until = new Map<string, number>()
  private readonly millis: number

  constructor(millis: number) {
    this.millis = millis
  }

  get isEmpty(): boolean {
    return this.until.size === 0
  }

  has(key: string, now: number): boolean {
    const until = this.until.get(key)
    if (until === undefined) return false
    if (now < until) return true
    this.until.delete(key)
    return false
  }

  add(key: string, now: number): void {
    this.until.delete(key)
    this.until.set(key, now + this.millis)
    if (this.until.size > capacity) {
      for (const oldest of this.until.keys()) {
        this.until.delete(oldest)
        return
      }
    }
  }

  remove(key: string): void {
    if (this.until.size > 0) this.until.delete(key)
  }
}
