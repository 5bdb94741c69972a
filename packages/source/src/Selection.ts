/**
 * What part of a value loads ask for, so that a resolver can fetch no more
 * than the batch needs.
 *
 * Unlike a group, a selection does not split batches: the selections of a
 * batch are merged, and a remembered value serves whoever selects no more than
 * it was fetched with.
 */

/** How selections are put together. */
export interface Selection<in out F> {
  /** All that either side asks for. */
  readonly merge: (left: F, right: F) => F
  /** Whether a value fetched with `have` has all of `want`. */
  readonly covers: (have: F, want: F) => boolean
}

/** Names of fields, in any order. */
export const fields: Selection<ReadonlySet<string>> = {
  merge: (left, right) => new Set([...left, ...right]),
  covers: (have, want) => {
    for (const field of want) if (!have.has(field)) return false
    return true
  }
}
