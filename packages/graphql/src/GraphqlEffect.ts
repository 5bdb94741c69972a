/**
 * A GraphQL schema whose resolvers are Effects.
 *
 * `make` takes a schema, in whatever way it was written, and the layer of the
 * application's services. What it gives runs in any server: the schema's field
 * resolvers may return values, Promises or Effects, and each GraphQL operation
 * is one Operation, with services of its own.
 */
import { makeExecutableSchema } from "@graphql-tools/schema"
import type { Operation } from "@wellspring/source"
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  OperationTypeNode,
  parse
} from "graphql"
import type { GraphqlRequest } from "./GraphqlRequest.ts"
import * as Request from "./GraphqlRequest.ts"
import type * as Application from "./internal/application.ts"
import * as Policy from "./internal/policy.ts"
import * as Response from "./internal/response.ts"
import * as Run from "./internal/run.ts"
import { Session } from "./internal/session.ts"
import * as Wrap from "./internal/wrap.ts"
import type { ResolverMap } from "./Resolver.ts"

/**
 * What every resolver may use besides the application's services and those of
 * the operation. The scope is the operation's: it closes with the response.
 */
export type Given = Operation.Operation | GraphqlRequest | Scope.Scope

/** The application's services: a layer, built once, or a runtime that has them, which {@link GraphqlEffect.dispose} closes. */
export type ApplicationLayer<S> = Layer.Layer<S, unknown> | ManagedRuntime.ManagedRuntime<S, unknown>

/** The application's services with those that each operation has for itself. See {@link perOperation}. */
export class Services<in out S> {
  /** @internal */
  readonly application: ApplicationLayer<never>
  /** @internal */
  readonly perOperation: Application.PerOperation
  declare readonly "~services": (services: S) => S
  /** @internal */
  constructor(application: ApplicationLayer<never>, perOperation: Application.PerOperation) {
    this.application = application
    this.perOperation = perOperation
  }
}

/** What {@link perOperation} takes: a layer, or an Effect of a context, which costs each operation less. */
export type PerOperation<P, R> =
  | Layer.Layer<P, unknown, R>
  | Effect.Effect<Context.Context<P>, unknown, R | Scope.Scope>

/**
 * Gives each operation services of its own: the viewer, the locale, whatever
 * the request decides. They may use the application's services and
 * `GraphqlRequest`, are built by the first field of the operation that returns
 * an Effect, and are released with the response. When they cannot be built,
 * every such field fails with the reason.
 *
 * @example
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { GraphqlEffect, GraphqlRequest } from "@wellspring/graphql"
 *
 * class Locale extends Context.Tag("Locale")<Locale, string>() {
 *   static readonly OfRequest = Layer.effect(
 *     Locale,
 *     Effect.map(GraphqlRequest.GraphqlRequest, (request) => request.header("accept-language") ?? "en")
 *   )
 * }
 *
 * const services = Layer.empty.pipe(GraphqlEffect.perOperation(Locale.OfRequest))
 */
export const perOperation: {
  <P, R>(services: PerOperation<P, R>): <L>(self: ApplicationLayer<L> & Covers<L, R>) => Services<L | P>
  <L, P, R>(self: ApplicationLayer<L> & Covers<L, R>, services: PerOperation<P, R>): Services<L | P>
} = dual(
  2,
  <L, P, R>(self: ApplicationLayer<L>, services: PerOperation<P, R>): Services<L | P> =>
    new Services(self as ApplicationLayer<never>, services as unknown as Application.PerOperation)
)

/** Nothing more to ask when the services `R` are among `L` and what is given; else a type that says what is missing. */
export type Covers<L, R> = [Exclude<R, L | Given>] extends [never]
  ? unknown
  : { readonly "Missing services": Exclude<R, L | Given> }

export interface Options<S> {
  /** The application's services, with those of each operation where {@link perOperation} adds them. */
  readonly layer: ApplicationLayer<S> | Services<S>
  /**
   * Adds `extensions.wellspring` to every response: what the operation loaded
   * and called, and warnings where a field should batch. Default `false`: it
   * tells clients about the inside, so leave it off in production.
   */
  readonly development?: boolean
}

/** A schema as definitions and resolvers. */
export interface Definitions<R> {
  /** Definitions in SDL, or parsed. */
  readonly typeDefs: string | DocumentNode | ReadonlyArray<string | DocumentNode>
  readonly resolvers: ResolverMap<R>
}

/** An executable schema and the services behind it. */
export interface GraphqlEffect<in Services> {
  /** For the server. Its resolvers work in operations begun by an adapter, by {@link begin} or by `execute`. */
  readonly schema: GraphQLSchema
  /** The application's services. Built when first needed; `await runtime.runtime()` builds them now. */
  readonly runtime: ManagedRuntime.ManagedRuntime<Services, unknown>
  /** Begins an operation; for adapters of servers this package has none for. */
  readonly begin: (request: GraphqlRequest["Type"]) => Begun
  /** graphql-js's `execute` as one operation that ends with the result, or when `signal` is aborted. */
  readonly execute: (args: ExecuteArgs) => Promise<Completed>
  /** Makes errors safe to show, for servers that handle them apart from the result. */
  readonly errors: (errors: ReadonlyArray<GraphQLError>) => ReadonlyArray<GraphQLError>
  /** Releases the application's services. */
  readonly dispose: () => Promise<void>
}

