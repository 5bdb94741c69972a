import { assert, describe, it } from "@effect/vitest"
import { Fiberless, Operation, Source, SourceError } from "@wellspring/source"
import { Cause, Effect, Exit, Fiber, Schema, TestClock } from "effect"
import { recording, turns } from "./recording.ts"

describe("limits", () => {
  it.effect("of size split a batch into calls that run at once", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ maxBatchSize: 2, before: Effect.sleep("1 second") })
      const fiber = yield* Effect.fork(source.loadMany([1, 2, 3, 4, 5]))
      yield* turns()
      assert.deepStrictEqual(calls, [[1, 2], [3, 4], [5]])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["1!", "2!", "3!", "4!", "5!"])
    }).pipe(Operation.scoped)
  )

  it.effect("of cost split where the next key would be too much, and never leave a batch empty", () =>
    Effect.gen(function* () {
      const calls: Array<ReadonlyArray<string>> = []
      const source = Source.make("Urls", {
        key: Schema.String,
        success: Schema.String,
        maxBatchCost: { max: 8, of: (key) => key.length + 1 },
        resolve: (keys) => {
          calls.push(keys)
          return Effect.succeed(keys)
        }
      })
      yield* source.loadMany(["aaa", "bbb", "c", "a very long one", "d"])
      assert.deepStrictEqual(calls, [["aaa", "bbb"], ["c"], ["a very long one"], ["d"]])
    }).pipe(Operation.scoped)
  )

  it.effect("of concurrency hold in all Operations together", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({
        maxConcurrentBatches: 2,
        maxBatchSize: 1,
        before: Effect.sleep("1 second")
      })
      const fibers = [
        yield* Effect.fork(Operation.scoped(source.loadMany([1, 2]))),
        yield* Effect.fork(Operation.scoped(source.loadMany([3, 4])))
      ]
      yield* turns()
      assert.strictEqual(calls.length, 2)
      yield* TestClock.adjust("1 second")
      yield* turns()
      assert.strictEqual(calls.length, 4)
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(fibers)
    })
  )

  it.effect("hold for any number of batches that are answered at once", () =>
    Effect.gen(function* () {
      let calls = 0
      const source = Source.make("Quick", {
        key: Schema.Number,
        success: Schema.Number,
        maxBatchSize: 1,
        maxConcurrentBatches: 1,
        resolve: (keys) => (calls++ === 0 ? Effect.as(Effect.yieldNow(), keys) : Effect.succeed(keys))
      })
      const keys = Array.from({ length: 5_000 }, (_, i) => i)
      assert.deepStrictEqual(yield* source.loadMany(keys), keys)
    }).pipe(Operation.scoped)
  )

  it.effect("of rate let a burst go and spread the rest", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ maxBatchSize: 1, rateLimit: { limit: 2, interval: "10 seconds" } })
      const fiber = yield* Effect.fork(source.loadMany([1, 2, 3, 4]))
      yield* turns()
      assert.strictEqual(calls.length, 2)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(calls.length, 3)
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(calls.length, 3)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual(calls.length, 4)
    }).pipe(Operation.scoped)
  )

  it("that make no sense are refused", () => {
    assert.throws(() => recording({ maxBatchSize: 0 }), /maxBatchSize/)
    assert.throws(() => recording({ maxConcurrentBatches: Number.NaN }), /maxConcurrentBatches/)
  })
})

