/** An `HttpClient` that answers from a function, and remembers what it was asked. */
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { Effect, Layer } from "effect"

export const json = (value: unknown, init?: ResponseInit): Response => Response.json(value, init)

type Answer = Response | Effect.Effect<Response, unknown>

export interface Stub {
  readonly calls: Array<string>
  readonly requests: Array<HttpClientRequest.HttpClientRequest>
  /** Calls that were interrupted before their answer. */
  readonly interrupted: () => number
  readonly layer: Layer.Layer<HttpClient.HttpClient>
}

export const stub = (answer: (request: HttpClientRequest.HttpClientRequest, call: number) => Answer): Stub => {
  const calls: Array<string> = []
  const requests: Array<HttpClientRequest.HttpClientRequest> = []
  let interrupted = 0
  const client = HttpClient.make((request, url) =>
    Effect.suspend(() => {
      calls.push(`${request.method} ${url.href}`)
      requests.push(request)
      const given = answer(request, calls.length)
      return Effect.isEffect(given) ? given : Effect.delay(Effect.succeed(given), 0)
    }).pipe(
      Effect.onInterrupt(() => Effect.sync(() => interrupted++)),
      Effect.map((response) => HttpClientResponse.fromWeb(request, response)),
      Effect.mapError((cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause }))
    )
  )
  return { calls, requests, interrupted: () => interrupted, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

/** Answers in the next turn of the event loop: calls made together are under way together. */
export const soon = (response: Response): Effect.Effect<Response> =>
  Effect.async((resume) => {
    const turn = setImmediate(() => resume(Effect.succeed(response)))
    return Effect.sync(() => clearImmediate(turn))
  })
