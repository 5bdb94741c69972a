/**
 * What a client below answered, as the cache looks at it: head as plain fields, body as bytes or as a stream.
 */
import * as Cookies from "@effect/platform/Cookies"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import type * as Message from "../Message.ts"
import * as Common from "./common.ts"

/** Under it a client of ours gives its header lines as `[name, value, …]`, in the order they came, names in lower case. */
export const RawHeadersTypeId: unique symbol = Symbol.for("@wellspring/http/rawHeaders")
/** Under it a client of ours gives the whole body without a copy, as an Exit when it is at hand. */
export const BytesTypeId: unique symbol = Symbol.for("@wellspring/http/bytes")

type Known = HttpClientResponse.HttpClientResponse & {
  readonly [RawHeadersTypeId]?: ReadonlyArray<string>
  readonly [BytesTypeId]?: Effect.Effect<Uint8Array, HttpClientError.ResponseError>
}

type Record = { [name: string]: string | ReadonlyArray<string> }

const fromRaw = (raw: ReadonlyArray<string>): Record => {
  const fields: Record = {}
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] as string
    const value = Common.share(name, raw[index + 1] as string)
    // A name that is no field of a record of its own; no origin means it well.
    if (name === "__proto__") continue
    // What a record has from its prototype is no field.
    const before = name in fields && Object.hasOwn(fields, name) ? fields[name] : undefined
    fields[name] = before === undefined ? value : typeof before === "string" ? [before, value] : [...before, value]
  }
  return fields
}

const fromJoined = (response: HttpClientResponse.HttpClientResponse): Record => {
  const fields = Common.shareAll(response.headers)
  // The platform's record keeps one set-cookie line of many; its cookies have them all.
  if (fields["set-cookie"] !== undefined) {
    const lines = Cookies.toSetCookieHeaders(response.cookies)
    if (lines.length > 0) fields["set-cookie"] = lines
  }
  return fields
}

export const headOf = (response: HttpClientResponse.HttpClientResponse): Message.ResponseHead => {
  const raw = (response as Known)[RawHeadersTypeId]
  const headers = raw === undefined ? fromJoined(response) : fromRaw(raw)
  const coding = headers["content-encoding"]
  return coding === undefined || coding === "identity"
    ? { status: response.status, headers }
    : // Whether the client below has undone the coding cannot be seen, so it counts as undone.
      { status: response.status, headers, decoded: true }
}

/** The whole body; without a copy where the client can. */
export const bytesOf = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Uint8Array, HttpClientError.ResponseError> =>
  (response as Known)[BytesTypeId] ?? Effect.map(response.arrayBuffer, (buffer) => new Uint8Array(buffer))
