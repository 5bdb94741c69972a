import { buildSubgraphSchema } from "@apollo/subgraph"
import { assert, describe, it } from "@effect/vitest"
import SchemaBuilder from "@pothos/core"
import { GraphqlEffect, Resolver } from "@wellspring/graphql"
import { Source } from "@wellspring/source"
import { Context, Effect, Layer, Schema } from "effect"
import { GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString, parse } from "graphql"

class Greeting extends Effect.Service<Greeting>()("test/Greeting", { succeed: { text: "Hello" } }) {}
class Absent extends Context.Tag("test/Absent")<Absent, string>() {}

const answer = (schema: GraphQLSchema, document: string, variableValues: Record<string, unknown> = {}) =>
  Effect.gen(function* () {
    const app = GraphqlEffect.fromSchema({ schema, layer: Greeting.Default })
    const { result } = yield* Effect.promise(() => app.execute({ document, variableValues }))
    return JSON.parse(JSON.stringify(result))
  })

describe("GraphqlEffect.fromSchema", () => {
  it.effect("runs a code-first schema", () =>
    Effect.gen(function* () {
      const schema = new GraphQLSchema({
        query: new GraphQLObjectType<unknown, Resolver.Context<Greeting>>({
          name: "Query",
          fields: {
            hello: {
              type: new GraphQLNonNull(GraphQLString),
              args: { name: { type: new GraphQLNonNull(GraphQLString) } },
              resolve: Resolver.make((_: unknown, args: { readonly name: string }) =>
                Effect.map(Greeting, ({ text }) => `${text}, ${args.name}!`)
              )
            }
          }
        })
      })
      assert.deepStrictEqual(yield* answer(schema, `{ hello(name: "Ada") }`), { data: { hello: "Hello, Ada!" } })
    })
  )

  it.effect("runs a Pothos schema, and lets its builder check the services", () =>
    Effect.gen(function* () {
      const builder = new SchemaBuilder<{ Context: Resolver.Context<Greeting> }>({})
      builder.queryType({
        fields: (t) => ({
          hello: t.string({
            args: { name: t.arg.string({ required: true }) },
            resolve: Resolver.make((_: object, args: { readonly name: string }) =>
              Effect.map(Greeting, ({ text }) => `${text}, ${args.name}!`)
            )
          }),
          absent: t.string({
            // @ts-expect-error the builder's context does not offer Absent
            resolve: Resolver.make(() => Absent)
          })
        })
      })
      assert.deepStrictEqual(yield* answer(builder.toSchema(), `{ hello(name: "Ada") }`), {
        data: { hello: "Hello, Ada!" }
      })
    })
  )

  it.effect("batches a subgraph's references through a Source", () =>
    Effect.gen(function* () {
      const batches: Array<ReadonlyArray<string>> = []
      const Users = Source.make("Users", {
        key: Schema.String,
        success: Schema.Struct({ id: Schema.String, name: Schema.String }),
        resolve: (ids: ReadonlyArray<string>) =>
          Effect.sync(() => {
            batches.push(ids)
            return ids.map((id) => Object.freeze({ id, name: `user ${id}` }))
          })
      })
      const schema = buildSubgraphSchema({
        typeDefs: parse(`
          extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
          type User @key(fields: "id") { id: ID!, name: String! }
          type Query { me: User }
        `),
        resolvers: {
          User: { __resolveReference: (reference: { readonly id: string }) => Users.load(reference.id) }
        } satisfies Resolver.ResolverMap<GraphqlEffect.Given>
      })
      const representations = Array.from({ length: 50 }, (_, index) => ({ __typename: "User", id: `${index % 25}` }))
      const { data } = yield* answer(
        schema,
        `query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on User { name } } }`,
        { representations }
      )
      assert.strictEqual(data._entities.length, 50)
      assert.deepStrictEqual(data._entities[49], { name: "user 24" })
      assert.strictEqual(batches.length, 1)
      assert.strictEqual(batches[0]?.length, 25)
    })
  )

  it.effect("wraps a schema once, for any number of applications", () =>
    Effect.gen(function* () {
      const schema = new GraphQLSchema({
        query: new GraphQLObjectType({
          name: "Query",
          fields: { hello: { type: GraphQLString, resolve: () => Greeting } }
        })
      })
      GraphqlEffect.fromSchema({ schema, layer: Layer.empty })
      const resolve = schema.getQueryType()?.getFields()["hello"]?.resolve
      GraphqlEffect.fromSchema({ schema, layer: Layer.empty })
      assert.strictEqual(schema.getQueryType()?.getFields()["hello"]?.resolve, resolve)
    })
  )

  it.effect("leaves default property resolvers alone", () =>
    Effect.gen(function* () {
      const app = GraphqlEffect.make({
        typeDefs: "type Query { a: Movie } type Movie { title: String }",
        layer: Layer.empty,
        resolvers: { Query: { a: () => ({ title: "x" }) } }
      })
      const movie = app.schema.getType("Movie") as GraphQLObjectType
      assert.isUndefined(movie.getFields()["title"]?.resolve)
      yield* Effect.void
    })
  )
})
