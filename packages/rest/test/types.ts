/** Inference that users rely on, checked by compiling. */
import { HttpClientRequest } from "@effect/platform"
import { Endpoint, type RestError, RestSource } from "@wellspring/rest"
import { Context, Effect, Schema } from "effect"

class Viewer extends Context.Tag("Viewer")<Viewer, { readonly token: string }>() {}
class GeographyApi extends RestSource.Tag("atlas/GeographyApi")<GeographyApi>() {}
class MoviesApi extends RestSource.Tag("MoviesApi")<MoviesApi, "no token", Viewer>() {}
class Gone extends Schema.TaggedError<Gone>()("Gone", { code: Schema.String }) {}

const Continent = Schema.Struct({ code: Schema.String })

export const GetContinent = Endpoint.get("GetContinent", {
  path: Endpoint.path`continents/${Endpoint.param("code", Schema.String)}`,
  success: Continent,
  errors: { 404: Gone },
  source: GeographyApi
})

export const continent: Effect.Effect<typeof Continent.Type, Gone | RestError.RestError, GeographyApi> = GetContinent({
  code: "EU"
})

const Rate = Endpoint.put("Rate", {
  path: Endpoint.path`movies/${Endpoint.param("id", Schema.NumberFromString)}/rating`,
  query: Schema.Struct({ dry: Schema.optional(Schema.Boolean) }),
  headers: Schema.Struct({ "if-match": Schema.String }),
  body: Schema.Struct({ stars: Schema.Number }),
  success: Schema.Void,
  source: MoviesApi
})

export const rated: Effect.Effect<void, RestError.RestError | "no token", MoviesApi | Viewer> = Rate({
  id: 1,
  dry: true,
  headers: { "if-match": '"1"' },
  body: { stars: 5 }
})

// @ts-expect-error the body is missing
Rate({ id: 1, headers: { "if-match": '"1"' } })
// @ts-expect-error the parameter has another type
GetContinent({ code: 1 })
// @ts-expect-error a GET has no body
Endpoint.get("Bad", { path: "x", body: Schema.String })

const Ping = Endpoint.get("Ping", { path: "ping" })
export const ping: Effect.Effect<unknown, RestError.RestError, RestSource.RestSource> = Ping()

export const Live = MoviesApi.layer({
  baseUrl: "https://movies.test/",
  prepare: (request) => Effect.map(Viewer, ({ token }) => HttpClientRequest.bearerToken(request, token))
})

export const called = Effect.gen(function* () {
  const api = yield* RestSource.make({ baseUrl: "https://x.test/" })
  const effect: Effect.Effect<typeof Continent.Type, Gone | RestError.RestError> = api.call(
    GetContinent({ code: "EU" })
  )
  return yield* effect
})

const Movie = Schema.Struct({ id: Schema.String, title: Schema.String })
const ListMovies = Endpoint.get("ListMovies", {
  path: "movies",
  query: Schema.Struct({ ids: Schema.Array(Schema.String) }),
  arrays: "comma",
  success: Schema.Array(Movie),
  source: GeographyApi
})

const MovieById = Endpoint.batched("MovieById", {
  endpoint: ListMovies,
  key: Schema.String,
  input: (ids) => ({ ids }),
  rows: (movies) => movies,
  by: (movie) => movie.id
})
export const movie = MovieById.load("tt0111161")
export const title = Effect.map(movie, (movie) => movie.title)
