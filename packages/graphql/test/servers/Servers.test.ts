import * as Http from "node:http"
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { createClient } from "graphql-ws"
import WebSocket from "ws"
import * as Fixture from "./Fixture.ts"
import * as Subjects from "./Subjects.ts"

interface Answered {
  readonly headers: Http.IncomingHttpHeaders
  readonly body: {
    readonly data: Record<string, unknown> | null
    readonly errors?: ReadonlyArray<{
      readonly message: string
      readonly path: ReadonlyArray<string | number>
      readonly extensions: Record<string, unknown>
    }>
    readonly extensions?: {
      readonly wellspring?: {
        readonly account: { readonly loads: number; readonly batches: number; readonly fields: object }
      }
    }
  }
  readonly text: string
}

const agent = new Http.Agent({ keepAlive: true, maxSockets: 64 })

const ask = (url: string, query: string, headers: Record<string, string> = {}) =>
  Effect.async<Answered>((resume) => {
    const options = {
      agent,
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", ...headers }
    }
    const request = Http.request(url, options, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk) => {
        text += chunk
      })
      response.on("end", () => resume(Effect.succeed({ headers: response.headers, body: JSON.parse(text), text })))
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(JSON.stringify({ query }))
  })

const server = (subject: Subjects.Subject, options?: { readonly development?: boolean }) =>
  Effect.gen(function* () {
    const app = Fixture.make(options)
    const calls = yield* Effect.promise(() => app.runtime.runPromise(Fixture.Calls))
    const { url } = yield* Subjects.started(subject, app as never)
    return { url, calls }
  })

