/** What the cache would do with a request, and what it has stored for it. */
import type * as Plan from "./Plan.ts"
import type * as Reuse from "./Reuse.ts"

/** One stored response, without its body. */
export interface Kept {
  readonly status: number
  readonly scope: "shared" | "private"
  readonly ageSeconds: number
  /** Negative when it is stale. */
  readonly secondsLeft: number
  readonly bodyBytes: number
  /** Names of the request fields it was chosen by. */
  readonly vary: ReadonlyArray<string>
  readonly etag: string
  readonly lastModified: string
  readonly tags: ReadonlyArray<string>
  /** Whether this one would be chosen. */
  readonly isSelected: boolean
}

export interface Inspection {
  /** The canonical URL; empty for a URL that is never cached. */
  readonly key: string
  /** The hash of whom the request speaks for, if for anybody. */
  readonly partition: string | undefined
  /** What happens before anything is looked up: `Lookup`, `Forward` with its reason, `Unavailable`. */
  readonly plan: Plan.Plan["_tag"]
  /** What becomes of a lookup; absent when there is none. */
  readonly decision: Reuse.Reuse | undefined
  /** Everything stored that the request might be answered from. */
  readonly entries: ReadonlyArray<Kept>
  /** Whether another caller is asking the origin for the same at this moment. */
  readonly isUnderWay: boolean
  /** One sentence: what would happen, and why. */
  readonly summary: string
}
