/**
 * What sources count, each under its name in the label `source`.
 *
 * @example
 * import { Metric } from "effect"
 * import { SourceMetric } from "@wellspring/source"
 *
 * const batchesOfUsers = Metric.value(SourceMetric.batches.pipe(Metric.tagged("source", "Users")))
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

/** Batches sent to resolvers. */
export const batches = Metric.counter("wellspring_source_batches", {
  description: "Batches sent to resolvers",
  incremental: true
})

/** Keys in a batch: a histogram from 1 to 8192. */
export const batchSize = Metric.histogram(
  "wellspring_source_batch_size",
  MetricBoundaries.exponential({ start: 1, factor: 2, count: 14 }),
  "Keys in a batch"
)

/** Loads answered from what was remembered. Added up once a batch, and at the end of the Operation. */
export const hits = Metric.counter("wellspring_source_hits", {
  description: "Loads answered from what was remembered",
  incremental: true
})

/** Loads that joined a key on its way. Added up once a batch, and at the end of the Operation. */
export const joins = Metric.counter("wellspring_source_joins", {
  description: "Loads that joined a key on its way",
  incremental: true
})

/** Milliseconds between the opening of a batch and its call: a histogram from 0.25 to 8192. */
export const waitMillis = Metric.histogram(
  "wellspring_source_wait_millis",
  MetricBoundaries.exponential({ start: 0.25, factor: 2, count: 16 }),
  "Milliseconds between the opening of a batch and its call"
)
