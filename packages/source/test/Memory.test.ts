import { assert, describe, it } from "@effect/vitest"
import { Memo, Operation, Policy, Source } from "@wellspring/source"
import { Context, Effect, Exit, Fiber, Option, Schema, TestClock } from "effect"
import { recording, turns } from "./recording.ts"

class Viewer extends Context.Tag("test/Viewer")<Viewer, { readonly id: string }>() {}

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { key: Schema.Number }) {}

describe("what an Operation remembers", () => {
  it.effect("is an answer, for the rest of the Operation", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      yield* Operation.scoped(Effect.all([source.load(1), source.load(1), source.loadMany([1, 2])]))
      assert.deepStrictEqual(calls, [[1], [2]])
      yield* Operation.scoped(source.load(1))
      assert.deepStrictEqual(calls, [[1], [2], [1]])
    })
  )

  it.effect("is nothing with Memo.none, though a call under way is joined", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ memo: Memo.none })
      yield* Effect.all([source.load(1), source.load(1)], { concurrency: "unbounded" })
      yield* source.load(1)
      assert.deepStrictEqual(calls, [[1], [1]])
    }).pipe(Operation.scoped)
  )

  it.effect("is no failure, unless the source says so", () =>
    Effect.gen(function* () {
      let calls = 0
      const source = (remembersFailure?: (error: Rejected) => boolean) =>
        Source.make("Rejecting", {
          key: Schema.Number,
          success: Schema.String,
          failure: Rejected,
          ...(remembersFailure && { remembersFailure }),
          resolve: (keys) => {
            calls++
            return Effect.succeed(keys.map((key) => Source.fail(new Rejected({ key }))))
          }
        })
      const forgets = source()
      yield* Effect.flip(forgets.load(1))
      yield* Effect.flip(forgets.load(1))
      assert.strictEqual(calls, 2)
      const remembers = source(({ key }) => key === 1)
      yield* Effect.flip(remembers.load(1))
      assert.deepStrictEqual(yield* Effect.flip(remembers.load(1)), new Rejected({ key: 1 }))
      assert.strictEqual(calls, 3)
      yield* Effect.flip(remembers.load(2))
      yield* Effect.flip(remembers.load(2))
      assert.strictEqual(calls, 5)
    }).pipe(Operation.scoped)
  )

  it.effect("can be primed, replaced and cleared", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      yield* source.prime(1, "one")
      yield* source.prime(1, "uno")
      yield* source.primeMany([
        [1, "un"],
        [2, "two"]
      ])
      assert.deepStrictEqual(yield* source.loadMany([1, 2]), ["one", "two"])
      yield* source.replace(1, "eins")
      assert.strictEqual(yield* source.load(1), "eins")
      assert.deepStrictEqual(calls, [])
      yield* source.clear(1)
      assert.deepStrictEqual(yield* source.loadMany([1, 2]), ["1!", "two"])
      yield* source.clearMany([1, 2])
      yield* source.loadMany([1, 2])
      yield* source.clearAll
      yield* source.load(2)
      assert.deepStrictEqual(calls, [[1], [1, 2], [2]])
    }).pipe(Operation.scoped)
  )

  it.effect("answers those whose key has not been sent when it is primed", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ policy: Policy.manual() })
      const fiber = yield* Effect.fork(source.loadMany([1, 2]))
      yield* turns(1)
      yield* source.prime(1, "one")
      yield* Operation.flush
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["one", "2!"])
      assert.deepStrictEqual(calls, [[2]])
    }).pipe(Operation.scoped)
  )

  it.effect("is a value that was put there while a call for its key was failing", () =>
    Effect.gen(function* () {
      const failing = Source.make("Failing", {
        key: Schema.Number,
        success: Schema.String,
        resolve: () => Effect.zipRight(Effect.sleep("1 second"), Effect.fail("down" as const))
      })
      const fiber = yield* Effect.fork(Effect.flip(failing.load(1)))
      yield* turns()
      yield* failing.replace(1, "there")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "down")
      assert.strictEqual(yield* failing.load(1), "there")
    }).pipe(Operation.scoped)
  )

  it.effect("is not an answer whose key was cleared while it was on its way", () =>
    Effect.gen(function* () {
      let version = 0
      const source = Source.make("Versions", {
        key: Schema.Number,
        success: Schema.Number,
        resolve: (keys) => {
          const now = ++version
          return Effect.as(
            Effect.sleep("1 second"),
            keys.map(() => now)
          )
        }
      })
      const old = yield* Effect.fork(source.load(1))
      yield* turns()
      yield* source.clear(1)
      const next = yield* Effect.fork(source.load(1))
      yield* turns()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(Fiber.zip(old, next)), [1, 2])
      assert.strictEqual(yield* source.load(1), 2)
    }).pipe(Operation.scoped)
  )

  it.effect("is shared by two sources that prime each other for alternate keys", () =>
    Effect.gen(function* () {
      const User = Schema.Struct({ id: Schema.Number, name: Schema.String })
      const find = (id: number) => ({ id, name: `user${id}` })
      const byId: Source.Source<number, typeof User.Type, never, Operation.Operation> = Source.make("UserById", {
        key: Schema.Number,
        success: User,
        resolve: (ids) => {
          const users = ids.map(find)
          return Effect.as(byName.primeMany(users.map((user) => [user.name, user] as const)), users)
        }
      })
      let calls = 0
      const byName: Source.Source<string, typeof User.Type, never, Operation.Operation> = Source.make("UserByName", {
        key: Schema.String,
        success: User,
        resolve: (names) => {
          calls++
          const users = names.map((name) => find(Number(name.slice(4))))
          return Effect.as(byId.primeMany(users.map((user) => [user.id, user] as const)), users)
        }
      })
      yield* byId.load(7)
      assert.strictEqual((yield* byName.load("user7")).id, 7)
      assert.strictEqual(calls, 0)
    }).pipe(Operation.scoped)
  )

  it.effect("belongs to an epoch, and so do calls under way", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ before: Effect.sleep("1 second") })
      const before = yield* Effect.fork(source.load(1))
      yield* turns()
      yield* Operation.newEpoch
      const after = yield* Effect.fork(source.load(1))
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll([before, after])
      assert.deepStrictEqual(calls, [[1], [1]])
      yield* source.load(1)
      assert.strictEqual(calls.length, 2)
    }).pipe(Operation.scoped)
  )

  it.effect("is not asked by a fresh load, which joins only what has not been sent", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      yield* source.load(1)
      const fresh = source.with({ fresh: true })
      yield* Effect.all([source.load(1), fresh.load(1), fresh.load(1), source.load(1)], { concurrency: "unbounded" })
      assert.deepStrictEqual(calls, [[1], [1]])
    }).pipe(Operation.scoped)
  )

  it.effect("is neither asked nor left by distinct loads", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ distinct: true })
      assert.deepStrictEqual(yield* source.loadMany([1, 1, 2]), ["1!", "1!", "2!"])
      yield* source.load(1)
      assert.deepStrictEqual(calls, [[1, 1, 2], [1]])
    }).pipe(Operation.scoped)
  )
})

