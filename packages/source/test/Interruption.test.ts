import { assert, describe, it, vi } from "@effect/vitest"
import { Fiberless, Operation, Policy, Source, SourceError } from "@wellspring/source"
import { Cause, Deferred, Effect, Exit, Fiber, FiberId, Schema, Scope, TestClock } from "effect"
import { recording, turns } from "./recording.ts"

/** A source whose calls never end by themselves, and that counts how they do end. */
const hanging = () => {
  const ended = { interrupted: 0 }
  const calls: Array<ReadonlyArray<number>> = []
  const source = Source.make("Hanging", {
    key: Schema.Number,
    success: Schema.String,
    resolve: (keys) => {
      calls.push(keys)
      return Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          ended.interrupted++
        })
      )
    }
  })
  return { calls, ended, source }
}

describe("a caller that leaves", () => {
  it.effect("before its batch does takes its key along", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const [one, two] = [yield* Effect.fork(source.load(1)), yield* Effect.fork(source.load(2))]
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(one)
      assert.strictEqual(yield* Fiber.join(two), "2!")
      assert.deepStrictEqual(calls, [[2]])
    }).pipe(Operation.scoped)
  )

  it.effect("last of its batch before it leaves makes no call", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const fiber = yield* Effect.fork(source.loadMany([1, 2]))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      yield* turns()
      assert.deepStrictEqual(calls, [])
    }).pipe(Operation.scoped)
  )

  it.effect("does not touch another who waits for the same key", () =>
    Effect.gen(function* () {
      const { source } = recording({ before: Effect.sleep("1 second") })
      const [one, two] = [yield* Effect.fork(source.load(1)), yield* Effect.fork(source.load(1))]
      yield* turns()
      yield* Fiber.interrupt(one)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(two), "1!")
    }).pipe(Operation.scoped)
  )

  it.effect("last of a call interrupts it, and whoever wants the key again asks anew", () =>
    Effect.gen(function* () {
      const { calls, ended, source } = hanging()
      const [one, two] = [yield* Effect.fork(source.load(1)), yield* Effect.fork(source.loadMany([1, 2]))]
      yield* turns()
      yield* Fiber.interrupt(one)
      assert.strictEqual(ended.interrupted, 0)
      yield* Fiber.interrupt(two)
      yield* turns()
      assert.strictEqual(ended.interrupted, 1)
      yield* Effect.fork(source.load(1))
      yield* turns()
      assert.deepStrictEqual(calls, [[1, 2], [1]])
    }).pipe(Operation.scoped)
  )

  it.effect("by a timeout leaves as well", () =>
    Effect.gen(function* () {
      const { ended, source } = hanging()
      const fiber = yield* Effect.fork(Effect.timeoutOption(source.load(1), "1 second"))
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(ended.interrupted, 1)
    }).pipe(Operation.scoped)
  )

  it.effect("by callback leaves by calling what it was given, twice if it likes", () =>
    Effect.gen(function* () {
      const { ended, source } = hanging()
      const context = yield* Effect.context<Operation.Operation>()
      const started = Fiberless.start(source.load(1), context, () => assert.fail())
      yield* turns()
      if (typeof started !== "function") return assert.fail()
      started()
      started()
      yield* turns()
      assert.strictEqual(ended.interrupted, 1)
    }).pipe(Operation.scoped)
  )

  it.effect("by callback is not told, though its leaving comes in the moment of the answer", () =>
    Effect.gen(function* () {
      const { source } = recording()
      const context = yield* Effect.context<Operation.Operation>()
      for (const callers of [2, 5, 40]) {
        const told: Array<number> = []
        const leaves: Array<Fiberless.Leave> = []
        for (let caller = 0; caller < callers; caller++) {
          const started = Fiberless.start(source.load(callers), context, () => {
            told.push(caller)
            if (caller === 0) leaves.at(-1)?.()
          })
          if (typeof started === "function") leaves.push(started)
        }
        yield* turns()
        assert.deepStrictEqual(
          told,
          Array.from({ length: callers - 1 }, (_, caller) => caller)
        )
        // What was answered is remembered, whoever has left.
        assert.isTrue(Exit.isExit(Fiberless.start(source.load(callers), context, () => assert.fail())))
      }
    }).pipe(Operation.scoped)
  )

  it.effect("after its key was answered one by one leaves the rest to the others", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const source = Source.make("Pushing", {
        key: Schema.Number,
        success: Schema.String,
        resolve: (_, { succeed }) => {
          succeed(1, "one")
          return Effect.onInterrupt(Effect.never, () => Deferred.succeed(ended, undefined))
        }
      })
      const two = yield* Effect.fork(source.load(2))
      assert.strictEqual(yield* source.load(1), "one")
      assert.isFalse(yield* Deferred.isDone(ended))
      yield* Fiber.interrupt(two)
      yield* turns()
      assert.isTrue(yield* Deferred.isDone(ended))
    }).pipe(Operation.scoped)
  )
})

