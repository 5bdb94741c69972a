/** Exchanges with the real GitHub API, recorded by the Octokit project, replayed by a server. */

import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { FetchHttpClient, type HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import { Body, Endpoint, Pagination, RestError, RestSource } from "@wellspring/rest"
import { Chunk, Effect, Layer, Schema, type Scope, Stream } from "effect"
import * as Server from "./support/server.ts"

interface Recorded {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly response: unknown
  readonly responseIsBinary: boolean
  readonly headers: Readonly<Record<string, string | number>>
}

const require = createRequire(import.meta.url)
const scenario = (name: string): ReadonlyArray<Recorded> =>
  JSON.parse(
    readFileSync(
      require
        .resolve("@octokit/fixtures/package.json")
        .replace("package.json", `scenarios/api.github.com/${name}/normalized-fixture.json`),
      "utf8"
    )
  )

const dropped = new Set(["content-length", "connection", "transfer-encoding", "content-encoding"])

/** Replays a scenario, each exchange once and the last of a kind from then on; conditional requests are answered as GitHub does. */
const github = (name: string) => {
  const recorded = scenario(name)
  const used = new Set<Recorded>()
  return Server.http((request, response) => {
    const origin = `http://${request.headers.host}`
    const fits = recorded.filter(({ method, path }) => method.toUpperCase() === request.method && path === request.url)
    const found = fits.find((one) => !used.has(one)) ?? fits.at(-1)
    if (found === undefined) {
      response.writeHead(500).end(`${request.method} ${request.url} was not recorded`)
      return
    }
    used.add(found)
    for (const [name, value] of Object.entries(found.headers)) {
      if (!dropped.has(name)) response.setHeader(name, String(value).replaceAll("https://api.github.com", origin))
    }
    response.setHeader("date", new Date().toUTCString())
    const isSame = found.headers["etag"] !== undefined && request.headers["if-none-match"] === found.headers["etag"]
    response.statusCode = isSame ? 304 : found.status
    const body =
      typeof found.response === "string"
        ? found.response
        : JSON.stringify(found.response).replaceAll("https://api.github.com", origin)
    response.end(isSame ? undefined : body)
  })
}

class Invalid extends Schema.TaggedError<Invalid>()("Invalid", {
  message: Schema.String,
  errors: Schema.Array(
    Schema.Struct({ resource: Schema.String, code: Schema.String, field: Schema.optional(Schema.String) })
  )
}) {}
class NotProtected extends Schema.TaggedError<NotProtected>()("NotProtected", {
  message: Schema.String,
  branch: Schema.String
}) {}

const Repository = Schema.Struct({ id: Schema.Number, name: Schema.String, full_name: Schema.String })
const owner = Endpoint.param("owner", Schema.String)
const repo = Endpoint.param("repo", Schema.String)
const GetRepository = Endpoint.get("GetRepository", {
  path: Endpoint.path`repos/${owner}/${repo}`,
  success: Repository
})
const RenameRepository = Endpoint.patch("RenameRepository", {
  path: Endpoint.path`repos/${owner}/${repo}`,
  body: Schema.Struct({ name: Schema.String }),
  success: Repository
})
const ListIssues = Endpoint.get("ListIssues", {
  path: Endpoint.path`repos/${owner}/${repo}/issues`,
  query: Schema.Struct({ per_page: Schema.Number }),
  success: Schema.Array(Schema.Struct({ number: Schema.Number, title: Schema.String }))
})
const CreateLabel = Endpoint.post("CreateLabel", {
  path: Endpoint.path`repos/${owner}/${repo}/labels`,
  body: Schema.Struct({ name: Schema.String, color: Schema.String }),
  success: Schema.Unknown,
  errors: { 422: Invalid }
})
const GetProtection = Endpoint.get("GetProtection", {
  path: Endpoint.path`repos/${owner}/${repo}/branches/${Endpoint.param("branch", Schema.String)}/protection`,
  success: Schema.Unknown,
  errors: { 404: NotProtected }
})
const GetContent = Endpoint.get("GetContent", {
  path: Endpoint.path`repos/${owner}/${repo}/contents/${Endpoint.segments("path", Schema.String)}`,
  success: Schema.String
})
const Render = Endpoint.post("Render", {
  path: "markdown/raw",
  body: Body.text(),
  success: Schema.String
})

const org = "octokit-fixture-org"

const using = <A, E>(name: string, use: (api: RestSource.Service, server: Server.Loopback) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const server = yield* github(name)
    const api = yield* RestSource.make({
      baseUrl: server.url,
      prepare: HttpClientRequest.bearerToken("0000000000000000000000000000000000000001")
    })
    return yield* use(api, server)
  })

