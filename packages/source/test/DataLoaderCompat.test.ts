import { assert, describe, it } from "@effect/vitest"
import { DataLoaderCompat, Operation, Source } from "@wellspring/source"
import DataLoader from "dataloader"
import { Effect, Schema } from "effect"

/** What both classes have in common, so that one list of cases runs on both. */
type Loader = new <K, V, C = K>(
  batchLoadFn: DataLoader.BatchLoadFn<K, V>,
  options?: DataLoader.Options<K, V, C>
) => DataLoader<K, V, C>

const identity = <K, V = K>(Class: Loader, options?: DataLoader.Options<K, V, K>) => {
  const calls: Array<ReadonlyArray<K>> = []
  const loader = new Class<K, V>((keys) => {
    calls.push(keys)
    return Promise.resolve(keys as unknown as ReadonlyArray<V>)
  }, options)
  return { loader, calls }
}

const messageOf = (run: () => unknown): string => {
  try {
    run()
    return "nothing thrown"
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}

const rejection = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "not rejected",
    (error) => `${error.name}: ${error.message}`
  )

const classes: ReadonlyArray<readonly [string, Loader]> = [
  ["dataloader", DataLoader],
  ["DataLoaderCompat", DataLoaderCompat.DataLoaderCompat]
]

for (const [name, Class] of classes) {
  describe(`what DataLoader does, in ${name}`, () => {
    it("builds a really simple data loader", async () => {
      const { loader } = identity<number>(Class)
      assert.instanceOf(loader.load(1), Promise)
      assert.strictEqual(await loader.load(1), 1)
    })

    it("calls the batch function as a method of the loader", async () => {
      let that: unknown
      const loader = new Class<number, number>(function (this: unknown, keys) {
        that = this
        return Promise.resolve(keys)
      })
      await loader.load(1)
      assert.strictEqual(that, loader)
    })

    it("calls cacheKeyFn as a method of the loader", async () => {
      let that: unknown
      const loader = new Class<number, number, number>((keys) => Promise.resolve(keys), {
        cacheKeyFn(this: unknown, key: number) {
          that = this
          return key
        }
      })
      await loader.load(1)
      assert.strictEqual(that, loader)
    })

    it("loads many keys in one call, and none for no keys", async () => {
      const { calls, loader } = identity<number>(Class)
      assert.deepStrictEqual(await loader.loadMany([1, 2]), [1, 2])
      assert.deepStrictEqual(await loader.loadMany([]), [])
      assert.deepStrictEqual(calls, [[1, 2]])
    })

    it("gives an Error in its place to loadMany", async () => {
      const loader = new Class<string, string>((keys) =>
        Promise.resolve(keys.map((key) => (key === "bad" ? new Error("Bad Key") : key)))
      )
      const values = await loader.loadMany(["a", "b", "bad"])
      assert.deepStrictEqual(values.slice(0, 2), ["a", "b"])
      assert.strictEqual((values[2] as Error).message, "Bad Key")
    })

    it("batches loads of one frame and of the promise jobs that follow it", async () => {
      const { calls, loader } = identity<string>(Class)
      await Promise.all([
        loader.load("A"),
        Promise.resolve()
          .then(() => Promise.resolve())
          .then(() => {
            loader.load("B")
            return Promise.resolve()
              .then(() => Promise.resolve())
              .then(() => loader.load("C"))
          })
      ])
      assert.deepStrictEqual(calls, [["A", "B", "C"]])
    })

    it("keeps batches of different macrotasks apart", async () => {
      const { calls, loader } = identity<number>(Class)
      const first = loader.load(1)
      await new Promise((resolve) => setTimeout(resolve, 1))
      await Promise.all([first, loader.load(2)])
      assert.deepStrictEqual(calls, [[1], [2]])
    })

    it("splits what exceeds maxBatchSize, and counts distinct keys only", async () => {
      const { calls, loader } = identity<number>(Class, { maxBatchSize: 2 })
      await Promise.all([loader.load(1), loader.load(1), loader.load(2), loader.load(3)])
      assert.deepStrictEqual(calls, [[1, 2], [3]])
    })

    it("sends every key by itself with batch: false, and remembers nonetheless", async () => {
      const { calls, loader } = identity<number>(Class, { batch: false })
      assert.deepStrictEqual(await Promise.all([loader.load(1), loader.load(2), loader.load(1)]), [1, 2, 1])
      assert.deepStrictEqual(calls, [[1], [2]])
    })

    it("merges equal keys and remembers them", async () => {
      const { calls, loader } = identity<string>(Class)
      await Promise.all([loader.load("A"), loader.load("A")])
      await Promise.all([loader.load("A"), loader.load("C")])
      await Promise.all([loader.load("A"), loader.load("B"), loader.load("C")])
      assert.deepStrictEqual(calls, [["A"], ["C"], ["B"]])
    })

    it("settles a hit with the batch that is open", async () => {
      const order: Array<string> = []
      const { loader } = identity<string>(Class)
      loader.prime("A", "A")
      await Promise.all([
        loader.load("B").then(() => order.push("B")),
        loader.load("A").then(() => order.push("A")),
        Promise.resolve().then(() => order.push("job"))
      ])
      assert.strictEqual(order[0], "job")
      assert.sameMembers(order.slice(1), ["A", "B"])
    })

    it("settles hits without calling when there is nothing to load", async () => {
      const { calls, loader } = identity<string>(Class)
      loader.prime("A", "A")
      assert.deepStrictEqual(await Promise.all([loader.load("A"), loader.load("A")]), ["A", "A"])
      assert.deepStrictEqual(calls, [])
    })

    it("clears one key, or all", async () => {
      const { calls, loader } = identity<string>(Class)
      await loader.loadMany(["A", "B"])
      await loader.clear("A").loadMany(["A", "B"])
      await loader.clearAll().loadMany(["A", "B"])
      assert.deepStrictEqual(calls, [["A", "B"], ["A"], ["A", "B"]])
    })

    it("primes only what is not there, and chains", async () => {
      const { calls, loader } = identity<string, string>(Class)
      loader.prime("A", "X").prime("A", "Y")
      assert.strictEqual(await loader.load("A"), "X")
      loader.clear("A").prime("A", "Y")
      assert.strictEqual(await loader.load("A"), "Y")
      assert.deepStrictEqual(calls, [])
    })

    it("primes with a promise, and with an Error without an unhandled rejection", async () => {
      const { loader } = identity<number>(Class)
      loader.prime(1, Promise.resolve(7)).prime(2, new Error("Error: 2"))
      assert.strictEqual(await loader.load(1), 7)
      assert.strictEqual(await rejection(loader.load(2)), "Error: Error: 2")
    })

    it("rejects a key for which there is an Error, and remembers that", async () => {
      let calls = 0
      const loader = new Class<number, number>((keys) => {
        calls++
        return Promise.resolve(keys.map((key) => (key % 2 === 0 ? key : new Error(`Odd: ${key}`))))
      })
      assert.strictEqual(await rejection(loader.load(1)), "Error: Odd: 1")
      assert.strictEqual(await loader.load(2), 2)
      assert.strictEqual(await rejection(loader.load(1)), "Error: Odd: 1")
      assert.strictEqual(calls, 2)
      loader.clear(1)
      await rejection(loader.load(1))
      assert.strictEqual(calls, 3)
    })

    it("forgets the keys of a batch that failed, and settles its hits", async () => {
      let calls = 0
      const loader = new Class<number, number>(() => {
        calls++
        return Promise.reject(new Error("I am a terrible loader"))
      })
      loader.prime(2, 2)
      const [one, two] = [loader.load(1), loader.load(2)]
      assert.strictEqual(await rejection(one), "Error: I am a terrible loader")
      assert.strictEqual(await two, 2)
      await rejection(loader.load(1))
      assert.strictEqual(calls, 2)
    })

    it("adopts promises in the places of values", async () => {
      const loader = new Class<number, number>((keys) =>
        Promise.resolve(keys.map((key) => Promise.resolve(key * 2) as unknown as number))
      )
      assert.strictEqual(await loader.load(2), 4)
    })

    it("tells keys apart by cacheKeyFn, and asks for the first of a kind", async () => {
      const calls: Array<ReadonlyArray<{ readonly id: number }>> = []
      const loader = new Class<{ readonly id: number }, number, number>(
        (keys) => {
          calls.push(keys)
          return Promise.resolve(keys.map(({ id }) => id))
        },
        { cacheKeyFn: ({ id }) => id }
      )
      const first = { id: 1 }
      assert.deepStrictEqual(await Promise.all([loader.load(first), loader.load({ id: 1 })]), [1, 1])
      assert.strictEqual(calls[0]?.[0], first)
      assert.strictEqual(calls[0]?.length, 1)
      loader.clear({ id: 1 }).prime({ id: 1 }, 5)
      assert.strictEqual(await loader.load(first), 5)
    })

    it("neither merges nor remembers with cache: false or cacheMap: null", async () => {
      for (const options of [{ cache: false }, { cacheMap: null }]) {
        const { calls, loader } = identity<string>(Class, options)
        await Promise.all([loader.load("A"), loader.load("B"), loader.load("A")])
        await loader.prime("A", "X").load("A")
        assert.deepStrictEqual(calls, [["A", "B", "A"], ["A"]])
      }
    })

    it("remembers in the map it is given", async () => {
      const stash = new Map<string, Promise<string>>()
      const { loader } = identity<string>(Class, { cacheMap: stash })
      await loader.loadMany(["a", "b"])
      assert.deepStrictEqual([...stash.keys()], ["a", "b"])
      loader.clear("a")
      assert.deepStrictEqual([...stash.keys()], ["b"])
      loader.clearAll()
      assert.strictEqual(stash.size, 0)
    })

    it("leaves the time of a batch to batchScheduleFn, called once a batch as a method of the loader", async () => {
      const scheduled: Array<() => void> = []
      let that: unknown
      const calls: Array<ReadonlyArray<number>> = []
      const loader = new Class<number, number>(
        (keys) => {
          calls.push(keys)
          return Promise.resolve(keys)
        },
        {
          batchScheduleFn(this: unknown, callback: () => void) {
            that = this
            scheduled.push(callback)
          }
        }
      )
      const both = Promise.all([loader.load(1), loader.load(2)])
      await new Promise((resolve) => setImmediate(resolve))
      assert.strictEqual(scheduled.length, 1)
      assert.deepStrictEqual(calls, [])
      scheduled[0]?.()
      assert.deepStrictEqual(await both, [1, 2])
      assert.strictEqual(that, loader)
    })

    it("can be called from the batch function of another loader", async () => {
      const deep: Array<ReadonlyArray<ReadonlyArray<string>>> = []
      const deepLoader = new Class<ReadonlyArray<string>, ReadonlyArray<string>>((keys) => {
        deep.push(keys)
        return Promise.resolve(keys)
      })
      const from = () => new Class<string, string>((keys) => deepLoader.load(keys))
      const [left, right] = [from(), from()]
      await Promise.all([left.load("A1"), right.load("B1"), left.load("A2"), right.load("B2")])
      assert.deepStrictEqual(deep, [
        [
          ["A1", "A2"],
          ["B1", "B2"]
        ]
      ])
    })

    it("has its name, or null", () => {
      assert.strictEqual(identity(Class).loader.name, null)
      assert.strictEqual(identity(Class, { name: "MyLoader" }).loader.name, "MyLoader")
    })
  })
}