describe("Memo.bounded", () => {
  const bounded = (capacity = 10) =>
    recording({ memo: Memo.bounded({ timeToLive: "1 minute", capacity, sharing: "public" }) })

  it.effect("outlives the Operation until the instant its time to live ends", () =>
    Effect.gen(function* () {
      const { calls, source } = bounded()
      const load = Operation.scoped(source.load(1))
      yield* load
      yield* TestClock.adjust("59999 millis")
      yield* load
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("1 millis")
      yield* load
      assert.strictEqual(calls.length, 2)
    })
  )

  it.effect("lets go of what was used least recently", () =>
    Effect.gen(function* () {
      const { calls, source } = bounded(2)
      const load = (key: number) => Operation.scoped(source.load(key))
      yield* load(1)
      yield* load(2)
      yield* load(1)
      yield* load(3)
      yield* load(1)
      assert.deepStrictEqual(calls, [[1], [2], [3]])
      yield* load(2)
      assert.deepStrictEqual(calls, [[1], [2], [3], [2]])
    })
  )

  it.effect("does not keep an answer whose key another Operation cleared meanwhile", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({
        memo: Memo.bounded({ timeToLive: "1 minute", capacity: 10, sharing: "public" }),
        before: Effect.sleep("1 second")
      })
      const slow = yield* Effect.fork(Operation.scoped(source.load(1)))
      yield* turns()
      yield* Operation.scoped(source.clear(1))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(slow)
      const again = yield* Effect.fork(Operation.scoped(source.load(1)))
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(again)
      assert.deepStrictEqual(calls, [[1], [1]])
    })
  )

  it.effect("is not read by an Operation that has begun a new epoch, unless it says so", () =>
    Effect.gen(function* () {
      for (const [acrossEpochs, expected] of [
        [false, 2],
        [true, 1]
      ] as const) {
        const memo = Memo.bounded({ timeToLive: "1 minute", capacity: 10, sharing: "public", acrossEpochs })
        const { calls, source } = recording({ memo })
        yield* Operation.scoped(source.load(1))
        yield* Operation.scoped(Effect.zipRight(Operation.newEpoch, source.load(1)))
        assert.strictEqual(calls.length, expected)
      }
    })
  )

  it.effect("keeps identities apart, and fails when there is none", () =>
    Effect.gen(function* () {
      let calls = 0
      const source = Source.make("Mine", {
        key: Schema.Number,
        success: Schema.String,
        memo: Memo.bounded({ timeToLive: "1 minute", capacity: 10, sharing: Memo.by(Viewer, ({ id }) => id) }),
        resolve: (keys) => {
          calls++
          return Effect.map(Viewer, ({ id }) => keys.map((key) => `${id}${key}`))
        }
      })
      const as = (id: string) => Effect.provideService(Operation.scoped(source.load(1)), Viewer, { id })
      assert.deepStrictEqual(yield* Effect.all([as("ann"), as("bob"), as("ann")]), ["ann1", "bob1", "ann1"])
      assert.strictEqual(calls, 2)
      const nobody = Operation.scoped(source.load(1)) as Effect.Effect<string>
      assert.isTrue(Exit.isFailure(yield* Effect.exit(nobody)))
    })
  )

  it.effect("is cleared for all Operations", () =>
    Effect.gen(function* () {
      const { calls, source } = bounded()
      yield* Operation.scoped(source.loadMany([1, 2]))
      yield* Operation.scoped(source.clear(1))
      yield* Operation.scoped(source.loadMany([1, 2]))
      yield* Operation.scoped(source.clearAll)
      yield* Operation.scoped(source.loadMany([1, 2]))
      yield* Operation.scoped(source.replace(1, "one"))
      assert.strictEqual(yield* Operation.scoped(source.load(1)), "one")
      assert.deepStrictEqual(calls, [[1, 2], [1], [1, 2]])
    })
  )
})

