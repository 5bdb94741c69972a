/**
 * The last invalidations, so that a value made before one is not stored after it.
 *
 * Bounded: what is too old to be remembered counts as invalidated, which
 * costs a fill and never shows an old value. Nothing has to be given back.
 */
const capacity = 4096

export class InvalidationLog {
  /** The last position each key or tag was invalidated at, oldest first. */
  private readonly last = new Map<string, number>()
  private position = 0
  /** Everything that began before here counts as invalidated. */
  private floor = 0

  now(): number {
    return this.position
  }

  add(name: string): void {
    this.last.delete(name)
    this.last.set(name, ++this.position)
    if (this.last.size > capacity) {
      for (const [oldest, position] of this.last) {
        this.last.delete(oldest)
        this.floor = position
        return
      }
    }
  }

  addAll(): void {
    this.last.clear()
    this.floor = ++this.position
  }

  hasSince(position: number, name: string): boolean {
    if (position === this.position) return false
    if (position < this.floor) return true
    const at = this.last.get(name)
    return at !== undefined && at > position
  }
}

/** Keys and tags live in one log; the first character keeps them apart. */
export const ofKey = (key: string): string => `k${key}`
export const ofTag = (tag: string): string => `t${tag}`
