/**
 * What a client may learn about a failure.
 *
 * An error says it about itself, on its class; everything else about it stays
 * in the log. A failure that says nothing, and every defect, is shown as
 * `INTERNAL_SERVER_ERROR` with a correlation id that leads to the log entry.
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import { knownError } from "./internal/knownError.ts"

/** The sentence shown for each code when the error brings none of its own. */
export const messages = {
  NOT_FOUND: "Not found.",
  UNAUTHENTICATED: "Authentication is required.",
  FORBIDDEN: "Not allowed.",
  BAD_USER_INPUT: "The input is not valid.",
  RATE_LIMITED: "Too many requests.",
  UPSTREAM_TIMEOUT: "A service behind this field did not answer in time.",
  UPSTREAM_UNAVAILABLE: "A service behind this field is not available.",
  BAD_UPSTREAM_RESPONSE: "A service behind this field gave an answer that could not be used.",
  REQUEST_CANCELLED: "The request was cancelled.",
  INTERNAL_SERVER_ERROR: "Internal server error."
} as const

/** The closed table of `extensions.code`. An application may add codes of its own in an annotation. */
export type Code = keyof typeof messages

/** What an error lets a client see. All of it must be safe to show to anyone. */
export interface PublicError {
  /** One of {@link Code}, or a code of the application's own. */
  readonly code: Code | (string & {})
  /** Default: the code's sentence in {@link messages}; for a code of your own, that of `INTERNAL_SERVER_ERROR`. */
  readonly message?: string | undefined
  /** How long to wait before trying again; shown as `extensions.retryAfter`, in whole seconds rounded up. */
  readonly retryAfter?: Duration.DurationInput | undefined
  /** More members of `extensions`. They never replace `code`, `retryAfter` or `correlationId`. */
  readonly extensions?: Readonly<Record<string, unknown>> | undefined
}

/**
 * The property that carries a {@link PublicError} on an error, its class's
 * prototype included. It is a registered symbol, so that a library can put it
 * on its errors without importing this package.
 */
export const PublicErrorId: unique symbol = Symbol.for("@wellspring/PublicError")

/** What {@link annotations} takes: a {@link PublicError}, or how to make one from the error. */
export type Annotation<E = never> = PublicError | ((error: E) => PublicError)

/**
 * Says on a `Schema` error class what clients may see of it.
 *
 * @example
 * import * as Schema from "effect/Schema"
 * import { PublicError } from "@wellspring/graphql"
 *
 * class MovieNotFound extends Schema.TaggedError<MovieNotFound>()(
 *   "MovieNotFound",
 *   { id: Schema.String },
 *   PublicError.annotations((error: { readonly id: string }) => ({
 *     code: "NOT_FOUND",
 *     message: `There is no movie "${error.id}".`
 *   }))
 * ) {}
 */
export const annotations = <E = never>(annotation: Annotation<E>): { readonly [PublicErrorId]: Annotation<E> } => ({
  [PublicErrorId]: annotation
})

/**
 * An error for what has no class of its own: `Effect.fail(new PublicError.Failure({ code: "FORBIDDEN" }))`.
 */
export class Failure extends Schema.TaggedError<Failure>()("PublicErrorFailure", {
  code: Schema.String,
  message: Schema.optionalWith(Schema.String, { default: () => "" }),
  retryAfter: Schema.optional(Schema.DurationFromSelf)
}) {
  get [PublicErrorId](): PublicError {
    return { code: this.code, message: this.message === "" ? undefined : this.message, retryAfter: this.retryAfter }
  }
}

const isCode = (code: string): code is Code => Object.hasOwn(messages, code)

const annotationOfClass = new WeakMap<object, Option.Option<Annotation<unknown>>>()

const readAnnotation = (ast: SchemaAST.AST): Annotation<unknown> | undefined => {
  const own = ast.annotations[PublicErrorId]
  if (own !== undefined) return own as Annotation<unknown>
  // A class schema is a transformation from its encoded form; what its author annotated is the class side.
  return ast._tag === "Transformation" ? readAnnotation(ast.to) : undefined
}

const ofClass = (error: object): Option.Option<Annotation<unknown>> => {
  const constructor = error.constructor
  if (typeof constructor !== "function") return Option.none()
  let known = annotationOfClass.get(constructor)
  if (known === undefined) {
    known = Schema.isSchema(constructor) ? Option.fromNullable(readAnnotation(constructor.ast)) : Option.none()
    annotationOfClass.set(constructor, known)
  }
  return known
}

const isPublicError = (value: unknown): value is PublicError =>
  Predicate.hasProperty(value, "code") && typeof value.code === "string"

/**
 * What an error lets clients see: its own {@link PublicErrorId} property first,
 * then its class's annotation, then what is known of errors of `effect` and
 * `@effect/platform` (a `TimeoutException` is `UPSTREAM_TIMEOUT`). `None`: nothing.
 */
export const of = (error: unknown): Option.Option<PublicError> => {
  if (!Predicate.isObject(error)) return Option.none()
  const own = (error as { readonly [PublicErrorId]?: unknown })[PublicErrorId]
  if (isPublicError(own)) return Option.some(own)
  const annotation = ofClass(error)
  if (Option.isSome(annotation)) {
    return Option.some(typeof annotation.value === "function" ? annotation.value(error) : annotation.value)
  }
  return Option.fromNullable(knownError(error))
}

/** Why a field failed, after its Cause was read. */
export type Reason =
  | { readonly _tag: "Public"; readonly error: unknown; readonly shown: PublicError }
  | { readonly _tag: "Cancelled" }
  | { readonly _tag: "Masked"; readonly cause: Cause.Cause<unknown> }

/**
 * Reads a Cause: a typed failure first, then a defect, then an interruption.
 *
 * Only a failure is asked what it shows: a defect is always `Masked`.
 */
export const reason = (cause: Cause.Cause<unknown>): Reason => {
  const failure = Either.getLeft(Cause.failureOrCause(cause))
  if (Option.isSome(failure)) {
    const shown = of(failure.value)
    return Option.isSome(shown)
      ? { _tag: "Public", error: failure.value, shown: shown.value }
      : { _tag: "Masked", cause }
  }
  if (Chunk.isEmpty(Cause.defects(cause)) && Cause.isInterrupted(cause)) return { _tag: "Cancelled" }
  return { _tag: "Masked", cause }
}

/** The Cause behind anything thrown: a rejected `Effect.runPromise` keeps its own, all else is a failure. */
export const causeOf = (thrown: unknown): Cause.Cause<unknown> =>
  Runtime.isFiberFailure(thrown) ? thrown[Runtime.FiberFailureCauseId] : Cause.fail(thrown)

/** The message a client sees. */
export const messageOf = (shown: PublicError): string =>
  shown.message ?? messages[isCode(shown.code) ? shown.code : "INTERNAL_SERVER_ERROR"]

/** The `extensions` a client sees. */
export const extensionsOf = (shown: PublicError): Record<string, unknown> => ({
  ...shown.extensions,
  code: shown.code,
  ...(shown.retryAfter !== undefined && { retryAfter: Math.ceil(Duration.toSeconds(shown.retryAfter)) })
})
