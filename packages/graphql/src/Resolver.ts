/**
 * Functions that answer for a field: with a value, a Promise or an Effect.
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { GraphQLEnumType, GraphQLResolveInfo, GraphQLScalarType } from "graphql"

/**
 * The context value of a server whose operations offer the services `R`.
 *
 * Declares nothing else, so extend it with what your server's context holds.
 * It exists for the compiler: a resolver made with {@link make} fits a schema
 * builder only when the builder's context offers the services it needs.
 */
export interface Context<in R> {
  readonly "~wellspring/services"?: (services: R) => void
}

/** Anything that is neither an Effect nor a Promise. */
export type Value =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: a resolver may return nothing
  | void
  | (object & { readonly [Effect.EffectTypeId]?: never; readonly then?: never })

/** What a resolver may return: an Effect that needs no more than the services `R`, a Promise, or a value. */
export type Answer<R> = Value | Promise<Value> | Effect.Effect<unknown, unknown, R>

/** A field's resolver. Parameters are what you annotate them to be, or what a code generator writes. */
export type Resolver<R, C = never> = (parent: never, args: never, context: C, info: GraphQLResolveInfo) => Answer<R>

/** Where a subscription's events come from: a Stream that needs no more than the services `R`, or an async iterable. */
export type Subscribe<R, C = never> = (
  parent: never,
  args: never,
  context: C,
  info: GraphQLResolveInfo
) =>
  | Stream.Stream<unknown, unknown, R>
  | Effect.Effect<Stream.Stream<unknown, unknown, R>, unknown, R>
  | AsyncIterable<unknown>
  | Promise<AsyncIterable<unknown>>

/**
 * A resolver as it stands in a map.
 *
 * With `subscribe`, a Stream's elements are the field's values as they are;
 * `resolve` changes each, in an Operation of its own.
 */
export type Field<R, C = never> =
  | Resolver<R, C>
  | { readonly subscribe?: Subscribe<R, C>; readonly resolve?: Resolver<R, C> }

/** The resolvers of a schema, by type and field; custom scalars and the internal values of enums as graphql-tools takes them. */
export interface ResolverMap<R, C = never> {
  readonly [type: string]:
    | { readonly [field: string]: Field<R, C> | string | number | undefined }
    | GraphQLScalarType
    | GraphQLEnumType
    | undefined
}

type Unwrapped<A> = A extends Option.Option<infer B> ? B | null : A

/**
 * Types a resolver that returns an Effect as one that returns a Promise, for
 * schema builders that check what a resolver returns (Pothos, graphql-js).
 * The Effect's services are asked of the builder's context type.
 *
 * The function is returned as it is: the schema must be given to
 * `GraphqlEffect.make`, which runs what it returns.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import { Resolver } from "@wellspring/graphql"
 *
 * class Greeting extends Effect.Service<Greeting>()("Greeting", { succeed: { text: "Hello" } }) {}
 *
 * // (parent: object, args: { name: string }, context: Resolver.Context<Greeting>) => Promise<string>
 * const hello = Resolver.make((_parent: object, args: { name: string }) =>
 *   Effect.map(Greeting, ({ text }) => `${text}, ${args.name}!`)
 * )
 */
export const make = <Parent, Args, A, E, R, C extends object = {}>(
  resolve: (parent: Parent, args: Args, context: C, info: GraphQLResolveInfo) => Effect.Effect<A, E, R>
): ((parent: Parent, args: Args, context: C & Context<R>, info: GraphQLResolveInfo) => Promise<Unwrapped<A>>) =>
  // What graphql-js sees of the function is decided by the wrapped schema.
  resolve as never
