/**
 * Stored bodies, in their smallest form.
 *
 * A body of ASCII alone, as most JSON is, is kept as a one-byte string: a tenth of the
 * overhead of an array of its own, and text and JSON need no decoding. Any other body is kept as bytes of its own.
 */
import { isAscii } from "node:buffer"

export type Body = string | Uint8Array

export const empty: Body = ""

export const fromBytes = (bytes: Uint8Array): Body => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isAscii(buffer)) return buffer.toString("latin1")
  // A view on a part of a larger buffer would keep the whole alive, and so would what `slice` makes of a Buffer.
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}

export const length = (body: Body): number => (typeof body === "string" ? body.length : body.byteLength)

/** Bytes held in memory: the string's header, or the array's and its buffer's objects. */
export const size = (body: Body): number => (typeof body === "string" ? 24 + body.length : 240 + body.byteLength)

/** The bytes; a stored array itself when there is one, so not to be written to. */
export const view = (body: Body): Uint8Array => (typeof body === "string" ? Buffer.from(body, "latin1") : body)

/** Bytes of the caller's own. */
export const copy = (body: Body): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length(body))
  if (typeof body === "string") Buffer.from(bytes.buffer).write(body, "latin1")
  else bytes.set(body)
  return bytes
}

const decoder = new TextDecoder()

/** The text, as UTF-8 without its byte order mark. */
export const text = (body: Body): string => (typeof body === "string" ? body : decoder.decode(body))

export const slice = (body: Body, start: number, end: number): Body => fromBytes(view(body).subarray(start, end))