/** An operation that has begun. */
export interface Begun {
  /** Puts the operation into a context value, where the schema's resolvers find it. */
  readonly attach: (contextValue: object) => void
  /** Makes a result ready to leave: its errors safe to show, with what development adds. */
  readonly complete: (result: ExecutionResult, operation: OperationTypeNode | undefined) => Completed
  /** Ends it: whatever is still running is interrupted, and its services are released. */
  readonly end: () => Promise<void>
}

/** A result ready to leave. */
export interface Completed {
  readonly result: ExecutionResult
  /** The response's `Cache-Control`: `max-age=30, private`, or `no-store`. */
  readonly cacheControl: string
}

export interface ExecuteArgs
  extends Omit<ExecutionArgs, "schema" | "document" | "contextValue" | "fieldResolver" | "typeResolver"> {
  /** A document, or its source. It is not validated. */
  readonly document: DocumentNode | string
  readonly contextValue?: object
  readonly request?: GraphqlRequest["Type"]
  readonly signal?: AbortSignal
}

/**
 * Makes the schema's resolvers run as Effects.
 *
 * A resolver that needs a service which neither the layer nor `perOperation`
 * gives does not compile.
 *
 * @example
 * import * as Effect from "effect/Effect"
 * import { GraphqlEffect } from "@wellspring/graphql"
 *
 * class Movies extends Effect.Service<Movies>()("Movies", {
 *   succeed: { title: (id: string) => Effect.succeed(`The ${id}`) }
 * }) {}
 *
 * const app = GraphqlEffect.make({
 *   typeDefs: "type Query { title(id: ID!): String! }",
 *   layer: Movies.Default,
 *   resolvers: {
 *     Query: { title: (_, args: { id: string }) => Effect.flatMap(Movies, (movies) => movies.title(args.id)) }
 *   }
 * })
 */
export const make = <S>(options: Definitions<NoInfer<S> | Given> & Options<S>): GraphqlEffect<S> =>
  fromSchema({ ...options, schema: executable(options) })

/**
 * The same for an executable schema, however it was built: code-first, with
 * Pothos, as a federation subgraph. Its field resolvers are wrapped in place.
 *
 * What its resolvers return is out of the compiler's sight here: write them
 * with `Resolver.make`, which asks the schema builder's context type for the
 * services they need.
 */
export const fromSchema = <S>(options: { readonly schema: GraphQLSchema } & Options<S>): GraphqlEffect<S> => {
  const [layer, perOperation] =
    options.layer instanceof Services ? [options.layer.application, options.layer.perOperation] : [options.layer]
  const runtime = toRuntime(layer as ApplicationLayer<S>)
  const schema = Wrap.schema(options.schema)
  const managed = runtime as ManagedRuntime.ManagedRuntime<never, unknown>
  const isDevelopment = options.development === true
  const application: Application.Application = { managed, perOperation, isDevelopment, base: undefined }
  const begin = (request: GraphqlRequest["Type"]) => begun(new Run.Run(new Session(application, request, undefined)))
  return {
    schema,
    runtime,
    begin,
    execute: executor(schema, begin),
    errors: (errors) => Response.errors(application, errors),
    dispose: () => runtime.dispose()
  }
}

const toRuntime = <S>(layer: ApplicationLayer<S>): ManagedRuntime.ManagedRuntime<S, unknown> =>
  Layer.isLayer(layer)
    ? ManagedRuntime.make(layer as Layer.Layer<S, unknown>)
    : (layer as ManagedRuntime.ManagedRuntime<S, unknown>)

const executable = <R>({ typeDefs, resolvers }: Definitions<R>): GraphQLSchema =>
  makeExecutableSchema({ typeDefs: [...[typeDefs].flat()], resolvers: resolvers as {} })

const begun = (run: Run.Run): Begun => ({
  attach: (contextValue) => {
    ;(contextValue as { [Run.RunId]?: Run.Run })[Run.RunId] = run
  },
  complete: (result, operation) => {
    const { errors = [] } = result
    const isQuery = operation === OperationTypeNode.QUERY
    const cacheControl = Policy.header(Response.policy(run, isQuery, errors.length > 0))
    const shown = errors.length > 0 ? { ...result, errors: Response.errors(run.application, errors) } : result
    return { result: Response.withDevelopment(run, shown, cacheControl), cacheControl }
  },
  end: () => run.session.end()
})

const executor =
  (schema: GraphQLSchema, begin: (request: GraphqlRequest["Type"]) => Begun) =>
  async (args: ExecuteArgs): Promise<Completed> => {
    const { document: given, contextValue = {}, request, signal, ...rest } = args
    const document = typeof given === "string" ? parse(given) : given
    const operation = begin(request ?? Request.make({ contextValue }))
    operation.attach(contextValue)
    const stop = () => void operation.end()
    signal?.addEventListener("abort", stop)
    if (signal?.aborted === true) stop()
    try {
      const result = await execute({ ...rest, schema, document, contextValue })
      return operation.complete(result, getOperationAST(document, rest.operationName)?.operation)
    } finally {
      signal?.removeEventListener("abort", stop)
      await operation.end()
    }
  }
