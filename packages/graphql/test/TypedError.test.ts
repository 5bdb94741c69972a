import { assert, describe, it } from "@effect/vitest"
import { GraphqlEffect, PublicError, TypedError } from "@wellspring/graphql"
import { Fiberless } from "@wellspring/source"
import { Effect, Exit, Layer, Schema } from "effect"

class Movie extends Schema.TaggedClass<Movie>()("Movie", { title: Schema.String }) {}
class MovieNotFound extends Schema.TaggedError<MovieNotFound>()(
  "MovieNotFound",
  { id: Schema.String },
  PublicError.annotations({ code: "NOT_FOUND", message: "There is no such movie." })
) {}
class Banned extends Schema.TaggedError<Banned>()("Banned", { reason: Schema.String }) {
  override get message() {
    return `internal: ${this.reason}`
  }
}

const find = (id: string): Effect.Effect<Movie, MovieNotFound | Banned> =>
  id === "1"
    ? Effect.succeed(new Movie({ title: "Alien" }))
    : id === "2"
      ? Effect.fail(new MovieNotFound({ id }))
      : Effect.fail(new Banned({ reason: "hunter2" }))

const app = GraphqlEffect.make({
  typeDefs: `
    type Movie { title: String! }
    type MovieNotFound { id: ID!, code: String!, message: String! }
    type Banned { code: String!, message: String! }
    union MovieAnswer = Movie | MovieNotFound | Banned
    type MovieResult { value: Movie, error: MovieNotFound }
    type Query { member(id: ID!): MovieAnswer, all(id: ID!): MovieAnswer, result(id: ID!): MovieResult }
  `,
  layer: Layer.empty,
  resolvers: {
    Query: {
      member: (_, args: { readonly id: string }) => find(args.id).pipe(TypedError.asMember("MovieNotFound")),
      all: (_, args: { readonly id: string }) => find(args.id).pipe(TypedError.asMember("MovieNotFound", "Banned")),
      result: (_, args: { readonly id: string }) => find(args.id).pipe(TypedError.asResult("MovieNotFound"))
    }
  }
})

const fields = `{ __typename ... on Movie { title } ... on MovieNotFound { id code message } ... on Banned { code message } }`

const ask = (document: string) =>
  Effect.map(
    Effect.promise(() => app.execute({ document })),
    ({ result }) => JSON.parse(JSON.stringify(result))
  )

describe("TypedError.asMember", () => {
  it.effect("makes a failure the union member named by its tag, and leaves values as they are", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(`{ found: member(id: "1") ${fields} missing: member(id: "2") ${fields} }`), {
        data: {
          found: { __typename: "Movie", title: "Alien" },
          missing: { __typename: "MovieNotFound", id: "2", code: "NOT_FOUND", message: "There is no such movie." }
        }
      })
    })
  )

  it.effect("leaves failures it was not told of as errors", () =>
    Effect.gen(function* () {
      const { data, errors } = yield* ask(`{ member(id: "3") ${fields} }`)
      assert.deepStrictEqual(data, { member: null })
      assert.strictEqual(errors[0].extensions.code, "INTERNAL_SERVER_ERROR")
    })
  )

  it.effect("never shows an error's own message", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(`{ all(id: "3") ${fields} }`), {
        data: { all: { __typename: "Banned", code: "Banned", message: "Internal server error." } }
      })
    })
  )

  it("costs no fiber where its effect costs none", () => {
    const failing = Fiberless.make<never, MovieNotFound>(() => Exit.fail(new MovieNotFound({ id: "1" })))
    assert.isTrue(Fiberless.isFiberless(failing.pipe(TypedError.asMember("MovieNotFound"))))
  })

  it("does not compile for a tag that is not among the failures", () => {
    // @ts-expect-error find has no failure "Forbidden"
    assert.isDefined(find("1").pipe(TypedError.asMember("Forbidden")))
    const left: Effect.Effect<unknown, Banned> = find("1").pipe(TypedError.asMember("MovieNotFound"))
    assert.isDefined(left)
  })
})

describe("TypedError.asResult", () => {
  it.effect("answers with one side null", () =>
    Effect.gen(function* () {
      const query = `{ found: result(id: "1") { value { title } error { id } } lost: result(id: "2") { value { title } error { id } } }`
      assert.deepStrictEqual(yield* ask(query), {
        data: { found: { value: { title: "Alien" }, error: null }, lost: { value: null, error: { id: "2" } } }
      })
    })
  )
})
