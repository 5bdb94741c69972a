/** The schema, and a resolver for each field that is not simply a property. */
import { GraphqlEffect } from "@wellspring/graphql"
import { Effect, Layer } from "effect"
import * as Airports from "./Airports.ts"
import * as Geography from "./Geography.ts"
import * as Quakes from "./Quakes.ts"
import * as Viewer from "./Viewer.ts"

const typeDefs = /* GraphQL */ `
  type Query {
    "Countries by name, 50 a page."
    countries(page: Int! = 1): [Country!]!
    country(code: ID!): Country
    airport(iata: ID!): Airport
    "Earthquakes of one week, the strongest first."
    quakes(above: Float! = 5): [Quake!]!
    "Who asks, by the token sent: try \`Bearer token-alice\` or \`Bearer token-bob\`."
    me: Traveller
  }

  type Country {
    code: ID!
    name: String!
    "The name in one of the country's own languages, where that is asked for."
    label(language: String! = "en"): String!
    capital: String!
    continent: Continent!
    currencies: [Currency!]!
    languages: [Language!]!
    "Large airports with scheduled flights."
    airports: [Airport!]!
  }

  type Continent { id: ID!, name: String! }
  type Currency { id: ID!, name: String! }
  type Language { id: ID!, name: String! }
  type Airport { iata: ID!, name: String!, city: String!, country: Country }
  type Quake { id: ID!, magnitude: Float!, place: String, at: String! }
  type Traveller { name: String!, homeAirport: Airport }
`

/** The upstreams that resolvers ask, over whatever `HttpClient` is given. */
export const services = Layer.mergeAll(Geography.layer, Airports.layer, Quakes.layer)

const resolvers = {
  Query: {
    countries: (_: unknown, args: { page: number }) => Geography.ListCountries(args),
    country: (_: unknown, args: { code: string }) => Geography.GetCountry(args),
    airport: (_: unknown, args: { iata: string }) => Airports.GetAirport(args),
    quakes: (_: unknown, args: { above: number }) => Quakes.ListQuakes(args),
    me: () => Airports.GetTraveller()
  },
  Country: {
    label: ({ code }: Geography.Country, { language }: { language: string }) =>
      Effect.map(Geography.GetLabel({ code, headers: { "accept-language": language } }), ({ label }) => label),
    continent: ({ continent }: Geography.Country) => Geography.Continents.load(continent),
    currencies: ({ currencies }: Geography.Country) => Geography.Currencies.loadMany(currencies),
    languages: ({ languages }: Geography.Country) => Geography.Languages.loadMany(languages),
    airports: ({ code }: Geography.Country) => Airports.AirportsInCountry.load(code)
  },
  Airport: {
    country: ({ country }: Airports.Airport) => Geography.GetCountry({ code: country })
  },
  Quake: {
    magnitude: ({ properties }: Quakes.Quake) => properties.mag,
    place: ({ properties }: Quakes.Quake) => properties.place,
    at: ({ properties }: Quakes.Quake) => properties.time.toISOString()
  },
  Traveller: {
    homeAirport: ({ homeAirport }: { homeAirport: string }) => Airports.GetAirport({ iata: homeAirport })
  }
}

/** The application over whatever gives its upstreams. It tells what each operation cost, so that you can see it. */
export const make = <E>(layer: Layer.Layer<Layer.Layer.Success<typeof services>, E>) =>
  GraphqlEffect.make({
    typeDefs,
    resolvers,
    layer: GraphqlEffect.perOperation(layer, Viewer.ofRequest),
    development: true
  })

export type Atlas = ReturnType<typeof make>
