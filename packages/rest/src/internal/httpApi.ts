/** Endpoints from the descriptions that `@effect/platform` servers and clients are made of. */
import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type { Encoding } from "@effect/platform/HttpApiSchema"
import * as HttpMethod from "@effect/platform/HttpMethod"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import * as Body from "../Body.ts"
import * as Endpoint from "../Endpoint.ts"
import * as Path from "../Path.ts"

// Read by key: the module they belong to loads the server side of the platform.
const statusKey = Symbol.for("@effect/platform/HttpApiSchema/AnnotationStatus")
const encodingKey = Symbol.for("@effect/platform/HttpApiSchema/AnnotationEncoding")
const multipartKeys = ["AnnotationMultipart", "AnnotationMultipartStream"].map((name) =>
  Symbol.for(`@effect/platform/HttpApiSchema/${name}`)
)

const annotation = <A>(ast: AST.AST, key: symbol): A | undefined =>
  (ast.annotations[key] ?? (AST.isTransformation(ast) ? ast.to.annotations[key] : undefined)) as A | undefined

type Loose = Schema.Schema<unknown>

/** The schemas of a record's fields. */
const fieldsOf = (schema: Schema.Schema.Any, name: string): Readonly<Record<string, Loose>> => {
  if ("fields" in schema) return schema.fields as Readonly<Record<string, Loose>>
  throw new TypeError(`The path of ${name} must be described by a Struct.`)
}

const pathOf = (endpoint: HttpApiEndpoint.HttpApiEndpoint.AnyWithProps): Path.Path<never> => {
  const fields = Option.match(endpoint.pathSchema, {
    onNone: () => ({}),
    onSome: (schema) => fieldsOf(schema, endpoint.name)
  }) as Readonly<Record<string, Loose>>
  // An endpoint's path begins with a slash and is meant below the base URL: as a link it would mean the host's root.
  const parts = endpoint.path.replace(/^\//, "./").split(/:(\w+)[?*+]?/)
  const strings = parts.filter((_, index) => index % 2 === 0)
  const params = parts
    .filter((_, index) => index % 2 === 1)
    .map((name) => Path.param(name, (fields[name] ?? Schema.String) as Schema.Schema<string, string>))
  return Path.path(Object.assign(strings, { raw: strings }) as TemplateStringsArray, ...params) as Path.Path<never>
}

const json: Encoding = { kind: "Json", contentType: "application/json" }

const bodyOf = (schema: Schema.Schema.Any): Body.Body<never> => {
  if (multipartKeys.some((key) => annotation(schema.ast, key) !== undefined)) {
    return Body.multipart as Body.Body<never>
  }
  const { contentType, kind } = annotation<Encoding>(schema.ast, encodingKey) ?? json
  const loose = schema as Loose
  switch (kind) {
    case "Json":
      return Body.json(loose, { contentType }) as Body.Body<never>
    case "UrlParams":
      return Body.form(loose) as Body.Body<never>
    case "Uint8Array":
      return Body.bytes({ contentType }) as Body.Body<never>
    case "Text":
      return Body.text({ contentType }) as Body.Body<never>
  }
}

/** Error schemas by the status they are annotated with. */
const errorsOf = (schemas: ReadonlyArray<Schema.Schema.All>): Readonly<Record<number, Schema.Schema.AnyNoContext>> => {
  const byStatus = new Map<number, Array<AST.AST>>()
  for (const { ast } of schemas) {
    for (const member of AST.isUnion(ast) ? ast.types : [ast]) {
      if (AST.isNeverKeyword(member)) continue
      const status = annotation<number>(member, statusKey) ?? 500
      byStatus.set(status, [...(byStatus.get(status) ?? []), member])
    }
  }
  return Object.fromEntries(
    Array.from(byStatus, ([status, members]) => [status, Schema.make(AST.Union.make(members)) as never])
  )
}

export const endpoint = (
  described: HttpApiEndpoint.HttpApiEndpoint.AnyWithProps,
  shared: ReadonlyArray<Schema.Schema.All>,
  policy: Endpoint.Policy
): unknown => {
  const hasBody = HttpMethod.hasBody(described.method)
  const payload = Option.getOrUndefined(described.payloadSchema)
  const query = Option.getOrUndefined(described.urlParamsSchema)
  const headers = Option.getOrUndefined(described.headersSchema)
  // A payload of a method without a body travels as the query.
  const asQuery = hasBody ? query : (payload ?? query)
  return Endpoint.make(described.method, described.name, {
    ...policy,
    path: pathOf(described),
    ...(asQuery === undefined ? undefined : { query: asQuery as Schema.Schema.AnyNoContext }),
    ...(headers === undefined ? undefined : { headers: headers as Schema.Schema.AnyNoContext }),
    ...(hasBody && payload !== undefined ? { body: bodyOf(payload) } : undefined),
    success: described.successSchema as Schema.Schema.AnyNoContext,
    errors: errorsOf([...shared, described.errorSchema as Schema.Schema.All])
  })
}

export const group = (
  described: HttpApiGroup.HttpApiGroup.AnyWithProps,
  shared: ReadonlyArray<Schema.Schema.All>,
  policy: Endpoint.Policy
): Readonly<Record<string, unknown>> => {
  const errors = [...shared, described.errorSchema as Schema.Schema.All]
  return Object.fromEntries(
    Object.values(described.endpoints).map((one) => [
      one.name,
      endpoint(one as HttpApiEndpoint.HttpApiEndpoint.AnyWithProps, errors, policy)
    ])
  )
}

export const api = (
  described: HttpApi.HttpApi.AnyWithProps,
  policy: Endpoint.Policy
): Readonly<Record<string, unknown>> => {
  const errors = [described.errorSchema as Schema.Schema.All]
  const out: Record<string, unknown> = {}
  for (const one of Object.values(described.groups)) {
    const endpoints = group(one as HttpApiGroup.HttpApiGroup.AnyWithProps, errors, policy)
    if ((one as HttpApiGroup.HttpApiGroup.AnyWithProps).topLevel) Object.assign(out, endpoints)
    else out[one.identifier] = endpoints
  }
  return out
}
