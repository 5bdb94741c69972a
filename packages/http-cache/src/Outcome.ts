/**
 * What answered a request, as values: what `Cache-Status` says in text.
 */
export interface Outcome {
  /**
   * - `hit`: a fresh stored response.
   * - `stale`: a stored response past its lifetime, where that was allowed.
   * - `revalidated`: a stored response that the origin has confirmed.
   * - `miss`: the origin.
   * - `collapsed`: the origin's answer to somebody else's request, made at the same time.
   * - `bypass`: the origin, and the cache had no part in it.
   */
  readonly outcome: "hit" | "stale" | "revalidated" | "miss" | "collapsed" | "bypass"
  /** What is left of the response's lifetime, and whom it may be given to; absent when it may not be kept. */
  readonly lifetime?: { readonly secondsLeft: number; readonly scope: "public" | "private" } | undefined
}
