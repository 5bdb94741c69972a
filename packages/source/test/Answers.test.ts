import { assert, describe, it } from "@effect/vitest"
import { Operation, Selection, Source, SourceError } from "@wellspring/source"
import { Cause, Effect, Either, Exit, HashMap, Option, Schema } from "effect"
import { turns } from "./recording.ts"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { key: Schema.Number }) {}

const Row = Schema.Struct({ key: Schema.Number, name: Schema.String })

const answering = (answers: (keys: ReadonlyArray<number>) => Source.Answers<number, string, Rejected>) =>
  Source.make("Answering", {
    key: Schema.Number,
    success: Schema.String,
    failure: Rejected,
    missing: "fail",
    resolve: (keys) => Effect.sync(() => answers(keys))
  })

describe("a resolver answers", () => {
  it.effect("by position, failures in the places of values", () =>
    Effect.gen(function* () {
      const source = answering((keys) => keys.map((key) => (key < 0 ? Source.fail(new Rejected({ key })) : `${key}`)))
      assert.deepStrictEqual(yield* source.loadEithers([1, -1, 2]), [
        Either.right("1"),
        Either.left(new Rejected({ key: -1 })),
        Either.right("2")
      ])
      assert.deepStrictEqual(yield* Effect.flip(source.loadMany([1, -1, 2])), new Rejected({ key: -1 }))
    }).pipe(Operation.scoped)
  )

  it.effect("with Eithers", () =>
    Effect.gen(function* () {
      const source = answering((keys) =>
        Source.fromEithers(keys.map((key) => (key < 0 ? Either.left(new Rejected({ key })) : Either.right(`${key}`))))
      )
      assert.strictEqual(yield* source.load(1), "1")
      assert.deepStrictEqual(yield* Effect.flip(source.load(-1)), new Rejected({ key: -1 }))
    }).pipe(Operation.scoped)
  )

  it.effect("with a Map or a HashMap, in any order", () =>
    Effect.gen(function* () {
      const entries = [[2, "two"] as const, [1, "one"] as const]
      for (const answers of [new Map(entries), HashMap.fromIterable(entries)]) {
        const source = answering(() => answers)
        assert.deepStrictEqual(yield* source.loadMany([1, 2]), ["one", "two"])
        const missing = yield* Effect.flip(source.load(3))
        assert.deepStrictEqual(missing, new SourceError.NotFound({ source: "Answering", key: 3 }))
      }
    }).pipe(Operation.scoped)
  )

  it.effect("with rows that say their keys", () =>
    Effect.gen(function* () {
      const rows = [
        { key: 2, name: "b" },
        { key: 9, name: "unasked" },
        { key: 1, name: "a" },
        { key: 2, name: "c" }
      ]
      const last = Source.make("Rows", {
        key: Schema.Number,
        success: Row,
        missing: "option",
        resolve: () =>
          Effect.map(
            Effect.succeed(rows),
            Source.byKey((row) => row.key)
          )
      })
      assert.deepStrictEqual(yield* last.loadAll({ one: 1, two: 2, three: 3 }), {
        one: Option.some({ key: 1, name: "a" }),
        two: Option.some({ key: 2, name: "c" }),
        three: Option.none()
      })
      const grouped = Source.make("Groups", {
        key: Schema.Number,
        success: Schema.Array(Row),
        resolve: () =>
          Effect.map(
            Effect.succeed(rows),
            Source.groupBy((row) => row.key)
          )
      })
      const names = Effect.map(grouped.loadMany([2, 3]), (groups) =>
        groups.map((group) => group.map((row) => row.name))
      )
      assert.deepStrictEqual(yield* names, [["b", "c"], []])
    }).pipe(Operation.scoped)
  )

  it.effect("one by one, while the rest of the batch still runs", () =>
    Effect.gen(function* () {
      const source = Source.make("Pushing", {
        key: Schema.Number,
        success: Schema.String,
        failure: Rejected,
        resolve: (_, { fail, succeed }) => {
          succeed(1, "one")
          succeed(1, "too late")
          fail(2, new Rejected({ key: 2 }))
          return Effect.never
        }
      })
      const answers = yield* Effect.all([source.load(1), Effect.flip(source.load(2))], {
        concurrency: "unbounded"
      }).pipe(Effect.raceFirst(Effect.zipRight(source.load(3), Effect.never)))
      assert.deepStrictEqual(answers, ["one", new Rejected({ key: 2 })])
    }).pipe(Operation.scoped)
  )

  it.effect("with a failure for all that have no answer yet", () =>
    Effect.gen(function* () {
      const source = Source.make("Half", {
        key: Schema.Number,
        success: Schema.String,
        resolve: (_, { succeed }) => {
          succeed(1, "one")
          return Effect.fail("down" as const)
        }
      })
      assert.deepStrictEqual(yield* source.loadEithers([1, 2]), [Either.right("one"), Either.left("down" as const)])
    }).pipe(Operation.scoped)
  )

  it.effect("with undefined and null as values like others", () =>
    Effect.gen(function* () {
      const source = Source.make("Nothing", {
        key: Schema.Number,
        success: Schema.Union(Schema.Undefined, Schema.Null),
        resolve: (keys) => Effect.succeed(keys.map((key) => (key === 1 ? undefined : null)))
      })
      assert.deepStrictEqual(yield* source.loadMany([1, 2]), [undefined, null])
    }).pipe(Operation.scoped)
  )

  it.effect("by its own rule for keys without an answer", () =>
    Effect.gen(function* () {
      const source = Source.make("Ruled", {
        key: Schema.Number,
        success: Schema.String,
        failure: Rejected,
        missing: (key) => (key < 0 ? Exit.fail(new Rejected({ key })) : Exit.succeed("nobody")),
        resolve: () => Effect.succeed(new Map())
      })
      assert.strictEqual(yield* source.load(1), "nobody")
      assert.deepStrictEqual(yield* Effect.flip(source.load(-1)), new Rejected({ key: -1 }))
    }).pipe(Operation.scoped)
  )
})

