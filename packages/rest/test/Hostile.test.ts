import type { Socket } from "node:net"
import { gzipSync } from "node:zlib"
import { FetchHttpClient, type HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, RestError, RestSource, UndiciClient } from "@wellspring/rest"
import { Effect, Fiber, type Layer, Schema, Stream } from "effect"
import * as Server from "./support/server.ts"

const Get = Endpoint.get("Get", { path: "x", success: Schema.Unknown })
const timeouts = { headers: "150 millis", bodyIdle: "150 millis", attempt: "1 seconds", total: "2 seconds" } as const
const options = { retry: { times: 0 }, timeouts, maxBodyBytes: 1_000_000 }

const call = (
  url: string,
  make: (api: RestSource.Service) => Effect.Effect<unknown, unknown> = (api) => api.call(Get())
) => Effect.flatMap(RestSource.make({ baseUrl: url, ...options }), (api) => Effect.flip(make(api)))

const head = (...lines: ReadonlyArray<string>) => ["HTTP/1.1 200 OK", ...lines, "", ""].join("\r\n")

/** Writes as long as somebody reads. */
const drip = (socket: Socket, piece: string | Buffer, every: number) => {
  const timer = setInterval(() => socket.write(piece), every)
  socket.on("close", () => clearInterval(timer))
}

const bomb = gzipSync(Buffer.alloc(50_000_000))

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["node:http", NodeHttpClient.layer],
  ["undici's dispatcher", UndiciClient.layer()]
]

