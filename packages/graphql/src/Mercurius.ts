/**
 * The application in Mercurius 16, on Fastify 5.
 *
 * @example
 * import fastify from "fastify"
 * import type { GraphqlEffect } from "@wellspring/graphql"
 * import * as Mercurius from "@wellspring/graphql/Mercurius"
 *
 * declare const app: GraphqlEffect.GraphqlEffect<never>
 *
 * const server = fastify()
 * server.register(Mercurius.plugin(app), { graphiql: true, subscription: true })
 */
import type { FastifyInstance, FastifyRequest } from "fastify"
import { type ExecutionResult, GraphQLError, getOperationAST, type OperationTypeNode } from "graphql"
import { type MercuriusContext, type MercuriusOptions, mercurius } from "mercurius"
import type { Begun, GraphqlEffect } from "./GraphqlEffect.ts"
import * as GraphqlRequest from "./GraphqlRequest.ts"
import { onHangUp } from "./internal/hangUp.ts"
import * as Policy from "./internal/policy.ts"

/** Mercurius's own options, without those that the application decides. */
export type Options = Omit<MercuriusOptions, "schema" | "resolvers" | "loaders">

/** An operation, for as many queries as share its context: those of one batched request. */
interface Shared {
  readonly operation: Begun
  /** What all of them are, when they are the same. */
  type: OperationTypeNode | undefined
  queries: number
}

const SharedId: unique symbol = Symbol.for("@wellspring/graphql/Mercurius")

/** What Mercurius puts in a context, over a WebSocket only parts of it, and what we keep there. */
type Context = Partial<MercuriusContext> & { readonly request?: FastifyRequest; [SharedId]?: Shared }

/**
 * Registers Mercurius with the application's schema.
 *
 * One operation for each query, ended with its result or when the client
 * leaves; the queries of a batched request, which share a context, share it. A
 * subscription's lasts as long as the subscription.
 */
export const plugin = <Services>(app: GraphqlEffect<Services>) => {
  /** The strictest policy of the queries that a response answers. */
  const policies = new WeakMap<object, Policy.Policy>()
  const begin = (context: Context, request: FastifyRequest | undefined): Begun => {
    const operation = app.begin(
      GraphqlRequest.make({ headers: request?.headers, contextValue: context, native: request })
    )
    operation.attach(context)
    return operation
  }
  const register = async (server: FastifyInstance, options: Options): Promise<void> => {
    await server.register(mercurius, { ...options, schema: app.schema, errorFormatter: formatter(app, options) })
    server.graphql.addHook<Context>("preExecution", async (_schema, document, context) => {
      const { [SharedId]: shared, reply } = context
      const type = getOperationAST(document)?.operation
      if (shared !== undefined && shared.queries > 0) {
        shared.queries++
        if (shared.type !== type) shared.type = undefined
        return
      }
      const operation = begin(context, reply?.request)
      context[SharedId] = { operation, type, queries: 1 }
      if (reply?.raw !== undefined) onHangUp(reply.raw, () => void operation.end())
    })
    server.graphql.addHook<Record<string, unknown>, Context>("onResolution", async (execution, context) => {
      const { [SharedId]: shared, reply } = context
      if (shared === undefined) return
      const { cacheControl, result } = complete(shared, execution)
      if (result.extensions !== undefined) Object.assign(execution, { extensions: result.extensions })
      if (reply?.raw !== undefined) {
        const policy = policies.get(reply.raw) ?? new Policy.Policy()
        policy.restrict(Policy.parse(cacheControl))
        policies.set(reply.raw, policy)
        reply.header("cache-control", Policy.header(policy))
      }
      shared.queries--
      if (shared.queries === 0) await shared.operation.end()
    })
    server.graphql.addHook<Context>("preSubscriptionExecution", async (_schema, _document, context) => {
      begin(context, context.request ?? context.reply?.request)
    })
  }
  // Not in a scope of its own: `server.graphql` is for whoever registered this.
  return Object.assign(register, { [Symbol.for("skip-override")]: true })
}

/** In place of errors that were made safe, and logged, before they came here: all that counts is that there are some. */
const formatted = [new GraphQLError("Formatted before.")]

const complete = (shared: Shared, { errors = [], ...execution }: ExecutionResult): ReturnType<Begun["complete"]> =>
  shared.operation.complete(errors.length === 0 ? execution : { ...execution, errors: formatted }, shared.type)

type Formatter = NonNullable<MercuriusOptions["errorFormatter"]>

/** Makes errors safe before Mercurius logs and sends them; how they are sent is still up to its own options. */
const formatter =
  <Services>(app: GraphqlEffect<Services>, { errorFormatter }: Options): Formatter =>
  (execution, context) =>
    (errorFormatter ?? mercurius.defaultErrorFormatter)(
      { ...execution, errors: app.errors((execution.errors ?? []).filter(isGraphQLError)) },
      context
    )

const isGraphQLError = (error: unknown): error is GraphQLError => error instanceof GraphQLError