describe("a resolver that breaks its contract", () => {
  const broken = (title: string, resolve: () => Effect.Effect<unknown>, ...says: ReadonlyArray<string>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        const source = Source.make("Broken", {
          key: Schema.String,
          success: Schema.String,
          resolve: resolve as () => Effect.Effect<ReadonlyArray<string>>
        })
        const exits = yield* Effect.all([Effect.exit(source.load("a")), Effect.exit(source.load("b"))], {
          concurrency: "unbounded"
        })
        for (const exit of exits) {
          assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause) && !Cause.isInterrupted(exit.cause))
          const text = Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : ""
          for (const words of says) assert.include(text, words)
        }
        // Nothing of it is remembered.
        assert.strictEqual((yield* Operation.Operation.pipe(Effect.map(Operation.account))).hits, 0)
      }).pipe(Operation.scoped)
    )

  broken("answers too few values", () => Effect.succeed(["x"]), '"Broken"', "1 values for 2 keys", '"a"')
  broken("answers with something else", () => Effect.succeed(7), '"Broken"', "answered with 7", '"a"')
  broken("leaves a key without an answer", () => Effect.succeed(new Map()), '"Broken"', "no answer for key")
  broken("dies", () => Effect.die(new Error("boom")), '"Broken"', "boom", '"a"')
  broken("interrupts itself", () => Effect.interrupt, '"Broken"', '"a"')
  broken(
    "throws",
    () => {
      throw new Error("thrown")
    },
    '"Broken"',
    "thrown",
    '"a"'
  )
})

