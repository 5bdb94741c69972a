import { assert, describe, it } from "@effect/vitest"
import { Fiberless, Operation, Policy, Source } from "@wellspring/source"
import { Context, Effect, Exit, FiberId, Runtime, Schema, Scope } from "effect"
import { recording, turns } from "./recording.ts"

class Name extends Context.Tag("test/Name")<Name, string>() {}

/** An Operation as an adapter begins it. */
const opened = (name = "ada") =>
  Effect.gen(function* () {
    const begin = Operation.opener(yield* Effect.runtime<never>())
    return begin(Context.make(Name, name), yield* Scope.make())
  })

const interrupted = Exit.interrupt(FiberId.none)

/** Keeps what it is told. */
const reading = () => {
  const told: Array<Exit.Exit<unknown, unknown>> = []
  const reader: Fiberless.Reader = { told: (pending) => told.push(pending.exit) }
  return { told, reader }
}

/** Joins a load of a source, whose type does not say that it can be joined. */
const join = (load: object, context: Context.Context<never>, reader: Fiberless.Reader) =>
  Fiberless.isJoinable(load) ? load[Fiberless.JoinId](context, reader) : assert.fail("cannot be joined")

describe("Operation.opener", () => {
  it.effect("begins Operations that share no answers, each with its own services", () =>
    Effect.gen(function* () {
      const Greetings = Source.make("Greetings", {
        key: Schema.String,
        success: Schema.String,
        resolve: (keys) => Effect.map(Name, (name) => keys.map((key) => `${key}, ${name}`))
      })
      const [ada, ben] = [yield* opened("ada"), yield* opened("ben")]
      const greet = ({ runtime }: Operation.Opened) =>
        Effect.promise(() =>
          Runtime.runPromise(runtime as Runtime.Runtime<Operation.Operation | Name>, Greetings.load("Hello"))
        )
      assert.deepStrictEqual(yield* Effect.all([greet(ada), greet(ben)]), ["Hello, ada", "Hello, ben"])
      assert.strictEqual(Operation.account(ada.operation).loads, 1)
    })
  )

  it.effect("ends one at once where no call is in flight", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const { operation, runtime } = yield* opened()
      const told: Array<unknown> = []
      Fiberless.start(source.load(1), runtime.context as Context.Context<Operation.Operation>, (exit) =>
        told.push(exit)
      )
      assert.isTrue(Exit.isExit(Operation.end(operation)))
      assert.deepStrictEqual(told, [interrupted])
      assert.isTrue(Operation.isClosed(operation))
      yield* turns()
      assert.deepStrictEqual(calls, [])
    })
  )

  it.effect("ends one that is calling when the calls have been interrupted", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const Endless = Source.make("Endless", {
        key: Schema.Number,
        success: Schema.Number,
        policy: Policy.immediate,
        resolve: () =>
          Effect.onInterrupt(Effect.never, () =>
            Effect.zipRight(
              Effect.yieldNow(),
              Effect.sync(() => events.push("interrupted"))
            )
          )
      })
      const { operation, runtime } = yield* opened()
      const context = runtime.context as Context.Context<Operation.Operation>
      Fiberless.start(Endless.load(1), context, (exit) => events.push(exit._tag))
      yield* turns()
      yield* Operation.end(operation)
      assert.deepStrictEqual(events, ["interrupted", "Failure"])
    })
  )
})

describe("Fiberless.JoinId", () => {
  it.effect("gives one object for all loads of a key, and tells its reader once", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const { operation, runtime } = yield* opened()
      const { reader, told } = reading()
      const [one, again, two] = [1, 1, 2].map((key) => join(source.load(key), runtime.context, reader))
      assert.strictEqual(one, again)
      assert.notStrictEqual(one, two)
      yield* turns()
      assert.deepStrictEqual(told, [Exit.succeed("1!"), Exit.succeed("2!")])
      assert.deepStrictEqual(calls, [[1, 2]])
      assert.deepStrictEqual(join(source.load(1), runtime.context, reader), Exit.succeed("1!"))
      assert.strictEqual(Operation.account(operation).loads, 4)
    })
  )

  it.effect("leaves a key to those who still want it, however many they are", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const { runtime } = yield* opened()
      const readers = Array.from({ length: 40 }, reading)
      const joined = readers.map(({ reader }) => join(source.load(1), runtime.context, reader))
      for (const [index, pending] of joined.entries()) {
        const { reader } = readers[index] ?? assert.fail()
        if (index % 2 === 0 && pending !== undefined && !("_tag" in pending)) pending.leave(reader)
      }
      yield* turns()
      assert.deepStrictEqual(
        readers.map(({ told }) => told.length),
        readers.map((_, index) => index % 2)
      )
      assert.deepStrictEqual(calls, [[1]])
    })
  )

  it.effect("asks for no key that every reader has left", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const { runtime } = yield* opened()
      const [first, second] = [reading(), reading()]
      for (const { reader } of [first, second]) {
        const pending = join(source.load(1), runtime.context, reader)
        if (pending !== undefined && !("_tag" in pending)) pending.leave(reader)
      }
      join(source.load(2), runtime.context, first.reader)
      yield* turns()
      assert.deepStrictEqual(calls, [[2]])
    })
  )

  it.effect("cannot be joined by a resolver, whose batch has to know what it waits for", () =>
    Effect.gen(function* () {
      const { source } = recording()
      const joined: Array<unknown> = []
      const Outer = Source.make("Outer", {
        key: Schema.Number,
        success: Schema.Number,
        resolve: (keys) =>
          Effect.contextWith((context: Context.Context<Operation.Operation>) => {
            joined.push(join(source.load(1), context as Context.Context<never>, reading().reader))
            return keys
          })
      })
      const { runtime } = yield* opened()
      join(Outer.load(1), runtime.context, reading().reader)
      yield* turns()
      assert.deepStrictEqual(joined, [undefined])
    })
  )
})
