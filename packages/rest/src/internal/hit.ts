/** What was decoded before from a response that a cache holds: an answer that needs no deadline, no budget and no span. */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Operation from "@wellspring/source/Operation"
import type * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type * as RestSource from "../RestSource.ts"
import { Answer } from "./answer.ts"
import * as CacheLink from "./cacheLink.ts"
import type { Definition } from "./definition.ts"

const atOnce: RestSource.Timings = { headersMillis: 0, totalMillis: 0, attempts: 1 }

/** The answer, accounted for in the caller's Operation; undefined when the response has not been decoded for the endpoint. */
export const of = (
  response: HttpClientResponse.HttpClientResponse,
  definition: Definition,
  context: Context.Context<never>
): Exit.Success<Answer, never> | undefined => {
  const decoded = CacheLink.remembered(response, definition)
  if (decoded === undefined) return undefined
  const call = CacheLink.callOf(response)
  const operation: Operation.Service | undefined = context.unsafeMap.get(Operation.Operation.key)
  if (operation !== undefined) Operation.recordCall(operation, call)
  return Exit.succeed(new Answer(decoded, response, call.outcome, atOnce)) as Exit.Success<Answer, never>
}
