/**
 * The application in GraphQL Yoga 5.
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
import { type ExecutionResult, getOperationAST } from "graphql"
import type { Plugin, YogaInitialContext } from "graphql-yoga"
import type { Begun, GraphqlEffect } from "./GraphqlEffect.ts"
import * as GraphqlRequest from "./GraphqlRequest.ts"
import * as Policy from "./internal/policy.ts"

/**
 * One operation for each execution, ended with its result or when the client
 * leaves. A subscription's lasts until its last event; a response's
 * `Cache-Control` is that of the strictest of its operations.
 */
export const plugin = <Services>(app: GraphqlEffect<Services>): Plugin => {
  const policies = new WeakMap<Request, Policy.Policy>()
  const begin = (contextValue: YogaInitialContext): Begun => {
    const { request } = contextValue
    const operation = app.begin(GraphqlRequest.make({ headers: request.headers, contextValue, native: request }))
    operation.attach(contextValue)
    const stop = () => void operation.end()
    request.signal.addEventListener("abort", stop, { once: true })
    const end = () => {
      request.signal.removeEventListener("abort", stop)
      return operation.end()
    }
    return { ...operation, end }
  }
  const restrict = (request: Request, cacheControl: string) => {
    const policy = policies.get(request) ?? new Policy.Policy()
    policy.restrict(Policy.parse(cacheControl))
    policies.set(request, policy)
  }
  return {
    onExecute: ({ args }) => {
      const { contextValue, document, operationName } = args
      const operation = begin(contextValue)
      return {
        onExecuteDone: async ({ result, setResult }) => {
          if (isResult(result)) {
            const type = getOperationAST(document, operationName)?.operation
            const completed = operation.complete(result, type)
            setResult(completed.result)
            restrict(contextValue.request, completed.cacheControl)
          }
          await operation.end()
        }
      }
    },
    onSubscribe: ({ args }) => {
      const operation = begin(args.contextValue)
      return {
        onSubscribeResult: () => ({
          onNext: ({ result, setResult }) => {
            if (isResult(result)) setResult(operation.complete(result, undefined).result)
          },
          onEnd: () => void operation.end()
        })
      }
    },
    onResponse: ({ request, response }) => {
      const policy = policies.get(request)
      if (policy !== undefined) response.headers.set("cache-control", Policy.header(policy))
    }
  }
}

/** Not the parts of an incremental delivery. */
const isResult = (result: unknown): result is ExecutionResult =>
  typeof result === "object" && result !== null && !(Symbol.asyncIterator in result)
