/** Airports, and who travels between them. */
import { HttpClientRequest } from "@effect/platform"
import { PublicError } from "@wellspring/graphql"
import { Endpoint, RestSource } from "@wellspring/rest"
import { Source } from "@wellspring/source"
import { Effect, Layer, Schema } from "effect"
import { Upstreams } from "./Upstreams.ts"
import { Viewer } from "./Viewer.ts"

export class AirportsApi extends RestSource.Tag("atlas/AirportsApi")<AirportsApi>() {}

/** The same upstream, asked in the viewer's name: neither deduplication nor cache shares its answers with another viewer. */
export class TravellersApi extends RestSource.Tag("atlas/TravellersApi")<TravellersApi, never, Viewer>() {}

export const layer = Layer.unwrapEffect(
  Effect.map(Upstreams, ({ airports }) =>
    Layer.merge(
      AirportsApi.layer({ baseUrl: airports }),
      TravellersApi.layer({
        baseUrl: airports,
        prepare: (request) => Effect.map(Viewer, ({ token }) => HttpClientRequest.bearerToken(request, token))
      })
    )
  )
)

export class Airport extends Schema.Class<Airport>("Airport")({
  iata: Schema.String,
  name: Schema.String,
  city: Schema.String,
  country: Schema.String,
  latitude: Schema.Number,
  longitude: Schema.Number
}) {}

export class AirportNotFound extends Schema.TaggedError<AirportNotFound>()(
  "AirportNotFound",
  { iata: Schema.String },
  PublicError.annotations((error: { readonly iata: string }) => ({
    code: "NOT_FOUND",
    message: `There is no airport "${error.iata}".`
  }))
) {}

export const GetAirport = Endpoint.get("GetAirport", {
  path: Endpoint.path`airports/${Endpoint.param("iata", Schema.String)}`,
  success: Airport,
  errors: { 404: AirportNotFound },
  source: AirportsApi
})

export const GetTraveller = Endpoint.get("GetTraveller", {
  path: "me",
  success: Schema.Struct({ name: Schema.String, homeAirport: Schema.String }),
  source: TravellersApi
})

const ListAirports = Endpoint.get("ListAirports", {
  path: "airports",
  query: Schema.Struct({ ids: Schema.Array(Schema.String) }),
  arrays: "comma",
  success: Schema.Array(Airport),
  source: AirportsApi
})

export const AirportsInCountry = Source.make("AirportsInCountry", {
  key: Schema.String,
  success: Schema.Array(Airport),
  resolve: (countries) =>
    Effect.map(
      ListAirports({ ids: [...countries].sort() }),
      Source.groupBy((airport) => airport.country)
    )
})
