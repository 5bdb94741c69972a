/** The forms in which a resolver may answer, and how they are read. */
import * as HashMap from "effect/HashMap"
import type { Identity, Table } from "./identity.ts"

/** One key's failure, in the place where its value would be. */
export class Failed<out E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

/** Rows in any order, each of which says its key. */
export class Rows<out K, out A> {
  declare readonly answer: A
  readonly rows: Iterable<unknown>
  readonly keyOf: (row: unknown) => K
  /** Whether a key has all rows that name it, or the last one. */
  readonly isGrouped: boolean
  constructor(rows: Iterable<unknown>, keyOf: (row: unknown) => K, isGrouped: boolean) {
    this.rows = rows
    this.keyOf = keyOf
    this.isGrouped = isGrouped
  }
}

/** Says of a key that it has no answer. */
export const none: unique symbol = Symbol.for("@wellspring/source/none")

/** Finds the answer for a key among answers that go by key. */
export type Reader = (key: unknown, id: unknown) => unknown

/** How to read answers that go by key; `undefined` when they are no answers at all. */
export const reader = (answers: unknown, identity: Identity<unknown>): Reader | undefined => {
  if (answers === undefined) return () => none
  if (answers instanceof Map) return fromMap(answers, identity)
  if (HashMap.isHashMap(answers)) return fromEntries(answers, identity)
  if (answers instanceof Rows) return answers.isGrouped ? fromGroups(answers, identity) : fromRows(answers, identity)
  return undefined
}

const fromMap = (map: ReadonlyMap<unknown, unknown>, identity: Identity<unknown>): Reader =>
  identity.isPrimitive ? (key) => (map.has(key) ? map.get(key) : none) : fromEntries(map, identity)

const fromEntries = (entries: Iterable<readonly [unknown, unknown]>, identity: Identity<unknown>): Reader => {
  const byId: Table<{ readonly value: unknown }> = identity.table()
  for (const [key, value] of entries) byId.set(identity.of(key), { value })
  return (_, id) => {
    const found = byId.get(id)
    return found === undefined ? none : found.value
  }
}

const fromRows = ({ keyOf, rows }: Rows<unknown, unknown>, identity: Identity<unknown>): Reader => {
  const byId: Table<{ readonly value: unknown }> = identity.table()
  for (const value of rows) byId.set(identity.of(keyOf(value)), { value })
  return (_, id) => {
    const found = byId.get(id)
    return found === undefined ? none : found.value
  }
}

const fromGroups = ({ keyOf, rows }: Rows<unknown, unknown>, identity: Identity<unknown>): Reader => {
  const byId: Table<Array<unknown>> = identity.table()
  for (const row of rows) {
    const id = identity.of(keyOf(row))
    const group = byId.get(id)
    if (group === undefined) byId.set(id, [row])
    else group.push(row)
  }
  return (_, id) => byId.get(id) ?? []
}
