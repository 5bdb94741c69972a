/** A span for one field, under the operation's. A batch links to it, and so to the field's path. */
import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { type GraphQLResolveInfo, responsePathAsArray } from "graphql"
import type { Tracing } from "./application.ts"
import type { Field } from "./field.ts"

export class FieldSpan {
  private readonly tracing: Tracing
  private readonly span: Tracer.Span

  constructor(tracing: Tracing, info: GraphQLResolveInfo, { coordinate }: Field) {
    const { clock, parent, tracer } = tracing
    this.tracing = tracing
    this.span = tracer.span(
      coordinate,
      Option.some(parent),
      Context.empty(),
      [],
      clock.unsafeCurrentTimeNanos(),
      "internal"
    )
    this.span.attribute("graphql.field.path", responsePathAsArray(info.path).join("."))
  }

  /** The services of a field, with the span that what it calls stands under. */
  within(context: Context.Context<never>): Context.Context<never> {
    return Context.add(context, Tracer.ParentSpan, this.span) as Context.Context<never>
  }

  end(exit: Exit.Exit<unknown, unknown>): void {
    this.span.end(this.tracing.clock.unsafeCurrentTimeNanos(), exit)
  }
}
