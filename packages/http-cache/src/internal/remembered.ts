/**
 * Keys of which one thing is remembered for a while: a bounded number of them, the latest.
 *
 * In two generations, of which the older goes as a whole: to look for the oldest of a Map takes
 * the longer, the more were taken from its beginning before.
 */
const generation = 4096

export class Remembered {
  private young = new Map<string, number>()
  private old = new Map<string, number>()
  private readonly millis: number

  constructor(millis: number) {
    this.millis = millis
  }

  get isEmpty(): boolean {
    return this.young.size + this.old.size === 0
  }

  has(key: string, now: number): boolean {
    const until = this.young.get(key) ?? this.old.get(key)
    if (until === undefined) return false
    if (now < until) return true
    this.remove(key)
    return false
  }

  add(key: string, now: number): void {
    if (this.young.size >= generation && !this.young.has(key)) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(key, now + this.millis)
  }

  remove(key: string): void {
    if (this.isEmpty) return
    this.young.delete(key)
    this.old.delete(key)
  }
}
