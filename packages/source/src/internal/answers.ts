/** The forms in which a resolver may answer. */
import * as HashMap from "effect/HashMap"

/** One key's failure, in the place where its value would be. */
export class Failed<out E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

/** Rows in any order, each of which says its key. */
export class Rows<out K, out A> {
  readonly rows: Iterable<unknown>
  readonly keyOf: (row: never) => K
  readonly many: boolean
  declare readonly answer: A
  constructor(rows: Iterable<unknown>, keyOf: (row: never) => K, many: boolean) {
    this.rows = rows
    this.keyOf = keyOf
    this.many = many
  }
}

export type Slot<A, E> = A | Failed<E>

export type Answers<K, A, E> =
  | ReadonlyArray<Slot<A, E>>
  | ReadonlyMap<K, Slot<A, E>>
  | HashMap.HashMap<K, Slot<A, E>>
  | Rows<K, Slot<A, E>>
  | undefined

export const none: unique symbol = Symbol.for("@wellspring/source/none")

/**
 * Reads answers that go by key, as a function of the key and its identity.
 * `undefined` is returned for what is not an answer at all.
 */
export const reader = (
  answers: unknown,
  of: (key: unknown) => unknown,
  primitive: boolean
): ((key: unknown, id: unknown) => unknown) | undefined => {
  if (answers === undefined) return () => none
  if (answers instanceof Map) return fromMap(answers, of, primitive)
  if (HashMap.isHashMap(answers)) return fromMap(new Map(answers), of, primitive)
  if (answers instanceof Rows) return fromRows(answers, of)
  return undefined
}

const fromMap = (map: ReadonlyMap<unknown, unknown>, of: (key: unknown) => unknown, primitive: boolean) => {
  if (primitive) return (key: unknown) => (map.has(key) ? map.get(key) : none)
  const byId = new Map<unknown, unknown>()
  for (const [key, value] of map) byId.set(of(key), value)
  return (_: unknown, id: unknown) => (byId.has(id) ? byId.get(id) : none)
}

const fromRows = ({ keyOf, many, rows }: Rows<unknown, unknown>, of: (key: unknown) => unknown) => {
  const keyOfRow = keyOf as (row: unknown) => unknown
  if (!many) {
    const byId = new Map<unknown, unknown>()
    for (const row of rows) byId.set(of(keyOfRow(row)), row)
    return (_: unknown, id: unknown) => (byId.has(id) ? byId.get(id) : none)
  }
  const groups = new Map<unknown, Array<unknown>>()
  for (const row of rows) {
    const id = of(keyOfRow(row))
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [row])
    else group.push(row)
  }
  return (_: unknown, id: unknown) => groups.get(id) ?? []
}
