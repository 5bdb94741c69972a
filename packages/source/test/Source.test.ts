import { assert, describe, it } from "@effect/vitest"
import { Operation, Source } from "@wellspring/source"
import { Context, Effect, Exit, Fiber, Runtime, Schema } from "effect"

/** A source that answers `"<key>!"` and keeps the key lists it was asked for. */
const recording = () => {
  const calls: Array<ReadonlyArray<number>> = []
  const source = Source.make("Recording", {
    key: Schema.Number,
    success: Schema.String,
    resolve: (keys) =>
      Effect.sync(() => {
        calls.push(keys)
        return keys.map((key) => `${key}!`)
      })
  })
  return { calls, source }
}

describe("Source.load", () => {
  it.effect("meets the loads of separate runs in one batch", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const run = Runtime.runPromise(yield* Effect.runtime<Operation.Operation>())
      const values = yield* Effect.promise(() => Promise.all([1, 2, 1].map((key) => run(source.load(key)))))
      assert.deepStrictEqual(values, ["1!", "2!", "1!"])
      assert.deepStrictEqual(calls, [[1, 2]])
    }).pipe(Operation.scoped)
  )

  it.effect("does not fetch the key of a caller that left before the batch did", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const one = yield* Effect.fork(source.load(1))
      const two = yield* Effect.fork(source.load(2))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(one)
      assert.strictEqual(yield* Fiber.join(two), "2!")
      assert.deepStrictEqual(calls, [[2]])
    }).pipe(Operation.scoped)
  )

  it.effect("keeps callers with different services apart", () =>
    Effect.gen(function* () {
      class Viewer extends Context.Tag("test/Viewer")<Viewer, string>() {}
      const greeting = Source.make("Greeting", {
        key: Schema.String,
        success: Schema.String,
        resolve: (keys) => Effect.map(Viewer, (viewer) => keys.map((key) => `${key} ${viewer}`))
      })
      const values = yield* Effect.all(
        ["ann", "bob"].map((viewer) => Effect.provideService(greeting.load("hello"), Viewer, viewer)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(values, ["hello ann", "hello bob"])
    }).pipe(Operation.scoped)
  )

  it.effect("names source and key when a key is not answered", () =>
    Effect.gen(function* () {
      const source = Source.make("Empty", {
        key: Schema.String,
        success: Schema.String,
        resolve: () => Effect.succeed(new Map())
      })
      const exit = yield* Effect.exit(source.load("k"))
      assert.isTrue(Exit.isFailure(exit) && String(exit.cause).includes('"Empty" gave no answer for key "k"'))
    }).pipe(Operation.scoped)
  )

  it.effect("keeps the groups of a source apart", () =>
    Effect.gen(function* () {
      const titles = Source.make("Titles", {
        key: Schema.Number,
        group: Schema.Struct({ locale: Schema.String }),
        success: Schema.String,
        resolve: (keys, { group }) => Effect.succeed(keys.map((key) => `${group.locale}${key}`))
      })
      const values = yield* Effect.all(
        [titles.of({ locale: "en" }).load(1), titles.of({ locale: "fr" }).load(1), titles.of({ locale: "en" }).load(2)],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(values, ["en1", "fr1", "en2"])
    }).pipe(Operation.scoped)
  )
})
