/**
 * Failures as GraphQL errors: what the client may see, and the rest to the log.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { GraphQLError, type GraphQLResolveInfo, responsePathAsArray } from "graphql"
import * as PublicError from "../PublicError.ts"

/** Runs the effect that writes the log. */
export type Report = (effect: Effect.Effect<void>) => void

/** The errors made here. Any other error of an execution is masked before it leaves. */
const safe = new WeakSet<object>()

/** Members of a GraphQLError's extensions that the application may set when it throws one. */
const allowed = new Set(["code", "retryAfter", "correlationId", "http"])

const make = (message: string, extensions: Record<string, unknown>): GraphQLError => {
  const error = new GraphQLError(message, { extensions })
  // In development some servers send the stack to the client; ours would only show our own frames.
  error.stack = `${error.name}: ${error.message}`
  safe.add(error)
  return error
}

/** Where a field failed, by names the client knows: those of its schema and of its own document. */
const place = (info: GraphQLResolveInfo): Record<string, unknown> => ({
  field: `${info.parentType.name}.${info.fieldName}`,
  ...(info.operation.name !== undefined && { operation: info.operation.name.value })
})

const show = (shown: PublicError.PublicError, where: Record<string, unknown>): GraphQLError =>
  make(PublicError.messageOf(shown), { ...PublicError.extensionsOf(shown), ...where })

export const cancelled = (info: GraphQLResolveInfo): GraphQLError => show({ code: "REQUEST_CANCELLED" }, place(info))

const masked = (
  cause: Cause.Cause<unknown>,
  where: Record<string, unknown>,
  path: string,
  report: Report
): GraphQLError => {
  const correlationId = crypto.randomUUID()
  report(
    Effect.annotateLogs(Effect.logError("A GraphQL field failed", cause), {
      correlationId,
      "graphql.field.path": path
    })
  )
  return show({ code: "INTERNAL_SERVER_ERROR" }, { ...where, correlationId })
}

/** A GraphQLError thrown by the application is its own public error; of its extensions only known members pass. */
const ofGraphQLError = (thrown: GraphQLError, info: GraphQLResolveInfo): GraphQLError => {
  if (safe.has(thrown)) return thrown
  const extensions = Object.fromEntries(Object.entries(thrown.extensions).filter(([name]) => allowed.has(name)))
  return make(thrown.message, { code: "INTERNAL_SERVER_ERROR", ...extensions, ...place(info) })
}

export const fromCause = (cause: Cause.Cause<unknown>, info: GraphQLResolveInfo, report: Report): GraphQLError => {
  const hide = (cause: Cause.Cause<unknown>): GraphQLError =>
    masked(cause, place(info), responsePathAsArray(info.path).join("."), report)
  try {
    const reason = PublicError.reason(cause)
    switch (reason._tag) {
      case "Cancelled":
        return cancelled(info)
      case "Public":
        return show(reason.shown, place(info))
      case "Masked": {
        const failure = Cause.failureOption(cause)
        const isOwn = failure._tag === "Some" && failure.value instanceof GraphQLError
        return isOwn ? ofGraphQLError(failure.value, info) : hide(cause)
      }
    }
  } catch (defect) {
    // What an error says about itself is the application's own code, and the field is to have its answer all the same.
    return hide(Cause.sequential(cause, Cause.die(defect)))
  }
}

export const fromThrown = (thrown: unknown, info: GraphQLResolveInfo, report: Report): GraphQLError =>
  thrown instanceof GraphQLError ? ofGraphQLError(thrown, info) : fromCause(PublicError.causeOf(thrown), info, report)

/** The same error with extensions of its own. */
export const copy = (error: GraphQLError): GraphQLError => {
  const {
    extensions,
    message,
    nodes = null,
    originalError = null,
    path = null,
    positions = null,
    source = null
  } = error
  return new GraphQLError(message, { nodes, source, positions, path, originalError, extensions: { ...extensions } })
}

/** What graphql-js says of a null where none may be: names of the schema and nothing else. */
const nonNull = /^Cannot return null for non-nullable field [_A-Za-z][\w.]*\.$/

/**
 * An error of a finished execution, masked unless it is known to be safe.
 *
 * It may be one that no resolver threw: a property that throws, or a value its
 * scalar refuses, which graphql-js quotes. Errors without a path are about the
 * client's own document and variables.
 */
export const finished = (error: GraphQLError, report: Report): GraphQLError => {
  const { extensions, message, nodes = null, originalError, path, positions = null, source = null } = error
  if (path === undefined || safe.has(originalError ?? error)) return error
  const located = { nodes, positions, source, path }
  if (originalError === undefined && nonNull.test(message)) {
    return new GraphQLError(message, { ...located, extensions: { ...extensions, code: "INTERNAL_SERVER_ERROR" } })
  }
  const shown = masked(Cause.die(originalError ?? error), {}, path.join("."), report)
  const placed = new GraphQLError(shown.message, { ...located, originalError: shown, extensions: shown.extensions })
  safe.add(placed)
  return placed
}