describe("DataLoaderCompat, misused", () => {
  const both = (misuse: (Class: Loader) => unknown) => {
    const [theirs, ours] = classes.map(([, Class]) => misuse(Class))
    assert.deepStrictEqual(ours, theirs)
    return ours
  }

  const bad = <A>(value: unknown): A => value as A

  it("throws what DataLoader throws from its constructor", () => {
    both((Class) => messageOf(() => new Class(bad<never>(undefined))))
    both((Class) => messageOf(() => new Class(bad<never>({}))))
    for (const maxBatchSize of [0, -1, null, "5"]) {
      both((Class) => messageOf(() => new Class(async (keys) => keys, { maxBatchSize: bad<never>(maxBatchSize) })))
    }
    both((Class) => messageOf(() => new Class(async (keys) => keys, { batchScheduleFn: bad<never>("soon") })))
    both((Class) => messageOf(() => new Class(async (keys) => keys, { cacheKeyFn: bad<never>("key") })))
    both((Class) =>
      messageOf(() => new Class(async (keys) => keys, { cacheMap: bad<never>({ set() {}, delete() {} }) }))
    )
  })

  it("throws what DataLoader throws for a key that is none", () => {
    for (const key of [null, undefined]) {
      assert.include(
        String(both((Class) => messageOf(() => identity(Class).loader.load(bad<never>(key))))),
        String(key)
      )
    }
    both((Class) => messageOf(() => identity(Class).loader.loadMany(bad<never>(undefined))))
    both((Class) => messageOf(() => identity(Class).loader.loadMany(bad<never>(1))))
    both((Class) => messageOf(() => identity(Class).loader.loadMany([bad<never>(null)])))
  })

  it("takes 0, NaN and false for keys", async () => {
    for (const [, Class] of classes) {
      const { loader } = identity<unknown>(Class)
      assert.deepStrictEqual(await loader.loadMany([0, Number.NaN, false]), [0, Number.NaN, false])
    }
  })

  it("rejects with what DataLoader rejects with when the batch function breaks its contract", async () => {
    const functions: ReadonlyArray<(keys: ReadonlyArray<number>) => unknown> = [
      () => {
        throw new Error("Mock Synchronous Error")
      },
      () => undefined,
      () => "text",
      (keys) => keys,
      () => Promise.resolve(null),
      () => Promise.resolve("text"),
      () => Promise.resolve([]),
      () => Promise.resolve([1, 2]),
      () => Promise.resolve(new Array(1))
    ]
    for (const batchLoadFn of functions) {
      const [theirs, ours] = await Promise.all(
        classes.map(([, Class]) => rejection(new Class<number, number>(bad<never>(batchLoadFn)).load(1)))
      )
      assert.strictEqual(ours, theirs)
      assert.include(ours, "TypeError: DataLoader must be constructed with a function")
    }
  })

  it("keeps a value that was primed while a batch was failing, which DataLoader drops", async () => {
    const loader = new DataLoaderCompat.DataLoaderCompat<number, string>(() => Promise.reject(new Error("down")))
    const failing = loader.load(1)
    loader.clear(1).prime(1, "primed")
    await rejection(failing)
    assert.strictEqual(await loader.load(1), "primed")
  })
})

