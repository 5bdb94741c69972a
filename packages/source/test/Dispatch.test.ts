import { assert, describe, it, vi } from "@effect/vitest"
import { Fiberless, Operation, Policy, Source } from "@wellspring/source"
import { Duration, Effect, Exit, Fiber, Option, Runtime, Schedule, Schema, Scope, TestClock } from "effect"
import { recording, turns } from "./recording.ts"

const ids = [1, 2, 3, 4, 5]

describe("loads of one Operation meet in one batch", () => {
  const meets = (
    title: string,
    callers: (
      load: (key: number) => Effect.Effect<string, never, Operation.Operation>
    ) => Effect.Effect<unknown, unknown, Operation.Operation>
  ) =>
    it.live(title, () =>
      Effect.gen(function* () {
        const { calls, source } = recording()
        yield* callers(source.load)
        assert.deepStrictEqual(
          calls.map((keys) => [...keys].sort()),
          [ids]
        )
      }).pipe(Operation.scoped)
    )

  meets("from a runPromise each", (load) =>
    Effect.flatMap(Effect.runtime<Operation.Operation>(), (runtime) =>
      Effect.promise(() => Promise.all(ids.map((id) => Runtime.runPromise(runtime)(load(id)))))
    )
  )
  meets("from forked fibers", (load) =>
    Effect.flatMap(
      Effect.forEach(ids, (id) => Effect.fork(load(id))),
      Fiber.joinAll
    )
  )
  meets("from a loop", (load) => Effect.forEach(ids, load, { concurrency: "unbounded" }))
  meets("from a loop of bounded concurrency", (load) => Effect.forEach(ids, load, { concurrency: 5 }))
  meets("inside timeout", (load) =>
    Effect.forEach(ids, (id) => Effect.timeout(load(id), "1 second"), { concurrency: "unbounded" })
  )
  meets("inside race", (load) =>
    Effect.forEach(ids, (id) => Effect.race(load(id), Effect.never), { concurrency: "unbounded" })
  )
  meets("inside retry", (load) =>
    Effect.forEach(ids, (id) => Effect.retry(load(id), Schedule.recurs(2)), { concurrency: "unbounded" })
  )
  meets("after async hops of different lengths", (load) =>
    Effect.forEach(
      ids,
      (id) =>
        Effect.zipRight(
          Effect.forEach(Array.from({ length: id * 7 }), () => Effect.yieldNow(), { discard: true }),
          Effect.zipRight(
            Effect.promise(async () => {
              for (let i = 0; i < id; i++) await undefined
            }),
            load(id)
          )
        ),
      { concurrency: "unbounded" }
    )
  )
  meets("beside a sibling that sleeps", (load) =>
    Effect.raceFirst(
      Effect.all([Effect.forEach(ids, load, { concurrency: "unbounded" }), Effect.never], { concurrency: "unbounded" }),
      Effect.sleep("20 millis")
    )
  )

  it.live("by callback, without a fiber", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const context = yield* Effect.context<Operation.Operation>()
      const answers: Array<Exit.Exit<string>> = []
      for (const id of [1, 2, 1]) {
        const started = Fiberless.start(source.load(id), context, (exit) => answers.push(exit))
        assert.isFunction(started)
      }
      yield* turns()
      assert.deepStrictEqual(answers, ["1!", "1!", "2!"].map(Exit.succeed))
      assert.deepStrictEqual(calls, [[1, 2]])
      assert.deepStrictEqual(
        Fiberless.start(source.load(2), context, () => assert.fail()),
        Exit.succeed("2!")
      )
    }).pipe(Operation.scoped)
  )

  it.live("when answers that arrive in one turn each load a child", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const parents = ids.map((id) =>
        Effect.zipRight(
          Effect.async<void>((resume) => {
            // Callbacks of their own, which Node runs in one turn however busy the machine is.
            setImmediate(() => resume(Effect.void))
          }),
          source.load(id)
        )
      )
      yield* Effect.all(parents, { concurrency: "unbounded" })
      assert.deepStrictEqual(calls, [ids])
    }).pipe(Operation.scoped)
  )

  it.live("with one call for every level of a tree", () =>
    Effect.gen(function* () {
      const users = recording()
      const posts = recording()
      const run = Runtime.runPromise(yield* Effect.runtime<Operation.Operation>())
      yield* Effect.promise(() =>
        Promise.all(
          ids.map(async (id) => {
            await run(users.source.load(id))
            await Promise.all([1, 2].map((n) => run(posts.source.load(id * 10 + n))))
          })
        )
      )
      assert.deepStrictEqual([users.calls.length, posts.calls.length], [1, 1])
    }).pipe(Operation.scoped)
  )
})

