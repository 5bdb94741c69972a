/** What a body is, by its media type. */
import { MIMEType } from "whatwg-mimetype"
import type { Reading } from "../Endpoint.ts"
import * as Json from "./json.ts"

export type Kind = "json" | "text" | "form" | "bytes" | "none"

interface Media {
  readonly kind: Kind
  readonly charset: string | undefined
}

const none: Media = { kind: "none", charset: undefined }
const known = new Map<string, Media>()
const fallback = new Set(["xml", "javascript", "x-javascript", "yaml", "x-yaml", "graphql", "sql"])

/** The kind and charset of a `content-type`, by the WHATWG MIME standard; case and parameters do not matter. */
export const of = (contentType: string | undefined): Media => {
  if (contentType === undefined) return none
  const seen = known.get(contentType)
  if (seen !== undefined) return seen
  const type = MIMEType.parse(contentType)
  const media: Media =
    type === null ? none : { kind: kindOf(type), charset: type.parameters.get("charset")?.toLowerCase() }
  // An upstream that invents a media type per answer must not fill the memory.
  if (known.size > 200) known.clear()
  if (contentType.length < 200) known.set(contentType, media)
  return media
}

const kindOf = (type: MIMEType): Kind => {
  const { subtype } = type
  if (subtype === "json" || subtype.endsWith("+json")) return type.type === "multipart" ? "bytes" : "json"
  if (type.essence === "application/x-www-form-urlencoded") return "form"
  if (type.type === "text" || subtype.endsWith("+xml") || fallback.has(subtype)) return "text"
  // A type nobody knows that names a charset says that it is text.
  return type.parameters.get("charset") === undefined ? "bytes" : "text"
}

const utf8 = new TextDecoder()
// Encodings beyond these are refused rather than guessed: their decoders have been a way in before.
const labels = new Set(["us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252", "utf-16", "utf-16le", "utf-16be"])

/** Bytes as text; undefined for a charset that is not decoded. */
export const text = (bytes: Uint8Array, charset: string | undefined): string | undefined => {
  if (charset === undefined || charset === "utf-8" || charset === "utf8") return utf8.decode(bytes)
  return labels.has(charset) ? new TextDecoder(charset).decode(bytes) : undefined
}

/** A parsed body, or what kept it from being parsed. */
export type Parsed = { readonly value: unknown } | { readonly problem: string; readonly text: string }

/** Parses a whole body. An empty one is `undefined`, whatever its type says. */
export const parse = (bytes: Uint8Array, contentType: string | undefined, reading: Reading): Parsed => {
  if (reading === "bytes") return { value: bytes }
  if (bytes.length === 0) return { value: undefined }
  const media = of(contentType)
  const kind = reading === "auto" ? media.kind : reading
  if (kind === "bytes") return { value: bytes }
  const decoded = text(bytes, media.charset)
  if (decoded === undefined) return { problem: "its charset is not supported", text: "" }
  switch (kind) {
    case "json":
      return json(decoded)
    case "form":
      return { value: record(new URLSearchParams(decoded)) }
    case "none": {
      // Nothing said: what is JSON from its first to its last character is taken as that, anything else is text.
      const guess = /^\s*[{[]/.test(decoded) ? json(decoded) : { value: decoded }
      return "value" in guess ? guess : { value: decoded }
    }
    case "text":
      return { value: decoded }
  }
}

const json = (decoded: string): Parsed => {
  if (decoded.trim() === "") return { value: undefined }
  try {
    return { value: Json.parse(decoded) }
  } catch {
    return { problem: "it is not valid JSON", text: decoded }
  }
}

const record = (params: URLSearchParams): Readonly<Record<string, unknown>> => {
  const out: Record<string, unknown> = Object.create(null)
  for (const name of new Set(params.keys())) {
    const values = params.getAll(name)
    out[name] = values.length === 1 ? values[0] : values
  }
  return out
}

/** The beginning of a body for a log, with what looks like a secret masked. */
export const sample = (value: unknown): string => {
  let shown: string
  try {
    shown =
      typeof value === "string"
        ? value
        : value instanceof Uint8Array
          ? `${value.length} bytes`
          : (JSON.stringify(value) ?? String(value))
  } catch {
    // A circle, a BigInt, or a value nested beyond the stack.
    shown = Object.prototype.toString.call(value)
  }
  return shown
    .slice(0, 1000)
    .replace(
      /("?[\w-]*(?:token|secret|passw|api_?key|auth|session|cookie|signature)[\w-]*"?\s*[:=]\s*)("[^"]*"?|[^\s,;&}]+)/gi,
      "$1REDACTED"
    )
    .replace(/\b(?:Bearer|Basic)\s+[\w.~+/=-]+/gi, "REDACTED")
    .replace(/[A-Za-z0-9_-]{32,}/g, "REDACTED")
    .slice(0, 200)
}
