import { assert, describe, it } from "@effect/vitest"
import { GraphqlEffect, GraphqlRequest } from "@wellspring/graphql"
import { Source } from "@wellspring/source"
import { Context, Effect, Layer, Option, Schema, Tracer } from "effect"

interface Seen {
  readonly name: string
  readonly spanId: string
  readonly traceId: string
  readonly parent: string | undefined
  readonly attributes: Map<string, unknown>
  readonly links: ReadonlyArray<Tracer.SpanLink>
  ended: boolean
}

/** A tracer that keeps its spans. */
const recording = (spans: Array<Seen>) =>
  Tracer.make({
    context: (f) => f(),
    span: (name, parent, _context, links, _startTime, kind) => {
      const seen: Seen = {
        name,
        spanId: `${spans.length}`.padStart(16, "0"),
        traceId: Option.match(parent, { onNone: () => "new", onSome: ({ traceId }) => traceId }),
        parent: Option.getOrUndefined(Option.map(parent, ({ spanId }) => spanId)),
        attributes: new Map(),
        links,
        ended: false
      }
      spans.push(seen)
      return {
        _tag: "Span",
        name,
        parent,
        context: Context.empty(),
        status: { _tag: "Started", startTime: 0n },
        links: [...links],
        sampled: true,
        kind,
        spanId: seen.spanId,
        traceId: seen.traceId,
        attributes: seen.attributes,
        end: () => {
          seen.ended = true
        },
        attribute: (key, value) => void seen.attributes.set(key, value),
        event: () => {},
        addLinks: () => {}
      }
    }
  })

const Names = Source.make("Names", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) => Effect.succeed(ids)
})

const make = (layer: Layer.Layer<never>) =>
  GraphqlEffect.make({
    typeDefs: "type User { id: ID!, name: String! } type Query { users: [User!]!, parent: String }",
    layer,
    resolvers: {
      Query: {
        users: () => [{ id: "1" }, { id: "2" }],
        parent: () =>
          Effect.map(
            Effect.option(Effect.currentParentSpan),
            Option.match({ onNone: () => null, onSome: (span) => span.traceId })
          )
      },
      User: { name: (user: { readonly id: string }) => Names.load(user.id) }
    }
  })

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

describe("GraphQL spans", () => {
  it.effect("has one for the operation, under the caller's, that ends with it", () =>
    Effect.gen(function* () {
      const spans: Array<Seen> = []
      const app = make(Layer.setTracer(recording(spans)))
      yield* Effect.promise(() =>
        app.execute({
          document: "query Users { users { name } }",
          request: GraphqlRequest.make({ headers: { traceparent } })
        })
      )
      const operation = spans.find(({ name }) => name === "query")
      assert.deepStrictEqual(Object.fromEntries(operation?.attributes ?? []), {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Users"
      })
      assert.strictEqual(operation?.traceId, "4bf92f3577b34da6a3ce929d0e0e4736")
      assert.strictEqual(operation?.parent, "00f067aa0ba902b7")
      assert.isTrue(spans.every(({ ended }) => ended))
    })
  )

  it.effect("links a batch to the fields that asked for it, by their paths", () =>
    Effect.gen(function* () {
      const spans: Array<Seen> = []
      const app = make(Layer.setTracer(recording(spans)))
      yield* Effect.promise(() => app.execute({ document: "{ users { name } }" }))
      const batch = spans.find(({ name }) => name.startsWith("Names"))
      const linked = batch?.links.map(({ span }) => spans.find(({ spanId }) => spanId === span.spanId))
      assert.deepStrictEqual(
        linked?.map((field) => [field?.name, field?.attributes.get("graphql.field.path")]),
        [
          ["User.name", "users.0.name"],
          ["User.name", "users.1.name"]
        ]
      )
    })
  )

  it.effect("carries the caller's trace on where no tracer is installed", () =>
    Effect.gen(function* () {
      const app = make(Layer.empty)
      const ask = (headers: Record<string, string>) =>
        Effect.promise(() => app.execute({ document: "{ parent }", request: GraphqlRequest.make({ headers }) }))
      assert.strictEqual((yield* ask({ traceparent })).result.data?.["parent"], "4bf92f3577b34da6a3ce929d0e0e4736")
      assert.isNull((yield* ask({})).result.data?.["parent"])
      assert.isNull((yield* ask({ traceparent: traceparent.replace("00-", "ff-") })).result.data?.["parent"])
    })
  )
})
