/** What is counted and traced: once a batch, never once a load. */

import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as MetricLabel from "effect/MetricLabel"
import * as Tracer from "effect/Tracer"
import { batches, batchSize, hits, joins, waitMillis } from "../SourceMetric.ts"

/** What happened in one lane since it was last told. */
export interface Tally {
  hits: number
  joins: number
}

/** The instruments of one source. */
export class Instruments {
  private readonly labels: ReadonlyArray<MetricLabel.MetricLabel>

  constructor(source: string) {
    this.labels = [MetricLabel.make("source", source)]
  }

  /** Counts a batch, and what its lane has tallied since the one before. */
  batch(size: number, waited: number, tally: Tally): void {
    batches.unsafeUpdate(1, this.labels)
    batchSize.unsafeUpdate(size, this.labels)
    waitMillis.unsafeUpdate(waited, this.labels)
    this.tally(tally)
  }

  /** Moves what a lane has tallied into the counters. */
  tally(tally: Tally): void {
    if (tally.hits > 0) hits.unsafeUpdate(tally.hits, this.labels)
    if (tally.joins > 0) joins.unsafeUpdate(tally.joins, this.labels)
    tally.hits = 0
    tally.joins = 0
  }
}

const defaultTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Whether spans go anywhere: a tracer has been installed, or somebody has begun a span. */
export const isTraced = (tracer: Tracer.Tracer, context: Context.Context<never>): boolean =>
  tracer !== defaultTracer || context.unsafeMap.has(Tracer.ParentSpan.key)

/** Puts a batch under a span of its own, with a link to the span of each caller. */
export const span = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  source: string,
  links: Iterable<Tracer.AnySpan>,
  attributes: Record<string, unknown>
): Effect.Effect<A, E, R> =>
  Effect.withSpan(effect, `${source} batch`, {
    attributes: { "wellspring.source": source, ...attributes },
    links: Array.from(links, (span) => ({ _tag: "SpanLink" as const, span, attributes: {} })),
    captureStackTrace: false
  }) as Effect.Effect<A, E, R>

/** A value in a few words, for people. */
export const show = (value: unknown): string => {
  if (value === undefined || typeof value === "string") return value ?? "nothing"
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return typeof value
  }
}
