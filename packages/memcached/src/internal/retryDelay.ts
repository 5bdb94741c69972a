/** Milliseconds until the next attempt to connect: soon at first, never later than half a second, never in step with other servers. */
export const retryDelay = (attempt: number): number =>
  Math.round(Math.min(500, 25 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2))
