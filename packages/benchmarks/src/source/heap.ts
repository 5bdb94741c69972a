/** What a load costs in memory while it waits. */
import { Fiberless, Operation, Source } from "@wellspring/source"
import DataLoader from "dataloader"
import { Context, Effect, Schema, Scope } from "effect"

const count = 50_000

/** Kilobytes that each of `count` pending loads keeps alive. */
const kept = (load: (key: number) => unknown): number => {
  const collect = globalThis.gc
  if (collect === undefined) throw new Error("Run with --expose-gc")
  const held: Array<unknown> = new Array(count).fill(undefined)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < count; i++) held[i] = load(i)
  collect()
  const after = process.memoryUsage().heapUsed
  return (after - before) / count / 1000 + (held.length - count)
}

export const heapPerPendingLoad = (): { readonly dataLoader: number; readonly source: number } => {
  const loader = new DataLoader<number, number>((keys) => Promise.resolve([...keys]))
  const source = Source.make("Pending", {
    key: Schema.Number,
    success: Schema.Number,
    resolve: (keys) => Effect.succeed(keys)
  })
  const scope = Effect.runSync(Scope.make())
  const context = Context.make(Operation.Operation, Effect.runSync(Scope.extend(Operation.make(), scope)))
  return {
    dataLoader: kept((key) => loader.load(key)),
    source: kept((key) => Fiberless.start(source.load(key), context, () => undefined))
  }
}