describe("a source's own rule for failures", () => {
  it.effect("is a defect of the callers when it throws, and holds up nobody behind them", () =>
    Effect.gen(function* () {
      const source = Source.make("Ruling", {
        key: Schema.Number,
        success: Schema.String,
        failure: Rejected,
        maxConcurrentBatches: 1,
        maxBatchSize: 2,
        remembersFailure: () => {
          throw new Error("no rule")
        },
        resolve: ([key = 0]) => Effect.zipRight(Effect.yieldNow(), Effect.fail(new Rejected({ key })))
      })
      for (const exit of yield* Effect.forEach([1, 2, 3], (key) => Effect.exit(source.load(key)), {
        concurrency: "unbounded"
      })) {
        const text = Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : ""
        assert.include(text, '"Ruling"')
        assert.include(text, "no rule")
      }
    }).pipe(Operation.scoped)
  )
})

describe("keys", () => {
  const collecting = <K, KI>(key: Schema.Schema<K, KI>, cacheKey?: (key: K) => Source.Primitive) => {
    const calls: Array<ReadonlyArray<K>> = []
    const source = Source.make("Collecting", {
      key,
      ...(cacheKey && { cacheKey }),
      success: Schema.Number,
      resolve: (keys) => {
        calls.push(keys)
        return Effect.succeed(keys.map((_, i) => i))
      }
    })
    return { calls, source }
  }

  it.effect("that are structs, tuples, dates or bytes compare by value", () =>
    Effect.gen(function* () {
      const struct = collecting(Schema.Struct({ id: Schema.Number, tag: Schema.optional(Schema.String) }))
      yield* struct.source.loadMany([{ id: 1 }, { id: 1 }, { id: 1, tag: "a" }])
      assert.strictEqual(struct.calls[0]?.length, 2)
      const tuple = collecting(Schema.Tuple(Schema.String, Schema.Number))
      yield* tuple.source.loadMany([
        ["1", 1],
        ["1", 1],
        ["1,1", 1]
      ])
      assert.strictEqual(tuple.calls[0]?.length, 2)
      const date = collecting(Schema.DateFromSelf)
      // Dates are the keys under test.
      // @effect-diagnostics-next-line globalDateInEffect:off
      yield* date.source.loadMany([new Date(1), new Date(1), new Date(2)])
      assert.strictEqual(date.calls[0]?.length, 2)
      const bytes = collecting(Schema.Uint8ArrayFromSelf)
      yield* bytes.source.loadMany([Uint8Array.of(1, 2), Uint8Array.of(1, 2), Uint8Array.of(12)])
      assert.strictEqual(bytes.calls[0]?.length, 2)
    }).pipe(Operation.scoped)
  )

  it.effect("that bring their own equality compare by it", () =>
    Effect.gen(function* () {
      class Id extends Schema.Class<Id>("Id")({ value: Schema.Number }) {}
      const ids = collecting(Id)
      yield* ids.source.loadMany([new Id({ value: 1 }), new Id({ value: 1 }), new Id({ value: 2 })])
      assert.strictEqual(ids.calls[0]?.length, 2)
      const options = collecting(Schema.Struct({ id: Schema.OptionFromSelf(Schema.Number) }))
      yield* options.source.loadMany([{ id: Option.some(1) }, { id: Option.some(1) }, { id: Option.none() }])
      assert.strictEqual(options.calls[0]?.length, 2)
    }).pipe(Operation.scoped)
  )

  it.effect("of different types never meet", () =>
    Effect.gen(function* () {
      const { calls, source } = collecting(Schema.Union(Schema.String, Schema.Number, Schema.Boolean, Schema.Null))
      yield* source.loadMany([1, "1", true, "true", null, "null"])
      assert.strictEqual(calls[0]?.length, 6)
    }).pipe(Operation.scoped)
  )

  it.effect("go by cacheKey, and the first of a kind is fetched", () =>
    Effect.gen(function* () {
      const { calls, source } = collecting(Schema.String, (key) => key.toLowerCase())
      yield* source.loadMany(["Ann", "ANN", "bob"])
      assert.deepStrictEqual(calls, [["Ann", "bob"]])
    }).pipe(Operation.scoped)
  )
})

