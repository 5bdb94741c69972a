/** Where a federation subgraph keeps an entity's `__resolveReference`, and the form its answer must have. */
import type { GraphQLObjectType, GraphQLResolveInfo } from "graphql"

export type Resolve = (reference: unknown, contextValue: unknown, info: GraphQLResolveInfo) => unknown

interface Subgraph {
  resolveReference?: Resolve
}

const wrapped = new WeakSet<Resolve>()

/** Replaces a type's reference resolver, once; @apollo/subgraph looks it up in the type's extensions. */
export const wrap = (type: GraphQLObjectType, wrap: (resolve: Resolve) => Resolve): void => {
  const { subgraph } = (type.extensions as { readonly apollo?: { readonly subgraph?: Subgraph } }).apollo ?? {}
  const resolve = subgraph?.resolveReference
  if (subgraph === undefined || resolve === undefined || wrapped.has(resolve)) return
  const ours = wrap(resolve)
  wrapped.add(ours)
  subgraph.resolveReference = ours
}

/**
 * An entity that says which type it is. The subgraph library defines
 * `__typename` on the object it was given, which a shared, frozen value refuses:
 * such a value goes out behind one of its own.
 */
export const named = (answer: unknown, typename: string): unknown => {
  if (answer instanceof Promise) return answer.then((value: unknown) => named(value, typename))
  if (typeof answer !== "object" || answer === null || Object.isExtensible(answer)) return answer
  if ("__typename" in answer && answer.__typename === typename) return answer
  return Object.create(answer, { __typename: { value: typename, enumerable: true } })
}
