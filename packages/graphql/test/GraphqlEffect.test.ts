import { assert, describe, it } from "@effect/vitest"
import { GraphqlEffect, GraphqlRequest, PublicError, type Resolver } from "@wellspring/graphql"
import { Source } from "@wellspring/source"
import { Context, Effect, Layer, Schema, TestClock, TestContext } from "effect"
import { GraphQLError, graphql } from "graphql"

class Greeting extends Effect.Service<Greeting>()("Greeting", { succeed: { text: "Hello" } }) {}
class Viewer extends Context.Tag("Viewer")<Viewer, { readonly name: string }>() {}
const ViewerLive = Layer.effect(
  Viewer,
  Effect.map(GraphqlRequest.GraphqlRequest, (request) => ({ name: request.header("x-viewer") ?? "nobody" }))
)
class Absent extends Context.Tag("Absent")<Absent, string>() {}

class MovieNotFound extends Schema.TaggedError<MovieNotFound>()(
  "MovieNotFound",
  { id: Schema.String },
  PublicError.annotations((error: { readonly id: string }) => ({
    code: "NOT_FOUND",
    message: `There is no movie "${error.id}".`
  }))
) {}

class Unspeakable extends Schema.TaggedError<Unspeakable>()(
  "Unspeakable",
  {},
  PublicError.annotations(() => {
    throw new Error("nothing to show")
  })
) {}

let batches: Array<ReadonlyArray<string>> = []
const titles = Source.make("titles", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) =>
    Effect.sync(() => {
      batches.push(ids)
      return ids.map((id) => `Title ${id}`)
    })
})

const app = GraphqlEffect.make({
  typeDefs: `
    type Movie { id: ID!, title: String! }
    type Query { hello(name: String!): String!, viewer: String, movies: [Movie!]!, missing: String, defect: String }
  `,
  layer: Greeting.Default.pipe(GraphqlEffect.perOperation(ViewerLive)),
  resolvers: {
    Query: {
      hello: (_, args: { name: string }) => Effect.map(Greeting, ({ text }) => `${text}, ${args.name}!`),
      viewer: () => Effect.map(Viewer, ({ name }) => name),
      movies: () => [{ id: "1" }, { id: "2" }],
      missing: () => Effect.fail(new MovieNotFound({ id: "7" })),
      defect: () => Effect.die(new Error("password=hunter2"))
    },
    Movie: { title: (movie: { id: string }) => titles.load(movie.id) }
  }
})

const execute = (document: string, headers: Record<string, string> = {}) =>
  Effect.promise(() => app.execute({ document, request: GraphqlRequest.make({ headers }) })).pipe(
    Effect.map(({ result }) => result)
  )

describe("GraphqlEffect.make", () => {
  it.effect("runs resolvers with the application's services and those of the operation", () =>
    Effect.gen(function* () {
      const result = yield* execute(`{ hello(name: "Ada") viewer }`, { "x-viewer": "ada" })
      assert.deepStrictEqual({ ...result.data }, { hello: "Hello, Ada!", viewer: "ada" })
    })
  )

  it.effect("loads what the fields of one operation ask for in one batch", () =>
    Effect.gen(function* () {
      batches = []
      const result = yield* execute(`{ movies { title } }`)
      assert.isUndefined(result.errors)
      assert.deepStrictEqual(batches, [["1", "2"]])
    })
  )

  it.effect("shows what an error class says of itself, and nothing of a defect", () =>
    Effect.gen(function* () {
      const result = yield* execute(`{ missing defect }`)
      const shown = JSON.stringify(result)
      assert.include(shown, `There is no movie \\"7\\".`)
      assert.include(shown, `NOT_FOUND`)
      assert.include(shown, `correlationId`)
      assert.notInclude(shown, "hunter2")
    })
  )

  it.effect("shows nothing of an error whose class throws when it is asked, however the field came by it", () =>
    Effect.gen(function* () {
      const failing = Source.make("failing", {
        key: Schema.String,
        success: Schema.String,
        failure: Unspeakable,
        resolve: () => Effect.fail(new Unspeakable())
      })
      const app = GraphqlEffect.make({
        typeDefs: "type Query { loaded: String, forked: String, failed: String, thrown: String }",
        layer: Layer.empty,
        resolvers: {
          Query: {
            loaded: () => failing.load("1"),
            forked: () => Effect.zipRight(Effect.yieldNow(), Effect.fail(new Unspeakable())),
            failed: () => Effect.fail(new Unspeakable()),
            thrown: () => {
              throw new Unspeakable()
            }
          }
        }
      })
      const { result } = yield* Effect.promise(() => app.execute({ document: "{ loaded forked failed thrown }" }))
      assert.strictEqual(result.errors?.length, 4)
      for (const { extensions } of result.errors ?? []) {
        assert.strictEqual(extensions["code"], "INTERNAL_SERVER_ERROR")
        assert.isString(extensions["correlationId"])
      }
    })
  )

  it("does not compile when a resolver needs a service that nothing gives", () => {
    const make = () =>
      GraphqlEffect.make({
        typeDefs: "type Query { a: String }",
        layer: Greeting.Default,
        resolvers: {
          Query: {
            // @ts-expect-error the layer does not give Absent
            a: () => Absent
          }
        }
      })
    assert.isFunction(make)
    const given: Resolver.Resolver<Greeting> = () => Effect.map(Greeting, ({ text }) => text)
    assert.isFunction(given)
  })

  it.effect("runs resolvers by the clock of the application's runtime", () =>
    Effect.gen(function* () {
      const slow = GraphqlEffect.make({
        typeDefs: "type Query { slow: String }",
        layer: Layer.provideMerge(Layer.empty, TestContext.TestContext),
        resolvers: { Query: { slow: () => Effect.delay(Effect.succeed("at last"), "1 minute") } }
      })
      const running = slow.execute({ document: "{ slow }" })
      yield* Effect.promise(() => slow.runtime.runPromise(TestClock.adjust("1 minute")))
      const { result } = yield* Effect.promise(() => running)
      assert.deepStrictEqual({ ...result.data }, { slow: "at last" })
    })
  )

  it.effect("passes a GraphQLError's message, and of its extensions only those that are known to be safe", () =>
    Effect.gen(function* () {
      const thrown = new GraphQLError("Said on purpose.", { extensions: { code: "TEAPOT", sql: "select hunter2" } })
      const refusing = GraphqlEffect.make({
        typeDefs: "type Query { failed: String, thrown: String }",
        layer: Layer.empty,
        resolvers: {
          Query: {
            failed: () => Effect.fail(thrown),
            thrown: () => {
              throw thrown
            }
          }
        }
      })
      const { result } = yield* Effect.promise(() => refusing.execute({ document: "{ failed thrown }" }))
      assert.sameDeepMembers(
        (result.errors ?? []).map(({ extensions, message }) => [message, extensions]),
        [
          ["Said on purpose.", { code: "TEAPOT", field: "Query.failed" }],
          ["Said on purpose.", { code: "TEAPOT", field: "Query.thrown" }]
        ]
      )
    })
  )

  it.effect("says what to do when its schema is executed without it", () =>
    Effect.gen(function* () {
      const result = yield* Effect.promise(() => graphql({ schema: app.schema, source: "{ viewer }" }))
      assert.match(String(result.errors?.[0]), /Query\.viewer returned an Effect outside a Wellspring operation/)
    })
  )
})
