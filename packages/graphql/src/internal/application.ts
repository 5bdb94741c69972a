/** What the operations of one application share, and how each gets what is its own. */
import { Operation } from "@wellspring/source"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
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
  base: Base | undefined
}

/** What an application gives each operation, its types erased. */
export type PerOperation = Layer.Layer<never, unknown, never> | Effect.Effect<Context.Context<never>, unknown, never>

/** What is the same for every operation. */
interface Base {
  readonly context: Context.Context<never>
  readonly lean: Lean.Lean
  readonly tracer: Tracer.Tracer
  readonly clock: Clock.Clock
}

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

type Opening = Fiber.RuntimeFiber<Opened, unknown>

/** Builds an operation's services in the scope that ends with it. */
export const open = (
  application: Application,
  request: GraphqlRequest["Type"],
  info: GraphQLResolveInfo,
  scope: Scope.Scope
): Opening => {
  const openIn = (base: Base) => openWith(application, base, request, info, scope)
  if (application.base !== undefined) return openIn(application.base)
  const building = application.managed.runFork(baseOf(application))
  const built = building.unsafePoll()
  return built !== null && Exit.isSuccess(built)
    ? openIn(built.value)
    : application.managed.runFork(Effect.flatMap(building, openIn))
}

const openWith = (
  application: Application,
  base: Base,
  request: GraphqlRequest["Type"],
  info: GraphQLResolveInfo,
  scope: Scope.Scope
): Opening => {
  const context = base.context.pipe(
    Context.add(GraphqlRequest, request),
    Context.add(Scope.Scope, scope)
  ) as Context.Context<never>
  const caller = TraceParent.parse(request.header("traceparent"))
  const { perOperation } = application
  const isPlain = perOperation === undefined && base.tracer === defaultTracer && Option.isNone(caller)
  return fork(
    base,
    context,
    isPlain ? begin(base, context, undefined) : traced(base, context, info, caller, perOperation)
  )
}

/** The same services with an Operation of its own: for an event of a subscription. */
export const openEvent = (application: Application, subscription: Opened, scope: Scope.Scope): Opening => {
  const context = Context.add(subscription.runtime.context, Scope.Scope, scope) as Context.Context<never>
  return application.base === undefined
    ? application.managed.runFork(Effect.die("An event came before its subscription was open."))
    : fork(application.base, context, begin(application.base, context, subscription.tracing))
}

const fork = (base: Base, context: Context.Context<never>, effect: Effect.Effect<Opened, unknown>): Opening =>
  Runtime.runFork(Lean.withContext(base.lean, context), effect, { scheduler: Lean.scheduler })

const baseOf = (application: Application): Effect.Effect<Base> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    const tracer = yield* Effect.tracer
    const clock = yield* Effect.clock
    const base: Base = { context: runtime.context, lean: Lean.from(runtime), tracer, clock }
    application.base = base
    return base
  })

/** Begins the Operation. To be run with `context`, which has the scope. */
const begin = (base: Base, context: Context.Context<never>, tracing: Tracing | undefined): Effect.Effect<Opened> =>
  Effect.map(Operation.make() as Effect.Effect<Operation.Service>, (operation) => ({
    operation,
    runtime: Lean.withContext(
      base.lean,
      Context.add(context, Operation.Operation, operation) as Context.Context<never>
    ),
    tracing
  }))

/** The whole way, with a span and the operation's own services. */
const traced = (
  base: Base,
  requested: Context.Context<never>,
  info: GraphQLResolveInfo,
  caller: Option.Option<Tracer.ExternalSpan>,
  perOperation: PerOperation | undefined
): Effect.Effect<Opened, unknown> =>
  Effect.gen(function* () {
    const tracing = yield* trace(base, info, caller) as Effect.Effect<Tracing | undefined>
    const spanned = tracing === undefined ? requested : Context.add(requested, Tracer.ParentSpan, tracing.parent)
    const context = yield* provide(perOperation, spanned as Context.Context<never>)
    return yield* Effect.mapInputContext(begin(base, context, tracing), (_: Context.Context<never>) => context)
  })

const provide = (
  given: PerOperation | undefined,
  context: Context.Context<never>
): Effect.Effect<Context.Context<never>, unknown> => {
  if (given === undefined) return Effect.succeed(context)
  const scope: Scope.Scope = Context.unsafeGet(context, Scope.Scope)
  const building = isLayer(given) ? Layer.buildWithScope(given, scope) : given
  return Effect.map(
    Effect.mapInputContext(building, (_: Context.Context<never>) => context),
    (services) => Context.merge(context, services)
  )
}

const isLayer = (given: PerOperation): given is Layer.Layer<never, unknown> => Layer.isLayer(given)

/**
 * The operation's span, under the caller's when the request names one, as
 * https://opentelemetry.io/docs/specs/semconv/graphql/graphql-spans/ has it.
 * None where no tracer is installed; the caller's then stands in, so that
 * calls to upstreams still carry it on.
 */
const trace = (
  { clock, tracer }: Base,
  info: GraphQLResolveInfo,
  caller: Option.Option<Tracer.ExternalSpan>
): Effect.Effect<Tracing | undefined, never, Scope.Scope> => {
  if (tracer === defaultTracer) {
    return Effect.succeed(Option.getOrUndefined(Option.map(caller, (parent) => ({ tracer, clock, parent }))))
  }
  const { name, operation } = info.operation
  const span = Effect.makeSpanScoped(operation, {
    kind: "server",
    captureStackTrace: false,
    ...(Option.isSome(caller) && { parent: caller.value }),
    attributes: {
      "graphql.operation.type": operation,
      ...(name !== undefined && { "graphql.operation.name": name.value })
    }
  })
  return Effect.map(span, (parent) => ({ tracer, clock, parent }))
}

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
