import * as http2 from "node:http2"
import * as https from "node:https"
import * as zlib from "node:zlib"
import {
  Cookies,
  Headers,
  HttpBody,
  HttpClient,
  HttpClientError,
  HttpClientRequest,
  HttpClientResponse,
  HttpIncomingMessage
} from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as UndiciClient from "@wellspring/rest/UndiciClient"
import * as Fiberless from "@wellspring/source/Fiberless"
import { Context, Effect, Exit, Fiber, Metric, Option, Schedule, Schema, Scope, Stream, Tracer } from "effect"
import { listen, raw, selfSigned, serve, until } from "./UndiciClientUpstream.ts"

const cause = (error: unknown): unknown => (HttpClientError.isHttpClientError(error) ? error.cause : error)

/** Answers with what it was sent. */
const echo = serve((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    response.setHeader("content-type", "application/json")
    response.end(
      JSON.stringify({
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: Buffer.concat(chunks).toString()
      })
    )
  })
})

const Echo = Schema.Struct({
  method: Schema.String,
  url: Schema.String,
  headers: Schema.Record({ key: Schema.String, value: Schema.String }),
  body: Schema.String
})

const sent = (client: HttpClient.HttpClient, request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(client.execute(request), HttpClientResponse.schemaBodyJson(Echo))

describe("UndiciClient requests", () => {
  it.live("puts on the wire what the URL Standard makes of the URL, without its fragment", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const client = yield* UndiciClient.make()
      const cases: ReadonlyArray<readonly [string, string]> = [
        ["", "/"],
        ["/a/b?c=d", "/a/b?c=d"],
        ["/a/../b/./c", "/b/c"],
        ["/a/%2e%2e/b", "/b"],
        ["/.well-known/x", "/.well-known/x"],
        ["\\a\\b", "/a/b"],
        ["/ü?q=ü '\"", "/%C3%BC?q=%C3%BC%20%27%22"],
        ["?x", "/?x"],
        ["/a#fragment", "/a"],
        ["/a?b#fragment", "/a?b"],
        ["/a?", "/a"]
      ]
      for (const [written, expected] of cases) {
        assert.strictEqual((yield* sent(client, HttpClientRequest.get(`${url}${written}`))).url, expected)
      }
      const request = HttpClientRequest.get(`${url}/a`).pipe(
        HttpClientRequest.setUrlParams({ plain: "1", odd: "a b&c=ü", list: ["x", "y"] }),
        HttpClientRequest.setHash("fragment")
      )
      assert.strictEqual((yield* sent(client, request)).url, "/a?plain=1&odd=a+b%26c%3D%C3%BC&list=x&list=y")
      const appended = HttpClientRequest.get(`${url}/a?b=c`).pipe(HttpClientRequest.appendUrlParam("d", "e"))
      assert.strictEqual((yield* sent(client, appended)).url, "/a?b=c&d=e")
    }).pipe(Effect.scoped)
  )

  it.live("refuses what is no http URL, and credentials in one", () =>
    Effect.gen(function* () {
      const client = yield* UndiciClient.make()
      for (const url of [
        "/relative",
        "ftp://127.0.0.1/",
        "http://",
        "http://user:secret@127.0.0.1/",
        "http://a:99999/"
      ]) {
        const error = yield* Effect.flip(client.get(url))
        assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "InvalidUrl"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("refuses headers that would end the header, and sends nothing", () =>
    Effect.gen(function* () {
      const upstream = yield* echo
      const client = yield* UndiciClient.make()
      for (const value of ["a\r\nx-injected: 1", "a\nb", "a\u0000b", "snow \u2603"]) {
        const request = HttpClientRequest.get(upstream.url, { headers: Headers.unsafeFromRecord({ "x-a": value }) })
        const error = yield* Effect.flip(client.execute(request))
        assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Encode"])
        assert.instanceOf(cause(error), UndiciClient.RequestRefused)
      }
      const named = HttpClientRequest.get(upstream.url, { headers: Headers.unsafeFromRecord({ "x-a: 1\r\nx-b": "2" }) })
      assert.strictEqual((yield* Effect.flip(client.execute(named))).reason, "Encode")
      assert.strictEqual(upstream.connections(), 0)
    }).pipe(Effect.scoped)
  )

  it.live("refuses a content-length that is not the body's", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const client = yield* UndiciClient.make()
      const request = HttpClientRequest.post(url).pipe(
        HttpClientRequest.bodyText("hello"),
        HttpClientRequest.setHeader("content-length", "3")
      )
      assert.strictEqual((yield* Effect.flip(client.execute(request))).reason, "Encode")
    }).pipe(Effect.scoped)
  )

  it.live("sends every kind of body", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const client = yield* UndiciClient.make()
      const post = HttpClientRequest.post(url)
      const json = yield* sent(client, HttpClientRequest.bodyUnsafeJson(post, { a: 1 }))
      assert.deepInclude(json, { method: "POST", body: '{"a":1}' })
      assert.strictEqual(json.headers["content-length"], "7")
      assert.strictEqual(json.headers["content-type"], "application/json")

      const empty = yield* sent(client, post)
      assert.strictEqual(empty.headers["content-length"], "0")

      const streamed = Stream.make("he", "llo").pipe(Stream.encodeText)
      const stream = yield* sent(client, HttpClientRequest.bodyStream(post, streamed, { contentType: "text/plain" }))
      assert.strictEqual(stream.body, "hello")
      assert.strictEqual(stream.headers["transfer-encoding"], "chunked")
      const sized = yield* sent(client, HttpClientRequest.bodyStream(post, streamed, { contentLength: 5 }))
      assert.strictEqual(sized.headers["content-length"], "5")

      const form = new FormData()
      form.append("field", "value")
      form.append("file", new Blob(["content"], { type: "text/csv" }), "a.csv")
      const multipart = yield* sent(
        client,
        HttpClientRequest.setHeader(HttpClientRequest.bodyFormData(post, form), "content-type", "multipart/form-data")
      )
      assert.match(multipart.headers["content-type"] ?? "", /^multipart\/form-data; boundary=/)
      assert.include(multipart.body, "content")

      for (const [body, text] of [
        ["text", "text"],
        [new URLSearchParams({ a: "b c" }), "a=b+c"],
        [new Blob(["blob"]), "blob"],
        [new TextEncoder().encode("buffer").buffer, "buffer"]
      ] as const) {
        assert.strictEqual((yield* sent(client, HttpClientRequest.setBody(post, HttpBody.raw(body)))).body, text)
      }
      const odd = yield* Effect.flip(client.execute(HttpClientRequest.setBody(post, HttpBody.raw(Symbol.iterator))))
      assert.strictEqual(odd.reason, "Encode")
    }).pipe(Effect.scoped)
  )

  it.live("reads a streamed body no faster than the upstream takes it", () =>
    Effect.gen(function* () {
      const upstream = yield* serve(() => {})
      const client = yield* UndiciClient.make()
      let pulled = 0
      let isClosed = false
      const endless = Stream.repeatEffect(
        Effect.sync(() => {
          pulled++
          return new Uint8Array(65_536)
        })
      ).pipe(
        Stream.ensuring(
          Effect.sync(() => {
            isClosed = true
          })
        )
      )
      const fiber = yield* Effect.fork(
        client.execute(HttpClientRequest.bodyStream(HttpClientRequest.post(upstream.url), endless))
      )
      let before = -1
      yield* until(() => {
        const isStill = pulled > 0 && pulled === before
        before = pulled
        return isStill
      })
      assert.isBelow(pulled, 1000)
      yield* Fiber.interrupt(fiber)
      yield* until(() => isClosed)
    }).pipe(Effect.scoped)
  )

  it.live("fails, and closes the body's stream, when the body fails", () =>
    Effect.gen(function* () {
      const upstream = yield* serve((request) => request.resume())
      const client = yield* UndiciClient.make()
      let isClosed = false
      const broken = Stream.concat(Stream.make(new Uint8Array(10)), Stream.fail("no more")).pipe(
        Stream.ensuring(
          Effect.sync(() => {
            isClosed = true
          })
        )
      )
      const error = yield* Effect.flip(
        client.execute(HttpClientRequest.bodyStream(HttpClientRequest.post(upstream.url), broken))
      )
      assert.strictEqual(error._tag, "RequestError")
      assert.isTrue(isClosed)
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient responses", () => {
  it.live("keeps repeated headers apart, and cookies whole", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((_, response) => {
        response.setHeader("Set-Cookie", ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2"])
        response.setHeader("Vary", ["accept", "cookie"])
        response.end()
      })
      const client = yield* UndiciClient.make()
      const response = yield* client.get(url)
      assert.strictEqual(response.headers["vary"], "accept, cookie")
      assert.deepStrictEqual(Object.keys(Cookies.toRecord(response.cookies)), ["a", "b"])
      assert.isTrue(Headers.isHeaders(response.headers))
      const rawHeaders = (response as unknown as { readonly [UndiciClient.RawHeaders]: ReadonlyArray<string> })[
        UndiciClient.RawHeaders
      ]
      assert.deepStrictEqual(
        rawHeaders.filter((_, index) => rawHeaders[index - 1] === "set-cookie"),
        ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("reads a body as often, and in as many ways, as wanted", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((_, response) => {
        response.setHeader("content-type", "application/json")
        response.end('\ufeff{"a":1}')
      })
      const client = yield* UndiciClient.make()
      const response = yield* client.get(url)
      const first = yield* response.json
      assert.deepStrictEqual(first, { a: 1 })
      assert.notStrictEqual(yield* response.json, first)
      assert.strictEqual(yield* response.text, '{"a":1}')
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 10)
      assert.strictEqual(
        (yield* Stream.runCollect(Stream.decodeText(response.stream))).pipe((_) => [..._].join("")),
        '{"a":1}'
      )
      assert.deepStrictEqual([...(yield* response.urlParamsBody)], [['{"a":1}', ""]])
      assert.deepInclude(response.toJSON() as object, { status: 200, body: '{"a":1}' })
    }).pipe(Effect.scoped)
  )

  it.live("shares one reading among readers at the same time", () =>
    Effect.gen(function* () {
      const text = "x".repeat(1_000_000)
      const { url } = yield* serve((_, response) => {
        response.end(text)
      })
      const client = yield* UndiciClient.make()
      const response = yield* client.get(url)
      const all = yield* Effect.all([response.text, response.text, response.arrayBuffer], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        all.map((one) => (typeof one === "string" ? one.length : one.byteLength)),
        [1e6, 1e6, 1e6]
      )
    }).pipe(Effect.scoped)
  )

  it.live("reads forms", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((_, response) => {
        response.setHeader("content-type", "multipart/form-data; boundary=b")
        response.end('--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n')
      })
      const client = yield* UndiciClient.make()
      const response = yield* client.get(url)
      assert.strictEqual((yield* response.formData).get("a"), "1")
    }).pipe(Effect.scoped)
  )

  it.live("has nothing where HTTP allows no body, whatever the headers say", () =>
    Effect.gen(function* () {
      const { url } = yield* raw((socket, request) => {
        const status = request.startsWith("HEAD") ? 200 : Number(/\/(\d+)/.exec(request)?.[1])
        const length = status === 204 ? "" : "content-length: 100\r\n"
        socket.write(`HTTP/1.1 ${status} x\r\ncontent-encoding: gzip\r\n${length}\r\n`)
      })
      const client = yield* UndiciClient.make()
      for (const response of [
        yield* client.head(url),
        yield* client.get(`${url}/204`),
        yield* client.get(`${url}/304`)
      ]) {
        assert.strictEqual(yield* response.text, "")
        assert.strictEqual(yield* response.json, null)
        assert.strictEqual(response.headers["content-encoding"], "gzip")
      }
    }).pipe(Effect.scoped)
  )

  it.live("undoes the codings it asks for, and says so by dropping their headers", () =>
    Effect.gen(function* () {
      const text = JSON.stringify({ padding: "x".repeat(400_000) })
      const small = JSON.stringify({ padding: "x" })
      const { url } = yield* serve((request, response) => {
        assert.match(String(request.headers["accept-encoding"]), /^gzip, deflate, br/)
        const [, coding = "", size] = (request.url ?? "").split("/")
        const body = Buffer.from(size === "small" ? small : text)
        const encode = {
          gzip: zlib.gzipSync,
          deflate: zlib.deflateSync,
          br: zlib.brotliCompressSync,
          raw: zlib.deflateRawSync
        }[coding]
        const encoded = encode?.(body) ?? body
        response.setHeader("content-encoding", coding === "raw" ? "deflate" : coding)
        response.setHeader("content-length", encoded.length)
        response.end(encoded)
      })
      const client = yield* UndiciClient.make()
      for (const coding of ["gzip", "deflate", "br", "raw"]) {
        for (const [size, expected] of [
          ["small", small],
          ["large", text]
        ] as const) {
          const response = yield* client.get(`${url}/${coding}/${size}`)
          assert.strictEqual(yield* response.text, expected)
          assert.notProperty(response.headers, "content-encoding")
          assert.notProperty(response.headers, "content-length")
        }
      }
      const unknown = yield* client.get(`${url}/unknown/small`)
      assert.strictEqual(unknown.headers["content-encoding"], "unknown")
      assert.strictEqual(yield* unknown.text, small)
    }).pipe(Effect.scoped)
  )

  it.live("does not ask for compression of a range, nor when told not to", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const client = yield* UndiciClient.make()
      const ranged = yield* sent(client, HttpClientRequest.get(url, { headers: { range: "bytes=0-1" } }))
      assert.notProperty(ranged.headers, "accept-encoding")
      const own = yield* sent(client, HttpClientRequest.get(url, { headers: { "accept-encoding": "identity" } }))
      assert.strictEqual(own.headers["accept-encoding"], "identity")
      const plain = yield* UndiciClient.make({ decompress: false })
      assert.notProperty((yield* sent(plain, HttpClientRequest.get(url))).headers, "accept-encoding")
    }).pipe(Effect.scoped)
  )

  it.live("takes the caller's own limit for the body", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((_, response) => {
        response.end("x".repeat(2000))
      })
      const client = yield* UndiciClient.make()
      const read = Effect.flatMap(client.get(url), ({ text }) => text)
      const limited = HttpIncomingMessage.withMaxBodySize(read, Option.some(1000))
      assert.deepStrictEqual(cause(yield* Effect.flip(limited)), new UndiciClient.BodyTooLarge({ limitBytes: 1000 }))
      assert.strictEqual((yield* read).length, 2000)
    }).pipe(Effect.scoped)
  )

  it.live("hands out redirects as they are", () =>
    Effect.gen(function* () {
      const upstream = yield* serve((request, response) => {
        if (request.url === "/from") response.writeHead(302, { location: "/to" })
        response.end()
      })
      const client = yield* UndiciClient.make()
      assert.strictEqual((yield* client.get(`${upstream.url}/from`)).status, 302)
      const following = HttpClient.followRedirects(client)
      assert.strictEqual((yield* following.get(`${upstream.url}/from`)).status, 200)
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient as an HttpClient", () => {
  it.live("keeps what the combinators promise", () =>
    Effect.gen(function* () {
      let calls = 0
      const { url } = yield* serve((request, response) => {
        calls++
        response.statusCode = calls < 3 ? 503 : 200
        response.end(JSON.stringify({ auth: request.headers.authorization, path: request.url }))
      })
      let tapped = 0
      const client = (yield* HttpClient.HttpClient).pipe(
        HttpClient.mapRequest(HttpClientRequest.prependUrl(url)),
        HttpClient.mapRequestEffect((request) => Effect.succeed(HttpClientRequest.bearerToken(request, "token"))),
        HttpClient.retryTransient({ times: 5, schedule: Schedule.spaced("1 millis") }),
        HttpClient.filterStatusOk,
        HttpClient.tap(() => Effect.sync(() => tapped++))
      )
      const json = yield* Effect.flatMap(client.get("/path"), (response) => response.json)
      assert.deepStrictEqual(json, { auth: "Bearer token", path: "/path" })
      assert.deepStrictEqual([calls, tapped], [3, 1])
    }).pipe(Effect.provide(UndiciClient.layer()), Effect.scoped)
  )

  it.live("ends a request of HttpClient.withScope with its scope", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"))
      const client = HttpClient.withScope(yield* UndiciClient.make())
      const scope = yield* Scope.make()
      const response = yield* Scope.extend(client.get(upstream.url), scope)
      assert.strictEqual(response.status, 200)
      yield* Scope.close(scope, Exit.void)
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("answers by callback without a fiber, in the very same way", () =>
    Effect.gen(function* () {
      const upstream = yield* serve((request, response) => {
        if (request.url !== "/never") response.end('{"a":1}')
      })
      const client = yield* UndiciClient.make()
      const start = (
        path: string,
        resume: (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>) => void
      ) => {
        const effect = client.get(`${upstream.url}${path}`)
        assert.isTrue(Fiberless.isFiberless(effect))
        const fiberless = effect as Fiberless.Fiberless<
          HttpClientResponse.HttpClientResponse,
          HttpClientError.HttpClientError
        >
        return fiberless[Fiberless.TypeId](Context.empty(), resume)
      }
      const exit = yield* Effect.async<Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>>((resume) => {
        start("/", (exit) => resume(Effect.succeed(exit)))
      })
      const response = yield* exit
      assert.deepStrictEqual(response.json, Exit.succeed({ a: 1 }))

      const leave = start("/never", () => assert.fail("It had left."))
      yield* until(() => upstream.connections() >= 1 && upstream.sockets.size >= 1)
      assert.isFunction(leave)
      if (typeof leave === "function") leave()
      const invalid = client.get("nowhere") as unknown as Fiberless.Fiberless<unknown, unknown>
      const failed = invalid[Fiberless.TypeId](Context.empty(), () => {})
      assert.isTrue(Exit.isExit(failed) && Exit.isFailure(failed))
    }).pipe(Effect.scoped)
  )

  it.live("closes every connection with its scope, and fails what is still running", () =>
    Effect.gen(function* () {
      const upstream = yield* serve((request, response) => {
        if (request.url === "/quick") response.end()
      })
      const scope = yield* Scope.make()
      const client = yield* Scope.extend(UndiciClient.make(), scope)
      yield* client.get(`${upstream.url}/quick`)
      const running = yield* Effect.fork(Effect.flip(client.get(`${upstream.url}/slow`)))
      const mute = yield* raw(() => {})
      const greeting = yield* Effect.fork(Effect.flip(client.get(mute.url.replace("http:", "https:"))))
      yield* until(() => upstream.sockets.size > 0 && mute.sockets.size > 0)
      yield* Scope.close(scope, Exit.void)
      assert.instanceOf(cause(yield* Fiber.join(running)), UndiciClient.ConnectionLost)
      assert.instanceOf(cause(yield* Fiber.join(greeting)), UndiciClient.ConnectionLost)
      yield* until(() => upstream.sockets.size + mute.sockets.size === 0)
      assert.instanceOf(cause(yield* Effect.flip(client.get(upstream.url))), UndiciClient.ConnectionLost)
    }).pipe(Effect.scoped)
  )

  it.live("uses a connection again, also after bodies that nobody read", () =>
    Effect.gen(function* () {
      const upstream = yield* serve((_, response) => {
        response.end("x".repeat(10_000))
      })
      const client = yield* UndiciClient.make({ pool: { connections: 1 } })
      for (let index = 0; index < 20; index++) yield* client.get(upstream.url)
      assert.strictEqual(upstream.connections(), 1)
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient over TLS", () => {
  const { key, cert } = selfSigned()

  it.live("trusts only what it is told to", () =>
    Effect.gen(function* () {
      const upstream = yield* listen(
        https.createServer({ key, cert }, (_, response) => {
          response.end("secret")
        }),
        "https"
      )
      const wary = yield* UndiciClient.make()
      const error = yield* Effect.flip(wary.get(upstream.url))
      assert.strictEqual(error._tag, "RequestError")
      const failure = cause(error)
      assert.instanceOf(failure, UndiciClient.ConnectionLost)
      assert.strictEqual(failure.phase, "connect")
      const trusting = yield* UndiciClient.make({ pool: { connect: { ca: cert } } })
      const response = yield* trusting.get(upstream.url)
      assert.strictEqual(yield* response.text, "secret")
    }).pipe(Effect.scoped)
  )

  const server = (handler: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void) => {
    const server = http2.createSecureServer({ key, cert, allowHTTP1: true })
    server.on("stream", handler)
    server.on("request", (request, response) => {
      if (request.httpVersion !== "2.0") response.end(`HTTP/${request.httpVersion}`)
    })
    server.on("secureConnection", (socket) => socket.on("error", () => {}))
    return listen(server, "https")
  }
  const trusting = (options?: UndiciClient.Options) =>
    UndiciClient.make({ ...options, pool: { connect: { ca: cert } } })

  it.live("speaks HTTP/2 where it is offered, many requests on one connection", () =>
    Effect.gen(function* () {
      let together = 0
      const waiting: Array<() => void> = []
      const upstream = yield* server((stream, headers) => {
        const answer = () => {
          stream.respond({ ":status": 200, "set-cookie": ["a=1", "b=2"], vary: "accept" })
          stream.end(headers[":path"])
        }
        if (headers[":path"] === "/first") return answer()
        waiting.push(answer)
        together = Math.max(together, waiting.length)
        if (waiting.length === 10) for (const answer of waiting) answer()
      })
      const client = yield* trusting()
      const read = (path: string) => Effect.flatMap(client.get(`${upstream.url}${path}`), ({ text }) => text)
      assert.strictEqual(yield* read("/first"), "/first")
      const paths = Array.from({ length: 10 }, (_, index) => `/${index}`)
      assert.deepStrictEqual(yield* Effect.forEach(paths, read, { concurrency: "unbounded" }), paths)
      assert.deepStrictEqual([together, upstream.connections()], [10, 1])
      const response = yield* client.get(`${upstream.url}/first`)
      assert.deepStrictEqual(Object.keys(Cookies.toRecord(response.cookies)), ["a", "b"])
      const http1 = yield* trusting({ http2: false })
      assert.strictEqual(yield* Effect.flatMap(http1.get(upstream.url), ({ text }) => text), "HTTP/1.1")
    }).pipe(Effect.scoped)
  )

  it.live("resets the stream of an interrupted request and keeps the connection", () =>
    Effect.gen(function* () {
      let reset = 0
      const upstream = yield* server((stream, headers) => {
        stream.on("error", () => {})
        stream.on("close", () => {
          if (headers[":path"] === "/never") reset++
        })
        if (headers[":path"] !== "/never") {
          stream.respond({ ":status": 200 })
          stream.end(headers[":path"])
        }
      })
      const client = yield* trusting()
      const read = (path: string) => Effect.flatMap(client.get(`${upstream.url}${path}`), ({ text }) => text)
      yield* read("/first")
      const never = yield* Effect.fork(read("/never"))
      yield* Effect.sleep(20)
      yield* Fiber.interrupt(never)
      yield* until(() => reset === 1)
      assert.strictEqual(yield* read("/second"), "/second")
      assert.strictEqual(upstream.connections(), 1)
    }).pipe(Effect.scoped)
  )

  it.live("holds to its deadlines and lengths over HTTP/2", () =>
    Effect.gen(function* () {
      const upstream = yield* server((stream, headers) => {
        stream.on("error", () => {})
        if (headers[":path"] === "/never") return
        stream.respond({ ":status": 200, "content-length": 10 })
        if (headers[":path"] === "/short") stream.end("hello")
        else stream.write("hello")
      })
      const client = yield* trusting({ headersTimeout: "150 millis", bodyTimeout: "150 millis" })
      const read = (path: string) => Effect.flatMap(client.get(`${upstream.url}${path}`), ({ text }) => text)
      const never = cause(yield* Effect.flip(read("/never")))
      assert.instanceOf(never, UndiciClient.DeadlineExceeded)
      assert.strictEqual(never.phase, "headers")
      const stopped = cause(yield* Effect.flip(read("/stops")))
      assert.instanceOf(stopped, UndiciClient.DeadlineExceeded)
      assert.strictEqual(stopped.phase, "body")
      assert.instanceOf(cause(yield* Effect.flip(read("/short"))), UndiciClient.ConnectionLost)
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient and tracing", () => {
  interface Recorded {
    readonly name: string
    readonly attributes: Map<string, unknown>
    readonly ids: readonly [string, string]
  }
  const recording = () => {
    const spans: Array<Recorded> = []
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind) => {
        const attributes = new Map<string, unknown>()
        const traceId = Option.isSome(parent) ? parent.value.traceId : `${"0".repeat(31)}1`
        const spanId = String(spans.length + 1).padStart(16, "0")
        spans.push({ name, attributes, ids: [traceId, spanId] })
        return {
          _tag: "Span",
          name,
          parent,
          context,
          links,
          kind,
          attributes,
          traceId,
          spanId,
          sampled: true,
          status: { _tag: "Started", startTime },
          end() {},
          attribute: (key, value) => attributes.set(key, value),
          event() {},
          addLinks() {}
        }
      },
      context: (f) => f()
    })
    return { spans, tracer }
  }

  it.live("names its span by the conventions, without a query's values", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const client = yield* UndiciClient.make()
      const { spans, tracer } = recording()
      const request = HttpClientRequest.get(`${url}/movies/1?api_key=secret&page=2`, {
        headers: { "x-token": "secret" }
      })
      const echoed = yield* sent(client, request).pipe(
        Effect.provideService(UndiciClient.RequestAnnotations, { urlTemplate: "/movies/{id}", resendCount: 1 }),
        Effect.withTracer(tracer)
      )
      assert.strictEqual(spans.length, 1)
      const span = spans[0]
      assert.deepStrictEqual(Object.fromEntries(span?.attributes ?? []), {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": Number(new URL(url).port),
        "url.full": `${url}/movies/1?api_key=REDACTED&page=REDACTED`,
        "url.scheme": "http",
        "url.template": "/movies/{id}",
        "http.request.resend_count": 1,
        "http.response.status_code": 200
      })
      assert.strictEqual(echoed.headers["traceparent"], `00-${span?.ids[0]}-${span?.ids[1]}-01`)
    }).pipe(Effect.scoped)
  )

  it.live("says of what kind an error was", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((request, response) => {
        if (request.url === "/never") return
        response.statusCode = 500
        response.end()
      })
      const client = yield* UndiciClient.make({ headersTimeout: "100 millis" })
      const { spans, tracer } = recording()
      yield* Effect.withTracer(client.get(url), tracer)
      yield* Effect.flip(Effect.withTracer(client.get(`${url}/never`), tracer))
      const { url: gone } = yield* Effect.scoped(echo)
      yield* Effect.flip(Effect.withTracer(client.get(gone), tracer))
      assert.deepStrictEqual(
        spans.map(({ attributes }) => attributes.get("error.type")),
        ["500", "timeout", "ECONNREFUSED"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("neither makes nor sends anything while nobody traces, but passes on the trace of another process", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const client = yield* UndiciClient.make()
      const plain = yield* sent(client, HttpClientRequest.get(url)).pipe(Effect.withSpan("unseen"))
      assert.notProperty(plain.headers, "traceparent")
      const parent = Tracer.externalSpan({ traceId: `${"0".repeat(31)}1`, spanId: `${"0".repeat(15)}1` })
      const inherited = yield* sent(client, HttpClientRequest.get(url)).pipe(Effect.withSpan("unseen", { parent }))
      assert.strictEqual(inherited.headers["traceparent"], `00-${parent.traceId}-${parent.spanId}-01`)
    }).pipe(Effect.scoped)
  )

  it.live("obeys the switches of HttpClient", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const client = yield* UndiciClient.make()
      const { spans, tracer } = recording()
      const unseen = HttpClient.withTracerDisabledWhen(client, () => true)
      yield* Effect.withTracer(unseen.get(url), tracer)
      assert.strictEqual(spans.length, 0)
      const silent = HttpClient.withTracerPropagation(client, false)
      const response = yield* Effect.withTracer(
        Effect.flatMap(silent.get(url), HttpClientResponse.schemaBodyJson(Echo)),
        tracer
      )
      assert.strictEqual(spans.length, 1)
      assert.notProperty(response.headers, "traceparent")
    }).pipe(Effect.scoped)
  )

  it.live("records durations when asked to", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const client = yield* UndiciClient.make({ metrics: true })
      yield* client.get(url)
      const port = new URL(url).port
      const found = (yield* Metric.snapshot).filter(
        ({ metricKey }) =>
          metricKey.name === "http.client.request.duration" && metricKey.tags.some(({ value }) => value === port)
      )
      assert.strictEqual(found.length, 1)
    }).pipe(Effect.scoped)
  )
})
