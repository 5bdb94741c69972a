/** Where the three upstreams are. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AirportsUpstream from "./upstreams/Airports.ts"
import * as GeographyUpstream from "./upstreams/Geography.ts"
import * as QuakesUpstream from "./upstreams/Quakes.ts"
import type { Upstream } from "./upstreams/Upstream.ts"

export class Upstreams extends Context.Tag("atlas/Upstreams")<
  Upstreams,
  { readonly geography: string; readonly airports: string; readonly quakes: string }
>() {}

/** The upstreams' own accounts of what they were asked. */
export class Logs extends Context.Tag("atlas/Logs")<Logs, ReadonlyArray<Upstream>>() {}

/** The three upstreams on free loopback ports, for as long as the layer lives. */
export const layer = Layer.scopedContext(
  Effect.map(
    Effect.all([GeographyUpstream.serve, AirportsUpstream.serve, QuakesUpstream.serve]),
    ([geography, airports, quakes]) =>
      Context.make(Upstreams, {
        geography: geography.baseUrl,
        airports: airports.baseUrl,
        quakes: quakes.baseUrl
      }).pipe(Context.add(Logs, [geography, airports, quakes]))
  )
)
