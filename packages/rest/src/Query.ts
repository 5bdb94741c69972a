/**
 * Query parameters from a Schema.
 *
 * Every field of the encoded record becomes one or more `name=value` pairs:
 * numbers, booleans, bigints and dates as text (dates as ISO 8601), arrays in
 * one of three styles, `undefined` and `null` left out. A nested object, `NaN`
 * or an infinity is refused by name, where `URLSearchParams` would have sent
 * `[object Object]`.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import * as Scalar from "./internal/scalar.ts"
import { Problem } from "./Path.ts"

/** How an array is written: `a=1&a=2`, `a=1,2`, or `a[]=1&a[]=2`. An empty array is left out in each of them. */
export type Arrays = "repeat" | "comma" | "brackets"

/** Ordered pairs, not yet percent-encoded. */
export type Pairs = ReadonlyArray<readonly [name: string, value: string]>

/** A compiled query: its field names and how a record becomes pairs. */
export interface Query<in A> {
  readonly names: ReadonlyArray<string>
  /** Pairs sorted by name, repeats in the order given; or the field that was refused. */
  readonly encode: (values: A) => Pairs | Problem
}

/** The names of a record schema's fields, whatever transformation stands around it. */
export const namesOf = (ast: AST.AST): ReadonlyArray<string> =>
  AST.getPropertySignatures(AST.typeAST(ast)).map((signature) => String(signature.name))

/** Compiles a record schema. Throws when the schema is not a record with known fields. */
export const make = <A, I>(schema: Schema.Schema<A, I>, arrays: Arrays = "repeat"): Query<A> => {
  const names = namesOf(schema.ast)
  const encode = ParseResult.encodeUnknownEither(schema, { onExcessProperty: "ignore" })
  const isPrimitive = everyFieldPrimitive(schema.ast)
  return {
    names,
    encode: (values) => {
      if (isPrimitive !== undefined) {
        const pairs = isPrimitive(values as Record<string, unknown>)
        if (pairs !== undefined) return pairs
      }
      const encoded = encode(values)
      if (Either.isLeft(encoded)) return new Problem(fieldOf(encoded.left) ?? "query", "it does not match its schema")
      return pairsOf(encoded.right as Readonly<Record<string, unknown>>, arrays)
    }
  }
}

/** A cheaper path for the common record of optional strings, numbers and booleans; undefined where it does not apply. */
const everyFieldPrimitive = (ast: AST.AST): ((values: Record<string, unknown>) => Pairs | undefined) | undefined => {
  if (!AST.isTypeLiteral(ast) || ast.indexSignatures.length > 0) return undefined
  const fields: Array<readonly [name: string, type: string, optional: boolean]> = []
  for (const field of ast.propertySignatures) {
    const types = AST.isUnion(field.type)
      ? field.type.types.filter((type) => !AST.isUndefinedKeyword(type))
      : [field.type]
    const type = types.length === 1 ? types[0] : undefined
    if (type === undefined || typeof field.name !== "string") return undefined
    if (AST.isStringKeyword(type)) fields.push([field.name, "string", field.isOptional || AST.isUnion(field.type)])
    else if (AST.isNumberKeyword(type)) fields.push([field.name, "number", field.isOptional || AST.isUnion(field.type)])
    else if (AST.isBooleanKeyword(type))
      fields.push([field.name, "boolean", field.isOptional || AST.isUnion(field.type)])
    else return undefined
  }
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return (values) => {
    const pairs: Array<readonly [string, string]> = []
    for (const [name, type, optional] of fields) {
      const value = values[name]
      if (value === undefined && optional) continue
      // Anything unexpected goes the long way, which knows what to say about it.
      if (typeof value !== type || (type === "number" && !Number.isFinite(value))) return undefined
      pairs.push([name, String(value)])
    }
    return pairs
  }
}

/** @internal */
export const pairsOf = (record: Readonly<Record<string, unknown>>, arrays: Arrays): Pairs | Problem => {
  const pairs: Array<readonly [string, string]> = []
  for (const name of Object.keys(record).sort()) {
    const value = record[name]
    if (value === undefined || value === null) continue
    if (!Array.isArray(value)) {
      const text = Scalar.text(value)
      if (text === undefined) return new Problem(name, "it is not text, a finite number, a boolean or a date")
      pairs.push([name, text])
      continue
    }
    const texts: Array<string> = []
    for (const item of value) {
      if (item === undefined || item === null) continue
      const text = Scalar.text(item)
      if (text === undefined) return new Problem(name, "an element is not text, a finite number, a boolean or a date")
      texts.push(text)
    }
    if (texts.length === 0) continue
    if (arrays === "comma") {
      // A comma inside an element could not be told from one between elements.
      if (texts.some((text) => text.includes(","))) return new Problem(name, "an element contains a comma")
      pairs.push([name, texts.join(",")])
    } else for (const text of texts) pairs.push([arrays === "brackets" ? `${name}[]` : name, text])
  }
  return pairs
}

const fieldOf = (error: ParseResult.ParseIssue): string | undefined => {
  const [issue] = ParseResult.ArrayFormatter.formatIssueSync(error)
  return issue?.path[0] === undefined ? undefined : String(issue.path[0])
}

const plain = /^[A-Za-z0-9_.~-]*$/

/** Pairs as the text after `?`; spaces as `%20`. Half a surrogate pair is written as U+FFFD, as a URL does. */
export const toString = (pairs: Pairs): string => {
  let text = ""
  for (const [name, value] of pairs) {
    text += `${text === "" ? "" : "&"}${encode(name)}=${encode(value)}`
  }
  return text
}

const encode = (text: string): string =>
  plain.test(text) ? text : encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd"))
