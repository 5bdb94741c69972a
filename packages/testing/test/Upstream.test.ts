import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, RestError, RestSource } from "@wellspring/rest"
import { Recording, Upstream } from "@wellspring/testing"
import { Cause, Effect, Exit, Fiber, Layer, Schema, TestClock } from "effect"

class Movie extends Schema.Class<Movie>("Movie")({ id: Schema.String, released: Schema.Date }) {}
class MovieNotFound extends Schema.TaggedError<MovieNotFound>()("MovieNotFound", { id: Schema.String }) {}

const GetMovie = Endpoint.get("GetMovie", {
  path: Endpoint.path`movies/${Endpoint.param("id", Schema.String)}`,
  success: Movie,
  errors: { 404: MovieNotFound }
})
const CreateMovie = Endpoint.post("CreateMovie", {
  path: "movies",
  body: Schema.Struct({ title: Schema.String }),
  success: Schema.Void
})

const source = RestSource.make({ baseUrl: "https://movies.test/v1/" })
const up = new Movie({ id: "1", released: new Date(0) })

describe("Upstream.script", () => {
  it.effect("writes typed values through the endpoint's schema", () =>
    Effect.gen(function* () {
      yield* Upstream.script(GetMovie, Upstream.success(up))
      const api = yield* source
      assert.deepStrictEqual(yield* api.call(GetMovie({ id: "1" })), up)
    }).pipe(Effect.provide(Upstream.layer))
  )

  it.effect("answers with declared errors under their status", () =>
    Effect.gen(function* () {
      yield* Upstream.script(GetMovie, ({ parameters }) =>
        Upstream.failure(new MovieNotFound({ id: parameters["id"] ?? "" }))
      )
      const api = yield* source
      const error = yield* Effect.flip(api.call(GetMovie({ id: "a b" })))
      assert.deepStrictEqual(error, new MovieNotFound({ id: "a b" }))
    }).pipe(Effect.provide(Upstream.layer))
  )

  it.effect("takes its time on the Clock of the test", () =>
    Effect.gen(function* () {
      yield* Upstream.script(GetMovie, Upstream.success(up, { delay: "3 seconds" }))
      const api = yield* source
      const fiber = yield* Effect.fork(api.call(GetMovie({ id: "1" })))
      yield* TestClock.adjust("2 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), up)
    }).pipe(Effect.provide(Upstream.layer))
  )

  it.effect("lets a call that is never answered run into its deadline", () =>
    Effect.gen(function* () {
      yield* Upstream.script(GetMovie, Upstream.silent)
      const api = yield* source
      const fiber = yield* Effect.fork(Effect.flip(api.call(GetMovie({ id: "1" }), { retry: { times: 0 } })))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, RestError.RestTimeout)
      assert.propertyVal(error, "phase", "headers")
    }).pipe(Effect.provide(Upstream.layer))
  )

  it.effect("remembers what was sent", () =>
    Effect.gen(function* () {
      yield* Upstream.script(CreateMovie, Upstream.response(204))
      const api = yield* source
      yield* api.call(CreateMovie({ body: { title: "Her" } }))
      const [call] = yield* Upstream.callsTo(CreateMovie)
      assert.deepStrictEqual(call?.body, { title: "Her" })
      yield* Upstream.expectCalls(CreateMovie, 1)
      yield* Upstream.expectCalls(GetMovie, 0)
      yield* Upstream.verify
    }).pipe(Effect.provide(Upstream.layer))
  )

  it.effect("dies of an unexpected call, naming it and what was scripted", () =>
    Effect.gen(function* () {
      yield* Upstream.script(GetMovie, Upstream.success(up))
      const api = yield* source
      const exit = yield* Effect.exit(api.call(CreateMovie({ body: { title: "Her" } })))
      assert.isTrue(Exit.isFailure(exit))
      const text = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
      assert.include(text, "did not expect POST https://movies.test/v1/movies")
      assert.include(text, "GetMovie: GET movies/:id")
    }).pipe(Effect.provide(Upstream.layer))
  )

  it.effect("runs out after the number of times it was scripted for", () =>
    Effect.gen(function* () {
      yield* Upstream.script(GetMovie, Upstream.success(up), { times: 1 })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Upstream.verify)))
      const api = yield* source
      yield* api.call(GetMovie({ id: "1" }))
      yield* Upstream.verify
      assert.isTrue(Exit.isFailure(yield* Effect.exit(api.call(GetMovie({ id: "2" })))))
    }).pipe(Effect.provide(Upstream.layer))
  )
})

describe("Recording", () => {
  const server = Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => {
        response.setHeader("content-type", "application/json")
        response.setHeader("set-cookie", "session=secret")
        response.end(JSON.stringify({ id: request.url?.split("/").at(-1), released: "1970-01-01T00:00:00.000Z" }))
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}/`, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

  it.scopedLive("replays what was recorded, without credentials", () =>
    Effect.gen(function* () {
      const { url } = yield* server
      const call = Effect.flatMap(RestSource.make({ baseUrl: url }), (api) => api.call(GetMovie({ id: "7" })))
      const text = yield* Effect.gen(function* () {
        yield* call
        return yield* Recording.encode(yield* Recording.exchanges)
      }).pipe(Effect.provide(Recording.layerRecord().pipe(Layer.provide(FetchHttpClient.layer))))
      assert.notInclude(text, "secret")
      const replayed = yield* call.pipe(Effect.provide(Recording.layerReplay(yield* Recording.decode(text))))
      assert.strictEqual(replayed.id, "7")
    })
  )
})
