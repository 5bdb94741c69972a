/**
 * A path template whose parameters cannot leave their place.
 *
 * Written as users of `HttpApiEndpoint` know it, as a tagged template with
 * named, Schema-typed parameters. Each parameter is percent-encoded as a
 * whole. A value that could still be read as another segment, query, fragment
 * or host (dot segments, slashes, control characters, and their encoded
 * forms) is refused by name instead of being repaired.
 */
import type * as Schema from "effect/Schema"
import * as Scalar from "./internal/scalar.ts"

export const TypeId: unique symbol = Symbol.for("@wellspring/rest/Path")
export type TypeId = typeof TypeId

/** A named parameter of a template: `A` is what the caller gives. */
export interface Param<out Name extends string, in A> {
  readonly name: Name
  /** The text of each segment it fills, one for a plain parameter, or what is wrong with the value. */
  readonly encode: (value: A) => ReadonlyArray<string> | string | Problem
  /** Whether it fills any number of segments (see {@link segments}). */
  readonly many: boolean
}

/** Why a value was refused; never quotes the value. */
export class Problem {
  readonly parameter: string
  readonly problem: string
  constructor(parameter: string, problem: string) {
    this.parameter = parameter
    this.problem = problem
  }
}

/** A template and the type of the record that fills it. */
export interface Path<in A> {
  readonly [TypeId]: TypeId
  /** The template with its parameters as `:name`; safe to log, and of low cardinality. */
  readonly template: string
  readonly names: ReadonlyArray<string>
  /** The filled template, or the parameter that was refused. */
  readonly expand: (values: A) => string | Problem
  /** Whether the filled template may be appended to the base's folder as it is, without being resolved as a URL. */
  readonly plain: boolean
  /** The template filled with harmless values: what the shape of every filled one is compared with. */
  readonly model: (values: A) => string
}

/** The record that fills a template with the parameters `P`. */
export type Values<P extends ReadonlyArray<Param<string, never>>> = {
  readonly [K in P[number] as K["name"]]: K extends Param<string, infer A> ? A : never
}

type Text = string | number | boolean | bigint

/**
 * A parameter that fills (part of) one segment.
 *
 * The schema's encoded side is what is written: a string, or a number,
 * boolean or bigint as text. Empty values are refused.
 *
 * @example
 * import { Path } from "@wellspring/rest"
 * import { Schema } from "effect"
 *
 * Path.path`movies/${Path.param("id", Schema.String)}`
 */
export const param = <const Name extends string, A, I extends Text>(
  name: Name,
  schema: Schema.Schema<A, I>
): Param<Name, A> => {
  const encode = Scalar.encoder(schema)
  return {
    name,
    many: false,
    encode: (value) => {
      const text = encode(value)
      return text === undefined ? new Problem(name, "it does not have the type its schema asks for") : text
    }
  }
}

/**
 * A parameter that fills any number of segments, at least one: `["docs", "a.md"]` becomes `docs/a.md`.
 *
 * Each element is encoded and refused as a parameter of its own, so that a
 * file path below a fixed folder stays below it.
 */
export const segments = <const Name extends string, A, I extends Text>(
  name: Name,
  schema: Schema.Schema<A, I>
): Param<Name, ReadonlyArray<A>> => {
  const encode = Scalar.encoder(schema)
  return {
    name,
    many: true,
    encode: (values) => {
      if (values.length === 0) return new Problem(name, "it has no segments")
      const texts: Array<string> = []
      for (const value of values) {
        const text = encode(value)
        if (text === undefined) return new Problem(name, "it does not have the type its schema asks for")
        texts.push(text)
      }
      return texts
    }
  }
}

// Values of these characters cannot change a URL's shape wherever they stand, so they skip every further check.
const harmless = /^[A-Za-z0-9_~-][A-Za-z0-9_.~-]*$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const control = /[\u0000-\u001f\u007f-\u009f]/
const dots = /^\.{1,2}(?:;|$)/

/** What is wrong with a value on its way into one segment, looking through percent-encoding; undefined when nothing is. */
const refusal = (text: string): string | undefined => {
  if (text === "") return "it is empty"
  let seen = text
  // Some servers decode once more than they should: a value must be harmless at every depth.
  for (let depth = 0; depth < 4; depth++) {
    if (control.test(seen)) return "it contains a control character"
    if (seen.includes("/")) return "it contains a slash"
    if (seen.includes("\\")) return "it contains a backslash"
    if (dots.test(seen)) return "it is a dot segment"
    if (!seen.includes("%")) return undefined
    const decoded = decodeLeniently(seen)
    if (decoded === seen) return undefined
    seen = decoded
  }
  return "it is percent-encoded over and over"
}