describe.each(clients)("over %s", (_name, client) => {
  const hostile = (
    title: string,
    answer: (socket: Socket) => void,
    expected: (error: unknown) => void,
    make: (api: RestSource.Service) => Effect.Effect<unknown, unknown> = (api) => api.call(Get())
  ) =>
    it.scopedLive(title, () =>
      Effect.gen(function* () {
        const server = yield* Server.raw(answer)
        expected(yield* call(server.url, make))
        // Whatever it was, nothing of it stays behind.
        yield* Server.eventually(() => server.open() === 0)
        assert.strictEqual(server.open(), 0)
      }).pipe(Effect.provide(client))
    )
  const timeout = (phase: RestError.RestTimeout["phase"]) => (error: unknown) => {
    assert.instanceOf(error, RestError.RestTimeout)
    assert.propertyVal(error, "phase", phase)
  }
  const transport = (error: unknown) => assert.instanceOf(error, RestError.RestTransportError)
  const tooLarge = (error: unknown) => assert.instanceOf(error, RestError.RestTooLarge)

  hostile("an upstream that accepts and is silent runs into the headers deadline", () => {}, timeout("headers"))
  hostile(
    "a stream whose headers never come runs into the headers deadline",
    () => {},
    timeout("headers"),
    (api) => Stream.runDrain(api.callStream(Get()))
  )
  hostile(
    "a raw call whose headers never come runs into the headers deadline",
    () => {},
    timeout("headers"),
    (api) => Effect.scoped(api.callRaw(Get()))
  )
  hostile(
    "a stream that is refused with a body without an end is told its status",
    (socket) => {
      socket.write("HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\n\r\n")
      drip(socket, "not now ", 20)
    },
    (error) => {
      assert.instanceOf(error, RestError.RestStatusError)
      assert.propertyVal(error, "status", 503)
    },
    (api) => Stream.runDrain(api.callStream(Get()))
  )
  hostile(
    "interim responses without an end run into the headers deadline",
    (socket) => drip(socket, "HTTP/1.1 103 Early Hints\r\n\r\n", 5),
    timeout("headers")
  )
  hostile(
    "a body that drips without an end runs into the attempt's deadline",
    (socket) => {
      socket.write(head("Content-Type: application/json"))
      drip(socket, " ", 20)
    },
    timeout("attempt")
  )
  hostile(
    "headers that drip run into the headers deadline",
    (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n")
      drip(socket, "X: y\r\n", 20)
    },
    timeout("headers")
  )
  hostile(
    "a body that stops runs into the idle deadline",
    (socket) => {
      socket.write(`${head("Content-Type: application/json", "Content-Length: 100")}{`)
    },
    timeout("body")
  )
  hostile(
    "a body that ends before its length is a transport error",
    (socket) => {
      socket.end(`${head("Content-Type: application/json", "Content-Length: 100")}{"a":`)
    },
    transport
  )
  hostile("a connection that is reset is a transport error", (socket) => socket.resetAndDestroy(), transport)
  hostile(
    "a connection that is reset within the body is a transport error",
    (socket) => {
      socket.write(`${head("Content-Length: 100")}abc`, () => setTimeout(() => socket.resetAndDestroy(), 20))
    },
    transport
  )
  hostile("what is not HTTP is a transport error", (socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"), transport)
  hostile(
    "a body declared too large is refused unread",
    (socket) => {
      socket.write(`${head("Content-Length: 100000000")}abc`)
    },
    tooLarge
  )
  hostile(
    "a body that turns out too large is cut off",
    (socket) => {
      socket.write(head("Transfer-Encoding: chunked"))
      const piece = Buffer.alloc(65_536, "a")
      drip(socket, Buffer.concat([Buffer.from("10000\r\n"), piece, Buffer.from("\r\n")]), 1)
    },
    tooLarge
  )
})

describe("a caller who leaves before there are headers", () => {
  it.scopedLive.each([
    ["a stream", (api: RestSource.Service): Effect.Effect<unknown, unknown> => Stream.runDrain(api.callStream(Get()))],
    ["a raw call", (api: RestSource.Service): Effect.Effect<unknown, unknown> => Effect.scoped(api.callRaw(Get()))]
  ] as const)("closes the socket of %s", ([, make]) =>
    Effect.gen(function* () {
      const server = yield* Server.raw(() => {})
      const api = yield* RestSource.make({ baseUrl: server.url })
      const fiber = yield* Effect.fork(make(api))
      yield* Server.eventually(() => server.calls.length === 1)
      yield* Fiber.interrupt(fiber)
      yield* Server.eventually(() => server.open() === 0)
      assert.strictEqual(server.open(), 0)
    }).pipe(Effect.provide(UndiciClient.layer()))
  )
})

describe("decompression", () => {
  for (const [name, client] of clients.filter(([name]) => name !== "node:http")) {
    it.scopedLive(`of a bomb ends at the limit (${name})`, () =>
      Effect.gen(function* () {
        const server = yield* Server.http((_, response) => {
          response.writeHead(200, { "content-encoding": "gzip", "content-type": "application/json" })
          response.end(bomb)
        })
        const before = process.memoryUsage().rss
        assert.instanceOf(yield* call(server.url), RestError.RestTooLarge)
        assert.isBelow(process.memoryUsage().rss - before, 64_000_000)
      }).pipe(Effect.provide(client))
    )
  }
})

describe("redirects", () => {
  it.scopedLive("in a circle end after a few", () =>
    Effect.gen(function* () {
      const server = yield* Server.http((_, response) => response.writeHead(302, { location: "/x" }).end())
      const error = yield* call(server.url)
      assert.instanceOf(error, RestError.RestRedirectError)
      assert.strictEqual(server.calls.length, 6)
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.scopedLive("to another origin are refused, and where allowed carry no credentials", () =>
    Effect.gen(function* () {
      const seen: Array<Record<string, unknown>> = []
      const other = yield* Server.http((request, response) => {
        seen.push(request.headers)
        response.setHeader("content-type", "application/json").end('"ok"')
      })
      const server = yield* Server.http((_, response) => response.writeHead(307, { location: `${other.url}y` }).end())
      const make = (allowedOrigins: ReadonlyArray<string>) =>
        RestSource.make({
          baseUrl: server.url,
          allowedOrigins,
          prepare: HttpClientRequest.setHeaders({
            authorization: "secret",
            cookie: "secret",
            "x-api-key": "secret",
            "x-custom": "secret"
          })
        })
      const closed = yield* make([])
      assert.instanceOf(yield* Effect.flip(closed.call(Get())), RestError.RestRedirectError)
      assert.deepStrictEqual(other.calls, [])
      const open = yield* make([other.origin])
      assert.strictEqual(yield* open.call(Get()), "ok")
      assert.notInclude(JSON.stringify(seen), "secret")
      const Put = Endpoint.put("Put", { path: "x", body: Schema.String })
      assert.instanceOf(yield* Effect.flip(open.call(Put({ body: "b" }))), RestError.RestRedirectError)
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.scopedLive("rewrite the method as RFC 9110 §15.4 says", () =>
    Effect.gen(function* () {
      const server = yield* Server.http((request, response) => {
        const status = Number(request.url?.slice(1))
        if (Number.isNaN(status))
          response.setHeader("content-type", "application/json").end(JSON.stringify(request.method))
        else response.writeHead(status, { location: "/end" }).end()
      })
      const api = yield* RestSource.make({ baseUrl: server.url })
      const methods: Array<unknown> = []
      for (const status of ["301", "302", "303", "307", "308"]) {
        const Post = Endpoint.post("Post", { path: status, body: Schema.String })
        methods.push(yield* api.call(Post({ body: "b" })))
      }
      assert.deepStrictEqual(methods, ["GET", "GET", "GET", "POST", "POST"])
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})
