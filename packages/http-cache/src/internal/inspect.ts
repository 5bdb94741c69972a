/** Explaining a decision without taking it. */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import type { CacheOptions } from "../CacheOptions.ts"
import * as Freshness from "../Freshness.ts"
import type { Inspection } from "../Inspection.ts"
import * as Reuse from "../Reuse.ts"
import * as Selection from "../Selection.ts"
import type { Ask } from "./ask.ts"
import * as Body from "./body.ts"
import type { Cache } from "./cache.ts"
import * as Engine from "./engine.ts"
import type { Slot, Stored } from "./stored.ts"

export const inspect = (
  cache: Cache,
  request: HttpClientRequest.HttpClientRequest,
  options: CacheOptions
): Effect.Effect<Inspection> =>
  Effect.flatMap(cache.asking(request, options), (ask) =>
    Effect.map(cache.stored(ask), (slot) => explain(cache, ask, slot))
  )

const explain = ({ engine }: Cache, ask: Ask, slot: Slot): Inspection => {
  const at = engine.clock.unsafeCurrentTimeMillis()
  const { plan } = ask
  const selected = Selection.select(ask.policy, plan, ask.head.headers, slot)
  const decision = plan._tag === "Lookup" ? Reuse.decide(ask.policy, plan, selected, slot.length, at) : undefined
  const kept = (entry: Stored) => ({
    status: entry.status,
    scope: entry.scope,
    ageSeconds: Freshness.ageSeconds(entry, at),
    secondsLeft: Freshness.secondsLeft(entry, at),
    bodyBytes: Body.length(entry.body),
    vary: entry.vary.map(({ name }) => name),
    etag: entry.etag,
    lastModified: entry.lastModified,
    tags: entry.tags,
    isSelected: entry === selected
  })
  return {
    key: plan.key,
    partition: ask.partition,
    plan: plan._tag,
    decision,
    entries: slot.map(kept),
    isUnderWay: Engine.isUnderWay(engine, ask),
    summary: summarize(ask, decision, selected, at)
  }
}

const summarize = (
  { plan }: Ask,
  decision: Reuse.Reuse | undefined,
  selected: Stored | undefined,
  now: number
): string => {
  if (plan._tag === "Unavailable") return "504: the request wants no origin asked, and nothing stored may answer it."
  if (plan._tag === "Forward") return `The origin is asked without a lookup (${plan.reason}).`
  const left = selected === undefined ? 0 : Freshness.secondsLeft(selected, now)
  switch (decision?._tag) {
    case "Hit":
      return `Answered from the store, fresh for ${left} s more.`
    case "Stale":
      return `Answered from the store although stale for ${-left} s${decision.revalidate ? ", and revalidated behind the answer" : ""}.`
    case "Validate":
      return decision.reason === "stale"
        ? `The origin is asked whether the stored response, stale for ${-left} s, is still good.`
        : "The origin is asked whether the stored response is still good, because the request wants it."
    case "Complete":
      return `The origin is asked for the bytes the stored part lacks (${decision.range}).`
    case "Unavailable":
      return "504: the request wants no origin asked, and nothing stored may answer it."
    case "Miss":
      return `The origin is asked (${decision.reason}).`
    case undefined:
      return "The origin is asked."
  }
}
