import { FetchHttpClient, HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, EventStream, Pagination, RestError, RestSource } from "@wellspring/rest"
import * as Operation from "@wellspring/source/Operation"
import { Chunk, Effect, FastCheck as fc, Schema, Stream } from "effect"
import * as Server from "./support/server.ts"
import { json, stub } from "./support/stub.ts"

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

describe("RestSource.callStream", () => {
  const Download = Endpoint.get("Download", { path: "file" })

  it.scopedLive("hands on bytes as they come, and closes the socket when nobody reads on", () =>
    Effect.gen(function* () {
      let isClosed = false
      const server = yield* Server.http((_, response) => {
        const timer = setInterval(() => response.write("piece"), 5)
        response.on("close", () => {
          isClosed = true
          clearInterval(timer)
        })
      })
      const api = yield* RestSource.make({ baseUrl: server.url })
      const pieces = yield* collect(Stream.take(api.callStream(Download()), 3))
      assert.strictEqual(new TextDecoder().decode(pieces[0]).slice(0, 5), "piece")
      yield* Server.eventually(() => isClosed)
      assert.isTrue(isClosed)
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.live("fails with the typed error of a status outside 2xx", () => {
    const { layer } = stub(() => json({ why: "gone" }, { status: 410 }))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const error = yield* Effect.flip(collect(api.callStream(Download())))
      assert.instanceOf(error, RestError.RestStatusError)
      assert.deepStrictEqual(RestError.details(error as object).body, { why: "gone" })
    }).pipe(Effect.provide(layer))
  })

  it.scopedLive("ends a stream that stops", () =>
    Effect.gen(function* () {
      const server = yield* Server.http((_, response) => response.write("piece"))
      const api = yield* RestSource.make({ baseUrl: server.url, timeouts: { bodyIdle: "100 millis" } })
      const error = yield* Effect.flip(collect(api.callStream(Download())))
      assert.propertyVal(error, "phase", "body")
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})

describe("RestSource.callNdjson", () => {
  const Rows = Endpoint.get("Rows", { path: "rows", success: Schema.Struct({ id: Schema.Number }) })

  it.live("decodes each line, and names the one that does not fit", () => {
    const { layer } = stub((_, call) => new Response(call === 1 ? '{"id":1}\n\n{"id":2}' : '{"id":1}\n{"id":"x"}\n'))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      assert.deepStrictEqual(yield* collect(api.callNdjson(Rows())), [{ id: 1 }, { id: 2 }])
      const error = yield* Effect.flip(collect(api.callNdjson(Rows())))
      assert.deepInclude(error, { _tag: "RestDecodeError", path: [1, "id"] })
    }).pipe(Effect.provide(layer))
  })
})

describe("RestSource.callEvents", () => {
  const Events = Endpoint.get("Events", { path: "events", success: Schema.Struct({ n: Schema.Number }) })

  it.live("reads server-sent events", () => {
    const { layer } = stub(
      () => new Response(': hello\nid: 7\nevent: tick\ndata: {"n":\ndata: 1}\n\ndata: {"n":2}\n\ndata: cut')
    )
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      assert.deepStrictEqual(yield* collect(api.callEvents(Events())), [
        { event: "tick", data: { n: 1 }, id: "7", retry: undefined },
        { event: "message", data: { n: 2 }, id: "7", retry: undefined }
      ])
    }).pipe(Effect.provide(layer))
  })
})

describe("EventStream.lines", () => {
  it.effect.prop(
    "finds the same lines wherever the bytes are cut",
    [
      fc.array(fc.constantFrom("a", "é", "\n", "\r\n", "\r", "b"), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 })
    ],
    ([parts, cuts]) =>
      Effect.gen(function* () {
        const text = parts.join("")
        const bytes = new TextEncoder().encode(text)
        const pieces: Array<Uint8Array> = []
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = cuts[cut % cuts.length] ?? 1
          pieces.push(bytes.slice(at, at + size))
          at += size
        }
        const expected = text.split(/\r\n|\n|\r/)
        if (expected.at(-1) === "") expected.pop()
        const found = yield* collect(EventStream.lines(1000)(Stream.fromIterable(pieces)))
        assert.deepStrictEqual(found, expected)
      })
  )
})

