/** What the operations of one application share, and how each gets what is its own. */
import { Operation } from "@wellspring/source"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import type * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { GraphQLResolveInfo } from "graphql"
import { GraphqlRequest } from "../GraphqlRequest.ts"
import * as Lean from "./lean.ts"
import * as TraceParent from "./traceparent.ts"

export interface Application {
  readonly managed: ManagedRuntime.ManagedRuntime<never, unknown>
  readonly perOperation: PerOperation | undefined
  readonly isDevelopment: boolean
  /** Known once the application's services are built. */
  lean: Lean.Lean | undefined
}

/** What an application gives each operation, its types erased. */
export type PerOperation = Layer.Layer<never, unknown, never> | Effect.Effect<Context.Context<never>, unknown, never>

/** What an operation's fields run with. */
export interface Opened {
  readonly operation: Operation.Service
  readonly runtime: Runtime.Runtime<never>
  /** Set when spans go somewhere: fields then have spans of their own. */
  readonly tracing: Tracing | undefined
}

export interface Tracing {
  readonly tracer: Tracer.Tracer
  readonly clock: Clock.Clock
  readonly parent: Tracer.AnySpan
}

const defaultTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Builds an operation's services in the scope that ends with it. */
export const open = (
  application: Application,
  request: GraphqlRequest["Type"],
  info: GraphQLResolveInfo
): Effect.Effect<Opened, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const own = yield* Effect.runtime<never>()
    const tracing = yield* trace(request, info)
    const requested = Context.add(own.context, GraphqlRequest, request) as Context.Context<never>
    const base =
      tracing === undefined
        ? requested
        : (Context.add(requested, Tracer.ParentSpan, tracing.parent) as Context.Context<never>)
    const context = yield* provide(application.perOperation, base)
    return yield* begin(application, own, context, tracing)
  })

/** The same services with an Operation of its own: for an event of a subscription. */
export const openEvent = (application: Application, subscription: Opened): Effect.Effect<Opened, never, Scope.Scope> =>
  Effect.flatMap(Effect.runtime<never>(), (own) =>
    begin(application, own, subscription.runtime.context, subscription.tracing)
  )

const begin = (
  application: Application,
  own: Runtime.Runtime<never>,
  context: Context.Context<never>,
  tracing: Tracing | undefined
): Effect.Effect<Opened, never, Scope.Scope> => {
  const lean = application.lean ?? Lean.from(own)
  application.lean = lean
  return Effect.map(inContext(Operation.make(), context), (operation) => ({
    operation,
    runtime: Lean.withContext(lean, Context.add(context, Operation.Operation, operation) as Context.Context<never>),
    tracing
  }))
}

const provide = (
  given: PerOperation | undefined,
  base: Context.Context<never>
): Effect.Effect<Context.Context<never>, unknown, Scope.Scope> => {
  if (given === undefined) return Effect.succeed(base)
  const building: Effect.Effect<Context.Context<never>, unknown, Scope.Scope> = isLayer(given)
    ? Effect.flatMap(Effect.scope, (scope) => Layer.buildWithScope(given, scope))
    : given
  return Effect.map(inContext(building, base), (services) => Context.merge(base, services))
}

/** Runs with `context`, and with the scope of whoever runs it. */
const inContext = <A, E>(
  effect: Effect.Effect<A, E, Scope.Scope>,
  context: Context.Context<never>
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.mapInputContext(effect, (scoped: Context.Context<Scope.Scope>) => Context.merge(context, scoped))

const isLayer = (given: PerOperation): given is Layer.Layer<never, unknown> => Layer.isLayer(given)

/**
 * The operation's span, under the caller's when the request names one, as
 * https://opentelemetry.io/docs/specs/semconv/graphql/graphql-spans/ has it.
 * None where no tracer is installed; the caller's then stands in, so that
 * calls to upstreams still carry it on.
 */
const trace = (
  request: GraphqlRequest["Type"],
  info: GraphQLResolveInfo
): Effect.Effect<Tracing | undefined, never, Scope.Scope> =>
  Effect.gen(function* () {
    const tracer = yield* Effect.tracer
    const clock = yield* Effect.clock
    const caller = TraceParent.parse(request.header("traceparent"))
    if (tracer === defaultTracer) {
      return Option.getOrUndefined(Option.map(caller, (parent) => ({ tracer, clock, parent })))
    }
    const { name, operation } = info.operation
    const parent = yield* Effect.makeSpanScoped(operation, {
      kind: "server",
      captureStackTrace: false,
      ...(Option.isSome(caller) && { parent: caller.value }),
      attributes: {
        "graphql.operation.type": operation,
        ...(name !== undefined && { "graphql.operation.name": name.value })
      }
    })
    return { tracer, clock, parent }
  })

/** A span for one field, under the operation's. A batch links to it, and so to the field's path. */
export const fieldSpan = (tracing: Tracing, name: string, path: string): Tracer.Span => {
  const span = tracing.tracer.span(
    name,
    Option.some(tracing.parent),
    Context.empty(),
    [],
    tracing.clock.unsafeCurrentTimeNanos(),
    "internal"
  )
  span.attribute("graphql.field.path", path)
  return span
}