describe("sources that load sources", () => {
  const Tree = Schema.Number
  const tree = (maxConcurrentBatches?: number) => {
    const calls: Array<ReadonlyArray<number>> = []
    /** The sum of a number and of all numbers below it. */
    const sum: Source.Source<number, number, never, Operation.Operation> = Source.make("Sum", {
      key: Tree,
      success: Schema.Number,
      ...(maxConcurrentBatches === undefined ? {} : { maxConcurrentBatches }),
      resolve: (keys): Effect.Effect<Array<number>, never, Operation.Operation> => {
        calls.push(keys)
        const below = keys.map((key) => (key === 0 ? Effect.succeed(0) : sum.load(key - 1)))
        return Effect.map(Effect.all(below, { concurrency: "unbounded" }), (sums) =>
          sums.map((below, i) => below + (keys[i] ?? 0))
        )
      }
    })
    return { calls, sum }
  }

  it.effect("go as deep as they like", () =>
    Effect.gen(function* () {
      const { calls, sum } = tree()
      assert.strictEqual(yield* sum.load(50), 1275)
      assert.strictEqual(calls.length, 51)
    }).pipe(Operation.scoped)
  )

  it.effect("do not wait for a place that they hold themselves", () =>
    Effect.gen(function* () {
      const { sum } = tree(1)
      assert.strictEqual(yield* sum.load(20), 210)
      assert.strictEqual(yield* sum.load(30), 465)
    }).pipe(Operation.scoped)
  )

  const circle = (length: number) => {
    const sources: Array<Source.Source<number, number, never, Operation.Operation>> = []
    for (let i = 0; i < length; i++) {
      sources.push(
        Source.make(`Circle${i}`, {
          key: Schema.Number,
          success: Schema.Number,
          resolve: (keys) => (sources[(i + 1) % length] as (typeof sources)[number]).loadMany(keys)
        })
      )
    }
    return sources
  }

  for (const length of [1, 2, 5]) {
    it.effect(`in a circle of ${length} are reported with their names, and not hung`, () =>
      Effect.gen(function* () {
        const [first] = circle(length)
        if (first === undefined) return assert.fail()
        const exit = yield* Effect.exit(first.load(1))
        assert.isTrue(Exit.isFailure(exit))
        const text = Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : ""
        assert.include(text, "Resolvers wait for each other")
        for (let i = 0; i < length; i++) assert.include(text, `Circle${i}`)
      }).pipe(Operation.scoped)
    )
  }

  it.effect("in a chain without an end are reported too", () =>
    Effect.gen(function* () {
      const endless: Source.Source<number, number, never, Operation.Operation> = Source.make("Endless", {
        key: Schema.Number,
        success: Schema.Number,
        resolve: (keys): Effect.Effect<Array<number>, never, Operation.Operation> =>
          endless.loadMany(keys.map((key) => key + 1))
      })
      const exit = yield* Effect.exit(endless.load(0))
      const error = Exit.isFailure(exit) ? rootOf(Cause.squash(exit.cause)) : undefined
      assert.instanceOf(error, SourceError.LoadCycle)
    }).pipe(Operation.scoped)
  )

  it.effect("hold no place while they wait for one key of two, though they leave the one that was answered", () =>
    Effect.gen(function* () {
      const outer: Source.Source<string, string, never, Operation.Operation> = Source.make("Outer", {
        key: Schema.String,
        success: Schema.String,
        maxConcurrentBatches: 1,
        resolve: (keys): Effect.Effect<ReadonlyArray<string>, never, Operation.Operation> =>
          keys[0] === "leaf"
            ? Effect.succeed(["leaf"])
            : Effect.flatMap(Effect.context<Operation.Operation>(), (context) =>
                Effect.async<ReadonlyArray<string>>((resume) => {
                  const first = Fiberless.start(inner.load("first"), context, () => {
                    if (typeof first === "function") first()
                  })
                  Fiberless.start(inner.load("second"), context, (exit) => resume(Effect.map(exit, (value) => [value])))
                })
              )
      })
      const inner: Source.Source<string, string, never, Operation.Operation> = Source.make("Inner", {
        key: Schema.String,
        success: Schema.String,
        resolve: (_, { succeed }): Effect.Effect<void, never, Operation.Operation> => {
          succeed("first", "")
          return Effect.map(outer.load("leaf"), (leaf) => succeed("second", leaf))
        }
      })
      const fiber = yield* Effect.fork(outer.load("root"))
      yield* turns(20)
      assert.deepStrictEqual(fiber.unsafePoll(), Exit.succeed("leaf"))
    }).pipe(Operation.scoped)
  )

  it.effect("answer by pushing what others wait for", () =>
    Effect.gen(function* () {
      const parent: Source.Source<number, number, never, Operation.Operation> = Source.make("Parent", {
        key: Schema.Number,
        success: Schema.Number,
        resolve: (keys, { succeed }): Effect.Effect<void, never, Operation.Operation> =>
          Effect.forEach(
            keys,
            (key) =>
              key === 0
                ? Effect.sync(() => succeed(key, 0))
                : Effect.map(parent.load(key - 1), () => succeed(key, key)),
            { discard: true }
          )
      })
      assert.deepStrictEqual(yield* parent.loadMany([0, 1, 2]), [0, 1, 2])
    }).pipe(Operation.scoped)
  )
})

const rootOf = (error: unknown): unknown => (error instanceof SourceError.ResolverDefect ? rootOf(error.cause) : error)
