import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { NodeSdk } from "@effect/opentelemetry"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { GraphqlEffect } from "@wellspring/graphql"
import { Source } from "@wellspring/source"
import { Context, Effect, Layer, Schema } from "effect"
import * as Subjects from "./servers/Subjects.ts"

/** An upstream that answers with the ids it is asked for, and keeps the trace of each call. */
const upstream = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly traces: Map<string, string>; readonly server: Http.Server }>(
    (resume) => {
      const traces = new Map<string, string>()
      const server = Http.createServer((request, response) => {
        const { pathname, searchParams } = new URL(request.url ?? "", "http://127.0.0.1")
        traces.set(pathname, String(request.headers["traceparent"]))
        response.setHeader("content-type", "application/json").end(JSON.stringify(searchParams.getAll("id")))
      })
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, traces, server }))
      )
    }
  ),
  ({ server }) =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    })
)

class Upstream extends Context.Tag("test/Upstream")<Upstream, string>() {}

const get = (path: string) =>
  Effect.flatMap(Upstream, (url) => HttpClient.get(`${url}${path}`)).pipe(
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Array(Schema.String))),
    Effect.scoped
  )

const Directors = Source.make("Directors", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) => get(`/directors?${ids.map((id) => `id=${id}`).join("&")}`)
})

const make = (url: string, exporter: InMemorySpanExporter) =>
  GraphqlEffect.make({
    typeDefs: "type Movie { id: ID!, director: String } type Query { movies: [Movie!]!, count: Int }",
    layer: Layer.mergeAll(
      Layer.succeed(Upstream, url),
      FetchHttpClient.layer,
      NodeSdk.layer(() => ({
        resource: { serviceName: "movies" },
        spanProcessor: new SimpleSpanProcessor(exporter)
      }))
    ),
    resolvers: {
      Query: {
        movies: () => [{ id: "1" }, { id: "2" }],
        count: () => Effect.map(get("/count?id=1"), (ids) => ids.length)
      },
      Movie: { director: (movie: { readonly id: string }) => Directors.load(movie.id) }
    }
  })

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const callerId = "00f067aa0ba902b7"

const ask = (url: string, query: string) =>
  Effect.promise(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", traceparent: `00-${traceId}-${callerId}-01` },
      body: JSON.stringify({ query, operationName: "Movies" })
    })
    return (await response.json()) as { readonly data: unknown }
  })

const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId

for (const subject of Subjects.all) {
  describe(`${subject.name}, with OpenTelemetry`, () => {
    it.scopedLive("exports an operation, its fields and their calls as one trace, which goes on to the upstream", () =>
      Effect.gen(function* () {
        const { traces, url: upstreamUrl } = yield* upstream
        const exporter = new InMemorySpanExporter()
        const { url } = yield* Subjects.started(subject, make(upstreamUrl, exporter) as never)
        const { data } = yield* ask(url, "query Movies { movies { director } count }")
        assert.deepStrictEqual(data, { movies: [{ director: "1" }, { director: "2" }], count: 1 })

        const spans = exporter.getFinishedSpans()
        const named = (name: string) => spans.filter((span) => span.name === name)
        for (const span of spans) assert.strictEqual(span.spanContext().traceId, traceId)

        const [operation] = named("query")
        assert.strictEqual(operation?.parentSpanContext?.spanId, callerId)
        assert.strictEqual(operation?.attributes["graphql.operation.type"], "query")
        assert.strictEqual(operation?.attributes["graphql.operation.name"], "Movies")
        assert.strictEqual(operation?.kind, 1)

        const fields = named("Movie.director")
        assert.deepStrictEqual(
          fields.map((field) => [field.parentSpanContext?.spanId, field.attributes["graphql.field.path"]]).sort(),
          [
            [idOf(operation), "movies.0.director"],
            [idOf(operation), "movies.1.director"]
          ]
        )
        const [batch] = named("Directors batch")
        assert.strictEqual(batch?.parentSpanContext?.spanId, idOf(operation))
        assert.sameMembers(batch?.links.map(({ context }) => context.spanId) ?? [], fields.map(idOf) as Array<string>)

        const calls = named("http.client GET")
        const callUnder = (parent: ReadableSpan | undefined) =>
          calls.find((call) => call.parentSpanContext?.spanId === idOf(parent))
        const [count] = named("Query.count")
        assert.strictEqual(traces.get("/directors"), `00-${traceId}-${idOf(callUnder(batch))}-01`)
        assert.strictEqual(traces.get("/count"), `00-${traceId}-${idOf(callUnder(count))}-01`)
      })
    )
  })
}
