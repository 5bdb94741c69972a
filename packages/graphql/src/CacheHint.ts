/**
 * How long a field's answer may be kept, said by its resolver.
 *
 * Needed only for what does not come through a cache that knows: answers read
 * through HttpCache bring their remaining lifetime with them. Hints and
 * lifetimes combine by the stricter.
 */
import * as Duration from "effect/Duration"
import type { GraphQLResolveInfo } from "graphql"
import { type Hint, noOpinion, Policy } from "./internal/policy.ts"

export interface CacheHint {
  /** Longest time the response may be kept; zero: not at all. */
  readonly maxAge?: Duration.DurationInput
  /** `private`: only by the viewer's own cache. Default `public`. */
  readonly scope?: "public" | "private"
}

/** An execution's variables are an object of its own, which every field of it can see. */
const ofExecution = new WeakMap<object, Policy>()
const hinted = new WeakSet<GraphQLResolveInfo>()

/** What Apollo Server adds for its own cache policy. */
type ApolloInfo = GraphQLResolveInfo & {
  readonly cacheControl?: {
    readonly setCacheHint: (hint: { maxAge?: number; scope?: "PUBLIC" | "PRIVATE" }) => void
    readonly cacheHint: { readonly maxAge: number | undefined; readonly scope: "PUBLIC" | "PRIVATE" | undefined }
  }
}

/**
 * Restricts the response's lifetime on behalf of one field. Without `maxAge` it
 * restricts the scope alone, and says nothing about how long.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import type { GraphQLResolveInfo } from "graphql"
 * import { CacheHint } from "@wellspring/graphql"
 *
 * const headlines = (_parent: unknown, _args: unknown, _context: unknown, info: GraphQLResolveInfo) => {
 *   CacheHint.set(info, { maxAge: "1 minute" })
 *   return Effect.succeed(["Rain expected"])
 * }
 */
export const set = (info: GraphQLResolveInfo, hint: CacheHint): void => {
  const maxAge = hint.maxAge === undefined ? undefined : Duration.toSeconds(hint.maxAge)
  restrict(info, { maxAge, scope: hint.scope })
  const apollo = (info as ApolloInfo).cacheControl
  apollo?.setCacheHint({
    ...(maxAge !== undefined && { maxAge: Math.floor(maxAge) }),
    ...(hint.scope !== undefined && { scope: hint.scope === "private" ? "PRIVATE" : "PUBLIC" })
  })
}

const restrict = (info: GraphQLResolveInfo, hint: Hint): void => {
  const policy = ofExecution.get(info.variableValues) ?? new Policy()
  ofExecution.set(info.variableValues, policy)
  policy.restrict(hint)
  if (hint.maxAge !== undefined) hinted.add(info)
}

/** Takes over what a resolver told Apollo Server by itself, with `info.cacheControl.setCacheHint`. */
const adopt = (info: ApolloInfo): void => {
  const { maxAge = noOpinion, scope } = info.cacheControl?.cacheHint ?? {}
  if (maxAge !== noOpinion) restrict(info, { maxAge, scope: scope === "PRIVATE" ? "private" : "public" })
}

/** @internal Whether the field said how long its answer may be kept. */
export const isHinted = (info: GraphQLResolveInfo): boolean => {
  if (!hinted.has(info)) adopt(info)
  return hinted.has(info)
}

/** @internal What the fields of an execution said together. */
export const of = (variableValues: object): Policy | undefined => ofExecution.get(variableValues)
