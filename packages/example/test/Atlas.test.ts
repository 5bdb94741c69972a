/** The resolvers over a scripted upstream: one layer is swapped, the rest is what `npm start` runs. */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { GraphqlRequest } from "@wellspring/graphql"
import { HttpCache } from "@wellspring/http-cache"
import { Effect, Layer } from "effect"
import * as Atlas from "../src/Atlas.ts"
import { Upstreams } from "../src/Upstreams.ts"

type Script = Record<
  string,
  { readonly status?: number; readonly body: string; readonly headers?: Record<string, string> }
>

const countries = [
  { code: "CH", name: "Switzerland", capital: "Bern", continent: "EU", currencies: ["CHF"], languages: ["de", "fr"] },
  { code: "FR", name: "France", capital: "Paris", continent: "EU", currencies: ["EUR"], languages: ["fr"] }
]

const lasting = { "content-type": "application/json", "cache-control": "max-age=60" }

const answering: Script = {
  "/countries?page=1": { body: JSON.stringify(countries), headers: lasting },
  "/countries/CH": { body: JSON.stringify(countries[0]), headers: lasting },
  "/continents?ids=EU": { body: '[{"id":"EU","name":"Europe"}]', headers: lasting },
  "/languages?ids=de%2Cfr": {
    body: '[{"id":"fr","name":"French"},{"id":"de","name":"German"}]',
    headers: lasting
  },
  "/airports?ids=CH%2CFR": { body: "[]", headers: lasting }
}

/** Atlas over `script`, and what the script was asked. */
const atlas = (script: Script) =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    const client = HttpClient.make((request, url) =>
      Effect.sync(() => {
        const path = url.pathname + url.search
        asked.push(path)
        const answer = script[path] ?? { status: 404, body: "{}", headers: { "content-type": "application/json" } }
        return HttpClientResponse.fromWeb(
          request,
          new Response(answer.body, { status: answer.status ?? 200, headers: answer.headers ?? lasting })
        )
      })
    )
    const url = "http://upstream.test/"
    const app = yield* Effect.acquireRelease(
      Effect.sync(() =>
        Atlas.make(
          Atlas.services.pipe(
            Layer.provide(HttpCache.layer()),
            Layer.provide([
              CacheStore.layerMemory(),
              Layer.succeed(HttpClient.HttpClient, client),
              Layer.succeed(Upstreams, { geography: url, airports: url, quakes: url })
            ])
          )
        )
      ),
      (app) => Effect.promise(() => app.dispose())
    )
    const ask = (document: string, token = "nobody") =>
      Effect.promise(async () => {
        const request = GraphqlRequest.make({ headers: { authorization: `Bearer ${token}` } })
        const { result } = await app.execute({ document, request })
        return JSON.parse(JSON.stringify(result))
      })
    return { ask, asked }
  })

describe("Atlas", () => {
  it.scoped("asks each upstream once for a list with its children, and not at all the second time", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* atlas(answering)
      const query = "{ countries { name continent { name } languages { name } airports { iata } } }"
      const { data } = yield* ask(query)
      assert.deepStrictEqual(data.countries, [
        {
          name: "Switzerland",
          continent: { name: "Europe" },
          languages: [{ name: "German" }, { name: "French" }],
          airports: []
        },
        { name: "France", continent: { name: "Europe" }, languages: [{ name: "French" }], airports: [] }
      ])
      assert.deepStrictEqual([...asked].sort(), [
        "/airports?ids=CH%2CFR",
        "/continents?ids=EU",
        "/countries?page=1",
        "/languages?ids=de%2Cfr"
      ])
      assert.deepStrictEqual((yield* ask(query)).data, data)
      assert.strictEqual(asked.length, 4)
    })
  )

  it.scoped("says that a country is not there", () =>
    Effect.gen(function* () {
      const { ask } = yield* atlas(answering)
      const { data, errors } = yield* ask('{ country(code: "XX") { name } }')
      assert.deepStrictEqual(data, { country: null })
      assert.strictEqual(errors[0].message, 'There is no country "XX".')
      assert.strictEqual(errors[0].extensions.code, "NOT_FOUND")
    })
  )

  const secret = "https://internal.example/?key=secret"
  const broken: Record<string, Script[string]> = {
    "answers 500": { status: 500, body: `{"trace":"${secret}"}` },
    "answers nonsense": { body: `{"trace": ${secret}` },
    "answers what does not fit the schema": { body: JSON.stringify({ ...countries[0], capital: secret, name: 7 }) },
    "answers HTML": { body: `<html>${secret}</html>`, headers: { "content-type": "text/html" } }
  }
  for (const [what, answer] of Object.entries(broken)) {
    it.scoped(`names field and operation, and nothing of the upstream, when it ${what}`, () =>
      Effect.gen(function* () {
        const { ask } = yield* atlas({ ...answering, "/countries/CH": answer })
        const failed = yield* ask('query Broken { country(code: "CH") { name } }')
        assert.deepStrictEqual(failed.data, { country: null })
        assert.deepStrictEqual(failed.errors[0].path, ["country"])
        assert.strictEqual(failed.errors[0].extensions.field, "Query.country")
        assert.strictEqual(failed.errors[0].extensions.operation, "Broken")
        assert.notInclude(JSON.stringify(failed), "secret")
        assert.notInclude(JSON.stringify(failed), "upstream.test")
        // And it goes on.
        assert.isUndefined((yield* ask("{ countries { name } }")).errors)
      })
    )
  }

  it.scoped("never shows one viewer what belongs to another", () =>
    Effect.gen(function* () {
      const me = { body: '{"name":"Alice","homeAirport":"ZRH"}', headers: { ...lasting, "cache-control": "private" } }
      const { ask, asked } = yield* atlas({ "/me": me })
      yield* ask("{ me { name } }", "alice")
      yield* ask("{ me { name } }", "bob")
      assert.deepStrictEqual(asked, ["/me", "/me"])
    })
  )
})
