import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, RestError, RestSource } from "@wellspring/rest"
import * as Operation from "@wellspring/source/Operation"
import { Context, Effect, Equal, Hash, Layer, Option, Schema } from "effect"

class Movie extends Schema.Class<Movie>("Movie")({ id: Schema.String, title: Schema.String }) {}
class MovieNotFound extends Schema.TaggedError<MovieNotFound>()("MovieNotFound", { id: Schema.String }) {}

const GetMovie = Endpoint.get("GetMovie", {
  path: Endpoint.path`movies/${Endpoint.param("id", Schema.String)}`,
  query: Schema.Struct({ language: Schema.optional(Schema.String) }),
  success: Movie,
  errors: { 404: MovieNotFound }
})

const CreateMovie = Endpoint.post("CreateMovie", {
  path: "movies",
  body: Schema.Struct({ title: Schema.String }),
  success: Movie
})

/** An upstream that answers by path, and counts. */
const upstream = (answer: (request: HttpClientRequest.HttpClientRequest) => Response) => {
  const calls: Array<string> = []
  const client = HttpClient.make((request) =>
    Effect.async((resume) => {
      calls.push(`${request.method} ${request.url}`)
      setImmediate(() => resume(Effect.succeed(HttpClientResponse.fromWeb(request, answer(request)))))
    })
  )
  return { calls, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

const json = (value: unknown, init?: ResponseInit) => Response.json(value, init)

describe("RestSource.call", () => {
  it.live("decodes the answer through the endpoint's schema", () => {
    const { calls, layer } = upstream(() => json({ id: "1", title: "Up" }))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/v1/" })
      const movie = yield* api.call(GetMovie({ id: "1", language: "en us" }))
      assert.instanceOf(movie, Movie)
      assert.isTrue(Object.isFrozen(movie))
      assert.deepStrictEqual(calls, ["GET https://api.test/v1/movies/1?language=en%20us"])
    }).pipe(Effect.provide(layer))
  })

  it.live("fails with the error declared for the status, filled from the call's parameters", () => {
    const { layer } = upstream(() => json({ message: "no such movie" }, { status: 404 }))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/v1/" })
      const error = yield* Effect.flip(api.call(GetMovie({ id: "7" })))
      assert.deepStrictEqual(error, new MovieNotFound({ id: "7" }))
      assert.deepStrictEqual(yield* api.callOption(GetMovie({ id: "7" })), Option.none())
    }).pipe(Effect.provide(layer))
  })

  it.live("refuses a parameter that would leave its segment, by name", () => {
    const { calls, layer } = upstream(() => json({}))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/v1/" })
      const error = yield* Effect.flip(api.call(GetMovie({ id: "../admin" })))
      assert.instanceOf(error, RestError.RestParameterError)
      assert.propertyVal(error, "parameter", "id")
      assert.deepStrictEqual(calls, [])
    }).pipe(Effect.provide(layer))
  })

  it.live("sends one call for equal requests under way in one Operation", () => {
    const { calls, layer } = upstream(() => json({ id: "1", title: "Up" }))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/v1/" })
      const both = Effect.all([api.call(GetMovie({ id: "1" })), api.callFull(GetMovie({ id: "1" }))], {
        concurrency: "unbounded"
      })
      const [movie, full] = yield* Operation.scoped(both)
      assert.strictEqual(movie, full.value)
      assert.strictEqual(full.outcome, "joined")
      assert.strictEqual(calls.length, 1)
    }).pipe(Effect.provide(layer))
  })

  it.live("never shares an answer between callers whose requests were prepared differently", () => {
    class Viewer extends Context.Tag("Viewer")<Viewer, { readonly token: string }>() {}
    const { calls, layer } = upstream((request) => json({ id: "1", title: request.headers["authorization"] }))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({
        baseUrl: "https://api.test/v1/",
        prepare: (request) => Effect.map(Viewer, ({ token }) => HttpClientRequest.bearerToken(request, token))
      })
      const as = (token: string) => Effect.provideService(api.call(GetMovie({ id: "1" })), Viewer, { token })
      const movies = yield* Operation.scoped(Effect.all([as("a"), as("b"), as("a")], { concurrency: "unbounded" }))
      assert.deepStrictEqual(
        movies.map(({ title }) => title),
        ["Bearer a", "Bearer b", "Bearer a"]
      )
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.live("sends a body as JSON with one content-type", () => {
    const seen: Array<unknown> = []
    const { layer } = upstream((request) => {
      seen.push(request.headers["content-type"], request.body.toJSON())
      return json({ id: "2", title: "Her" }, { status: 201 })
    })
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/v1/" })
      const movie = yield* api.call(CreateMovie({ body: { title: "Her" } }))
      assert.strictEqual(movie.title, "Her")
      assert.strictEqual(seen[0], "application/json")
    }).pipe(Effect.provide(layer))
  })

  it.live("answers requests run as Effects from the source that is provided", () => {
    const { layer } = upstream(() => json({ id: "1", title: "Up" }))
    return Effect.gen(function* () {
      const movie = yield* GetMovie({ id: "1" })
      assert.strictEqual(movie.title, "Up")
    }).pipe(Effect.provide(RestSource.layer({ baseUrl: "https://api.test/v1/" }).pipe(Layer.provide(layer))))
  })
})

describe("Endpoint.Request", () => {
  it("equals another that would send the same", () => {
    assert.isTrue(Equal.equals(GetMovie({ id: "1" }), GetMovie({ id: "1" })))
    assert.strictEqual(Hash.hash(GetMovie({ id: "1" })), Hash.hash(GetMovie({ id: "1" })))
    assert.isFalse(Equal.equals(GetMovie({ id: "1" }), GetMovie({ id: "2" })))
  })
})
