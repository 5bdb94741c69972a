/**
 * What makes two keys the same key.
 *
 * A table of keys is a plain `Map` whenever a key has a primitive that stands
 * for it. Whether it has one is decided once per source, from the key's schema.
 */
import * as Data from "effect/Data"
import * as Equal from "effect/Equal"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"

/** The part of `Map` that a table of keys needs. */
export interface Table<V> {
  readonly size: number
  get(id: unknown): V | undefined
  set(id: unknown, value: V): unknown
  delete(id: unknown): boolean
  clear(): void
  values(): Iterable<V>
}

/** How keys of one source are told apart. */
export interface Identity<K> {
  /** The stand-in of a key. The function itself when keys stand for themselves. */
  readonly of: (key: K) => unknown
  /** Whether a key is its own stand-in. */
  readonly isPrimitive: boolean
  /** Whether the stand-in can be written down. */
  readonly hasString: boolean
  readonly table: <V>() => Table<V>
}

const itself = (key: unknown): unknown => key

const map = <V>(): Table<V> => new Map<unknown, V>()

/** A table of keys that carry their own equality. */
class EqualTable<V> implements Table<V> {
  private readonly entries = MutableHashMap.empty<unknown, V>()
  get size(): number {
    return MutableHashMap.size(this.entries)
  }
  get(id: unknown): V | undefined {
    return Option.getOrUndefined(MutableHashMap.get(this.entries, id))
  }
  set(id: unknown, value: V): void {
    MutableHashMap.set(this.entries, id, value)
  }
  delete(id: unknown): boolean {
    const had = MutableHashMap.has(this.entries, id)
    MutableHashMap.remove(this.entries, id)
    return had
  }
  clear(): void {
    MutableHashMap.clear(this.entries)
  }
  values(): Iterable<V> {
    return MutableHashMap.values(this.entries)
  }
}

/** Keys that are primitives, or that a function turned into one. */
export const primitive: Identity<unknown> = { of: itself, isPrimitive: true, hasString: true, table: map }

/** Primitives among which are symbols. */
const symbolic: Identity<unknown> = { ...primitive, hasString: false }

/** Keys made of records, tuples, dates and bytes down to primitives: one string each. */
const plain: Identity<unknown> = { of: (key) => canonical(key), isPrimitive: false, hasString: true, table: map }

/** Keys in which something brings its own equality. */
export const equal: Identity<unknown> = {
  of: (key) => comparable(key),
  isPrimitive: false,
  hasString: false,
  table: () => new EqualTable()
}

const isPlainObject = (value: object): value is Record<string, unknown> => {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** One string per value, different for different values: every part names its type. */
const canonical = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value)
    case "number":
      return value === 0 ? "0" : String(value)
    case "bigint":
      return `${value}n`
    case "object": {
      if (value === null) return "null"
      if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
      if (value instanceof Date) return `@${value.getTime()}`
      if (value instanceof Uint8Array) return `#${Array.from(value).join()}`
      const record = value as Record<string, unknown>
      const names = Object.keys(record).sort()
      return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(record[name])}`).join()}}`
    }
    default:
      return String(value)
  }
}

/** The same value, as something `Equal` compares all the way down. */
const comparable = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null || Equal.isEqual(value)) return value
  if (Array.isArray(value)) return Data.array(value.map(comparable))
  if (value instanceof Date) return Data.tuple("Date", value.getTime())
  if (value instanceof Uint8Array) return Data.array(["Bytes", ...value])
  if (!isPlainObject(value)) return value
  return Data.struct(Object.fromEntries(Object.entries(value).map(([name, part]) => [name, comparable(part)])))
}

type Kind = "primitive" | "plain" | "equal"

const kindOf = (ast: SchemaAST.AST): Kind => {
  switch (ast._tag) {
    case "StringKeyword":
    case "NumberKeyword":
    case "BooleanKeyword":
    case "BigIntKeyword":
    case "SymbolKeyword":
    case "UniqueSymbol":
    case "Literal":
    case "Enums":
    case "TemplateLiteral":
    case "UndefinedKeyword":
    case "VoidKeyword":
    case "NeverKeyword":
      return "primitive"
    case "Refinement":
      return kindOf(ast.from)
    case "Union":
      return ast.types.map(kindOf).reduce(union)
    case "TupleType":
      return [...ast.elements, ...ast.rest].map((part) => kindOf(part.type)).reduce(within, "plain")
    case "TypeLiteral":
      return [...ast.propertySignatures, ...ast.indexSignatures]
        .map((part) => kindOf(part.type))
        .reduce(within, "plain")
    case "Declaration":
      return isDate(ast) || isBytes(ast) ? "plain" : "equal"
    default:
      return "equal"
  }
}

const identifierOf = (ast: SchemaAST.AST): string => Option.getOrElse(SchemaAST.getIdentifierAnnotation(ast), () => "")
const isDate = (ast: SchemaAST.AST): boolean => identifierOf(ast) === "DateFromSelf"
const isBytes = (ast: SchemaAST.AST): boolean => identifierOf(ast) === "Uint8ArrayFromSelf"

/** A union of primitives is primitive; anything beside it makes every member go by its string or its equality. */
const union = (left: Kind, right: Kind): Kind => (left === right ? left : within(left, right))

/** Symbols have no string that tells them apart, so they are left to `Equal` when they are part of something. */
const within = (left: Kind, right: Kind): Kind => (left === "equal" || right === "equal" ? "equal" : "plain")

const hasSymbol = (ast: SchemaAST.AST): boolean => {
  switch (ast._tag) {
    case "SymbolKeyword":
    case "UniqueSymbol":
      return true
    case "Refinement":
      return hasSymbol(ast.from)
    case "Union":
      return ast.types.some(hasSymbol)
    case "TupleType":
      return [...ast.elements, ...ast.rest].some((part) => hasSymbol(part.type))
    case "TypeLiteral":
      return (
        ast.propertySignatures.some((part) => typeof part.name === "symbol" || hasSymbol(part.type)) ||
        ast.indexSignatures.some((part) => hasSymbol(part.parameter) || hasSymbol(part.type))
      )
    default:
      return false
  }
}

/** Reads from a schema how its values are told apart: by value, whatever they are made of. */
export const fromSchema = <A, I>(schema: Schema.Schema<A, I>): Identity<A> => {
  const ast = Schema.typeSchema(schema).ast
  const kind = kindOf(ast)
  if (kind === "primitive") return hasSymbol(ast) ? symbolic : primitive
  return kind === "plain" && !hasSymbol(ast) ? plain : equal
}

/** Keys told apart by the primitive that a function gives for them. */
export const fromFunction = <K>(of: (key: K) => unknown): Identity<K> => ({
  of,
  isPrimitive: false,
  hasString: true,
  table: map
})
