/**
 * What the server knows of the request behind a GraphQL operation.
 *
 * The same for every server, and there for `perOperation` and for resolvers.
 */
import * as Context from "effect/Context"
import * as Predicate from "effect/Predicate"

/** Headers in any of the forms servers keep them: a `Headers`, a `Map`, or node's record. */
export type HeadersLike =
  | { readonly get: (name: string) => string | null | undefined }
  | { readonly [name: string]: string | ReadonlyArray<string> | undefined }

export class GraphqlRequest extends Context.Tag("@wellspring/graphql/GraphqlRequest")<
  GraphqlRequest,
  {
    /** A header of the HTTP request, by its name in any case. Repeated headers are joined with a comma. */
    readonly header: (name: string) => string | undefined
    /** The context value the server made, with whatever the application put in it. */
    readonly contextValue: unknown
    /** The server's own request object: node's, Fastify's or a fetch `Request`; `undefined` outside a server. */
    readonly native: unknown
  }
>() {}

const isGetter = (headers: HeadersLike): headers is Extract<HeadersLike, { readonly get: unknown }> =>
  Predicate.isFunction(headers.get)

/** How to read a header from `headers`, whatever their form. */
export const headerOf =
  (headers: HeadersLike | undefined) =>
  (name: string): string | undefined => {
    if (headers === undefined) return undefined
    const lower = name.toLowerCase()
    if (isGetter(headers)) return headers.get(lower) ?? undefined
    const value = headers[lower]
    return typeof value === "string" ? value : value?.join(", ")
  }

/** A request from its parts; a program that has none, such as a test, gives only headers. */
export const make = (options?: {
  readonly headers?: HeadersLike | undefined
  readonly contextValue?: unknown
  readonly native?: unknown
}): GraphqlRequest["Type"] => ({
  header: headerOf(options?.headers),
  contextValue: options?.contextValue,
  native: options?.native
})
