/** From a request value to what is sent, and to the key under which callers may share its answer. */
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpMethod from "@effect/platform/HttpMethod"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Endpoint from "../Endpoint.ts"
import { Problem } from "../Path.ts"
import * as RestError from "../RestError.ts"
import type { Definition } from "./definition.ts"
import type * as Naming from "./naming.ts"
import type { Effective } from "./policy.ts"
import type { RequestImpl, Wire } from "./request.ts"
import * as Target from "./target.ts"

/** A call ready to be sent. */
export interface Prepared {
  readonly impl: RequestImpl
  readonly definition: Definition
  readonly described: Described
  /** What `prepare` gave, before it was checked. */
  readonly given: HttpClientRequest.HttpClientRequest
  /** What is sent. */
  readonly request: HttpClientRequest.HttpClientRequest
  /** The endpoint's own URL: what an unsafe call to it invalidates. */
  readonly url: string
  /** What it would send, and what `prepare` added: names it among the calls of its endpoint. Undefined where it takes a key. */
  readonly alias: Naming.Alias | undefined
  /** Names it among all calls. Undefined when it has an alias, or cannot be told from others and so is never shared. */
  readonly key: string | undefined
  /** What `prepare` added that tells callers apart; empty when it added nothing of the kind. */
  readonly identity: string
  readonly policy: Effective
  /** Whether the answer is what every call of the endpoint would be given: no options of its own. */
  readonly isPlain: boolean
  /** The call's own options, for preparing it once more. */
  readonly options: Endpoint.Policy | undefined
}

/** Names that `prepare` may set without telling callers apart, in lower case. */
export interface Neutral {
  readonly headers: ReadonlySet<string>
  readonly query: ReadonlySet<string>
}

const bare = new Map<string, HttpClientRequest.HttpClientRequest>()

const bareRequest = (method: string): HttpClientRequest.HttpClientRequest => {
  let request = bare.get(method)
  if (request === undefined) {
    // The platform's type lists the common methods; its clients send any.
    request = HttpClientRequest.make(method as HttpMethod.HttpMethod)("")
    bare.set(method, request)
  }
  return request
}

export const errorFields = (definition: Definition) => ({
  endpoint: definition.name,
  method: definition.method,
  template: definition.template
})

const refused = (definition: Definition, problem: Problem): RestError.RestParameterError | RestError.RestBodyError =>
  problem.parameter === "body" && definition.body !== undefined
    ? new RestError.RestBodyError({ ...errorFields(definition), problem: problem.problem })
    : new RestError.RestParameterError({
        ...errorFields(definition),
        parameter: problem.parameter,
        problem: problem.problem
      })

/** The request as its endpoint describes it, before `prepare`. */
export interface Described {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly wire: Wire
}

