/**
 * What a response makes of what is stored already ([RFC 9111 §4.4][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.4
 */
import * as CacheKey from "./CacheKey.ts"
import * as Message from "./Message.ts"
import type * as Plan from "./Plan.ts"
import type { Policy } from "./Policy.ts"

/**
 * The keys whose entries, in every scope and partition, end with this answer.
 *
 * An unsafe request, or one of a method nobody knows, that succeeds (2xx, 3xx)
 * ends its target's, and those of `Location` and `Content-Location` on the same
 * origin. One that fails ends none.
 */
export const targets = (policy: Policy, plan: Plan.Plan, response: Message.ResponseHead): ReadonlyArray<string> => {
  if (!plan.unsafe || plan.key === "" || response.status < 200 || response.status >= 400) return none
  const keys = new Set([plan.key])
  for (const name of ["location", "content-location"]) {
    const value = Message.line(response.headers, name)
    const key = value === undefined ? "" : CacheKey.resolve(policy, value, plan.key)
    if (key !== "" && CacheKey.origin(key) === CacheKey.origin(plan.key)) keys.add(key)
  }
  return Array.from(keys)
}

const none: ReadonlyArray<string> = []

/** Statuses that tell about the request or the moment, not about the resource. */
const passing = new Set([304, 408, 412, 416, 425, 429])

/**
 * Whether an answer to a GET shows that the entry it would have replaced is out
 * of date, so that it must go even if the answer itself is not kept.
 *
 * After a 401, 403, 404 or 410 nothing older may be served again, by
 * `stale-if-error` least of all. A failure of the origin (5xx) says nothing.
 */
export const outdates = (plan: Plan.Plan, status: number): boolean =>
  (plan.method === "GET" || plan.bodyKeyed) && status >= 200 && status < 500 && !passing.has(status)
