/** What is known of a field before any operation asks for it. */
import { type GraphQLField, type GraphQLObjectType, getNamedType } from "graphql"
import * as Policy from "./policy.ts"

export interface Field {
  /** `Type.field`. */
  readonly coordinate: string
  /** What its directives say of its lifetime. */
  readonly hint: Policy.Hint | undefined
  /** Whether a value that is no Effect says nothing about how long it may be kept: so it is at the root. */
  readonly isRoot: boolean
}

/** Fields that the federation's own resolvers answer, from references that are accounted one by one. */
const federation = new Set(["_entities", "_service"])

export const make = (type: GraphQLObjectType, field: GraphQLField<unknown, unknown>, isRoot: boolean): Field => ({
  coordinate: `${type.name}.${field.name}`,
  hint: Policy.ofDirectives(field, getNamedType(field.type)),
  isRoot: isRoot && !federation.has(field.name)
})