describe("GitHub's REST API", () => {
  const live = <A, E>(title: string, test: () => Effect.Effect<A, E, Scope.Scope | HttpClient.HttpClient>) =>
    it.scopedLive(title, () => Effect.provide(test(), FetchHttpClient.layer))

  live("pages by Link headers, to the end", () =>
    using("paginate-issues", (api) =>
      Effect.gen(function* () {
        const pages = yield* Stream.runCollect(
          Pagination.byLink(api, ListIssues({ owner: org, repo: "paginate-issues", per_page: 3 }))
        )
        assert.strictEqual(Chunk.size(pages), 5)
        assert.strictEqual([...pages].flat().length, 13)
      })
    )
  )

  live("follows its 301 for GET, and its 307 with method and body for PATCH", () =>
    using("rename-repository", (api) =>
      Effect.gen(function* () {
        const old = { owner: org, repo: "rename-repository" }
        assert.strictEqual(
          (yield* api.call(RenameRepository({ ...old, body: { name: "renamed" } }))).name,
          "rename-repository-newname"
        )
        assert.strictEqual((yield* api.call(GetRepository(old))).name, "rename-repository-newname")
        yield* api.call(RenameRepository({ ...old, body: { name: "rename-repository-newname" } }))
      })
    )
  )

  live("answers 422 with what is wrong, as a typed error", () =>
    using("errors", (api) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          api.call(CreateLabel({ owner: org, repo: "errors", body: { name: "foo", color: "invalid" } }))
        )
        assert.instanceOf(error, Invalid)
        if (error instanceof Invalid)
          assert.deepStrictEqual(error.errors, [{ resource: "Label", code: "invalid", field: "color" }])
      })
    )
  )

  live("answers 404, as a typed error with the call's parameters or as None", () =>
    using("branch-protection", (api) =>
      Effect.gen(function* () {
        const request = GetProtection({ owner: org, repo: "branch-protection", branch: "main" })
        const error = yield* Effect.flip(api.call(request))
        assert.deepInclude(error, { _tag: "NotProtected", branch: "main" })
      })
    )
  )

  live("hands raw content on as text", () =>
    using("get-content", (api) =>
      Effect.gen(function* () {
        const content = yield* api.call(GetContent({ owner: org, repo: "hello-world", path: ["README.md"] }))
        assert.include(content, "hello-world")
      })
    )
  )

  live("takes text, and answers with HTML", () =>
    using("markdown", (api) =>
      Effect.gen(function* () {
        assert.include(yield* api.call(Render({ body: "# hello" })), "<")
      })
    )
  )

  live("names what does not decode, and not the body", () =>
    using("get-repository", (api) =>
      Effect.gen(function* () {
        const Wrong = Endpoint.get("Wrong", {
          path: Endpoint.path`repos/${owner}/${repo}`,
          success: Schema.Struct({ owner: Schema.Struct({ id: Schema.String }) })
        })
        const error = yield* Effect.flip(api.call(Wrong({ owner: org, repo: "hello-world" })))
        assert.instanceOf(error, RestError.RestDecodeError)
        assert.deepInclude(error, { path: ["owner", "id"] })
      })
    )
  )

  live("validates by ETag what a private cache holds", () =>
    Effect.gen(function* () {
      const server = yield* github("get-repository")
      const program = Effect.gen(function* () {
        const api = yield* RestSource.make({
          baseUrl: server.url,
          prepare: HttpClientRequest.bearerToken("0000000000000000000000000000000000000001")
        })
        const get = (mode: "default" | "no-cache") =>
          api.callFull(GetRepository({ owner: org, repo: "hello-world" }), { cache: { mode } })
        const first = yield* get("default")
        const again = yield* get("no-cache")
        assert.strictEqual(first.outcome, "miss")
        assert.strictEqual(again.outcome, "revalidated")
        assert.deepStrictEqual(again.value, first.value)
      })
      yield* program.pipe(
        Effect.provide(
          HttpCache.layer({ mode: "private" }).pipe(
            Layer.provide([FetchHttpClient.layer, CacheStore.layerMemory({ maxBytes: 1_000_000, maxEntries: 100 })])
          )
        )
      )
    })
  )
})
