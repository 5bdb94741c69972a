/** JSON from outside, without the keys that reach for prototypes. */

// Any spelling: letters may be written as \u escapes. Only words are looked for, which takes one pass; whether they
// are keys, the walk over the value tells.
const suspicious = /__proto__|constructor|\\u00[4-7]/

/**
 * Parses JSON. The keys `__proto__`, and `constructor` where it holds a
 * `prototype`, are left out wherever they stand: code that copies keys later
 * would change prototypes by them.
 */
export const parse = (text: string): unknown => {
  const value: unknown = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  if (suspicious.test(text)) strip(value)
  return value
}

const strip = (value: unknown): void => {
  const pending = [value]
  while (pending.length > 0) {
    const next = pending.pop()
    if (typeof next !== "object" || next === null) continue
    if (!Array.isArray(next)) {
      const record = next as Record<string, unknown>
      if (Object.hasOwn(record, "__proto__")) delete record["__proto__"]
      if (Object.hasOwn(record, "constructor")) {
        const inner = record["constructor"]
        if (typeof inner === "object" && inner !== null && Object.hasOwn(inner, "prototype")) {
          delete record["constructor"]
        }
      }
    }
    for (const inner of Object.values(next)) pending.push(inner)
  }
}
