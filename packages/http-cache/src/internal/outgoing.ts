/** What is handed to the client below. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Message from "../Message.ts"

const headersProto = Object.getPrototypeOf(Headers.empty) as object

/** The request with other fields: these and no others. */
export const withFields = (
  request: HttpClientRequest.HttpClientRequest,
  fields: Message.Fields
): HttpClientRequest.HttpClientRequest => {
  if (fields === request.headers) return request
  const headers: { [name: string]: string } = Object.create(headersProto)
  for (const name in fields) {
    const value = fields[name]
    if (value !== undefined) headers[name] = typeof value === "string" ? value : value.join(", ")
  }
  // The platform's combinators add fields, and cannot take one away and keep the rest in one step.
  return Object.assign(Object.create(Object.getPrototypeOf(request)), request, {
    headers
  })
}

/**
 * The caller's runtime, with what a client over `fetch` has to be told: to leave
 * redirects to us, and, in a mode of its own, to add nothing to conditional requests
 * (it would add `cache-control: no-cache`, which forbids caches on the way to answer).
 */
export const quiet = (runtime: Runtime.Runtime<never>): Runtime.Runtime<never> => {
  const init = Context.getOption(
    runtime.context as Context.Context<FetchHttpClient.RequestInit>,
    FetchHttpClient.RequestInit
  )
  // Node's types leave `cache` out of what its fetch takes.
  const ours = { redirect: "manual", cache: "force-cache" } as const
  return Runtime.provideService(runtime, FetchHttpClient.RequestInit, { ...Option.getOrUndefined(init), ...ours })
}

const preconditions = ["if-none-match", "if-modified-since", "if-match", "if-unmodified-since"]
const conditions = [...preconditions, "range", "if-range", "cache-control", "pragma"]

/** The request without preconditions. */
export const unconditioned = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  withFields(request, Headers.remove(request.headers, preconditions))

/** The request for all of its resource, on nobody's conditions. */
export const unconditional = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  conditions.some((name) => name in request.headers)
    ? withFields(request, Headers.remove(request.headers, conditions))
    : request