describe("Policy", () => {
  it.effect("turn leaves together with every other ready batch, so that nested loads meet", () =>
    Effect.gen(function* () {
      const leaves = recording()
      const over = (name: string) =>
        Source.make(name, {
          key: Schema.Number,
          success: Schema.String,
          resolve: (keys) => leaves.source.loadMany(keys)
        })
      const [left, right] = [over("Left"), over("Right")]
      yield* Effect.all([left.load(1), right.load(2), left.load(3)], { concurrency: "unbounded" })
      assert.deepStrictEqual(leaves.calls, [[1, 3, 2]])
    }).pipe(Operation.scoped)
  )

  it.effect("immediate does not wait for the turn", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ policy: Policy.immediate })
      const fiber = yield* Effect.fork(source.load(1))
      yield* Effect.promise(() => Promise.resolve())
      assert.deepStrictEqual(calls, [[1]])
      yield* Fiber.join(fiber)
    }).pipe(Operation.scoped)
  )

  it.effect("quiet waits for a turn without a new key", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ policy: Policy.quiet({ maxWait: "1 second" }) })
      const first = yield* Effect.fork(source.load(1))
      yield* turns(1)
      const second = yield* Effect.fork(source.load(2))
      yield* Fiber.joinAll([first, second])
      assert.deepStrictEqual(calls, [[1, 2]])
    }).pipe(Operation.scoped)
  )

  it.effect("window leaves a fixed time after the first load", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ policy: Policy.window("10 millis") })
      const first = yield* Effect.fork(source.load(1))
      yield* TestClock.adjust("9 millis")
      const second = yield* Effect.fork(source.load(2))
      yield* turns()
      assert.deepStrictEqual(calls, [])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.joinAll([first, second])
      assert.deepStrictEqual(calls, [[1, 2]])
    }).pipe(Operation.scoped)
  )

  it.effect("manual leaves when flushed, or when its wait is over", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ policy: Policy.manual({ maxWait: "1 minute" }) })
      const first = yield* Effect.fork(source.loadMany([1, 2]))
      yield* turns()
      assert.deepStrictEqual(calls, [])
      yield* Operation.flush
      assert.deepStrictEqual(yield* Fiber.join(first), ["1!", "2!"])
      const second = yield* Effect.fork(source.load(3))
      yield* turns()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(second), "3!")
      assert.deepStrictEqual(calls, [[1, 2], [3]])
    }).pipe(Operation.scoped)
  )

  it.effect("exhausted waits for hints and for calls in flight", () =>
    Effect.gen(function* () {
      const slow = recording({ before: Effect.sleep("1 second") })
      const { calls, source } = recording({ policy: Policy.exhausted({ maxWait: "1 minute" }) })
      const operation = yield* Operation.Operation
      const release = Operation.busy(operation)
      const other = yield* Effect.fork(slow.source.load(1))
      const fiber = yield* Effect.fork(source.load(1))
      yield* turns()
      release()
      release()
      yield* turns()
      assert.deepStrictEqual(calls, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll([other, fiber])
      assert.deepStrictEqual(calls, [[1]])
    }).pipe(Operation.scoped)
  )

  it.effect("exhausted leaves when its wait is over, whatever the hints", () =>
    Effect.gen(function* () {
      const { source } = recording({ policy: Policy.exhausted() })
      Operation.busy(yield* Operation.Operation)
      const fiber = yield* Effect.fork(source.load(1))
      yield* turns()
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust(Policy.defaultMaxWait)
      assert.strictEqual(yield* Fiber.join(fiber), "1!")
    }).pipe(Operation.scoped)
  )

  it.effect("exhausted is not held by the resolver that waits for it", () =>
    Effect.gen(function* () {
      const inner = recording({ policy: Policy.exhausted({ maxWait: Duration.infinity }) })
      const outer = Source.make("Outer", {
        key: Schema.Number,
        success: Schema.String,
        resolve: (keys) => inner.source.loadMany(keys)
      })
      assert.strictEqual(yield* outer.load(1), "1!")
    }).pipe(Operation.scoped)
  )

  it.effect("of a load makes its batch leave earlier, never later", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const late = yield* Effect.fork(source.with({ policy: Policy.manual() }).load(1))
      yield* turns()
      assert.deepStrictEqual(calls, [])
      const now = yield* Effect.fork(source.load(2))
      yield* Fiber.joinAll([late, now])
      assert.deepStrictEqual(calls, [[1, 2]])
    }).pipe(Operation.scoped)
  )

  it.effect("lets a full batch leave at once", () =>
    Effect.gen(function* () {
      const { calls, source } = recording({ policy: Policy.manual(), maxBatchSize: 2 })
      const full = yield* Effect.fork(source.loadMany([1, 2]))
      const rest = yield* Effect.fork(source.load(3))
      yield* Fiber.join(full)
      assert.deepStrictEqual(calls, [[1, 2]])
      yield* Operation.flush
      yield* Fiber.join(rest)
      assert.deepStrictEqual(calls, [[1, 2], [3]])
    }).pipe(Operation.scoped)
  )

  it.effect("runs on the schedule that the Operation is given", () =>
    Effect.gen(function* () {
      const tasks: Array<() => void> = []
      const operation = yield* Operation.make({ schedule: (task) => tasks.push(task) })
      const { calls, source } = recording()
      const fiber = yield* Effect.fork(Effect.provideService(source.load(1), Operation.Operation, operation))
      yield* turns()
      assert.deepStrictEqual(calls, [])
      for (const task of tasks) task()
      assert.strictEqual(yield* Fiber.join(fiber), "1!")
    }).pipe(Effect.scoped)
  )
})

describe("the turn", () => {
  it("waits for fake timers, or for an explicit flush", async () => {
    const { calls, source } = recording()
    const scope = Effect.runSync(Scope.make())
    const operation = Effect.runSync(Scope.extend(Operation.make(), scope))
    const load = (key: number) =>
      Effect.runPromise(Effect.provideService(source.load(key), Operation.Operation, operation))
    vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout"] })
    try {
      const first = load(1)
      await Promise.resolve()
      assert.deepStrictEqual(calls, [])
      Operation.flushNow(operation)
      assert.strictEqual(await first, "1!")
      const second = load(2)
      vi.runAllTimers()
      assert.strictEqual(await second, "2!")
    } finally {
      vi.useRealTimers()
    }
    Effect.runSync(Scope.close(scope, Exit.void))
  })

  it("is a timer where there is no setImmediate", async () => {
    vi.stubGlobal("setImmediate", undefined)
    try {
      const { calls, source } = recording()
      assert.deepStrictEqual(await Effect.runPromise(Operation.scoped(source.loadMany([1, 2]))), ["1!", "2!"])
      assert.deepStrictEqual(calls, [[1, 2]])
    } finally {
      vi.unstubAllGlobals()
    }
  })
})
