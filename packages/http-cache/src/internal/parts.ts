/** Parts of one representation and their bodies, joined where they touch. */
import * as Combining from "../Combining.ts"
import type * as Message from "../Message.ts"
import type { Policy } from "../Policy.ts"
import * as Ranges from "../Ranges.ts"
import * as Selection from "../Selection.ts"
import * as Body from "./body.ts"
import type { Slot } from "./stored.ts"
import * as Stored from "./stored.ts"

export const join = (
  older: Stored.Stored,
  newer: Stored.Stored,
  options?: { readonly sameForSure?: boolean }
): Stored.Stored | undefined => {
  const entry = Combining.join(Stored.entryOf(older), Stored.entryOf(newer), options)
  if (entry === undefined || older.range === undefined || newer.range === undefined) return undefined
  const bytes = Ranges.concat(
    { range: older.range, body: Body.view(older.body) },
    { range: newer.range, body: Body.view(newer.body) }
  )
  return Stored.make(entry, Body.fromBytes(bytes), [...new Set([...older.tags, ...newer.tags])])
}

/** A slot with one more response, in place of what it replaces, and grown together with the parts it completes. */
export const insert = (
  policy: Policy,
  slot: Slot,
  stored: Stored.Stored,
  request: Message.Fields,
  maxBytes: number
): Slot => {
  let grown = stored
  if (stored.range !== undefined) {
    for (const other of slot) {
      const joined = join(other, grown)
      if (joined !== undefined && Body.length(joined.body) <= maxBytes) grown = joined
    }
  }
  return Selection.insert(policy, slot, grown, request, Stored.mostVariants)
}