for (const subject of Subjects.all) {
  describe(subject.name, () => {
    it.scopedLive("answers with the services of the application and of the request", () =>
      Effect.gen(function* () {
        const { url } = yield* server(subject)
        const { body } = yield* ask(url, `{ viewer }`, { "x-viewer": "ada" })
        assert.deepStrictEqual(body, { data: { viewer: "ada" } })
      })
    )

    it.scopedLive("loads what sibling fields ask for in one batch", () =>
      Effect.gen(function* () {
        const { url, calls } = yield* server(subject)
        const { body } = yield* ask(url, `{ a: movies(ids: [1, 2]) { director } b: movies(ids: [2, 3]) { director } }`)
        assert.deepStrictEqual(body.data?.["b"], [{ director: "director of 2" }, { director: "director of 3" }])
        assert.deepStrictEqual(calls.batches, [["1", "2", "3"]])
      })
    )

    it.scopedLive("shows failures by code, with field and operation, and keeps the other fields", () =>
      Effect.gen(function* () {
        const { url } = yield* server(subject)
        const { body } = yield* ask(url, `query Mixed { viewer missing limited }`)
        assert.deepStrictEqual(body.data, { viewer: "nobody", missing: null, limited: null })
        const shown = (body.errors ?? []).map(({ message, path, extensions }) => ({ message, path, extensions }))
        assert.deepStrictEqual(shown, [
          {
            message: `There is no movie "7".`,
            path: ["missing"],
            extensions: { code: "NOT_FOUND", field: "Query.missing", operation: "Mixed" }
          },
          {
            message: "Too many requests.",
            path: ["limited"],
            extensions: { code: "RATE_LIMITED", retryAfter: 2, field: "Query.limited", operation: "Mixed" }
          }
        ])
      })
    )

    it.scopedLive("logs a defect once, with the id that the client sees, and nothing of what is shown", () =>
      Effect.gen(function* () {
        const { url } = yield* server(subject)
        const log = vi.spyOn(console, "log").mockImplementation(() => {})
        yield* Effect.addFinalizer(() => Effect.sync(() => log.mockRestore()))
        const { body } = yield* ask(url, `{ viewer missing limited defect }`)
        const ids = (body.errors ?? []).flatMap(({ extensions }) => extensions["correlationId"] ?? [])
        const logged = log.mock.calls.map(String).filter((line) => line.includes("A GraphQL field failed"))
        assert.strictEqual(ids.length, 1)
        assert.strictEqual(logged.length, 1)
        assert.include(logged[0], String(ids[0]))
      })
    )

    it.scopedLive("shows nothing of defects, rejections, throwing properties and refused values", () =>
      Effect.gen(function* () {
        const { url } = yield* server(subject)
        const { body, text } = yield* ask(url, `{ defect rejected thrown unsafe { secret number } }`)
        assert.strictEqual(body.errors?.length, 5)
        for (const { extensions, message } of body.errors ?? []) {
          assert.strictEqual(message, "Internal server error.")
          assert.strictEqual(extensions["code"], "INTERNAL_SERVER_ERROR")
          assert.match(String(extensions["correlationId"]), /^[0-9a-f-]{36}$/)
        }
        assert.notInclude(text, "hunter2")
        assert.notInclude(text, "db.internal")
        assert.notInclude(text, "at ")
      })
    )

    for (const [caller, query] of [
      ["a field", `{ hang }`],
      ["a batch", `{ hangs(ids: [1, 2]) }`]
    ] as const) {
      it.scopedLive(`interrupts the operation and the upstream call of ${caller} when the client leaves`, () =>
        Effect.gen(function* () {
          const { url, calls } = yield* server(subject)
          const upstream = yield* Fixture.upstream
          calls.upstream = upstream.url
          const headers = { "content-type": "application/json" }
          const client = Http.request(url, { method: "POST", headers, agent: false })
          client.on("error", () => {})
          client.end(JSON.stringify({ query }))
          yield* Effect.promise(() => upstream.opened)
          client.destroy()
          yield* Effect.promise(() => upstream.closed)
        })
      )
    }

    it.scopedLive("runs a mutation's fields in order, each reading what was written before it", () =>
      Effect.gen(function* () {
        const { url } = yield* server(subject)
        const { body, headers } = yield* ask(
          url,
          `mutation { a: write(value: "1") b: read c: write(value: "2") d: read }`
        )
        assert.deepStrictEqual(body.data, { a: "1", b: "1", c: "2", d: "2" })
        assert.strictEqual(headers["cache-control"], "no-store")
      })
    )

    for (const [name, query, expected] of [
      [
        "the least lifetime that was read",
        `{ a: fresh(seconds: 47) { title } b: fresh(seconds: 30) { id } }`,
        "max-age=30, public"
      ],
      [
        "the lifetime of an object read as part of another",
        `{ fresh(seconds: 47) { studio { name } } }`,
        "max-age=47, public"
      ],
      ["private when any part was", `{ fresh(seconds: 47) { title } private(seconds: 60) }`, "max-age=47, private"],
      ["the stricter of lifetimes and hints", `{ fresh(seconds: 47) { title } hinted }`, "max-age=20, public"],
      ["what a batch read through a cache", `{ fresh(seconds: 47) { composer } }`, "max-age=25, public"],
      ["the hint of a field whose batch says nothing", `{ listed { writer } }`, "max-age=15, public"],
      ["no-store when a field has no known lifetime", `{ fresh(seconds: 47) { title } unknown }`, "no-store"],
      [
        "no-store when a batch read from somewhere that says nothing",
        `{ fresh(seconds: 47) { director } }`,
        "no-store"
      ],
      ["no-store on an error", `{ fresh(seconds: 47) { title } missing }`, "no-store"]
    ] as const) {
      it.scopedLive(`sends ${name} as Cache-Control`, () =>
        Effect.gen(function* () {
          const { url } = yield* server(subject)
          const { headers } = yield* ask(url, query)
          assert.strictEqual(headers["cache-control"], expected)
        })
      )
    }

    it.scopedLive("accounts for an operation in development", () =>
      Effect.gen(function* () {
        const { url } = yield* server(subject, { development: true })
        const { body } = yield* ask(url, `{ movies(ids: [1, 2]) { director } }`)
        const account = body.extensions?.wellspring?.account
        assert.strictEqual(account?.loads, 2)
        assert.strictEqual(account?.batches, 1)
        assert.deepStrictEqual(account?.fields, { "Movie.director": 2 })
      })
    )

    if (subject.batches) {
      it.scopedLive("answers every query of a batched request, and lets it be kept as long as the strictest", () =>
        Effect.gen(function* () {
          const { url } = yield* server(subject)
          const queries = [
            `{ fresh(seconds: 47) { title } }`,
            `{ viewer hang: missing }`,
            `{ fresh(seconds: 30) { id } }`
          ]
          const response = yield* Effect.promise(() =>
            fetch(url, {
              method: "POST",
              headers: { "content-type": "application/json", "x-viewer": "ada" },
              body: JSON.stringify(queries.map((query) => ({ query })))
            })
          )
          const answers = (yield* Effect.promise(() => response.json())) as Array<Answered["body"]>
          assert.deepStrictEqual(
            answers.map(({ data }) => data),
            [{ fresh: [{ title: "a" }] }, { viewer: "ada", hang: null }, { fresh: [{ id: "1" }] }]
          )
          assert.strictEqual(response.headers.get("cache-control"), "no-store")
        })
      )
    }

    if (subject.subscriptions !== "none") {
      const subscribe = subject.subscriptions === "sse" ? overEvents : overWebSocket

      it.scopedLive("sends a stream's elements as they come, each in an Operation of its own", () =>
        Effect.gen(function* () {
          const { url } = yield* server(subject)
          const counted = yield* Effect.promise(() => subscribe(url, `subscription { counted(to: 3) }`, 3))
          assert.deepStrictEqual(counted, [{ counted: 1 }, { counted: 2 }, { counted: 3 }])
          const noted = yield* Effect.promise(() => subscribe(url, `subscription { noted }`, 2))
          assert.deepStrictEqual(noted, [{ noted: "ada's note on a" }, { noted: "ada's note on b" }])
        })
      )

      it.scopedLive("ends the stream when the subscriber leaves", () =>
        Effect.gen(function* () {
          const { url, calls } = yield* server(subject)
          yield* Effect.promise(() => subscribe(url, `subscription { endless }`, 1))
          yield* Effect.repeat(Effect.yieldNow(), { until: () => calls.batches.length > 0 }).pipe(
            Effect.timeout("5 seconds")
          )
          assert.deepStrictEqual(calls.batches, [["endless stream closed"]])
        })
      )
    }
  })
}

/** Reads `count` events of a subscription and leaves. */
async function overEvents(url: string, query: string, count: number): Promise<ReadonlyArray<unknown>> {
  const leaving = new AbortController()
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", "x-viewer": "ada" },
    body: JSON.stringify({ query }),
    signal: leaving.signal
  })
  const events: Array<unknown> = []
  let text = ""
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  while (events.length < count) {
    const read = await reader?.read()
    if (read === undefined || read.done) break
    text += read.value
    const lines = text.split("\n")
    text = lines.pop() ?? ""
    for (const line of lines) {
      if (line.startsWith("data: {")) events.push(JSON.parse(line.slice(6)).data)
    }
  }
  leaving.abort()
  return events
}

async function overWebSocket(url: string, query: string, count: number): Promise<ReadonlyArray<unknown>> {
  class Viewing extends WebSocket {
    constructor(address: string, protocols: string) {
      super(address, protocols, { headers: { "x-viewer": "ada" } })
    }
  }
  const client = createClient({ url: url.replace("http", "ws"), webSocketImpl: Viewing })
  const events: Array<unknown> = []
  for await (const { data } of client.iterate({ query })) {
    events.push(data)
    if (events.length === count) break
  }
  await client.dispose()
  return events
}
