/** Recent earthquakes. */
import { Endpoint, RestSource } from "@wellspring/rest"
import { Effect, Layer, Schema } from "effect"
import { Upstreams } from "./Upstreams.ts"

export class QuakesApi extends RestSource.Tag("atlas/QuakesApi")<QuakesApi>() {}

export const layer = Layer.unwrapEffect(Effect.map(Upstreams, ({ quakes }) => QuakesApi.layer({ baseUrl: quakes })))

export class Quake extends Schema.Class<Quake>("Quake")({
  id: Schema.String,
  properties: Schema.Struct({
    mag: Schema.Number,
    place: Schema.NullOr(Schema.String),
    time: Schema.DateFromNumber
  })
}) {}

export const ListQuakes = Endpoint.get("ListQuakes", {
  path: "quakes",
  query: Schema.Struct({ above: Schema.Number }),
  success: Schema.Array(Quake),
  source: QuakesApi
})