describe("Pagination", () => {
  const List = Endpoint.get("List", {
    path: "items",
    query: Schema.Struct({
      page: Schema.optional(Schema.Number),
      cursor: Schema.optional(Schema.String),
      offset: Schema.optional(Schema.Number)
    }),
    success: Schema.Struct({ items: Schema.Array(Schema.Number), next: Schema.optional(Schema.String) })
  })
  const pages = [[1, 2], [3, 4], [5]]
  const page = (index: number, extra: object = {}, init?: ResponseInit) =>
    json({ items: pages[index] ?? [], ...extra }, init)
  const source = RestSource.make({ baseUrl: "https://api.test/v1/" })
  const items = <E, R>(stream: Stream.Stream<{ readonly items: ReadonlyArray<number> }, E, R>) =>
    collect(Stream.mapConcat(stream, ({ items }) => items))

  it.live("follows Link headers within the origin", () => {
    const { calls, layer } = stub((_, call) =>
      page(
        call - 1,
        {},
        call < 3 ? { headers: { link: `</v2/items?after=${call}>; rel="next", </v1/items>; rel="first"` } } : {}
      )
    )
    return Effect.gen(function* () {
      const api = yield* source
      assert.deepStrictEqual(yield* items(Pagination.byLink(api, List())), [1, 2, 3, 4, 5])
      assert.deepStrictEqual(calls.slice(1), [
        "GET https://api.test/v2/items?after=1",
        "GET https://api.test/v2/items?after=2"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.live("takes no link to another origin", () => {
    const { calls, layer } = stub(() => page(0, {}, { headers: { link: '<http://evil.test/>; rel="next"' } }))
    return Effect.gen(function* () {
      const api = yield* source
      assert.instanceOf(yield* Effect.flip(items(Pagination.byLink(api, List()))), RestError.RestOriginError)
      assert.strictEqual(calls.length, 1)
    }).pipe(Effect.provide(layer))
  })

  it.live("does not go in circles", () => {
    const { layer } = stub(() => page(0, { next: "same" }))
    return Effect.gen(function* () {
      const api = yield* source
      const stream = Pagination.byCursor(
        api,
        (cursor: string | undefined) => List({ ...(cursor === undefined ? {} : { cursor }) }),
        ({ next }) => next
      )
      assert.instanceOf(yield* Effect.flip(items(stream)), RestError.RestDecodeError)
    }).pipe(Effect.provide(layer))
  })

  it.live("counts pages, and advances offsets", () => {
    const { calls, layer } = stub((request) => {
      const { searchParams } = new URL(request.url)
      return page(
        searchParams.has("page") ? Number(searchParams.get("page")) - 1 : Number(searchParams.get("offset")) / 2
      )
    })
    return Effect.gen(function* () {
      const api = yield* source
      const byPage = Pagination.byPage(api, (page) => List({ page }), { isLast: ({ items }) => items.length < 2 })
      assert.deepStrictEqual(yield* items(byPage), [1, 2, 3, 4, 5])
      const byOffset = Pagination.byOffset(api, (offset) => List({ offset }), {
        limit: 2,
        count: ({ items }) => items.length
      })
      assert.deepStrictEqual(yield* items(byOffset), [1, 2, 3, 4, 5])
      assert.strictEqual(calls.length, 6)
    }).pipe(Effect.provide(layer))
  })

  it.live("fetches one page ahead and no more", () => {
    const { calls, layer } = stub((_, call) => page(call - 1, { next: String(call) }))
    return Effect.gen(function* () {
      const api = yield* source
      const stream = Pagination.byCursor(
        api,
        (cursor: string | undefined) => List(cursor === undefined ? {} : { cursor }),
        ({ next }) => next
      )
      yield* Stream.runDrain(
        Stream.take(
          Stream.tap(stream, () => Effect.sleep("20 millis")),
          1
        )
      )
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(layer))
  })
})

describe("Endpoint.batched", () => {
  const ListMovies = Endpoint.get("ListMovies", {
    path: "movies",
    query: Schema.Struct({ ids: Schema.Array(Schema.String) }),
    arrays: "comma",
    success: Schema.Array(Schema.Struct({ id: Schema.String }))
  })

  it.live("loads by id in calls whose URL stays short, and is primed by lists", () => {
    const { calls, layer } = stub((request) =>
      json(
        (new URL(request.url).searchParams.get("ids") ?? "")
          .split(",")
          .filter((id) => id !== "none")
          .map((id) => ({ id }))
      )
    )
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const MovieById = Endpoint.batched("MovieById", {
        endpoint: ListMovies,
        through: api,
        key: Schema.String,
        input: (ids) => ({ ids }),
        rows: (movies) => movies,
        by: (movie) => movie.id,
        maxUrlBytes: 100
      })
      const ids = Array.from({ length: 50 }, (_, index) => `movie-${100 + index}`)
      const movies = yield* Effect.forEach(ids, (id) => MovieById.load(id), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        movies.map(({ id }) => id),
        ids
      )
      assert.isAbove(calls.length, 5)
      for (const call of calls) assert.isAtMost(call.slice("GET https://api.test/".length).length, 100)
      const missing = yield* Effect.flip(MovieById.load("none"))
      assert.strictEqual(missing._tag, "NotFound")
      const before = calls.length
      yield* api
        .call(ListMovies({ ids: ["a", "b"] }))
        .pipe(Endpoint.priming(MovieById, { rows: (movies) => movies, by: ({ id }) => id }))
      yield* MovieById.loadMany(["a", "b"])
      assert.strictEqual(calls.length, before + 1)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })
})

describe("RestSource.fromApi", () => {
  const Movie = Schema.Struct({ id: Schema.Number, title: Schema.String })
  class NotThere extends Schema.TaggedError<NotThere>()("NotThere", {}, HttpApiSchema.annotations({ status: 404 })) {}
  const Api = HttpApi.make("api")
    .add(
      HttpApiGroup.make("movies")
        .add(
          HttpApiEndpoint.get("byId")`/movies/${HttpApiSchema.param("id", Schema.NumberFromString)}`
            .setUrlParams(Schema.Struct({ lang: Schema.optional(Schema.String) }))
            .addSuccess(Movie)
            .addError(NotThere)
        )
        .add(
          HttpApiEndpoint.post("create", "/movies")
            .setPayload(Schema.Struct({ title: Schema.String }))
            .addSuccess(Movie, { status: 201 })
        )
        .add(HttpApiEndpoint.del("remove")`/movies/${HttpApiSchema.param("id", Schema.NumberFromString)}`)
    )
    .prefix("/api")

  it.live("makes endpoints of a description that a server was made of", () => {
    const { calls, layer, requests } = stub((request, call) => {
      if (request.method === "DELETE") return new Response(null, { status: 204 })
      return call === 2 ? json({ _tag: "NotThere" }, { status: 404 }) : json({ id: 1, title: "Up" })
    })
    const { movies } = RestSource.fromApi(Api)
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/v1/" })
      const movie: typeof Movie.Type = yield* api.call(movies.byId({ id: 1, lang: "en" }))
      assert.strictEqual(movie.title, "Up")
      assert.instanceOf(yield* Effect.flip(api.call(movies.byId({ id: 2 }))), NotThere)
      yield* api.call(movies.create({ body: { title: "Up" } }))
      assert.isUndefined(yield* api.call(movies.remove({ id: 1 })))
      assert.deepStrictEqual(calls, [
        "GET https://api.test/v1/api/movies/1?lang=en",
        "GET https://api.test/v1/api/movies/2",
        "POST https://api.test/v1/api/movies",
        "DELETE https://api.test/v1/api/movies/1"
      ])
      assert.strictEqual(requests[2]?.headers["content-type"], "application/json")
    }).pipe(Effect.provide(layer))
  })
})
