/** The pairs of the batching table. Each runs in a process of its own. */
import { Fiberless, Memo, Operation, Source } from "@wellspring/source"
import DataLoader from "dataloader"
import { Context, Effect, Exit, Request, RequestResolver, Runtime, RuntimeFlags, Schema, Scope } from "effect"
import * as Scheduler from "effect/Scheduler"
import type { Contender } from "./pair.ts"

export interface Case {
  readonly name: string
  readonly target?: number
  readonly reference: () => Contender
  readonly contender: () => Contender
}

const keys = (count: number): Array<number> => Array.from({ length: count }, (_, i) => i)

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** `count` keys, in `batches` batches, each load for itself. */
const dataLoader = (batches: number, count: number, many = false): Contender => ({
  name: "DataLoader",
  run: async () => {
    const loader = new DataLoader<number, number>((keys) => Promise.resolve(keys.map((key) => key + 1)))
    for (let batch = 0; batch < batches; batch++) {
      const wanted = keys(count).map((key) => key + batch * count)
      if (many) await loader.loadMany(wanted)
      else await Promise.all(wanted.map((key) => loader.load(key)))
    }
  }
})

const plusOne = (memo: Memo.Memo = Memo.operation) =>
  Source.make("PlusOne", {
    key: Schema.Number,
    success: Schema.Number,
    memo,
    resolve: (keys) => Effect.succeed(keys.map((key) => key + 1))
  })

type Plain = Source.Source<number, number>

/** Runs `body` in a new Operation, as an adapter does for every request. */
const operation = async (body: (context: Context.Context<Operation.Operation>) => Promise<unknown>): Promise<void> => {
  const scope = Effect.runSync(Scope.make())
  const service = Effect.runSync(Scope.extend(Operation.make(), scope))
  await body(Context.make(Operation.Operation, service))
  Effect.runSync(Scope.close(scope, Exit.void))
}

/** All loads by callback, one settlement for all: what an adapter does that has many fields to answer. */
const byCallback = (source: Plain, wanted: ReadonlyArray<number>, context: Context.Context<Operation.Operation>) =>
  new Promise<void>((resolve) => {
    let left = wanted.length
    const done = () => {
      if (--left === 0) resolve()
    }
    for (const key of wanted) {
      const started = Fiberless.start(source.load(key), context, done)
      if (typeof started !== "function") done()
    }
  })

const callback = (batches: number, count: number, source: Plain): Contender => ({
  name: "Source, by callback",
  run: () =>
    operation(async (context) => {
      for (let batch = 0; batch < batches; batch++) {
        await byCallback(
          source,
          keys(count).map((key) => key + batch * count),
          context
        )
      }
    })
})

const effects = (
  name: string,
  batches: number,
  count: number,
  all: (wanted: ReadonlyArray<number>, runtime: Runtime.Runtime<Operation.Operation>) => Promise<unknown>
): Contender => ({
  name,
  run: () =>
    operation(async (context) => {
      const runtime = Runtime.make({
        context,
        runtimeFlags: RuntimeFlags.disable(Runtime.defaultRuntimeFlags, RuntimeFlags.RuntimeMetrics),
        fiberRefs: Runtime.defaultRuntime.fiberRefs
      })
      for (let batch = 0; batch < batches; batch++) {
        await all(
          keys(count).map((key) => key + batch * count),
          runtime
        )
      }
    })
})

const loadMany = (batches: number, count: number): Contender => {
  const source = plusOne()
  return effects("Source.loadMany", batches, count, (wanted, runtime) =>
    Runtime.runPromise(runtime)(source.loadMany(wanted))
  )
}

const forEach = (batches: number, count: number): Contender => {
  const source = plusOne()
  return effects("Effect.forEach, unbounded", batches, count, (wanted, runtime) =>
    Runtime.runPromise(runtime)(Effect.forEach(wanted, source.load, { concurrency: "unbounded" }))
  )
}

/** One queue for all fibers, where the default has a runner for each of them. */
const scheduler: Scheduler.Scheduler = {
  shouldYield: (fiber) => Scheduler.defaultScheduler.shouldYield(fiber),
  scheduleTask: (task, priority) => Scheduler.defaultScheduler.scheduleTask(task, priority)
}

const fibers = (batches: number, count: number): Contender => {
  const source = plusOne()
  return effects(
    "one fiber a load",
    batches,
    count,
    (wanted, runtime) =>
      new Promise<void>((resolve) => {
        let left = wanted.length
        for (const key of wanted) {
          Runtime.runFork(runtime)(source.load(key), { scheduler }).addObserver(() => {
            if (--left === 0) resolve()
          })
        }
      })
  )
}

class PlusOne extends Request.TaggedClass("PlusOne")<number, never, { readonly key: number }> {}

const resolver = (batches: number, count: number): Contender => {
  const batched = RequestResolver.makeBatched((requests: ReadonlyArray<PlusOne>) =>
    Effect.forEach(requests, (request) => Request.succeed(request, request.key + 1), { discard: true })
  )
  const source = Source.fromResolver("PlusOne", batched, { cacheKey: ({ key }: PlusOne) => key })
  return {
    name: "makeBatched behind Source",
    run: () =>
      operation(async (context) => {
        for (let batch = 0; batch < batches; batch++) {
          await new Promise<void>((resolve) => {
            let left = count
            for (let i = 0; i < count; i++) {
              Fiberless.start(source.load(new PlusOne({ key: i + batch * count })), context, () => {
                if (--left === 0) resolve()
              })
            }
          })
        }
      })
  }
}

const warmKeys = 100
const hits = 10_000

const dataLoaderHits = (): Contender => {
  const loader = new DataLoader<number, number>((keys) => Promise.resolve(keys.map((key) => key + 1)))
  return {
    name: "DataLoader, hits",
    run: async () => {
      const values: Array<Promise<number>> = []
      for (let i = 0; i < hits; i++) values.push(loader.load(i % warmKeys))
      await Promise.all(values)
    }
  }
}

const sourceHits = (): Contender => {
  const source = plusOne()
  const scope = Effect.runSync(Scope.make())
  const context = Context.make(Operation.Operation, Effect.runSync(Scope.extend(Operation.make(), scope)))
  let sum = 0
  return {
    name: "Source, hits",
    run: async () => {
      for (let i = 0; i < hits; i++) {
        const started = Fiberless.start(source.load(i % warmKeys), context, () => undefined)
        if (typeof started !== "function" && Exit.isSuccess(started)) sum += started.value
      }
      await turn()
      return sum
    }
  }
}

const shapes = [
  [1, 10_000],
  [100, 100]
] as const

export const cases: ReadonlyArray<Case> = [
  ...shapes.flatMap(([batches, count]): Array<Case> => {
    const shape = batches === 1 ? `${count} keys in one turn` : `${batches} × ${count} keys`
    const load = () => dataLoader(batches, count)
    return [
      {
        name: `load by callback, ${shape}`,
        target: 1,
        reference: load,
        contender: () => callback(batches, count, plusOne())
      },
      {
        name: `loadMany, ${shape}`,
        target: 0.5,
        reference: () => dataLoader(batches, count, true),
        contender: () => loadMany(batches, count)
      },
      { name: `makeBatched resolver, ${shape}`, target: 3, reference: load, contender: () => resolver(batches, count) },
      { name: `one lean fiber a load, ${shape}`, target: 10, reference: load, contender: () => fibers(batches, count) },
      { name: `Effect.forEach(load, unbounded), ${shape}`, reference: load, contender: () => forEach(batches, count) }
    ]
  }),
  { name: "memo hit", target: 0.35, reference: dataLoaderHits, contender: sourceHits }
]
