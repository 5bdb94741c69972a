/** A week of earthquakes as the USGS published it, from `vega-datasets` (US public domain). Slow, as such feeds are. */
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Upstream from "./Upstream.ts"

const Feed = Schema.Struct({
  features: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      properties: Schema.Struct({
        mag: Schema.NullOr(Schema.Number),
        place: Schema.NullOr(Schema.String),
        time: Schema.Number
      })
    })
  )
})

// The package exports its code only; the data lie beside it.
const file = join(dirname(createRequire(import.meta.url).resolve("vega-datasets")), "../data/earthquakes.json")

const load = Effect.flatMap(
  Effect.promise(() => readFile(file, "utf8")),
  Schema.decode(Schema.parseJson(Feed))
)

/** `?above=5`: the strongest first, a quarter of a second later. */
const router = Effect.map(load, ({ features }) =>
  HttpRouter.empty.pipe(
    HttpRouter.get(
      "/quakes",
      Effect.flatMap(Upstream.search, (search) => {
        const above = Number(search.get("above") ?? 0) || 0
        const strong = features
          .filter(({ properties }) => properties.mag !== null && properties.mag >= above)
          .sort((a, b) => (b.properties.mag ?? 0) - (a.properties.mag ?? 0))
        return Effect.delay(
          Upstream.json(strong, { "cache-control": "public, max-age=60, stale-while-revalidate=300" }),
          "250 millis"
        )
      })
    )
  )
)

export const serve = (port: number) => Effect.flatMap(router, (router) => Upstream.serve("quakes", router, port))