describe("groups", () => {
  const grouped = (groupKey?: (group: { readonly locale: string; readonly trace: number }) => string) => {
    const calls: Array<string> = []
    const source = Source.make("Grouped", {
      key: Schema.Number,
      group: Schema.Struct({ locale: Schema.String, trace: Schema.Number }),
      ...(groupKey && { groupKey }),
      success: Schema.String,
      resolve: (keys, { group }) => {
        calls.push(`${group.locale}:${keys}`)
        return Effect.succeed(keys.map((key) => `${group.locale}${key}`))
      }
    })
    return { calls, source }
  }

  it.effect("that are equal share a batch, and others never do", () =>
    Effect.gen(function* () {
      const { calls, source } = grouped()
      const load = (locale: string, key: number) => source.of({ locale, trace: 0 }).load(key)
      const loads = [load("en", 1), load("fr", 1), load("en", 2), load("fr", 1)]
      assert.deepStrictEqual(yield* Effect.all(loads, { concurrency: "unbounded" }), ["en1", "fr1", "en2", "fr1"])
      assert.deepStrictEqual(calls, ["en:1,2", "fr:1"])
      yield* source.of({ locale: "en", trace: 0 }).clearAll
      yield* Effect.all([load("en", 1), load("fr", 1)])
      assert.deepStrictEqual(calls, ["en:1,2", "fr:1", "en:1"])
      yield* source.clearAll
      yield* Effect.all([load("en", 1), load("fr", 1)])
      assert.strictEqual(calls.length, 5)
    }).pipe(Operation.scoped)
  )

  it.effect("go by groupKey", () =>
    Effect.gen(function* () {
      const { calls, source } = grouped(({ locale }) => locale)
      const loads = [1, 2].map((trace) => source.of({ locale: "en", trace }).load(trace))
      yield* Effect.all(loads, { concurrency: "unbounded" })
      assert.deepStrictEqual(calls, ["en:1,2"])
    }).pipe(Operation.scoped)
  )
})

describe("selections", () => {
  const sparse = () => {
    const calls: Array<string> = []
    const source = Source.make("Sparse", {
      key: Schema.Number,
      success: Schema.String,
      selection: Selection.fields,
      resolve: (keys, { selection }) => {
        const fields = selection === undefined ? "all" : [...selection].sort().join("+")
        calls.push(`${keys}:${fields}`)
        return Effect.succeed(keys.map(() => fields))
      }
    })
    return { calls, source, select: (...fields: ReadonlyArray<string>) => source.select(new Set(fields)) }
  }

  it.effect("of a batch are merged, and everything is more than any of them", () =>
    Effect.gen(function* () {
      const { calls, select, source } = sparse()
      yield* Effect.all([select("a").load(1), select("b").load(2), select("c").load(1)], { concurrency: "unbounded" })
      yield* Effect.all([select("a").load(3), source.load(4)], { concurrency: "unbounded" })
      assert.deepStrictEqual(calls, ["1,2:a+b+c", "3,4:all"])
    }).pipe(Operation.scoped)
  )

  it.effect("are answered from memory by no less", () =>
    Effect.gen(function* () {
      const { calls, select, source } = sparse()
      yield* select("a", "b").load(1)
      yield* select("a").load(1)
      yield* select("c").load(1)
      yield* source.load(1)
      yield* select("d").load(1)
      assert.deepStrictEqual(calls, ["1:a+b", "1:c", "1:all"])
    }).pipe(Operation.scoped)
  )
})

describe("Source.request", () => {
  it.effect("asks now and is awaited later, so that sources are asked together", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const named = (name: string) =>
        Source.make(name, {
          key: Schema.Number,
          success: Schema.Number,
          resolve: (keys) => {
            asked.push(name)
            return Effect.succeed(keys)
          }
        })
      const left = yield* named("left").request(1)
      const right = yield* named("right").request(2)
      yield* turns()
      assert.deepStrictEqual(asked, ["left", "right"])
      assert.deepStrictEqual([yield* left, yield* right, yield* left], [1, 2, 1])
    }).pipe(Operation.scoped)
  )
})
