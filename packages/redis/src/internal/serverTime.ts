/**
 * Deadlines by the clock of the server that keeps them.
 *
 * A write that was given up may still be under way, in a buffer of a frozen
 * server. It carries the instant after which it must do nothing, as the server's own clock tells it: every answer
 * brings that clock's time, from which the next deadline is reckoned.
 */
export interface Attempt<A> {
  readonly answer: A
  /** The server's time in microseconds. */
  readonly now: number
  /** The server found the deadline passed. */
  readonly isLate: boolean
}

export const makeServerTime = () => {
  /** The server's clock above ours in microseconds, by shard: in a cluster each node has a clock of its own. */
  const offsets = new Map<string, number>()
  const ours = () => performance.now() * 1000

  const learn = (shard: string, now: number) => offsets.set(shard, now - ours())

  return {
    /**
     * Tries with a deadline so many milliseconds from now, and once more when the
     * server's clock turns out to be other than thought, as it is before the first answer.
     */
    within: async <A>(
      shard: string,
      millis: number,
      attempt: (deadline: string) => Promise<Attempt<A>>
    ): Promise<A> => {
      const end = ours() + millis * 1000
      const deadline = () => {
        const offset = offsets.get(shard)
        return offset === undefined ? "0" : String(Math.floor(end + offset))
      }
      const first = await attempt(deadline())
      learn(shard, first.now)
      if (!first.isLate || ours() > end) return first.answer
      const second = await attempt(deadline())
      learn(shard, second.now)
      return second.answer
    }
  }
}
