/**
 * Failures as GraphQL errors: what the client may see, and the rest to the log.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { GraphQLError, type GraphQLResolveInfo, responsePathAsArray } from "graphql"
import * as PublicError from "../PublicError.ts"

/** The errors made or checked here; any other error of an execution is masked before it leaves. */
const safe = new WeakSet<object>()

export const isSafe = (error: object): boolean => safe.has(error)

/** Members of a GraphQLError's extensions that a resolver may set. */
const allowed = new Set(["code", "retryAfter", "correlationId", "http"])

const make = (message: string, extensions: Record<string, unknown>): GraphQLError => {
  const error = new GraphQLError(message, { extensions })
  // In development some servers send the stack to the client; ours would only show our own frames.
  error.stack = `${error.name}: ${error.message}`
  safe.add(error)
  return error
}

const show = (shown: PublicError.PublicError): GraphQLError =>
  make(PublicError.messageOf(shown), PublicError.extensionsOf(shown))

export const cancelled = (): GraphQLError => show({ code: "REQUEST_CANCELLED" })

type Report = (effect: Effect.Effect<void>) => void

const masked = (cause: Cause.Cause<unknown>, report: Report, path: string): GraphQLError => {
  const correlationId = crypto.randomUUID()
  report(
    Effect.annotateLogs(Effect.logError("A GraphQL field failed", cause), { correlationId, "graphql.field.path": path })
  )
  return show({ code: "INTERNAL_SERVER_ERROR", extensions: { correlationId } })
}

const pathOf = (info: GraphQLResolveInfo): string => responsePathAsArray(info.path).join(".")

/** A GraphQLError thrown by the application is its own public error; of its extensions only known members pass. */
const ofGraphQLError = (thrown: GraphQLError): GraphQLError => {
  if (isSafe(thrown)) return thrown
  const extensions = Object.fromEntries(Object.entries(thrown.extensions).filter(([name]) => allowed.has(name)))
  return make(thrown.message, { code: "INTERNAL_SERVER_ERROR", ...extensions })
}

export const fromCause = (cause: Cause.Cause<unknown>, report: Report, info: GraphQLResolveInfo): GraphQLError => {
  const reason = PublicError.reason(cause)
  switch (reason._tag) {
    case "Cancelled":
      return cancelled()
    case "Public":
      return show(reason.shown)
    case "Masked": {
      const failure = Cause.failureOption(cause)
      if (failure._tag === "Some" && failure.value instanceof GraphQLError) return ofGraphQLError(failure.value)
      return masked(cause, report, pathOf(info))
    }
  }
}

export const fromThrown = (thrown: unknown, report: Report, info: GraphQLResolveInfo): GraphQLError =>
  thrown instanceof GraphQLError ? ofGraphQLError(thrown) : fromCause(PublicError.causeOf(thrown), report, info)
