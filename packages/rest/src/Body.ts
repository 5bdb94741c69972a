/**
 * What a call sends as its body.
 *
 * A body is described once, with the Schema of what the caller gives, and
 * encoded per call to the platform's `HttpBody` with its media type. What
 * cannot be written in that media type is a typed failure: a `Map` in JSON
 * never becomes `{}`, nor an object in a form `[object Object]`.
 */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { Problem } from "./Path.ts"
import * as Query from "./Query.ts"

export const TypeId: unique symbol = Symbol.for("@wellspring/rest/Body")
export type TypeId = typeof TypeId

/** A body on its way out. */
export interface Encoded {
  readonly body: HttpBody.HttpBody
  /** What tells this body from another in a key; undefined when reading it would use it up, and the call is never shared. */
  readonly identity: string | undefined
}

/** How `A` becomes a body. */
export interface Body<in A> {
  readonly [TypeId]: TypeId
  readonly encode: (value: A) => Encoded | Problem
}

const make = <A>(encode: (value: A) => Encoded | Problem): Body<A> => ({ [TypeId]: TypeId, encode })

/** Whether a value describes a body. */
export const isBody = (value: unknown): value is Body<never> =>
  typeof value === "object" && value !== null && TypeId in value

const problem = (why: string) => new Problem("body", why)

const throughSchema = <A, I>(schema: Schema.Schema<A, I>, write: (encoded: I) => Encoded | Problem): Body<A> => {
  const encode = ParseResult.encodeUnknownEither(schema)
  return make((value) => {
    const encoded = encode(value)
    if (Either.isRight(encoded)) return write(encoded.right)
    const [issue] = ParseResult.ArrayFormatter.formatIssueSync(encoded.left)
    const where = issue === undefined || issue.path.length === 0 ? "it" : `its field ${issue.path.join(".")}`
    return problem(`${where} does not match its schema`)
  })
}

/**
 * JSON, as `application/json` or the media type given.
 *
 * The schema's encoded side must be JSON: plain objects and arrays of strings,
 * finite numbers, booleans and nulls, or objects that say how they are written
 * with `toJSON`. Fields that are `undefined` are left out.
 */
export const json = <A, I>(
  schema: Schema.Schema<A, I>,
  options?: { readonly contentType?: string | undefined }
): Body<A> =>
  throughSchema(schema, (encoded) => {
    const fault = unserialisable(encoded, "", 0)
    if (fault !== undefined) return problem(fault)
    let text: string | undefined
    try {
      text = JSON.stringify(encoded)
    } catch (cause) {
      return problem(cause instanceof RangeError ? "it is nested too deeply" : "writing it as JSON failed")
    }
    if (text === undefined) return problem("it has no JSON form")
    const contentType = options?.contentType ?? "application/json"
    return { body: HttpBody.text(text, contentType), identity: `${contentType}\n${text}` }
  })

/** What keeps a value from being JSON; undefined when nothing does. */
const unserialisable = (value: unknown, where: string, depth: number): string | undefined => {
  const at = where === "" ? "it" : `its field ${where}`
  if (depth > 200) return "it is nested too deeply, or in a circle"
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined
    case "undefined":
      return depth === 0 ? "it is undefined" : undefined
    case "number":
      return Number.isFinite(value) ? undefined : `${at} is not a finite number`
    case "object":
      break
    default:
      return `${at} is a ${typeof value}`
  }
  if (value === null) return undefined
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const fault = unserialisable(value[index], `${where}[${index}]`, depth + 1)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return undefined
  const prototype = Object.getPrototypeOf(value)
  // The prototype of a plain object from another realm is one step from the end as well.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    return `${at} is a ${prototype.constructor?.name}`
  for (const [name, member] of Object.entries(value)) {
    const fault = unserialisable(member, where === "" ? name : `${where}.${name}`, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** `application/x-www-form-urlencoded`, by the rules of {@link Query}. */
export const form = <A, I>(
  schema: Schema.Schema<A, I>,
  options?: { readonly arrays?: Query.Arrays | undefined }
): Body<A> => {
  const query = Query.make(schema, options?.arrays)
  return make((value) => {
    const pairs = query.encode(value)
    if (pairs instanceof Problem) return problem(`its field ${pairs.parameter} cannot be sent: ${pairs.problem}`)
    const text = Query.toString(pairs).replaceAll("%20", "+")
    const contentType = "application/x-www-form-urlencoded"
    return { body: HttpBody.text(text, contentType), identity: `${contentType}\n${text}` }
  })
}

/** A part of a multipart body; a `File` keeps its name. Dates, numbers and booleans are given as text. */
export type Part = string | Blob | ReadonlyArray<string | Blob> | undefined

/** `multipart/form-data`: a native `FormData`, or a record of its parts. */
export const multipart: Body<FormData | Readonly<Record<string, Part>>> = make((value) => {
  if (value instanceof FormData) return { body: HttpBody.formData(value), identity: undefined }
  const form = new FormData()
  for (const [name, part] of Object.entries(value)) {
    for (const item of Array.isArray(part) ? part : [part]) {
      if (item === undefined) continue
      if (typeof item === "string") form.append(name, item)
      else if (item instanceof Blob) form.append(name, item)
      else return problem(`its part ${name} is neither text nor a Blob`)
    }
  }
  return { body: HttpBody.formData(form), identity: undefined }
})

/** Text, as `text/plain` or the media type given. */
export const text = (options?: { readonly contentType?: string | undefined }): Body<string> => {
  const contentType = options?.contentType ?? "text/plain; charset=utf-8"
  return make((value) =>
    typeof value === "string"
      ? { body: HttpBody.text(value, contentType), identity: `${contentType}\n${value}` }
      : problem("it is not text")
  )
}

/** Bytes or a `Blob`, as `application/octet-stream` or the media type given. */
export const bytes = (options?: { readonly contentType?: string | undefined }): Body<Uint8Array | Blob> =>
  make((value) => {
    if (value instanceof Uint8Array)
      return { body: HttpBody.uint8Array(value, options?.contentType), identity: undefined }
    if (value instanceof Blob) {
      return {
        body: HttpBody.fileWeb({
          name: "blob",
          lastModified: 0,
          size: value.size,
          type: options?.contentType ?? (value.type || "application/octet-stream"),
          stream: () => value.stream()
        }),
        identity: undefined
      }
    }
    return problem("it is neither bytes nor a Blob")
  })

/** A stream of bytes, sent as it is produced; such a call is never retried, since the bytes are gone. */
export const stream = (options?: {
  readonly contentType?: string | undefined
}): Body<Stream.Stream<Uint8Array, unknown>> =>
  make((value) => ({ body: HttpBody.stream(value, options?.contentType), identity: undefined }))

/** @internal A body as given, or JSON of the schema given. */
export const from = (body: Body<never> | Schema.Schema.AnyNoContext): Body<unknown> =>
  (Schema.isSchema(body) ? json(body as Schema.Schema<unknown>) : body) as Body<unknown>
