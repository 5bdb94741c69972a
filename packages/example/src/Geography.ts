/** Countries and what belongs to them. */
import { PublicError } from "@wellspring/graphql"
import { Endpoint, RestSource } from "@wellspring/rest"
import { Effect, Layer, Schema } from "effect"
import { Upstreams } from "./Upstreams.ts"

export class GeographyApi extends RestSource.Tag("atlas/GeographyApi")<GeographyApi>() {}

export const layer = Layer.unwrapEffect(
  Effect.map(Upstreams, ({ geography }) => GeographyApi.layer({ baseUrl: geography }))
)

export class Country extends Schema.Class<Country>("Country")({
  code: Schema.String,
  name: Schema.String,
  capital: Schema.String,
  continent: Schema.String,
  currencies: Schema.Array(Schema.String),
  languages: Schema.Array(Schema.String)
}) {}

export class CountryNotFound extends Schema.TaggedError<CountryNotFound>()(
  "CountryNotFound",
  { code: Schema.String },
  PublicError.annotations((error: { readonly code: string }) => ({
    code: "NOT_FOUND",
    message: `There is no country "${error.code}".`
  }))
) {}

const code = Endpoint.param("code", Schema.String)

export const ListCountries = Endpoint.get("ListCountries", {
  path: "countries",
  query: Schema.Struct({ page: Schema.Number }),
  success: Schema.Array(Country),
  source: GeographyApi
})

export const GetCountry = Endpoint.get("GetCountry", {
  path: Endpoint.path`countries/${code}`,
  success: Country,
  errors: { 404: CountryNotFound },
  source: GeographyApi
})

export const GetLabel = Endpoint.get("GetLabel", {
  path: Endpoint.path`countries/${code}/label`,
  headers: Schema.Struct({ "accept-language": Schema.String }),
  success: Schema.Struct({ label: Schema.String }),
  errors: { 404: CountryNotFound },
  source: GeographyApi
})

const Named = Schema.Struct({ id: Schema.String, name: Schema.String })

/** What the upstream lists by `?ids=`, as a source: the loads of one moment are one call. */
const byIds = (name: string, path: string) => {
  const list = Endpoint.get(`List${name}`, {
    path,
    query: Schema.Struct({ ids: Schema.Array(Schema.String) }),
    arrays: "comma",
    success: Schema.Array(Named),
    source: GeographyApi
  })
  return Endpoint.batched(name, {
    endpoint: list,
    key: Schema.String,
    input: (ids) => ({ ids }),
    rows: (answer) => answer,
    by: (named) => named.id
  })
}

export const Continents = byIds("Continents", "continents")
export const Languages = byIds("Languages", "languages")
export const Currencies = byIds("Currencies", "currencies")
