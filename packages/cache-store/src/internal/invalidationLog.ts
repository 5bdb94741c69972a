/**
 * The last invalidations, so that a value made before one is not stored after it.
 *
 * Bounded: what is too old to be remembered counts as invalidated, which
 * costs a fill and never shows an old value. Nothing has to be given back.
 */
const generation = 2048

export class InvalidationLog {
  /**
   * The last position each key or tag was invalidated at, in two generations of which the older is forgotten as a
   * whole: to look for the oldest of a Map takes the longer, the more were taken from its beginning before.
   */
  private young = new Map<string, number>()
  private old = new Map<string, number>()
  /** The last position of the older generation. */
  private oldUntil = 0
  private position = 0
  /** Everything that began before here counts as invalidated. */
  private floor = 0

  now(): number {
    return this.position
  }

  add(name: string): void {
    if (this.young.size >= generation && !this.young.has(name)) {
      this.floor = Math.max(this.floor, this.oldUntil)
      this.old = this.young
      this.oldUntil = this.position
      this.young = new Map()
    }
    this.young.set(name, ++this.position)
  }

  addAll(): void {
    this.young.clear()
    this.old.clear()
    this.floor = ++this.position
  }

  hasSince(position: number, name: string): boolean {
    if (position === this.position) return false
    if (position < this.floor) return true
    const at = this.young.get(name) ?? this.old.get(name)
    return at !== undefined && at > position
  }
}

/** Keys and tags live in one log; the first character keeps them apart. */
export const ofKey = (key: string): string => `k${key}`
export const ofTag = (tag: string): string => `t${tag}`