const decodeLeniently = (text: string): string =>
  text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** One segment's worth of text, encoded; or why it cannot be. */
const encodeSegment = (name: string, text: string): string | Problem => {
  if (harmless.test(text)) return text
  const problem = refusal(text)
  if (problem !== undefined) return new Problem(name, problem)
  try {
    return encodeURIComponent(text)
  } catch {
    return new Problem(name, "it contains half of a surrogate pair")
  }
}

/** @internal Whether a value is taken without a look at the whole URL. */
export const isHarmless = (text: string): boolean => harmless.test(text)

/**
 * The template itself: text as it stands in the URL, with parameters between.
 *
 * The text may begin with `/` (the host's root), hold dot segments, be a whole
 * URL (its origin must then be allowed by the source), and end with a fixed
 * query, to which the endpoint's query is appended. A parameter may not stand
 * in the query or fragment: declare it under `query`.
 *
 * Throws when the template itself is malformed, where it is written.
 */
export const path = <const P extends ReadonlyArray<Param<string, never>>>(
  strings: TemplateStringsArray,
  ...params: P
): Path<Values<P>> => build(strings, params) as Path<Values<P>>

/** A template without parameters, from its text. */
export const literal = (text: string): Path<{}> => build([text], []) as Path<{}>

const build = (strings: ReadonlyArray<string>, params: ReadonlyArray<Param<string, never>>): Path<never> => {
  const template = strings.reduce((text, part, index) => `${text}:${params[index - 1]?.name}${part}`)
  const broken = (why: string): never => {
    throw new TypeError(`The path template ${JSON.stringify(template)} ${why}.`)
  }
  const names = params.map((param) => param.name)
  if (new Set(names).size !== names.length) broken("has two parameters with one name")
  for (const text of strings) {
    if (/%(?![0-9A-Fa-f]{2})/.test(text)) broken("has a % that is not an encoded character")
    if (control.test(text) || text.includes("\\")) broken("has a control character or backslash")
  }
  if (strings.some((text) => text.includes("#"))) broken("has a fragment, which is never sent")
  if (strings.slice(0, -1).some((text) => text.includes("?"))) {
    broken("has a parameter in its query; declare it under `query` instead")
  }
  const first = strings[0] ?? ""
  const absolute = /^[a-z][a-z0-9+.-]*:/i.test(first)
  if (absolute && !/^https?:\/\/[^/?#]+/i.test(first)) {
    broken('begins with a scheme; begin with "./" when the first segment has a colon')
  }
  if (absolute && params.length > 0 && !/^https?:\/\/[^/?#]+[/?]/i.test(first)) broken("has a parameter in its host")
  const text = first.startsWith("./") ? [first.slice(2), ...strings.slice(1)] : strings
  const whole = text.join("x")
  const plain = !absolute && !whole.startsWith("/") && !/(^|\/)(\.|%2e){1,2}(\/|$|\?)/i.test(whole)
  const head = text[0] ?? ""

  const expand = (values: Readonly<Record<string, never>>): string | Problem => {
    let url = head
    for (let index = 0; index < params.length; index++) {
      const param = params[index] as Param<string, never>
      const value = param.encode(values[param.name] as never)
      if (value instanceof Problem) return value
      if (typeof value === "string") {
        const encoded = encodeSegment(param.name, value)
        if (typeof encoded !== "string") return encoded
        url += encoded
      } else {
        for (let part = 0; part < value.length; part++) {
          const encoded = encodeSegment(param.name, value[part] as string)
          if (typeof encoded !== "string") return encoded
          url += part === 0 ? encoded : `/${encoded}`
        }
      }
      url += text[index + 1]
    }
    return url
  }
  const model = (values: Readonly<Record<string, never>>): string => {
    let url = head
    for (let index = 0; index < params.length; index++) {
      const param = params[index] as Param<string, never>
      const value = param.many ? param.encode(values[param.name] as never) : "x"
      url += Array.isArray(value) ? value.map(() => "x").join("/") : "x"
      url += text[index + 1]
    }
    return url
  }
  return { [TypeId]: TypeId, template, names, expand, plain, model }
}

/** Whether a value is a path template. */
export const isPath = (value: unknown): value is Path<never> =>
  typeof value === "object" && value !== null && TypeId in value
