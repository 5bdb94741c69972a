/** For how long and for whom a response may be kept, put together from its parts. Seconds throughout. */
import type { GraphQLNamedType } from "graphql"

export type Scope = "public" | "private"

export interface Hint {
  readonly maxAge: number | undefined
  readonly scope: Scope | undefined
}

/** A year, in seconds: what stands for "no opinion" among hints that combine by the least. */
export const noOpinion = 31_536_000

/** The strictest of what it was told. */
export class Policy {
  maxAge = Number.POSITIVE_INFINITY
  scope: Scope = "public"

  restrict(hint: Hint): void {
    if (hint.maxAge !== undefined) this.maxAge = Math.min(this.maxAge, hint.maxAge)
    if (hint.scope === "private") this.scope = "private"
  }

  /** Whether anything said how long. */
  get isKnown(): boolean {
    return this.maxAge !== Number.POSITIVE_INFINITY
  }
}

/** Whole seconds that may be promised, or `undefined` when the response may not be kept. */
export const secondsOf = (policy: Policy): number | undefined => {
  const seconds = Math.floor(policy.maxAge)
  return policy.isKnown && seconds > 0 ? seconds : undefined
}

export const noStore = "no-store"

export const header = (policy: Policy): string => {
  const seconds = secondsOf(policy)
  return seconds === undefined ? noStore : `max-age=${seconds}, ${policy.scope}`
}

/** Reads a `Cache-Control` of the form written here; anything else may not be kept. */
export const parse = (header: string): Hint => {
  const match = /^max-age=(\d+), (public|private)$/.exec(header)
  return match === null
    ? { maxAge: 0, scope: "private" }
    : { maxAge: Number(match[1]), scope: match[2] === "private" ? "private" : "public" }
}

interface Annotated {
  readonly astNode?: { readonly directives?: ReadonlyArray<Directive> } | null | undefined
  readonly extensionASTNodes?: ReadonlyArray<{ readonly directives?: ReadonlyArray<Directive> }>
}

interface Directive {
  readonly name: { readonly value: string }
  readonly arguments?: ReadonlyArray<{ readonly name: { readonly value: string }; readonly value: object }>
}

const directiveOf = (annotated: Annotated): Hint | undefined => {
  for (const node of [annotated.astNode, ...(annotated.extensionASTNodes ?? [])]) {
    const directive = node?.directives?.find(({ name }) => name.value === "cacheControl")
    if (directive === undefined) continue
    const value = (name: string): unknown => {
      const node = directive.arguments?.find((argument) => argument.name.value === name)?.value
      return node !== undefined && "value" in node ? node.value : undefined
    }
    const maxAge = value("maxAge")
    const scope = value("scope")
    return {
      maxAge: maxAge === undefined ? undefined : Number(maxAge),
      scope: scope === "PRIVATE" ? "private" : scope === "PUBLIC" ? "public" : undefined
    }
  }
  return undefined
}

/**
 * What `@cacheControl` says of a field: on the field itself first, then on the
 * type it returns, as Apollo Server reads it. `inheritMaxAge` says nothing.
 */
export const ofDirectives = (field: Annotated, type: GraphQLNamedType): Hint | undefined => {
  const own = directiveOf(field)
  const returned = "getFields" in type || "getTypes" in type ? directiveOf(type) : undefined
  if (own === undefined || returned === undefined) return own ?? returned
  return { maxAge: own.maxAge ?? returned.maxAge, scope: own.scope ?? returned.scope }
}
