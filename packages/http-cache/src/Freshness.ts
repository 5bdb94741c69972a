/**
 * How old a response is, and how long it is good for ([RFC 9111 §4.2][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.2
 */
import * as CacheControl from "./CacheControl.ts"
import * as Entry from "./Entry.ts"
import * as HttpDate from "./HttpDate.ts"
import * as Message from "./Message.ts"
import type { Policy } from "./Policy.ts"

/** When a request left and when the head of its response had arrived. */
export interface Times {
  readonly requestTime: number
  readonly responseTime: number
}

/** Where a lifetime comes from; `none` when there is nothing to go by. */
export type Lifetime =
  | { readonly _tag: "Explicit"; readonly length: number }
  | { readonly _tag: "Heuristic"; readonly length: number }
  | { readonly _tag: "None"; readonly length: 0 }

/** The statuses RFC 9110 §15.1 lets a cache guess a lifetime for. */
const heuristicStatuses = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501])

/** Whether responses of this status may be kept without being told how long. */
export const isHeuristic = (status: number): boolean => heuristicStatuses.has(status)

/**
 * The value of a received `Age`, in seconds: its first member if that is digits
 * and nothing else, otherwise zero ([RFC 9111 §5.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.1)).
 */
export const receivedAge = (headers: Message.Fields): number => {
  const line = Message.line(headers, "age")
  if (line === undefined) return 0
  const comma = line.indexOf(",")
  return Math.max(0, Message.seconds(Message.trim(comma < 0 ? line : line.slice(0, comma))))
}

/** The `Date` of a response; when it arrived, if it has none that is valid. */
export const dateOf = (headers: Message.Fields, responseTime: number): number => {
  const date = HttpDate.parse(Message.line(headers, "date") ?? "", responseTime)
  return Number.isNaN(date) ? responseTime : date
}

/**
 * How old a response was on arrival, in milliseconds ([RFC 9111 §4.2.3][1]).
 *
 * Dates have whole seconds, so the apparent age is counted in those.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.2.3
 *
 * @param date what {@link dateOf} says of the response
 */
export const initialAge = (headers: Message.Fields, times: Times, date: number): number => {
  const arrival = date === times.responseTime ? date : Math.floor(times.responseTime / 1000) * 1000
  const apparent = Math.max(0, arrival - date)
  const delay = Math.max(0, times.responseTime - times.requestTime)
  return Math.max(apparent, receivedAge(headers) * 1000 + delay)
}

/**
 * How long a response is fresh for a cache that reads `directives`.
 *
 * `s-maxage` counts in shared caches and comes before `max-age`, which comes
 * before `Expires` less `Date`; of several `Expires` that differ none is valid,
 * and an invalid one has passed. A lifetime is guessed only where none is given.
 *
 * @param of `targeted`: whether `directives` come from a field that replaces `Expires` too; `date` and `age`: what {@link dateOf} and {@link initialAge} say
 */
export const lifetime = (
  policy: Policy,
  response: Message.ResponseHead,
  directives: CacheControl.ResponseDirectives,
  of: {
    readonly shared: boolean
    readonly targeted: boolean
    readonly date: number
    readonly age: number
    readonly responseTime: number
  }
): Lifetime => {
  const { headers } = response
  const { age, date, responseTime, shared, targeted } = of
  if (shared && directives.sMaxage >= 0) return { _tag: "Explicit", length: directives.sMaxage * 1000 }
  if (directives.maxAge >= 0) return { _tag: "Explicit", length: directives.maxAge * 1000 }
  const expires = targeted ? [] : Message.lines(headers, "expires")
  if (expires.length > 0) {
    const [first = ""] = expires
    const at = expires.every((other) => other === first) ? HttpDate.parse(first, responseTime) : Number.NaN
    return { _tag: "Explicit", length: at > date ? at - date : 0 }
  }
  if (!isHeuristic(response.status) && (directives.flags & CacheControl.PUBLIC) === 0) return none
  if (policy.lifetimes.whenMissing !== undefined)
    return { _tag: "Heuristic", length: policy.lifetimes.whenMissing + age }
  const lastModified = Message.line(headers, "last-modified")
  const modified = lastModified === undefined ? Number.NaN : HttpDate.parse(lastModified, responseTime)
  return modified < date
    ? {
        _tag: "Heuristic",
        length: Math.min((date - modified) * policy.heuristic.fraction, policy.heuristic.atMost)
      }
    : none
}

const none: Lifetime = { _tag: "None", length: 0 }

/** How old `entry` is at `now`, in milliseconds. A clock set back does not make it younger than it came. */
export const age = (entry: Entry.Entry, now: number): number => entry.initialAge + Math.max(0, now - entry.responseTime)

/** The value of the `Age` field of `entry` at `now`: whole seconds. */
export const ageSeconds = (entry: Entry.Entry, now: number): number => Math.floor(age(entry, now) / 1000)

/** Seconds `entry` stays fresh, rounded down; negative once it is stale. The `ttl` of RFC 9211. */
export const secondsLeft = (entry: Entry.Entry, now: number): number => Math.floor((entry.freshUntil - now) / 1000)

/**
 * Whether `entry` is fresh at `now`. One exactly as old as its lifetime is not.
 *
 * An entry from the future says that the clock was set back by more than a
 * second since; how old it is cannot be known then, and it counts as stale.
 */
export const isFresh = (entry: Entry.Entry, now: number): boolean =>
  now < entry.freshUntil && now > entry.responseTime - 1000

/**
 * Until when keeping `entry` is of any use, given that stale entries are wanted
 * for `keepStale` milliseconds where they can be validated, or tell what to do
 * without an origin.
 */
export const keepUntil = (policy: Policy, entry: Entry.Entry, keepStale: number): number => {
  const used = Math.max(entry.freshUntil, entry.staleWhileRevalidateUntil, entry.staleIfErrorUntil)
  const wanted = Entry.hasValidator(entry) || policy.staleWhenDisconnected
  return wanted ? Math.max(used, entry.freshUntil, entry.responseTime) + keepStale : used
}
