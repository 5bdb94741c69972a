/**
 * The application in GraphQL Yoga.
 *
 * @example
 * import { createYoga } from "graphql-yoga"
 * import type { GraphqlEffect } from "@wellspring/graphql"
 * import * as Yoga from "@wellspring/graphql/Yoga"
 *
 * declare const app: GraphqlEffect.GraphqlEffect<never>
 *
 * const yoga = createYoga({ schema: app.schema, plugins: [Yoga.plugin(app)] })
 */
import type { Plugin, YogaInitialContext } from "graphql-yoga"
import type { GraphqlEffect } from "./GraphqlEffect.ts"
import * as GraphqlRequest from "./GraphqlRequest.ts"

/** Begins an operation for each execution and ends it with the response, or when the client leaves. */
export const plugin = <Services>(app: GraphqlEffect<Services>): Plugin => {
  const begin = (contextValue: YogaInitialContext) => {
    const { request } = contextValue
    const operation = app.begin(GraphqlRequest.make({ headers: request.headers, contextValue, native: request }))
    operation.attach(contextValue)
    const stop = () => void operation.end()
    request.signal.addEventListener("abort", stop)
    return () => {
      request.signal.removeEventListener("abort", stop)
      stop()
    }
  }
  return {
    onExecute: ({ args }) => {
      const end = begin(args.contextValue)
      return { onExecuteDone: end }
    },
    onSubscribe: ({ args }) => {
      const end = begin(args.contextValue)
      return {
        onSubscribeResult: () => ({ onEnd: end }),
        onSubscribeError: end
      }
    }
  }
}