describe("the end of an Operation", () => {
  const opened = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const operation = yield* Scope.extend(Operation.make(), scope)
    return { close: Scope.close(scope, Exit.void), operation }
  })

  it.effect("interrupts calls under way and everyone who waits", () =>
    Effect.gen(function* () {
      const { close, operation } = yield* opened
      const running = hanging()
      const waiting = recording({ policy: Policy.manual() })
      const limited = recording({ maxConcurrentBatches: 1, maxBatchSize: 1, before: Effect.never })
      const inside = Effect.provideService(Operation.Operation, operation)
      const fibers = [
        yield* Effect.fork(inside(running.source.load(1))),
        yield* Effect.fork(inside(waiting.source.load(1))),
        yield* Effect.fork(inside(limited.source.loadMany([1, 2])))
      ]
      yield* turns()
      yield* close
      assert.strictEqual(running.ended.interrupted, 1)
      for (const exit of yield* Effect.forEach(fibers, (fiber) => Effect.exit(Fiber.join<unknown, never>(fiber)))) {
        assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
      }
      assert.deepStrictEqual([waiting.calls.length, limited.calls.length], [0, 1])
    })
  )

  it.effect("is told to whoever comes after it, with source and key", () =>
    Effect.gen(function* () {
      const { close, operation } = yield* opened
      const { source } = recording()
      yield* close
      const exit = yield* Effect.exit(Effect.provideService(source.load(1), Operation.Operation, operation))
      assert.deepStrictEqual(exit, Exit.die(new SourceError.OperationClosed({ source: "Recording", key: 1 })))
    })
  )

  it.effect("leaves a limited source free for others", () =>
    Effect.gen(function* () {
      const { close, operation } = yield* opened
      const { calls, source } = recording({ maxConcurrentBatches: 1, before: Effect.sleep("1 second") })
      yield* Effect.fork(Effect.provideService(source.load(1), Operation.Operation, operation))
      yield* turns()
      const other = yield* Effect.fork(Operation.scoped(source.load(2)))
      yield* turns()
      assert.deepStrictEqual(calls, [[1]])
      yield* close
      yield* turns()
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(other), "2!")
    })
  )

  it.effect("leaves what other modules do for a caller, and tells the caller, once", () =>
    Effect.gen(function* () {
      const { close, operation } = yield* opened
      const told: Array<Exit.Exit<string>> = []
      let left = 0
      const waits: Array<(exit: Exit.Exit<string>) => void> = []
      const begin = () =>
        Operation.whileOpen<string, never>(
          operation,
          (resume) => {
            waits.push(resume)
            return () => left++
          },
          (exit) => told.push(exit)
        )
      assert.deepStrictEqual(
        Operation.whileOpen<string, never>(
          operation,
          () => Exit.succeed("at hand"),
          () => assert.fail()
        ),
        Exit.succeed("at hand")
      )
      const [leave] = [begin(), begin(), begin()]
      if (typeof leave === "function") leave()
      waits[1]?.(Exit.succeed("in time"))
      assert.isFalse(Operation.isClosed(operation))
      yield* close
      assert.isTrue(Operation.isClosed(operation))
      for (const resume of waits) resume(Exit.succeed("too late"))
      assert.strictEqual(left, 2)
      assert.deepStrictEqual(told, [Exit.succeed("in time"), Exit.interrupt(FiberId.none)])
    })
  )

  it.effect("tells every caller of what other modules do, though one of them throws", () =>
    Effect.gen(function* () {
      const { close, operation } = yield* opened
      const uncaught = vi.spyOn(globalThis, "queueMicrotask")
      yield* Effect.addFinalizer(() => Effect.sync(() => uncaught.mockRestore()))
      let told = 0
      for (const caller of [1, 2]) {
        Operation.whileOpen<string, never>(
          operation,
          () => () => {},
          () => {
            told++
            if (caller === 2) return
            uncaught.mockImplementationOnce((task) => assert.throws(task, "thrown by a caller"))
            throw new Error("thrown by a caller")
          }
        )
      }
      yield* close
      assert.strictEqual(told, 2)
      assert.strictEqual(uncaught.mock.calls.length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("drops what other modules kept in it", () =>
    Effect.gen(function* () {
      const { close, operation } = yield* opened
      const key = {}
      let made = 0
      const slot = () => Operation.slot(operation, key, () => ++made)
      assert.deepStrictEqual([slot(), slot()], [1, 1])
      yield* close
      assert.strictEqual(slot(), 2)
    })
  )
})

describe("an account", () => {
  it.effect("counts loads, batches, keys, hits, joins and calls, and keeps the strictest lifetime", () =>
    Effect.gen(function* () {
      const { source } = recording()
      yield* source.loadMany([1, 2, 1])
      yield* source.load(1)
      const operation = yield* Operation.Operation
      assert.isUndefined(Operation.lifetime(operation))
      Operation.recordCall(operation, { outcome: "hit", lifetime: { secondsLeft: 30, scope: "private" } })
      Operation.recordCall(operation, { outcome: "miss", lifetime: { secondsLeft: 5, scope: "public" } })
      Operation.recordCall(operation, { outcome: "miss" })
      const { outcomes, ...counts } = Operation.account(operation)
      assert.deepStrictEqual(counts, { loads: 4, batches: 1, keys: 2, hits: 1, joins: 1, calls: 3 })
      assert.deepStrictEqual([outcomes.hit, outcomes.miss, outcomes.stale], [1, 2, 0])
      assert.deepStrictEqual(Operation.lifetime(operation), { secondsLeft: 5, scope: "private" })
    }).pipe(Operation.scoped)
  )
})
