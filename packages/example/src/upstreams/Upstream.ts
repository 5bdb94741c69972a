/**
 * What the three upstreams share: they listen on loopback, answer JSON with
 * an ETag, honour `If-None-Match`, and write down what they were asked.
 */
import { createHash } from "node:crypto"
import { createServer } from "node:http"
import * as Headers from "@effect/platform/Headers"
import type * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"

/** One line of an upstream's log. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly status: number
}

export interface Upstream {
  readonly name: string
  readonly baseUrl: string
  /** Everything asked since the last reading. */
  readonly takeLog: Effect.Effect<ReadonlyArray<Asked>>
}

/** A JSON answer with its ETag, or `304` when the caller has it already. */
export const json = (
  body: unknown,
  headers: Record<string, string>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest> =>
  Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
    const text = JSON.stringify(body)
    const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 16)}"`
    const known = Headers.get(request.headers, "if-none-match")
    return Option.contains(known, etag)
      ? HttpServerResponse.empty({ status: 304, headers: { ...headers, etag } })
      : HttpServerResponse.text(text, { contentType: "application/json", headers: { ...headers, etag } })
  })

/** A JSON error, as these upstreams word it. */
export const problem = (status: number, title: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(JSON.stringify({ title, status }), { status, contentType: "application/problem+json" })

/** `?ids=CH,FR` as a list; empty when absent. */
export const idsOf = (search: URLSearchParams): ReadonlyArray<string> =>
  (search.get("ids") ?? "").split(",").filter((id) => id !== "")

/** The query of the request at hand. */
export const search: Effect.Effect<URLSearchParams, never, HttpServerRequest.HttpServerRequest> = Effect.map(
  HttpServerRequest.HttpServerRequest,
  (request) => new URL(request.url, "http://localhost").searchParams
)

/** Serves `router` on a loopback port, any free one for 0, until the scope closes. */
export const serve = <E>(name: string, router: HttpRouter.HttpRouter<E>, port: number) =>
  Effect.gen(function* () {
    const log = yield* Ref.make<ReadonlyArray<Asked>>([])
    const server = yield* NodeHttpServer.make(() => createServer(), { host: "127.0.0.1", port })
    const app = Effect.tap(
      Effect.catchAll(router, () => Effect.succeed(problem(404, "Not found"))),
      (response) =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
          Effect.zipRight(
            Ref.update(log, (asked) => [
              ...asked,
              { method: request.method, path: request.url, status: response.status }
            ]),
            Effect.logDebug(`${request.method} ${request.url} ${response.status}`).pipe(
              Effect.annotateLogs("upstream", name)
            )
          )
        )
    )
    yield* server.serve(app)
    const baseUrl = server.address._tag === "TcpAddress" ? `http://127.0.0.1:${server.address.port}/` : ""
    const upstream: Upstream = { name, baseUrl, takeLog: Ref.getAndSet(log, []) }
    return upstream
  })
