/** Decoding through a Schema, synchronously where the schema allows it. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

export type Decoded = Either.Either<unknown, ParseResult.ParseIssue>

/** An Either at once, or an Effect where the schema holds asynchronous steps. */
export type Decoder = (input: unknown) => Decoded | Effect.Effect<unknown, ParseResult.ParseIssue>

const asIs: Decoder = (input) => Either.right(input)
const nothing: Decoder = () => Either.right(undefined)

export const decoder = <A, I>(schema: Schema.Schema<A, I>): Decoder => {
  const { ast } = schema
  if (AST.isUnknownKeyword(ast) || AST.isAnyKeyword(ast)) return asIs
  // `void` takes whatever comes: an endpoint without a result does not care what the upstream says besides its status.
  if (AST.isVoidKeyword(ast)) return nothing
  const decode = ParseResult.decodeUnknown(schema)
  return decode as Decoder
}

/** Whether the answer is at hand. */
export const isAtHand = (decoded: ReturnType<Decoder>): decoded is Decoded => Either.isEither(decoded)

/** The first thing wrong, for an error message: where, and what without quoting the value. */
export const describe = (
  issue: ParseResult.ParseIssue
): { readonly path: ReadonlyArray<string | number>; readonly problem: string } => {
  const path: Array<string | number> = []
  let current: ParseResult.ParseIssue = issue
  for (;;) {
    switch (current._tag) {
      case "Pointer": {
        for (const key of Array.isArray(current.path) ? current.path : [current.path]) {
          path.push(typeof key === "symbol" ? String(key) : key)
        }
        current = current.issue
        continue
      }
      case "Composite": {
        const next: ParseResult.ParseIssue | undefined = Array.isArray(current.issues)
          ? current.issues[0]
          : (current.issues as ParseResult.ParseIssue)
        if (next === undefined || AST.isUnion(current.ast)) {
          return { path, problem: `expected ${expected(current.ast)}, got ${kind(current.actual)}` }
        }
        current = next
        continue
      }
      case "Refinement":
      case "Transformation":
        if (current.kind === "Predicate") return { path, problem: `expected ${expected(current.ast)}` }
        current = current.issue
        continue
      case "Missing":
        return { path, problem: "it is missing" }
      case "Unexpected":
        return { path, problem: "it was not expected" }
      case "Type":
        return { path, problem: `expected ${expected(current.ast)}, got ${kind(current.actual)}` }
      case "Forbidden":
        return { path, problem: "its schema does not allow decoding" }
    }
  }
}

const expected = (ast: AST.AST): string => {
  const text = String(ast)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

const kind = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "an array" : value instanceof Uint8Array ? "bytes" : typeof value

/** The literal that a schema's encoded side has under `_tag`, if it has one. */
export const tagOf = (ast: AST.AST): string | undefined => {
  const encoded = AST.encodedAST(ast)
  if (!AST.isTypeLiteral(encoded)) return undefined
  const field = encoded.propertySignatures.find(({ name }) => name === "_tag")
  return field !== undefined && AST.isLiteral(field.type) && typeof field.type.literal === "string"
    ? field.type.literal
    : undefined
}

/** Runs a decoder as an Effect, for use inside one. */
export const toEffect = (decoded: ReturnType<Decoder>): Effect.Effect<unknown, ParseResult.ParseIssue> =>
  decoded as Effect.Effect<unknown, ParseResult.ParseIssue>

export const tryDecode = (decode: Decoder, input: unknown): ReturnType<Decoder> => {
  try {
    return decode(input)
  } catch (cause) {
    // A value nested beyond the stack, or a schema whose own function throws.
    return Either.left(
      new ParseResult.Type(AST.unknownKeyword, input, cause instanceof RangeError ? "nested too deeply" : "defect")
    )
  }
}

export const die = Effect.die
