/** What is known of the lifetimes of an operation's answers, and in development of what it did. */
import { Operation } from "@wellspring/source"
import type { GraphQLResolveInfo } from "graphql"
import * as CacheHint from "../CacheHint.ts"
import type { Field } from "./field.ts"
import { Policy } from "./policy.ts"

export class Accounting {
  /** What hints of directives say of the response. */
  readonly hinted = new Policy()
  /** Effects that resolvers returned, by field. Counted in development only. */
  readonly effects: Map<string, number> | undefined
  /** Those of them that may have called an upstream by themselves. Counted in development only. */
  readonly calls: Map<string, number> | undefined
  /** The variables of its execution, by which hints of resolvers are found. */
  variableValues: object | undefined
  /** Fields whose answers nobody has said may be kept. */
  private readonly unknown: Array<GraphQLResolveInfo> = []
  /** Fields without a hint that used the Operation: what they read is recorded there, or known not to be. */
  private readonly loaded: Array<GraphQLResolveInfo> = []

  constructor(isDevelopment: boolean) {
    this.effects = isDevelopment ? new Map() : undefined
    this.calls = isDevelopment ? new Map() : undefined
  }

  /** A field is being answered. */
  began(info: GraphQLResolveInfo, { hint }: Field): void {
    this.variableValues = info.variableValues
    if (hint !== undefined) this.hinted.restrict(hint)
  }

  /** A field used the Operation. */
  used(info: GraphQLResolveInfo, { hint }: Field): void {
    if (hint?.maxAge === undefined) this.loaded.push(info)
  }

  /** A field was answered from where no lifetime is recorded. */
  unaccounted(info: GraphQLResolveInfo, { hint }: Field): void {
    if (hint?.maxAge === undefined) this.unknown.push(info)
  }

  /** Whether every field's answer came with a lifetime, or with a hint. */
  isComplete(operation: Operation.Service | undefined): boolean {
    if (!this.unknown.every(CacheHint.isHinted)) return false
    if (operation === undefined || Operation.isAccounted(operation)) return true
    // A batch has read from somewhere that records nothing: any field that loaded may have been answered by it.
    return this.loaded.every(CacheHint.isHinted)
  }
}

/** Adds one to a field's count, where fields are counted. */
export const count = (counts: Map<string, number> | undefined, { coordinate }: Field): void => {
  counts?.set(coordinate, (counts.get(coordinate) ?? 0) + 1)
}
