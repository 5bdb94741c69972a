/** What was worked out for texts that come again: as much as fits, the least recently wanted half going first. */
export class Recent<A> {
  private young = new Map<string, A>()
  private old = new Map<string, A>()
  private readonly half: number

  /** @param most how many are kept at the most */
  constructor(most: number) {
    this.half = Math.ceil(most / 2)
  }

  get(text: string): A | undefined {
    const known = this.young.get(text)
    if (known !== undefined || this.old.size === 0) return known
    const aged = this.old.get(text)
    if (aged !== undefined) this.set(text, aged)
    return aged
  }

  set(text: string, value: A): void {
    if (this.young.size >= this.half && !this.young.has(text)) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(text, value)
  }
}
