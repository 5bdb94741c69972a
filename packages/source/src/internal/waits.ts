/**
 * Resolvers that wait for other batches.
 *
 * A batch whose resolver loads from a source waits for the batch that the key
 * travels in. While it waits it counts as paused; a wait that would close a
 * circle is refused, since nobody in the circle could ever be answered.
 */
import * as SourceError from "../SourceError.ts"
import type { Batch } from "./batch.ts"

/** A chain of resolvers that wait for each other is not followed further than this. */
const maxDepth = 1000

/** Notes that a batch waits for others, unless that would be for ever. */
export const begin = (self: Batch, batches: Iterable<Batch>, key: unknown): SourceError.LoadCycle | undefined => {
  for (const batch of batches) {
    const path = self.waits?.has(batch) === true ? undefined : pathTo(batch, self, new Set())
    if (path === undefined && self.depth < maxDepth) continue
    const sources = [self, ...(path ?? [batch])].map(({ lane }) => lane.definition.name)
    return new SourceError.LoadCycle({ sources, key })
  }
  const wasWaiting = self.waits !== undefined
  self.waits ??= new Map()
  for (const batch of batches) {
    batch.depth = Math.max(batch.depth, self.depth + 1)
    self.waits.set(batch, (self.waits.get(batch) ?? 0) + 1)
  }
  if (!wasWaiting) self.paused()
  return undefined
}

/** Notes that a wait is over. */
export const end = (self: Batch, batches: Iterable<Batch>): void => {
  const { waits } = self
  if (waits === undefined) return
  for (const batch of batches) {
    const left = (waits.get(batch) ?? 1) - 1
    if (left > 0) waits.set(batch, left)
    else waits.delete(batch)
  }
  if (waits.size > 0) return
  self.waits = undefined
  self.resumed()
}

/** The batches by which one waits for another, both included. */
const pathTo = (self: Batch, other: Batch, visited: Set<Batch>): ReadonlyArray<Batch> | undefined => {
  if (self === other) return [self]
  if (self.waits === undefined || visited.has(self)) return undefined
  visited.add(self)
  for (const batch of self.waits.keys()) {
    const path = pathTo(batch, other, visited)
    if (path !== undefined) return [self, ...path]
  }
  return undefined
}
