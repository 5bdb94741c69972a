/**
 * A `fetch` function as an `HttpClient`: no span, no fiber, redirects left to
 * the cache, and on the wire nothing but what the request says.
 */

import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import { fiberless } from "./begin.ts"
import { BytesTypeId, RawHeadersTypeId } from "./origin.ts"

/** The parts of a caller's `RequestInit` that the cache does not use itself. */
export class Init extends Context.Reference<Init>()("@wellspring/http-cache/internal/FetchInit", {
  defaultValue: (): RequestInit => ({})
}) {}

const conditional = ["if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range"] as const

/**
 * Fetch adds `cache-control: no-cache` and `pragma: no-cache` to a request
 * with conditional fields, which would forbid caches on the way to answer it.
 * In a mode of its own, such as this one, it leaves the request alone; the functions we are made for have no
 * cache of their own that the mode could address.
 */
const quietMode = { cache: "force-cache" } as const

const bodyOf = (request: HttpClientRequest.HttpClientRequest): Pick<RequestInit, "body" | "duplex"> => {
  const { body } = request
  switch (body._tag) {
    case "Empty":
      return {}
    case "FormData":
      return { body: body.formData }
    case "Stream":
      return { body: Stream.toReadableStream(body.stream), duplex: "half" }
    case "Uint8Array":
      return { body: body.body as Uint8Array<ArrayBuffer> }
    case "Raw":
      return { body: body.body as NonNullable<RequestInit["body"]>, duplex: "half" }
  }
}

const send =
  (fetch: typeof globalThis.fetch, request: HttpClientRequest.HttpClientRequest) =>
  (
    runtime: Runtime.Runtime<never>,
    resume: (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>) => void
  ) => {
    const controller = new AbortController()
    const init: RequestInit = {
      ...Context.get(runtime.context, Init),
      method: request.method,
      headers: withoutLength(request.headers),
      redirect: "manual",
      signal: controller.signal,
      ...(conditional.some((name) => name in request.headers) ? quietMode : undefined),
      ...bodyOf(request)
    }
    let waiting = true
    const settle = (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>) => {
      if (!waiting) return
      waiting = false
      resume(exit)
    }
    const lost = (cause: unknown) =>
      Exit.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause }))
    try {
      fetch(request.url, init)
        .then((response) => fromFetch(request, response, controller))
        .then(
          (response) => settle(Exit.succeed(response)),
          (cause) => settle(lost(cause))
        )
    } catch (cause) {
      // A function that is given may throw where fetch would reject.
      return lost(cause)
    }
    return () => {
      if (!waiting) return
      waiting = false
      controller.abort()
    }
  }

/** Fetch counts a body itself. */
const withoutLength = ({
  "content-length": _,
  ...headers
}: {
  readonly [name: string]: string
}): Record<string, string> => headers

/** A fetch response as the platform's, with its header lines apart and its bytes without a fiber. */
const fromFetch = (
  request: HttpClientRequest.HttpClientRequest,
  source: Response,
  controller: AbortController
): HttpClientResponse.HttpClientResponse => {
  const response = HttpClientResponse.fromWeb(request, source)
  const raw: Array<string> = []
  for (const [name, value] of source.headers) raw.push(name, value)
  const bytes = fiberless<Uint8Array, HttpClientError.HttpClientError>((_runtime, resume) => {
    let waiting = true
    source.arrayBuffer().then(
      (buffer) => waiting && resume(Exit.succeed(new Uint8Array(buffer))),
      (cause) =>
        waiting && resume(Exit.fail(new HttpClientError.ResponseError({ request, response, reason: "Decode", cause })))
    )
    return () => {
      waiting = false
      controller.abort()
    }
  })
  return Object.assign(response, {
    [RawHeadersTypeId]: raw,
    [BytesTypeId]: source.body === null ? Exit.succeed(new Uint8Array()) : bytes,
    [SourceTypeId]: source,
    [ControllerTypeId]: controller
  })
}

export const SourceTypeId: unique symbol = Symbol.for("@wellspring/http-cache/internal/FetchSource")
export const ControllerTypeId: unique symbol = Symbol.for("@wellspring/http-cache/internal/FetchController")

/** The cache gives its requests ready made, so the answer needs no fiber either. */
export const make = (fetch: typeof globalThis.fetch): HttpClient.HttpClient =>
  HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    (effect) =>
      isReady(effect)
        ? fiberless(send(fetch, effect.value))
        : Effect.flatMap(effect, (request) => fiberless(send(fetch, request))),
    (request) => Effect.succeed(request)
  )

const isReady = <A>(effect: Effect.Effect<A>): effect is Exit.Success<A, never> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)
