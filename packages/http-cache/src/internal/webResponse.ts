/** The cache's responses as WHATWG `Response`s. */
import { STATUS_CODES } from "node:http"
import * as Stream from "effect/Stream"
import type * as Message from "../Message.ts"
import * as Body from "./body.ts"
import { SourceTypeId } from "./fetchClient.ts"
import type { CacheResponse } from "./response.ts"

/** Statuses that have no body, and whose `Response` may not be given one. */
const bodiless = new Set([101, 103, 204, 205, 304])

const headersOf = (fields: Message.Fields): Headers => {
  const headers = new Headers()
  for (const name in fields) {
    const value = fields[name]
    if (typeof value === "string") headers.append(name, value)
    else if (value !== undefined) for (const line of value) headers.append(name, line)
  }
  return headers
}

const sourceOf = (response: CacheResponse): Response | undefined =>
  response.source._tag === "Below" && SourceTypeId in response.source.response
    ? (response.source.response[SourceTypeId] as Response)
    : undefined

const bodyOf = (response: CacheResponse): ConstructorParameters<typeof Response>[0] => {
  const { source } = response
  if (bodiless.has(response.status) || response.request.method === "HEAD") return null
  switch (source._tag) {
    case "Held":
      // The constructor takes a copy of what it is given.
      return Body.view(source.body) as Uint8Array<ArrayBuffer>
    case "Passing":
      // Whoever reads is told what the inner function's body failed with.
      return Stream.toReadableStream(Stream.mapError(source.recorder.stream, (error) => error.cause ?? error))
    case "Below":
      return sourceOf(response)?.body ?? null
  }
}

/** Ends a body with an error when the caller's signal says so. */
const abortable = (
  body: ConstructorParameters<typeof Response>[0],
  signal: AbortSignal | undefined
): ConstructorParameters<typeof Response>[0] =>
  signal !== undefined && body instanceof ReadableStream ? body.pipeThrough(new TransformStream(), { signal }) : body

/** @param redirected whether it is not the URL first asked for that answered */
export const make = (response: CacheResponse, redirected: boolean, signal: AbortSignal | undefined): Response => {
  const source = sourceOf(response)
  // A status that `Response` cannot be made with is passed on as it came.
  if (source !== undefined && (source.status < 200 || source.status > 599)) return source
  const made = new Response(abortable(bodyOf(response), signal), {
    status: response.status,
    statusText: source?.statusText ?? STATUS_CODES[response.status] ?? "",
    headers: headersOf(response.fields)
  })
  return located(made, response.request.url, redirected)
}

/** What a constructor cannot say of a `Response`. */
const located = (response: Response, url: string, redirected: boolean): Response => {
  const hash = url.indexOf("#")
  const clone = response.clone.bind(response)
  return Object.defineProperties(response, {
    url: { value: hash < 0 ? url : url.slice(0, hash), configurable: true },
    redirected: { value: redirected, configurable: true },
    type: { value: "basic", configurable: true },
    clone: { value: () => located(clone(), url, redirected), configurable: true }
  })
}
