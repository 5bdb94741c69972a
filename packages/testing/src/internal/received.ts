/** What arrived at a scripted upstream. */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** A call as the upstream saw it. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly path: string
  /** Query parameters by name, the last of each. */
  readonly query: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON and text as such, other bodies as bytes or `FormData`; undefined without one. */
  readonly body: unknown
  /** The name of the endpoint it was taken for; undefined for an unexpected call. */
  readonly endpoint: string | undefined
  /** The path's parameters. */
  readonly parameters: Readonly<Record<string, string>>
}

const decoder = new TextDecoder()

const read = (bytes: Uint8Array, contentType: string | undefined): unknown => {
  const type = contentType?.toLowerCase() ?? ""
  if (type.includes("json")) {
    try {
      return JSON.parse(decoder.decode(bytes))
    } catch {
      return decoder.decode(bytes)
    }
  }
  return type.startsWith("text/") || type.includes("urlencoded") ? decoder.decode(bytes) : bytes
}

const bodyOf = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<unknown> => {
  const { body } = request
  switch (body._tag) {
    case "Empty":
      return Effect.succeed(undefined)
    case "Uint8Array":
      return Effect.succeed(read(body.body, request.headers["content-type"]))
    case "FormData":
      return Effect.succeed(body.formData)
    case "Raw":
      return Effect.succeed(body.body)
    case "Stream":
      return Effect.map(Effect.orDie(Stream.runCollect(body.stream)), (chunks) =>
        read(Buffer.concat([...chunks]), request.headers["content-type"])
      )
  }
}

export const receive = (request: HttpClientRequest.HttpClientRequest, url: URL): Effect.Effect<Received> =>
  Effect.map(bodyOf(request), (body) => ({
    method: request.method,
    url: url.href,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { ...request.headers },
    body,
    endpoint: undefined,
    parameters: {}
  }))
