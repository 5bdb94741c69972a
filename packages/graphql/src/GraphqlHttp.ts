/**
 * The application in graphql-http 1.23.
 *
 * @example
 * import { createServer } from "node:http"
 * import { createHandler } from "graphql-http/lib/use/http"
 * import type { GraphqlEffect } from "@wellspring/graphql"
 * import * as GraphqlHttp from "@wellspring/graphql/GraphqlHttp"
 *
 * declare const app: GraphqlEffect.GraphqlEffect<never>
 *
 * const server = createServer(createHandler(GraphqlHttp.options(app)))
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { type ExecutionArgs, type ExecutionResult, execute, type GraphQLSchema, getOperationAST } from "graphql"
import type { Request as HttpRequest, OperationContext } from "graphql-http"
import type { GraphqlEffect } from "./GraphqlEffect.ts"
import * as GraphqlRequest from "./GraphqlRequest.ts"
import { onHangUp } from "./internal/hangUp.ts"

/** The handler's request in its forms for Node's own server and for Express. */
export type Request = HttpRequest<IncomingMessage, { readonly res: ServerResponse }>

/** Options for `createHandler` of `graphql-http/lib/use/http` and `use/express`. */
export interface Options {
  readonly schema: GraphQLSchema
  readonly context: (request: Request) => Promise<OperationContext>
  readonly execute: (args: ExecutionArgs) => Promise<ExecutionResult>
}

const RequestId: unique symbol = Symbol.for("@wellspring/graphql/GraphqlHttp/request")

/**
 * One operation for each request, ended with its result or when the client
 * leaves. `Cache-Control` is set on the response itself. Give it your own
 * context function to keep what that returns.
 */
export const options = <Services>(
  app: GraphqlEffect<Services>,
  make?: (request: Request) => object | Promise<object>
): Options => ({
  schema: app.schema,
  context: async (request) => ({ ...(await make?.(request)), [RequestId]: request }),
  execute: async (args) => {
    const contextValue = args.contextValue as { readonly [RequestId]: Request }
    const { context, headers, raw } = contextValue[RequestId]
    const operation = app.begin(GraphqlRequest.make({ headers: raw.headers ?? headers, contextValue, native: raw }))
    operation.attach(contextValue)
    onHangUp(context.res, () => void operation.end())
    try {
      const { cacheControl, result } = operation.complete(
        await execute(args),
        getOperationAST(args.document, args.operationName)?.operation
      )
      if (!context.res.headersSent) context.res.setHeader("cache-control", cacheControl)
      return result
    } finally {
      await operation.end()
    }
  }
})
