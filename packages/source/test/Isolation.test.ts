import { assert, describe, it } from "@effect/vitest"
import { Memo, Operation, Source } from "@wellspring/source"
import { Context, Data, Effect, FiberRef, Schema } from "effect"
import { recording } from "./recording.ts"

class Viewer extends Context.Tag("test/Viewer")<Viewer, { readonly id: string }>() {}
class Other extends Context.Tag("test/Other")<Other, number>() {}

const mine = () => {
  const calls: Array<ReadonlyArray<number>> = []
  const source = Source.make("Mine", {
    key: Schema.Number,
    success: Schema.String,
    resolve: (keys) => {
      calls.push(keys)
      return Effect.map(Viewer, ({ id }) => keys.map((key) => `${id}${key}`))
    }
  })
  return { calls, source }
}

describe("callers of one Operation", () => {
  it.effect("with different services share neither a call nor an answer", () =>
    Effect.gen(function* () {
      const { calls, source } = mine()
      const as = (id: string) => Effect.provideService(source.load(1), Viewer, { id })
      assert.deepStrictEqual(yield* Effect.all([as("ann"), as("bob")], { concurrency: "unbounded" }), ["ann1", "bob1"])
      assert.deepStrictEqual(yield* Effect.all([as("ann"), as("bob")]), ["ann1", "bob1"])
      assert.strictEqual(calls.length, 4)
    }).pipe(Operation.scoped)
  )

  it.effect("with the same services share, whatever their spans and scopes", () =>
    Effect.gen(function* () {
      const { calls, source } = mine()
      const viewer = { id: "ann" }
      const as = (span: string) =>
        source.load(1).pipe(Effect.withSpan(span), Effect.scoped, Effect.provideService(Viewer, viewer))
      yield* Effect.all([as("a"), as("b")], { concurrency: "unbounded" })
      yield* as("c")
      assert.strictEqual(calls.length, 1)
    }).pipe(Operation.scoped)
  )

  it.effect("prime and clear for those with their services only", () =>
    Effect.gen(function* () {
      const { source } = mine()
      const ann = Effect.provideService(Viewer, { id: "ann" })
      const annAgain = { id: "ann" }
      yield* Effect.provideService(source.prime(1, "primed"), Viewer, annAgain)
      assert.strictEqual(yield* ann(source.load(1)), "ann1")
      assert.strictEqual(yield* Effect.provideService(source.load(1), Viewer, annAgain), "primed")
    }).pipe(Operation.scoped)
  )

  it.effect("are told apart by every service, needed or not", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      yield* Effect.all([1, 2].map((other) => Effect.provideService(source.load(1), Other, other)))
      assert.strictEqual(calls.length, 2)
    }).pipe(Operation.scoped)
  )

  it.effect("are told apart whatever their services are called", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      // Written one after the other with their numbers, the names of the last two are those of the others.
      const having = (...services: ReadonlyArray<readonly [name: string, service: string]>) =>
        Effect.mapInputContext(source.load(1), (own: Context.Context<Operation.Operation>) =>
          services.reduce((all, [name, service]) => Context.add(all, Context.GenericTag<string>(name), service), own)
        )
      yield* having(["a", "x"], ["b", "y"])
      for (let number = 0; number < 30; number++) yield* having([`a ${number},b`, "y"])
      assert.strictEqual(calls.length, 31)
    }).pipe(Operation.scoped)
  )

  it.effect("share when their services are equal, where services say what equal means", () =>
    Effect.gen(function* () {
      const { calls, source } = mine()
      const as = (id: string) => Effect.provideService(source.load(1), Viewer, Data.struct({ id }))
      yield* Effect.all([as("ann"), as("ann"), as("bob")], { concurrency: "unbounded" })
      assert.strictEqual(calls.length, 2)
    }).pipe(Operation.scoped)
  )

  it.effect("share what a source with services of its own answers", () =>
    Effect.gen(function* () {
      const { calls, source } = mine()
      const captured = yield* Effect.provideService(Source.capture(source), Viewer, { id: "app" })
      const loads = [1, 2].map((other) => Effect.provideService(captured.load(1), Other, other))
      assert.deepStrictEqual(yield* Effect.all(loads, { concurrency: "unbounded" }), ["app1", "app1"])
      assert.strictEqual(calls.length, 1)
    }).pipe(Operation.scoped)
  )

  it.effect("stay apart through sources that load other sources", () =>
    Effect.gen(function* () {
      const { source } = mine()
      const outer = Source.make("Outer", {
        key: Schema.Number,
        success: Schema.String,
        resolve: (keys) => source.loadMany(keys)
      })
      const as = (id: string) => Effect.provideService(outer.load(1), Viewer, { id })
      assert.deepStrictEqual(yield* Effect.all([as("ann"), as("bob")], { concurrency: "unbounded" }), ["ann1", "bob1"])
    }).pipe(Operation.scoped)
  )
})

describe("a batch", () => {
  it.effect("runs with the fiber refs of its Operation, not of a caller", () =>
    Effect.gen(function* () {
      const ref = FiberRef.unsafeMake("nobody")
      const source = Source.make("Reading", {
        key: Schema.Number,
        success: Schema.String,
        resolve: (keys) => Effect.map(FiberRef.get(ref), (value) => keys.map(() => value))
      })
      const program = Operation.scoped(Effect.locally(source.load(1), ref, "caller"))
      assert.strictEqual(yield* Effect.locally(program, ref, "operation"), "operation")
    })
  )

  it.effect("can be interrupted although its Operation was made where nothing can be", () =>
    Effect.gen(function* () {
      const operation = yield* Effect.uninterruptible(Operation.make())
      const source = Source.make("Never", { key: Schema.Number, success: Schema.String, resolve: () => Effect.never })
      const load = Effect.provideService(source.load(1), Operation.Operation, operation)
      yield* Effect.raceFirst(load, Effect.yieldNow())
    }).pipe(Effect.scoped)
  )
})

describe("Operation.scoped", () => {
  it.effect("leaves the scope of its effect to whoever provides it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const resource = Effect.acquireRelease(Effect.void, () => Effect.sync(() => log.push("released")))
      yield* Effect.scoped(
        Effect.zipRight(
          Operation.scoped(resource),
          Effect.sync(() => log.push("after"))
        )
      )
      assert.deepStrictEqual(log, ["after", "released"])
    })
  )
})

describe("Operations", () => {
  it.effect("share nothing but what a source declares to be public", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      yield* Effect.all(
        [1, 2].map(() => Operation.scoped(source.load(1))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(calls.length, 2)
      const open = recording({ memo: Memo.bounded({ timeToLive: "1 minute", capacity: 1, sharing: "public" }) })
      yield* Effect.all([1, 2].map(() => Operation.scoped(open.source.load(1))))
      assert.strictEqual(open.calls.length, 1)
    })
  )
})
