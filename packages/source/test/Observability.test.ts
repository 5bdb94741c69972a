import { assert, describe, it } from "@effect/vitest"
import { Operation, Source, SourceMetric } from "@wellspring/source"
import { Effect, Metric, Schema, Tracer } from "effect"
import { recording } from "./recording.ts"

/** A tracer that keeps the spans it is asked for. */
const collecting = () => {
  const spans: Array<Tracer.Span> = []
  const native = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const span: Tracer.Span = {
        _tag: "Span",
        name,
        spanId: `${spans.length}`,
        traceId: "trace",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes,
        links,
        sampled: true,
        kind,
        end() {},
        attribute: (key, value) => attributes.set(key, value),
        event() {},
        addLinks() {}
      }
      spans.push(span)
      return span
    },
    context: (f) => f()
  })
  return { spans, tracer: native }
}

describe("a batch", () => {
  it.effect("has a span under the Operation's, linked to those of its callers", () =>
    Effect.gen(function* () {
      const { spans, tracer } = collecting()
      const { source } = recording()
      const call = (name: string, key: number) => Effect.withSpan(source.load(key), name)
      yield* Operation.scoped(
        Effect.all([call("a", 1), call("b", 2), call("c", 1)], { concurrency: "unbounded" })
      ).pipe(Effect.withSpan("operation"), Effect.withTracer(tracer))
      const batch = spans.find(({ name }) => name === "Recording batch")
      assert.deepStrictEqual(
        batch?.links.map(({ span }) => (span._tag === "Span" ? span.name : "")),
        ["a", "b", "c"]
      )
      assert.strictEqual(
        batch?.parent._tag === "Some" && batch.parent.value._tag === "Span" && batch.parent.value.name,
        "operation"
      )
      assert.strictEqual(batch?.attributes.get("wellspring.batch.size"), 3)
      assert.strictEqual(batch?.attributes.get("wellspring.batch.distinct"), 2)
      assert.strictEqual(batch?.attributes.get("wellspring.source"), "Recording")
      assert.strictEqual(spans.length, 5)
    })
  )

  it.effect("has no span where nobody traces", () =>
    Effect.gen(function* () {
      let hasSpan = false
      const source = Source.make("Untraced", {
        key: Schema.Number,
        success: Schema.Number,
        resolve: (keys) =>
          Effect.map(Effect.option(Effect.currentSpan), (span) => {
            hasSpan = span._tag === "Some"
            return keys
          })
      })
      yield* Operation.scoped(source.load(1))
      assert.isFalse(hasSpan)
    })
  )

  it.effect("is counted, with its size, hits, joins and wait", () =>
    Effect.gen(function* () {
      const source = Source.make("Counted", {
        key: Schema.Number,
        success: Schema.Number,
        resolve: (keys) => Effect.succeed(keys)
      })
      yield* Operation.scoped(
        Effect.gen(function* () {
          yield* source.loadMany([1, 2, 1])
          yield* source.load(1)
        })
      )
      for (const metric of [SourceMetric.batches, SourceMetric.hits, SourceMetric.joins]) {
        assert.strictEqual((yield* Metric.value(Metric.tagged(metric, "source", "Counted"))).count, 1)
      }
      const size = yield* Metric.value(Metric.tagged(SourceMetric.batchSize, "source", "Counted"))
      assert.deepStrictEqual([size.count, size.sum], [1, 2])
      const wait = yield* Metric.value(Metric.tagged(SourceMetric.waitMillis, "source", "Counted"))
      assert.strictEqual(wait.count, 1)
    })
  )
})

describe("an Operation", () => {
  const numbers = (record: Effect.Effect<void, never, Operation.Operation>) =>
    Source.make("Numbers", {
      key: Schema.Number,
      success: Schema.Number,
      resolve: (keys) => Effect.as(record, keys)
    })
  const recorded = Effect.map(Operation.Operation, (operation) => Operation.recordCall(operation, { outcome: "miss" }))
  const isAccountedAfter = <A, E>(load: Effect.Effect<A, E, Operation.Operation>) =>
    Operation.scoped(Effect.zipRight(load, Effect.map(Operation.Operation, Operation.isAccounted)))

  it.effect("is accounted for before anything is read, and while every resolver records its calls", () =>
    Effect.gen(function* () {
      assert.isTrue(yield* isAccountedAfter(Effect.void))
      assert.isTrue(yield* isAccountedAfter(numbers(recorded).load(1)))
    })
  )

  it.effect("is not accounted for once a resolver has recorded no call", () =>
    Effect.gen(function* () {
      assert.isFalse(yield* isAccountedAfter(numbers(Effect.void).load(1)))
      assert.isFalse(yield* isAccountedAfter(Effect.zip(numbers(recorded).load(1), numbers(Effect.void).load(1))))
    })
  )

  it.effect("holds a resolver that only loads from another source accounted for as far as that source is", () =>
    Effect.gen(function* () {
      const over = (inner: ReturnType<typeof numbers>) => numbers(Effect.asVoid(Effect.orDie(inner.load(1))))
      assert.isTrue(yield* isAccountedAfter(over(numbers(recorded)).load(1)))
      assert.isFalse(yield* isAccountedAfter(over(numbers(Effect.void)).load(1)))
    })
  )
})
