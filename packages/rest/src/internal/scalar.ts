/**
 * Writing scalars as text, with the common schemas recognised beforehand so
 * that they cost a `typeof` instead of a run of the schema interpreter.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"

/** Text of an encoded scalar; undefined when it has none (NaN, infinities, objects). */
export const text = (encoded: unknown): string | undefined => {
  switch (typeof encoded) {
    case "string":
      return encoded
    case "number":
      return Number.isFinite(encoded) ? String(encoded) : undefined
    case "boolean":
    case "bigint":
      return String(encoded)
    case "object":
      return encoded instanceof Date && !Number.isNaN(encoded.getTime()) ? encoded.toISOString() : undefined
    default:
      return undefined
  }
}

const primitive = (ast: AST.AST): "string" | "number" | "boolean" | undefined => {
  switch (ast._tag) {
    case "StringKeyword":
      return "string"
    case "NumberKeyword":
      return "number"
    case "BooleanKeyword":
      return "boolean"
    default:
      return undefined
  }
}

/** Encodes a value through its schema and writes it as text; undefined when the schema or the text refuses it. */
export const encoder = <A, I>(schema: Schema.Schema<A, I>): ((value: A) => string | undefined) => {
  const type = primitive(schema.ast)
  if (type !== undefined) return (value) => (typeof value === type ? text(value) : undefined)
  const encode = ParseResult.encodeUnknownEither(schema)
  return (value) => {
    const encoded = encode(value)
    return Either.isRight(encoded) ? text(encoded.right) : undefined
  }
}
