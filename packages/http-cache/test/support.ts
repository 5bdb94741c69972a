/** Shorthand for policy tests: one request, one response, what is stored of it. */
import type * as Entry from "@wellspring/http-cache/Entry"
import type * as Message from "@wellspring/http-cache/Message"
import * as Plan from "@wellspring/http-cache/Plan"
import * as Policy from "@wellspring/http-cache/Policy"
import * as Reuse from "@wellspring/http-cache/Reuse"
import * as Selection from "@wellspring/http-cache/Selection"
import * as Storing from "@wellspring/http-cache/Storing"

export const now = Date.UTC(2026, 0, 5, 12, 0, 0)
export const url = "http://origin.test/a"

/** An HTTP date `seconds` after `now`. */
export const date = (seconds: number): string => new Date(now + seconds * 1000).toUTCString()

export const policy = (options: Partial<Policy.Options> = {}): Policy.Policy =>
  Policy.make({ digest: (value) => `#${value.length}:${value}`, ...options })

export const request = (headers: Message.Fields = {}, method = "GET", target = url): Message.RequestHead => ({
  method,
  url: target,
  headers
})

export const response = (headers: Message.Fields = {}, status = 200): Message.ResponseHead => ({
  status,
  headers: { date: date(0), ...headers }
})

export interface Exchange {
  readonly policy?: Policy.Policy
  readonly request?: Message.RequestHead
  readonly response: Message.ResponseHead
  readonly partition?: string
  readonly wishes?: Plan.Wishes
}

/** What the policy makes of an exchange that ended at `now` and took no time. */
export const storing = (exchange: Exchange): Storing.Storing => {
  const p = exchange.policy ?? policy()
  const r = exchange.request ?? request()
  return Storing.decide(p, Plan.of(p, r, exchange.wishes), r, exchange.response, {
    requestTime: now,
    responseTime: now,
    partition: exchange.partition
  })
}

/** The reason why an exchange is not stored; `"stored"` when it is. */
export const verdict = (exchange: Exchange): string => {
  const decision = storing(exchange)
  return decision._tag === "Store" ? "stored" : decision.reason
}

/** The entry an exchange leaves; throws when there is none. */
export const entry = (exchange: Exchange): Entry.Entry => {
  const decision = storing(exchange)
  if (decision._tag === "Discard") throw new Error(`not stored: ${decision.reason}`)
  return decision.entry
}

/** The entry of a plain GET answered with these fields. */
export const stored = (headers: Message.Fields, status = 200): Entry.Entry =>
  entry({ response: response(headers, status) })

/** Seconds a response to a plain GET is fresh from `now` on; `-1` when it is not stored. */
export const freshFor = (headers: Message.Fields, status = 200, p = policy()): number => {
  const decision = storing({ policy: p, response: { status, headers } })
  return decision._tag === "Store" ? Math.max(0, (decision.entry.freshUntil - now) / 1000) : -1
}

export const lookup = (p: Policy.Policy, r: Message.RequestHead, wishes?: Plan.Wishes): Plan.Lookup => {
  const plan = Plan.of(p, r, wishes)
  if (plan._tag !== "Lookup") throw new Error(`no lookup: ${plan._tag}`)
  return plan
}

/** What a request makes of some entries, `seconds` after `now`. */
export const reuse = (
  entries: ReadonlyArray<Entry.Entry>,
  options: {
    readonly policy?: Policy.Policy
    readonly request?: Message.RequestHead
    readonly wishes?: Plan.Wishes
    readonly after?: number
  } = {}
): Reuse.Reuse => {
  const p = options.policy ?? policy()
  const r = options.request ?? request()
  const plan = lookup(p, r, options.wishes)
  const found = Selection.select(p, plan, r.headers, entries)
  return Reuse.decide(p, plan, found, entries.length, now + (options.after ?? 0) * 1000)
}

/** `reuse`, as one word: `Hit`, `Stale`, `Validate:stale`, `Miss:uri-miss`, … */
export const outcome = (...args: Parameters<typeof reuse>): string => {
  const decision = reuse(...args)
  switch (decision._tag) {
    case "Validate":
    case "Miss":
      return `${decision._tag}:${decision.reason}`
    case "Stale":
      return decision.revalidate ? "Stale:revalidate" : "Stale"
    case "Complete":
      return `Complete:${decision.range}`
    default:
      return decision._tag
  }
}