export const describe = (
  impl: RequestImpl,
  base: Target.Base,
  isAllowed: (origin: string) => boolean
): Described | RestError.RestError => {
  const { definition, wire } = impl
  if (wire instanceof Problem) return refused(definition, wire)
  const target =
    impl.location === undefined
      ? Target.resolve(definition.path, impl.input, wire.path, wire.query, base, isAllowed)
      : Target.locate(impl.location, base, isAllowed)
  if ("reshaped" in target) {
    return refused(definition, new Problem(definition.path.names.join(", "), "it would change the shape of the URL"))
  }
  if ("origin" in target) return new RestError.RestOriginError({ ...errorFields(definition), host: target.origin })
  let request = HttpClientRequest.setUrl(bareRequest(definition.method), target.href)
  if (wire.body !== undefined) request = HttpClientRequest.setBody(request, wire.body.body)
  // After the body, whose media type is only a default: a content-type the caller gave wins, whatever its case.
  if (wire.headers.length > 0) request = HttpClientRequest.setHeaders(request, wire.headers)
  return { request, wire }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unsendable = /[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/

/** Whether `prepare` set a header that would end the header block, or hold what no header may. */
const badHeader = (request: HttpClientRequest.HttpClientRequest): string | undefined => {
  for (const name in request.headers) {
    const value = request.headers[name]
    if (typeof value !== "string" || unsendable.test(value) || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return name
  }
  return undefined
}

const bodyOf = (body: HttpBody.HttpBody): string | undefined => {
  switch (body._tag) {
    case "Empty":
      return ""
    case "Uint8Array":
      return `${body.contentType}\n${latin1.decode(body.body)}`
    default:
      return undefined
  }
}

const latin1 = new TextDecoder("latin1")

/** A described request, with what else decides its key. */
export interface Sealing {
  readonly impl: RequestImpl
  readonly options: Endpoint.Policy | undefined
  readonly described: Described
  readonly base: Target.Base
  readonly policy: Effective
  /** Tells calls with options of their own from those without. */
  readonly variant: string
  readonly alias: Naming.Alias | undefined
  /** Whether a key is wanted: where there is anything to share within, and no alias. */
  readonly isKeyed: boolean
}

/** The call with everything `prepare` set, checked once more, and its key. */
export const seal = (
  sealing: Sealing,
  prepared: HttpClientRequest.HttpClientRequest,
  isAllowed: (origin: string) => boolean,
  neutral: Neutral
): Prepared | RestError.RestError => {
  const { alias, base, impl, isKeyed, options, policy, variant } = sealing
  const { request: described, wire } = sealing.described
  const { definition } = impl
  if (prepared === described) {
    return {
      impl,
      definition,
      described: sealing.described,
      given: prepared,
      request: described,
      url: described.url,
      alias,
      key: !isKeyed
        ? undefined
        : keyOf(
            definition,
            impl,
            base,
            described.url,
            wire.headers.length === 0 ? "" : JSON.stringify(wire.headers),
            wire.body?.identity,
            "",
            variant
          ),
      identity: "",
      policy,
      isPlain: variant === "",
      options
    }
  }
  // Retries, deduplication and caching went by the endpoint's method.
  if (prepared.method !== described.method) {
    return refused(
      definition,
      new Problem("method", "`prepare` may not change it: describe an endpoint for each method")
    )
  }
  const bad = badHeader(prepared)
  if (bad !== undefined) return refused(definition, new Problem(bad, "it cannot be a header of an HTTP message"))
  let href = prepared.url
  let added: ReadonlyArray<readonly [string, string]> = prepared.urlParams
  if (prepared.url !== described.url || prepared.urlParams.length > 0) {
    if (!URL.canParse(prepared.url))
      return new RestError.RestOriginError({ ...errorFields(definition), host: "an invalid URL" })
    const url = new URL(prepared.url)
    for (const [name, value] of prepared.urlParams) url.searchParams.append(name, value)
    url.hash = ""
    if (url.origin !== base.origin && !isAllowed(url.origin)) {
      return new RestError.RestOriginError({ ...errorFields(definition), host: url.host })
    }
    href = url.href
    added = prepared.urlParams.filter(([name]) => !neutral.query.has(name))
  }
  const headers: Array<readonly [string, string]> = []
  const own: Array<readonly [string, string]> = []
  for (const name of Object.keys(prepared.headers).sort()) {
    if (neutral.headers.has(name)) continue
    const value = prepared.headers[name] as string
    headers.push([name, value])
    if (described.headers[name] !== value) own.push([name, value])
  }
  const isMoved = prepared.url !== described.url
  const identity =
    own.length > 0 || added.length > 0 || isMoved ? JSON.stringify([own, added, isMoved ? prepared.url : ""]) : ""
  const body = prepared.body === described.body ? wire.body?.identity : bodyOf(prepared.body)
  const hasBody = prepared.body !== described.body || wire.body !== undefined
  // What is sent is what the key was made of: the URL as one text, with no parameters or fragment beside it.
  const isWhole = href === prepared.url && prepared.urlParams.length === 0 && Option.isNone(prepared.hash)
  return {
    impl,
    definition,
    described: sealing.described,
    given: prepared,
    request: isWhole ? prepared : whole(prepared, href),
    url: described.url,
    alias,
    key:
      !isKeyed || (hasBody && body === undefined)
        ? undefined
        : keyOf(definition, impl, base, keyUrl(href, neutral), JSON.stringify(headers), body, identity, variant),
    identity,
    policy,
    isPlain: variant === "",
    options
  }
}

const whole = (request: HttpClientRequest.HttpClientRequest, href: string): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.modify(HttpClientRequest.setUrl(bareRequest(request.method), href), {
    headers: request.headers,
    body: request.body
  })

const keyUrl = (href: string, neutral: Neutral): string => {
  if (neutral.query.size === 0) return href
  const url = new URL(href)
  for (const name of neutral.query) url.searchParams.delete(name)
  return url.href
}

let definitions = 0
const ids = new WeakMap<Definition, number>()

/** Two endpoints never share an answer: each decodes it by its own schema. */
const idOf = (definition: Definition): number => {
  let id = ids.get(definition)
  if (id === undefined) {
    id = ++definitions
    ids.set(definition, id)
  }
  return id
}

// Each part is free of line breaks (JSON escapes them, URLs have none) but the last, so that no two calls write one key.
const keyOf = (
  definition: Definition,
  impl: RequestImpl,
  base: Target.Base,
  href: string,
  headers: string,
  body: string | undefined,
  identity: string,
  variant: string
): string | undefined => {
  const head = `${definition.method} ${idOf(definition)}${variant}`
  if (definition.key !== undefined) {
    // The name stands for what the endpoint makes of its parameters, not for the base, which may be the caller's own.
    return `${head} named\n${base.url.href}\n${headers}\n${identity}\n${definition.key(impl.input)}`
  }
  if (impl.definition.body !== undefined && body === undefined && Predicate.hasProperty(impl.input, "body"))
    return undefined
  return `${head} ${href}\n${headers}\n${body ?? ""}`
}
