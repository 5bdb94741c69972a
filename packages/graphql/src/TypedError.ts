/**
 * Failures as part of the answer: members of a union, or one side of a result.
 *
 * For failures that a client is meant to handle. They leave the `errors` of the
 * response and become data that the schema describes.
 */
import { Fiberless } from "@wellspring/source"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as PublicError from "./PublicError.ts"

interface Tagged {
  readonly _tag: string
}

/**
 * An error as data: its own fields, the name of its type, which is its tag, and
 * what its class lets clients see. The schema decides which of these can be asked for.
 */
export type Member<E extends Tagged> = Omit<E, "message" | "name" | "stack" | "cause" | "_tag"> & {
  readonly __typename: E["_tag"]
  /** As `extensions.code` would be. */
  readonly code: string
  /** The public message, never the error's own. */
  readonly message: string
}

/** One side of a result: the other is null. */
export type Result<A, M> = { readonly value: A; readonly error: null } | { readonly value: null; readonly error: M }

/** The tags of the failures that have one. */
type Tags<E> = E extends Tagged ? E["_tag"] : never

/** Nothing more to ask when the effect has failures with these tags; else a type that says which it lacks. */
export type Fails<E, T extends string> = [T] extends [Tags<E>]
  ? unknown
  : { readonly "Not among its failures": Exclude<T, Tags<E>> }

const member = (error: Tagged): Member<Tagged> => {
  const shown = Option.getOrElse(PublicError.of(error), (): PublicError.PublicError => ({ code: error._tag }))
  const {
    cause: _cause,
    message: _message,
    name: _name,
    stack: _stack,
    ...fields
  } = { ...error } as Tagged & Partial<Error>
  return { ...fields, __typename: error._tag, code: shown.code, message: PublicError.messageOf(shown) }
}

/** The failure of a Cause when it has one of the tags. */
const caught = (cause: Cause.Cause<unknown>, tags: ReadonlyArray<string>): Option.Option<Tagged> =>
  Option.filter(
    Cause.failureOption(cause),
    (error): error is Tagged =>
      Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" && tags.includes(error._tag)
  )

/** Changes both sides, and costs no fiber where `self` costs none. */
const fold = (
  self: Effect.Effect<unknown, unknown, unknown>,
  tags: ReadonlyArray<string>,
  onValue: (value: unknown) => unknown,
  onError: (error: Tagged) => unknown
): Effect.Effect<unknown, unknown, unknown> => {
  const over = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> => {
    if (Exit.isSuccess(exit)) return Exit.succeed(onValue(exit.value))
    return Option.match(caught(exit.cause, tags), {
      onNone: () => exit,
      onSome: (error) => Exit.succeed(onError(error))
    })
  }
  if (!Fiberless.isFiberless(self)) return Effect.flatMap(Effect.exit(self), over)
  return Fiberless.make((context, resume) => {
    const started = self[Fiberless.TypeId](context as never, (exit) => resume(over(exit)))
    return typeof started === "function" ? started : over(started)
  })
}

/**
 * Makes failures with these tags members of a union, next to the value's own
 * type. Union members without a `resolveType` are told apart by `__typename`,
 * then by `_tag`; all other failures stay errors.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import { TypedError } from "@wellspring/graphql"
 *
 * class Movie extends Schema.TaggedClass<Movie>()("Movie", { title: Schema.String }) {}
 * class MovieNotFound extends Schema.TaggedError<MovieNotFound>()("MovieNotFound", { id: Schema.String }) {}
 * declare const find: (id: string) => Effect.Effect<Movie, MovieNotFound>
 *
 * // union MovieResult = Movie | MovieNotFound
 * const movie = (_: unknown, args: { id: string }) => find(args.id).pipe(TypedError.asMember("MovieNotFound"))
 */
export const asMember =
  <const T extends string>(...tags: ReadonlyArray<T>) =>
  <A, E, R>(
    self: Effect.Effect<A, E, R> & Fails<E, T>
  ): Effect.Effect<A | Member<Extract<E, { readonly _tag: T }>>, Exclude<E, { readonly _tag: T }>, R> =>
    fold(self, tags, identity, member) as never

/**
 * Makes an answer of the form `{ value, error }`, of which one side is null.
 * All other failures stay errors.
 */
export const asResult =
  <const T extends string>(...tags: ReadonlyArray<T>) =>
  <A, E, R>(
    self: Effect.Effect<A, E, R> & Fails<E, T>
  ): Effect.Effect<Result<A, Member<Extract<E, { readonly _tag: T }>>>, Exclude<E, { readonly _tag: T }>, R> =>
    fold(
      self,
      tags,
      (value) => ({ value, error: null }),
      (error) => ({ value: null, error: member(error) })
    ) as never
