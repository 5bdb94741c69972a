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

/** The three upstreams on loopback, for as long as the layer lives: on free ports, or from `first` upwards. */
export const layer = (first?: number) =>
  Layer.scopedContext(
    Effect.map(
      Effect.forEach([GeographyUpstream.serve, AirportsUpstream.serve, QuakesUpstream.serve], (serve, index) =>
        serve(first === undefined ? 0 : first + index)
      ),
      (logs) => {
        const [geography = "", airports = "", quakes = ""] = logs.map(({ baseUrl }) => baseUrl)
        return Context.make(Upstreams, { geography, airports, quakes }).pipe(Context.add(Logs, logs))
      }
    )
  )
