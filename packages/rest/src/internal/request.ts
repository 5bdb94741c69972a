/** The value that calling an endpoint gives: a Request, equal to another by what it would send, and an Effect. */
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as EffectRequest from "effect/Request"
import type { Encoded } from "../Body.ts"
import { Problem } from "../Path.ts"
import { type Pairs, toString } from "../Query.ts"
import type { Definition } from "./definition.ts"

export const TypeId: unique symbol = Symbol.for("@wellspring/rest/Request")
export type TypeId = typeof TypeId

/** What a request becomes before any source has seen it. */
export interface Wire {
  readonly path: string
  /** Text after `?`, of the endpoint's query alone. */
  readonly query: string
  readonly headers: Pairs
  readonly body: Encoded | undefined
  /** Tells it from every other request of its endpoint; undefined when its body can be read only once. */
  readonly identity: string | undefined
}

const variance = { _A: (value: never) => value, _E: (value: never) => value }
const noPairs: Pairs = []

const valid = /^[\t\u0020-\u007e\u0080-\u00ff]*$/

const write = (definition: Definition, input: Readonly<Record<string, unknown>>): Wire | Problem => {
  const path = definition.path.expand(input)
  if (typeof path !== "string") return path
  const pairs = definition.query === undefined ? noPairs : definition.query.encode(input)
  if (pairs instanceof Problem) return pairs
  const query = pairs.length === 0 ? "" : toString(pairs)
  let headers = noPairs
  if (definition.headers !== undefined) {
    const encoded = definition.headers.encode(input["headers"] ?? {})
    if (encoded instanceof Problem) return encoded
    for (const [name, value] of encoded) {
      if (!valid.test(value)) return new Problem(name, "it contains a character that no header may hold")
    }
    headers = encoded
  }
  if (definition.body === undefined || (input["body"] === undefined && definition.policy.bodyOptional === true)) {
    const identity = headers.length === 0 ? `${path}?${query}` : `${path}?${query}\n${JSON.stringify(headers)}`
    return { path, query, headers, body: undefined, identity }
  }
  const body = definition.body.encode(input["body"])
  if (body instanceof Problem) return body
  const identity = body.identity === undefined ? undefined : JSON.stringify([path, query, headers, body.identity])
  return { path, query, headers, body, identity }
}

export class RequestImpl extends Effectable.Class<unknown, unknown, unknown> {
  readonly definition: Definition
  readonly input: Readonly<Record<string, unknown>>
  /** A URL given by the upstream, in place of the one the path would make; resolved and checked by the source. */
  readonly location: string | undefined
  #wire: Wire | Problem | undefined
  constructor(definition: Definition, input: Readonly<Record<string, unknown>>, location?: string) {
    super()
    this.definition = definition
    this.input = input
    this.location = location
  }
  get [TypeId](): TypeId {
    return TypeId
  }
  get [EffectRequest.RequestTypeId](): typeof variance {
    return variance
  }
  get _tag(): string {
    return this.definition.name
  }
  get endpoint(): string {
    return this.definition.name
  }
  get wire(): Wire | Problem {
    this.#wire ??= write(this.definition, this.input)
    return this.#wire
  }
  get [Fiberless.TypeId](): Fiberless.Start<unknown, unknown, unknown> {
    return (context, resume) => {
      const source: Caller | undefined = (context as Context.Context<never>).unsafeMap.get(this.definition.source.key)
      if (source === undefined) return Exit.die(new Error(`Service not found: ${this.definition.source.key}`))
      return source.call(this)[Fiberless.TypeId](context, resume)
    }
  }
  commit(): Effect.Effect<unknown, unknown, unknown> {
    return Effect.flatMap(this.definition.source, (source) => (source as Caller).call(this))
  }
  override toString(): string {
    return `${this.definition.name}(${this.definition.method} ${this.definition.template})`
  }
  toJSON(): unknown {
    const { method, name, template } = this.definition
    return { _id: "@wellspring/rest/Request", endpoint: name, method, template }
  }
  [Equal.symbol](that: unknown): boolean {
    if (this === that) return true
    if (!(that instanceof RequestImpl) || that.definition !== this.definition || that.location !== this.location) {
      return false
    }
    const [a, b] = [this.wire, that.wire]
    return !(a instanceof Problem) && !(b instanceof Problem) && a.identity !== undefined && a.identity === b.identity
  }
  [Hash.symbol](): number {
    const wire = this.wire
    return Hash.cached(
      this,
      wire instanceof Problem || wire.identity === undefined
        ? Hash.random(this)
        : Hash.combine(Hash.string(this.definition.name))(Hash.string(wire.identity))
    )
  }
}

interface Caller {
  readonly call: (request: RequestImpl) => Fiberless.Fiberless<unknown, unknown, unknown>
}

/** The tag an endpoint's requests ask for when they are run as Effects; `RestSource.RestSource` is this tag. */
export const defaultSource = Context.GenericTag<unknown, unknown>("@wellspring/rest/RestSource")

const definitionKey: unique symbol = Symbol.for("@wellspring/rest/Endpoint/definition")

/** What an endpoint is described by. */
export const definitionOf = (endpoint: object): Definition =>
  (endpoint as { readonly [definitionKey]: Definition })[definitionKey]

/** Marks a function as the endpoint of a definition. */
export const define = <A extends object>(endpoint: A, definition: Definition): A =>
  Object.defineProperty(endpoint, definitionKey, { value: definition })
