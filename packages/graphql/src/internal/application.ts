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
import * as LazyScope from "./scope.ts"
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
  readonly begin: Begin
}

type Begin = ReturnType<typeof Operation.opener>

/** What an operation's fields run with. */
export interface Opened extends Operation.Opened {
  /** Set when spans go somewhere: fields then have spans of their own. */
  readonly tracing: Tracing | undefined
  /** Begins another Operation with the same services. */
  readonly begin: Begin
}

export interface Tracing {
  readonly tracer: Tracer.Tracer
  readonly clock: Clock.Clock
  readonly parent: Tracer.AnySpan
}

const defaultTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

export type Opening = Fiber.RuntimeFiber<Opened, unknown>

/** Builds an operation's services in the scope that ends with it: without a fiber where nothing asks for one. */
export const open = (
  application: Application,
  request: GraphqlRequest["Type"],
  info: GraphQLResolveInfo,
  scope: Scope.Scope
): Opened | Opening => {
  if (application.base !== undefined) return openWith(application, application.base, request, info, scope)
  const building = application.managed.runFork(baseOf(application))
  const built = building.unsafePoll()
  if (built !== null && Exit.isSuccess(built)) return openWith(application, built.value, request, info, scope)
  return application.managed.runFork(
    Effect.flatMap(building, (base) => {
      const opened = openWith(application, base, request, info, scope)
      return "operation" in opened ? Effect.succeed(opened) : opened
    })
  )
}

const openWith = (
  application: Application,
  base: Base,
  request: GraphqlRequest["Type"],
  info: GraphQLResolveInfo,
  scope: Scope.Scope
): Opened | Opening => {
  const context = Context.unsafeMake<never>(
    new Map<string, unknown>(base.context.unsafeMap).set(GraphqlRequest.key, request).set(Scope.Scope.key, scope)
  )
  const caller = TraceParent.parse(request.header("traceparent"))
  const { perOperation } = application
  const isTraced = base.tracer !== defaultTracer || Option.isSome(caller)
  if (perOperation === undefined && !isTraced) return begin(base.begin, context, scope, undefined)
  return Runtime.runFork(
    Lean.withContext(base.lean, context),
    isTraced
      ? traced(base, context, info, scope, caller, perOperation)
      : served(base, context, scope, perOperation, undefined),
    { scheduler: Lean.scheduler }
  )
}

/** The same services with an Operation of its own: for an event of a subscription. */
export const openEvent = (subscription: Opened, scope: Scope.Scope): Opened =>
  begin(
    subscription.begin,
    Context.add(subscription.runtime.context, Scope.Scope, scope) as Context.Context<never>,
    scope,
    subscription.tracing
  )

const baseOf = (application: Application): Effect.Effect<Base> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    const tracer = yield* Effect.tracer
    const clock = yield* Effect.clock
    const lean = Lean.from(runtime)
    const begin = Operation.opener(Lean.withContext(lean, runtime.context))
    const base: Base = { context: runtime.context, lean, tracer, clock, begin }
    application.base = base
    return base
  })

/** Begins the Operation, whose services have its scope. */
const begin = (
  begin: Begin,
  context: Context.Context<never>,
  scope: Scope.Scope,
  tracing: Tracing | undefined
): Opened => {
  const { operation, runtime } = begin(context, scope)
  return { operation, runtime, tracing, begin }
}

/** With a span, and the operation's own services under it. */
const traced = (
  base: Base,
  context: Context.Context<never>,
  info: GraphQLResolveInfo,
  scope: Scope.Scope,
  caller: Option.Option<Tracer.ExternalSpan>,
  perOperation: PerOperation | undefined
): Effect.Effect<Opened, unknown> =>
  Effect.flatMap(Scope.extend(trace(base, info, caller), scope), (tracing) => {
    const spanned = tracing === undefined ? context : Context.add(context, Tracer.ParentSpan, tracing.parent)
    return served(base, spanned as Context.Context<never>, scope, perOperation, tracing)
  })

/** With the operation's own services, which are released after it. */
const served = (
  base: Base,
  context: Context.Context<never>,
  scope: Scope.Scope,
  perOperation: PerOperation | undefined,
  tracing: Tracing | undefined
): Effect.Effect<Opened, unknown> =>
  Effect.flatMap(build(perOperation, context, scope), (services) => {
    const opened = begin(base.begin, Context.merge(context, services), scope, tracing)
    if (!LazyScope.isUsed(scope)) return Effect.succeed(opened)
    return Effect.as(
      Scope.addFinalizer(
        scope,
        Effect.suspend(() => Operation.end(opened.operation))
      ),
      opened
    )
  })

const build = (
  given: PerOperation | undefined,
  context: Context.Context<never>,
  scope: Scope.Scope
): Effect.Effect<Context.Context<never>, unknown> => {
  if (given === undefined) return Effect.succeed(Context.empty())
  const building = isLayer(given) ? Layer.buildWithScope(given, scope) : given
  return Effect.mapInputContext(building, (_: Context.Context<never>) => context)
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