describe("Source.toDataLoader", () => {
  const doubled = () => {
    const calls: Array<ReadonlyArray<number>> = []
    const source = Source.make("Doubled", {
      key: Schema.Number,
      success: Schema.Number,
      failure: Schema.instanceOf(RangeError),
      resolve: (keys) =>
        Effect.sync(() => {
          calls.push(keys)
          return keys.map((key) => (key < 0 ? Source.fail(new RangeError(`${key}`)) : key * 2))
        })
    })
    return { calls, source }
  }

  it.scoped("meets the loads of everybody else in one batch", () =>
    Effect.gen(function* () {
      const { calls, source } = doubled()
      const operation = yield* Operation.make()
      const loader: DataLoader<number, number> = Source.toDataLoader(source, operation)
      assert.strictEqual(loader.name, "Doubled")
      const [values, value] = yield* Effect.all(
        [
          Effect.promise(() => loader.loadMany([1, 2, 1, -1])),
          Effect.provideService(source.load(3), Operation.Operation, operation)
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(values.slice(0, 3), [2, 4, 2])
      assert.instanceOf(values[3], RangeError)
      assert.strictEqual(value, 6)
      assert.deepStrictEqual(
        calls.map((keys) => [...keys].sort((a, b) => a - b)),
        [[-1, 1, 2, 3]]
      )
    })
  )

  it.scoped("passes on what it is told to remember and to forget", () =>
    Effect.gen(function* () {
      const { calls, source } = doubled()
      const operation = yield* Operation.make()
      const loader = Source.toDataLoader(source, operation)
      // DataLoader primes with any Error.
      // @effect-diagnostics-next-line globalErrorInEffectFailure:off
      loader.prime(1, 100).prime(2, new RangeError("two"))
      assert.strictEqual(yield* Effect.provideService(source.load(1), Operation.Operation, operation), 100)
      assert.strictEqual(yield* Effect.promise(() => rejection(loader.load(2))), "RangeError: two")
      assert.strictEqual(yield* Effect.promise(() => loader.clear(1).load(1)), 2)
      assert.strictEqual(yield* Effect.promise(() => loader.clearAll().load(2)), 4)
      assert.deepStrictEqual(calls, [[1], [2]])
    })
  )

  it.scoped("keeps DataLoader's own options and checks", () =>
    Effect.gen(function* () {
      const { source } = doubled()
      const operation = yield* Operation.make()
      const stash = new Map<number, Promise<number>>()
      const loader = Source.toDataLoader(source, operation, { cacheMap: stash, name: "Mine" })
      assert.strictEqual(yield* Effect.promise(() => loader.load(1)), 2)
      assert.deepStrictEqual([...stash.keys()], [1])
      assert.strictEqual(loader.name, "Mine")
      assert.include(
        messageOf(() => loader.load(null as unknown as number)),
        "must be called with a value"
      )
    })
  )
})
