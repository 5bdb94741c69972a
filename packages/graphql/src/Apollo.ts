/**
 * The application in Apollo Server 5.
 *
 * @example
 * import { ApolloServer } from "@apollo/server"
 * import { startStandaloneServer } from "@apollo/server/standalone"
 * import type { GraphqlEffect } from "@wellspring/graphql"
 * import * as Apollo from "@wellspring/graphql/Apollo"
 *
 * declare const app: GraphqlEffect.GraphqlEffect<never>
 *
 * const server = new ApolloServer({ schema: app.schema, plugins: [Apollo.plugin(app)] })
 * const started = startStandaloneServer(server, { context: Apollo.context() })
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import type { ApolloServerPlugin, GraphQLRequestContext } from "@apollo/server"
import type { GraphQLError, GraphQLResolveInfo } from "graphql"
import type { Begun, GraphqlEffect } from "./GraphqlEffect.ts"
import * as GraphqlRequest from "./GraphqlRequest.ts"
import { onHangUp } from "./internal/hangUp.ts"
import * as Policy from "./internal/policy.ts"
import * as Wrap from "./internal/wrap.ts"

/** The node request and response behind a context value. Enumerable, since Apollo Server copies context values. */
const HttpId: unique symbol = Symbol.for("@wellspring/graphql/Apollo/http")

/** What Apollo's integrations for Node's own server and for Express give a context function. */
export interface Http {
  readonly req: IncomingMessage
  readonly res: ServerResponse
}

/** A context value that knows its request and response. */
export interface Context {
  readonly [HttpId]?: Http
}

/**
 * A context function that lets the operation end when the client leaves, which
 * Apollo Server itself does not tell. Give it your own context function to keep
 * what that returns.
 */
export const context =
  <H extends Http, C extends object = {}>(make?: (http: H) => C | Promise<C>) =>
  async (http: H): Promise<C & Context> => {
    const own = await make?.(http)
    return { ...(own as C), [HttpId]: { req: http.req, res: http.res } }
  }

/**
 * One operation for each GraphQL operation, batched ones included, ended with
 * its result. Lifetimes become cache hints, so that Apollo's cache control, and
 * a response cache that reads it, see the strictest of these and of yours.
 *
 * A `fieldResolver` given to Apollo Server is asked only for fields that return
 * scalars, below the root.
 */
export const plugin = <Services>(app: GraphqlEffect<Services>): ApolloServerPlugin<Context> => ({
  serverWillStart: async ({ schema }) => Wrap.composites(schema, inherit),
  requestDidStart: async ({ contextValue, request }) => {
    const http = contextValue[HttpId]
    const operation = app.begin(
      GraphqlRequest.make({ headers: request.http?.headers ?? http?.req.headers, contextValue, native: http?.req })
    )
    operation.attach(contextValue)
    if (http !== undefined) onHangUp(http.res, () => void operation.end())
    return {
      didEncounterErrors: async ({ errors }) => show(app, errors),
      willSendResponse: async (requestContext) => {
        leave(operation, requestContext)
        await operation.end()
      }
    }
  }
})

/** Apollo Server formats the very errors that it shows plugins here; their message and extensions are what leaves. */
const show = <Services>(app: GraphqlEffect<Services>, errors: ReadonlyArray<GraphQLError>): void => {
  const shown = app.errors(errors)
  for (const [index, error] of shown.entries()) (errors as Array<GraphQLError>)[index] = error
}

interface CacheControlInfo extends GraphQLResolveInfo {
  readonly cacheControl?: {
    readonly cacheHint: { readonly maxAge: number | undefined }
    readonly setCacheHint: (hint: { readonly maxAge: number }) => void
  }
}

/**
 * Takes Apollo's default away from fields that no one hinted: it would make the
 * whole response uncacheable. Asked by the fields that get that default, and not
 * by a `willResolveField`, which every leaf would pay for.
 */
const inherit = (info: CacheControlInfo): void => {
  const { cacheControl } = info
  if (cacheControl !== undefined && cacheControl.cacheHint.maxAge === undefined) {
    cacheControl.setCacheHint({ maxAge: Policy.noOpinion })
  }
}

const leave = (operation: Begun, { operation: node, overallCachePolicy, response }: GraphQLRequestContext<Context>) => {
  if (response.body?.kind !== "single") return
  const { singleResult } = response.body
  const { errors = [] } = singleResult
  const completed = operation.complete(
    { data: singleResult.data ?? null, extensions: singleResult.extensions ?? {} },
    node?.operation
  )
  const { maxAge, scope } = Policy.parse(errors.length > 0 ? Policy.noStore : completed.cacheControl)
  overallCachePolicy.restrict({ maxAge: maxAge ?? 0, scope: scope === "private" ? "PRIVATE" : "PUBLIC" })
  const wellspring = completed.result.extensions?.["wellspring"]
  if (wellspring !== undefined) singleResult.extensions = { ...singleResult.extensions, wellspring }
}
