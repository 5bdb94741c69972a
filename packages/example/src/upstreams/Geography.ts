/** Countries, continents, languages and currencies, from `countries-list` (MIT). */
import * as Headers from "@effect/platform/Headers"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { continents, countries, languages } from "countries-list"
import { currencies } from "countries-list/currencies"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Upstream from "./Upstream.ts"

const lookup = <A>(record: Record<string, A>, key: string | undefined): A | undefined =>
  key !== undefined && Object.hasOwn(record, key) ? record[key] : undefined

const allCountries = Object.entries(countries)
  .map(([code, { capital, continent, currency, languages, name }]) => ({
    code,
    name,
    capital,
    continent,
    currencies: currency,
    languages
  }))
  .sort((a, b) => a.name.localeCompare(b.name, "en"))

const byCode = Object.fromEntries(allCountries.map((country) => [country.code, country]))

const lasting = { "cache-control": "public, max-age=3600" }
const pageSize = 50

/** A page of countries, with the next one named in `Link`. */
const list = Effect.flatMap(Upstream.search, (search) => {
  const page = Math.max(1, Number(search.get("page") ?? 1) || 1)
  const last = page * pageSize >= allCountries.length
  return Upstream.json(
    allCountries.slice((page - 1) * pageSize, page * pageSize),
    last ? lasting : { ...lasting, link: `</countries?page=${page + 1}>; rel="next"` }
  )
})

const byIds = <A>(record: Record<string, A>) =>
  Effect.flatMap(Upstream.search, (search) =>
    Upstream.json(
      Upstream.idsOf(search).flatMap((id) => {
        const found = lookup(record, id)
        return found === undefined ? [] : [{ id, ...found }]
      }),
      lasting
    )
  )

const one = Effect.flatMap(HttpRouter.params, ({ code }) => {
  const country = lookup(byCode, code)
  return country === undefined
    ? Effect.succeed(Upstream.problem(404, "No such country"))
    : Upstream.json(country, lasting)
})

/** A country's name in the caller's language where it is one of its own, in English otherwise. */
const label = Effect.gen(function* () {
  const { code } = yield* HttpRouter.params
  const country = lookup(countries, code)
  if (country === undefined) return Upstream.problem(404, "No such country")
  const request = yield* HttpServerRequest.HttpServerRequest
  const asked = Option.getOrElse(Headers.get(request.headers, "accept-language"), () => "en").slice(0, 2)
  const own = country.languages[0] === asked
  return yield* Upstream.json(
    { label: own ? country.native : country.name },
    { ...lasting, vary: "Accept-Language", "content-language": own ? asked : "en" }
  )
})

const router = HttpRouter.empty.pipe(
  HttpRouter.get("/countries", list),
  HttpRouter.get("/countries/:code", one),
  HttpRouter.get("/countries/:code/label", label),
  HttpRouter.get("/continents", byIds(Record.map(continents, (name) => ({ name })))),
  HttpRouter.get("/languages", byIds(languages)),
  HttpRouter.get("/currencies", byIds(currencies))
)

export const serve = (port: number) => Upstream.serve("geography", router, port)
