/** One query, asked twice, with an account of what it cost. */
import { Effect, Schema } from "effect"
import { Logs } from "./Upstreams.ts"

export const query = `query FiftyCountries {
  countries {
    name
    capital
    continent { name }
    languages { name }
    airports { iata city }
  }
}`

const Answer = Schema.Struct({
  data: Schema.Struct({
    countries: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        capital: Schema.String,
        continent: Schema.Struct({ name: Schema.String }),
        languages: Schema.Array(Schema.Struct({ name: Schema.String })),
        airports: Schema.Array(Schema.Struct({ iata: Schema.String, city: Schema.String }))
      })
    )
  }),
  extensions: Schema.Struct({
    wellspring: Schema.Struct({
      account: Schema.Struct({
        loads: Schema.Number,
        batches: Schema.Number,
        outcomes: Schema.Record({ key: Schema.String, value: Schema.Number })
      })
    })
  })
})
type Answer = typeof Answer.Type

/** How many fields a result has. */
const fieldsOf = (value: unknown): number => {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + fieldsOf(item), 0)
  if (typeof value !== "object" || value === null) return 0
  return Object.values(value).reduce((sum: number, item) => sum + 1 + fieldsOf(item), 0)
}

/** GraphiQL's page and the endpoint are one address, but for Mercurius. */
const ask = (page: string) =>
  Effect.flatMap(
    Effect.promise(async (signal) => {
      const response = await fetch(page.replace(/graphiql$/, "graphql"), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query }),
        signal
      })
      return response.json()
    }),
    Schema.decodeUnknown(Answer)
  )

const table = ({ data }: Answer): ReadonlyArray<string> =>
  data.countries.slice(0, 8).map((country) => {
    const airports = country.airports.map(({ iata }) => iata).join(" ") || "–"
    const languages = country.languages.map(({ name }) => name).join(", ") || "–"
    return `  ${country.name.padEnd(20)} ${country.continent.name.padEnd(14)} ${languages.padEnd(30)} ${airports}`
  })

const account = (title: string, { data, extensions }: Answer, asked: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { batches, loads, outcomes } = extensions.wellspring.account
  const answered = Object.entries(outcomes).filter(([, count]) => count > 0)
  return [
    `${title}: ${fieldsOf(data)} fields, ${loads} loads in ${batches} batches, ${asked.length} upstream calls` +
      ` (${answered.map(([outcome, count]) => `${count} ${outcome}`).join(", ")})`,
    ...asked.map((line) => `  ${line.length > 110 ? `${line.slice(0, 109)}…` : line}`)
  ]
}

/** Asks `url` cold and then warm, and gives the text to print. */
export const take = (url: string) =>
  Effect.gen(function* () {
    const logs = yield* Logs
    const asked = Effect.map(
      Effect.forEach(logs, ({ name, takeLog }) =>
        Effect.map(takeLog, (lines) => lines.map((line) => `${name}: ${line.method} ${line.path} ${line.status}`))
      ),
      (lines) => lines.flat()
    )
    const cold = yield* ask(url)
    const askedCold = yield* asked
    const warm = yield* ask(url)
    const askedWarm = yield* asked
    return [
      query,
      "",
      ...table(cold),
      `  … and ${cold.data.countries.length - 8} more`,
      "",
      ...account("cold", cold, askedCold),
      ...account("warm", warm, askedWarm)
    ].join("\n")
  })
