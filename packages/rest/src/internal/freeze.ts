/** Making a decoded value read-only, once, so that any number of callers may share it. */
import * as Data from "effect/Data"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"

const structuralHash = Data.Structural.prototype[Hash.symbol]

/**
 * Freezes plain objects, arrays and Schema classes, all the way down.
 *
 * What JavaScript cannot freeze (bytes, dates, maps, sets) and what is
 * immutable by its own rules (Effect's data types) is left as it is; values
 * inside an `Option` are reached. Throws a RangeError on a value nested beyond
 * the stack.
 */
export const deep = <A>(value: A): A => {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) deep(value[index])
    Object.freeze(value)
    return value
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return members(value)
  if (Option.isOption(value)) {
    if (Option.isSome(value)) deep(value.value)
    return value
  }
  const hash = (value as { readonly [Hash.symbol]?: () => number })[Hash.symbol]
  if (hash === structuralHash) {
    // A structural value remembers its hash in itself, which it cannot do any more once frozen.
    Hash.hash(value)
    return members(value)
  }
  return value
}

const members = <A extends object>(value: A): A => {
  for (const key of Object.keys(value)) deep((value as Record<string, unknown>)[key])
  return Object.freeze(value)
}
