/** The memo of a source that lives somewhere else: asked before the resolver, told after it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Batch } from "./batch.ts"
import type { External } from "./definition.ts"
import type { Entry } from "./entry.ts"
import type { Lane } from "./lane.ts"

/** The place of a lane in the store. Every part is quoted, so that no two places run into each other. */
const prefixOf = (owner: unknown, groupId: unknown): string => `${tagged(owner)}/${tagged(groupId)}/`

const keyOf = ({ groupId, owner }: Lane, id: unknown): string => prefixOf(owner, groupId) + tagged(id)

const tagged = (part: unknown): string => {
  if (typeof part === "symbol") throw new TypeError(`A symbol cannot be a key in a store: ${String(part)}`)
  return typeof part === "string" ? JSON.stringify(part) : typeof part === "bigint" ? `${part}n` : String(part)
}

/** Answers what the store has, then calls for the rest. */
export const lookUp = (
  batch: Batch,
  external: External,
  call: Effect.Effect<unknown, unknown>
): Effect.Effect<unknown, unknown> => {
  const { lane } = batch
  if (lane.epoch > 0 && !external.acrossEpochs) return call
  return Effect.flatMap(external.store, (store) => {
    batch.position = store.position?.()
    const entries = batch.entries.filter((entry) => entry.isWanted && batch.fresh?.has(entry) !== true)
    if (entries.length === 0) return call
    const keys = entries.map((entry) => keyOf(lane, entry.id))
    return Effect.flatMap(store.getMany(keys), (found) => {
      entries.forEach((entry, i) => {
        const value = found[i]
        if (value === undefined || Option.isNone(value) || entry.isAnswered) return
        lane.hit()
        batch.complete(entry, Exit.succeed(value.value))
      })
      return call
    })
  })
}

/** Writes down what the resolver has answered, as far as it still holds. `undefined` when there is nothing to write. */
export const keep = (batch: Batch, external: External): Effect.Effect<void> | undefined => {
  const { lane } = batch
  if (lane.epoch !== lane.state.epoch) return undefined
  const answered: Array<readonly [key: string, value: unknown]> = []
  for (const entry of batch.entries) {
    if (entry.isAnswered && !entry.hasFailed && lane.holds(entry)) answered.push([keyOf(lane, entry.id), entry.value])
  }
  if (answered.length === 0) return undefined
  const options = batch.position === undefined ? {} : { since: batch.position }
  return Effect.flatMap(external.store, (store) =>
    Effect.forEach(answered, ([key, value]) => store.set(key, value, { timeToLive: external.timeToLive, ...options }), {
      concurrency: 16,
      discard: true
    })
  )
}

export const put = (lane: Lane, external: External, entry: Entry, value: unknown): Effect.Effect<void> =>
  Effect.flatMap(external.store, (store) =>
    Effect.asVoid(store.set(keyOf(lane, entry.id), value, { timeToLive: external.timeToLive }))
  )

export const remove = (lane: Lane, external: External, ids: ReadonlyArray<unknown>): Effect.Effect<void> =>
  Effect.flatMap(external.store, (store) =>
    Effect.forEach(ids, (id) => store.remove(keyOf(lane, id)), { concurrency: 16, discard: true })
  )

/** Forgets a group of an owner, or all groups of it. */
export const removeAll = (external: External, owner: unknown, group?: { readonly id: unknown }): Effect.Effect<void> =>
  Effect.flatMap(external.store, (store) =>
    Effect.asVoid(store.removePrefix(group === undefined ? `${tagged(owner)}/` : prefixOf(owner, group.id)))
  )