describe("Memo.external", () => {
  const memory = () => {
    const values = new Map<string, string>()
    const asked: Array<ReadonlyArray<string>> = []
    const store: Memo.Store<string> = {
      getMany: (keys) =>
        Effect.sync(() => {
          asked.push(keys)
          return keys.map((key) => Option.fromNullable(values.get(key)))
        }),
      set: (key, value) => Effect.sync(() => values.set(key, value)),
      remove: (key) => Effect.sync(() => values.delete(key)),
      removePrefix: (prefix) =>
        Effect.sync(() => {
          for (const key of values.keys()) if (key.startsWith(prefix)) values.delete(key)
        })
    }
    const memo = Memo.external({ store: Effect.succeed(store), timeToLive: "1 minute", sharing: "public" })
    return { asked, values, ...recording({ memo }) }
  }

  it.effect("is asked for all keys of a batch before the resolver is asked for the rest", () =>
    Effect.gen(function* () {
      const { asked, calls, source, values } = memory()
      yield* Operation.scoped(source.loadMany([1, 2]))
      assert.strictEqual(values.size, 2)
      assert.deepStrictEqual(yield* Operation.scoped(source.loadMany([1, 2, 3])), ["1!", "2!", "3!"])
      assert.deepStrictEqual(calls, [[1, 2], [3]])
      assert.deepStrictEqual(
        asked.map((keys) => keys.length),
        [2, 3]
      )
    })
  )

  it.effect("is written, cleared and passed over with the source", () =>
    Effect.gen(function* () {
      const { calls, source, values } = memory()
      yield* Operation.scoped(source.prime(1, "one"))
      assert.strictEqual(yield* Operation.scoped(source.load(1)), "one")
      assert.strictEqual(yield* Operation.scoped(source.with({ fresh: true }).load(1)), "1!")
      yield* Operation.scoped(source.clear(1))
      assert.strictEqual(values.size, 0)
      yield* Operation.scoped(Effect.zipRight(Operation.newEpoch, source.load(1)))
      yield* Operation.scoped(Effect.zipRight(Operation.newEpoch, source.load(1)))
      assert.deepStrictEqual(calls, [[1], [1], [1]])
      yield* Operation.scoped(source.clearAll)
      assert.strictEqual(values.size, 0)
    })
  )

  it("wants a string for every key", () => {
    const make = () =>
      Source.make("Unwritable", {
        key: Schema.SymbolFromSelf,
        success: Schema.String,
        memo: Memo.external({
          store: Effect.never as Effect.Effect<Memo.Store<string>>,
          timeToLive: "1 minute",
          sharing: "public"
        }),
        resolve: () => Effect.void
      })
    assert.throws(make, /needs cacheKey/)
  })
})
