/** What leaves with the answers: errors made safe, how long they may be kept, and what they cost. */
import { Operation } from "@wellspring/source"
import type { ExecutionResult, GraphQLError } from "graphql"
import * as CacheHint from "../CacheHint.ts"
import type { Application } from "./application.ts"
import { Policy } from "./policy.ts"
import type { Run } from "./run.ts"
import * as Shown from "./shown.ts"

/** Errors as clients may see them. */
export const errors = (application: Application, errors: ReadonlyArray<GraphQLError>): ReadonlyArray<GraphQLError> => {
  const extensions = new Set<unknown>()
  return errors.map((error) => {
    const shown = Shown.finished(error, (effect) => void application.managed.runFork(effect))
    // Fields that waited for one answer failed with one error: what a server adds to one must not be on the others.
    if (extensions.has(shown.extensions)) return Shown.copy(shown)
    extensions.add(shown.extensions)
    return shown
  })
}

/** Nothing of this may be kept. */
const uncacheable = (): Policy => {
  const policy = new Policy()
  policy.restrict({ maxAge: 0, scope: "private" })
  return policy
}

/**
 * The strictest of what the caches said, what directives and what resolvers
 * said. Zero for anything but an answered query, and where a field's answer has
 * no lifetime at all.
 */
export const policy = (run: Run, isQuery: boolean, hasErrors: boolean): Policy => {
  if (!isQuery || hasErrors || !run.accounting.isComplete(run.operation)) return uncacheable()
  const policy = new Policy()
  policy.restrict({ maxAge: run.accounting.hinted.maxAge, scope: run.accounting.hinted.scope })
  const { variableValues } = run.accounting
  const said = variableValues === undefined ? undefined : CacheHint.of(variableValues)
  if (said !== undefined) policy.restrict(said)
  if (run.operation !== undefined) {
    const { calls } = Operation.account(run.operation)
    const lifetime = Operation.lifetime(run.operation)
    if (lifetime !== undefined) policy.restrict({ maxAge: lifetime.secondsLeft, scope: lifetime.scope })
    else if (calls > 0) return uncacheable()
  }
  return policy
}

/** How many calls of one field make a warning. */
const many = 10

/** What an operation did, for `extensions.wellspring` in development. */
export interface Development {
  readonly account: Operation.Account & {
    /** Effects that resolvers returned, by field. */
    readonly fields: Readonly<Record<string, number>>
  }
  readonly cacheControl: string
  readonly warnings: ReadonlyArray<string>
}

const empty: Operation.Account = {
  loads: 0,
  batches: 0,
  keys: 0,
  hits: 0,
  joins: 0,
  calls: 0,
  outcomes: { hit: 0, stale: 0, revalidated: 0, miss: 0, collapsed: 0, bypass: 0 }
}

const development = (run: Run, cacheControl: string): Development => {
  const account = run.operation === undefined ? empty : Operation.account(run.operation)
  const { bypass, miss, revalidated } = account.outcomes
  const upstream = bypass + miss + revalidated
  return {
    account: { ...account, fields: Object.fromEntries(run.accounting.effects ?? []) },
    cacheControl,
    warnings: [...(run.accounting.calls ?? [])]
      .filter(([, calls]) => calls >= many && upstream >= calls)
      .map(
        ([field, calls]) =>
          `${field} ran ${calls} times in one operation and called an upstream each time. ` +
          "Load it through a Source (Source.make), which asks for all its keys in one call."
      )
  }
}

/** A result with its extensions; `result` itself when there is nothing to add. */
export const withDevelopment = (run: Run, result: ExecutionResult, cacheControl: string): ExecutionResult =>
  run.application.isDevelopment
    ? { ...result, extensions: { ...result.extensions, wellspring: development(run, cacheControl) } }
    : result
