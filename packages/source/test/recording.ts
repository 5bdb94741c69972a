/** Sources that keep what they were asked, for tests to look at. */
import { type Memo, type Policy, Source } from "@wellspring/source"
import { Effect, Schema } from "effect"

/** Answers `"<key>!"`, and keeps the lists of keys it was asked for. */
export const recording = (
  options: {
    readonly policy?: Policy.Policy
    readonly memo?: Memo.Memo<string>
    readonly maxBatchSize?: number
    readonly maxConcurrentBatches?: number
    readonly rateLimit?: { readonly limit: number; readonly interval: string & `${number} ${"seconds" | "millis"}` }
    readonly distinct?: boolean
    readonly before?: Effect.Effect<void>
  } = {}
) => {
  const calls: Array<ReadonlyArray<number>> = []
  const { before = Effect.void, ...rest } = options
  const source = Source.make("Recording", {
    key: Schema.Number,
    success: Schema.String,
    ...rest,
    resolve: (keys) => {
      calls.push(keys)
      return Effect.as(
        before,
        keys.map((key) => `${key}!`)
      )
    }
  })
  return { calls, source }
}

/** Lets every turn of the event loop that is due go by. */
export const turns = (count = 3): Effect.Effect<void> =>
  Effect.repeatN(
    Effect.async<void>((resume) => {
      setImmediate(() => resume(Effect.void))
    }),
    count - 1
  )
