import * as http2 from "node:http2"
import * as https from "node:https"
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, RestError, RestSource, UndiciClient } from "@wellspring/rest"
import { Effect, Fiber, Schema } from "effect"
import { listen, selfSigned, serve, until } from "./UndiciClientUpstream.ts"

class NotThere extends Schema.TaggedError<NotThere>()("NotThere", { id: Schema.String }) {}
const Get = Endpoint.get("Get", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  success: Schema.Struct({ protocol: Schema.String }),
  errors: { 404: NotThere }
})

const { cert, key } = selfSigned()
const client = UndiciClient.layer({ pool: { connect: { ca: cert } } })

/** Answers, except that it has no `/x/none`, and that `/x/never` waits; tells how many of the latter were left. */
const upstream = Effect.gen(function* () {
  const state = { waiting: 0, left: 0 }
  const server = http2.createSecureServer({ key, cert })
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {})
    if (headers[":path"] === "/x/never") {
      state.waiting++
      stream.on("close", () => state.left++)
      return
    }
    const status = headers[":path"] === "/x/none" ? 404 : 200
    stream.respond({ ":status": status, "content-type": "application/json" })
    stream.end(JSON.stringify(status === 404 ? {} : { protocol: "HTTP/2" }))
  })
  server.on("secureConnection", (socket) => socket.on("error", () => {}))
  return { ...(yield* listen(server, "https")), state }
})

const upstream1 = Effect.gen(function* () {
  const state = { waiting: 0, left: 0 }
  const server = https.createServer({ key, cert }, (request, response) => {
    if (request.url === "/x/never") {
      state.waiting++
      response.on("close", () => state.left++)
      return
    }
    response.writeHead(request.url === "/x/none" ? 404 : 200, { "content-type": "application/json" })
    response.end(JSON.stringify(request.url === "/x/none" ? {} : { protocol: "HTTP/1.1" }))
  })
  return { ...(yield* listen(server, "https")), state }
})

describe.each([
  ["HTTP/2", upstream],
  ["HTTP/1.1", upstream1]
] as const)("over TLS and %s", (protocol, upstream) => {
  it.scopedLive("calls are decoded, and declared errors typed", () =>
    Effect.gen(function* () {
      const { url } = yield* upstream
      const api = yield* RestSource.make({ baseUrl: `${url}/` })
      assert.deepStrictEqual(yield* api.call(Get({ id: "1" })), { protocol })
      const error = yield* Effect.flip(api.call(Get({ id: "none" })))
      assert.deepStrictEqual(error, new NotThere({ id: "none" }))
    }).pipe(Effect.provide(client))
  )

  it.scopedLive("an interrupted call is over at the upstream too, and the next one works", () =>
    Effect.gen(function* () {
      const { state, url } = yield* upstream
      const api = yield* RestSource.make({ baseUrl: `${url}/` })
      const fiber = yield* Effect.fork(api.call(Get({ id: "never" })))
      yield* until(() => state.waiting === 1)
      yield* Fiber.interrupt(fiber)
      yield* until(() => state.left === 1)
      assert.deepStrictEqual(yield* api.call(Get({ id: "1" })), { protocol })
      assert.strictEqual(state.waiting, 1)
    }).pipe(Effect.provide(client))
  )
})

it.scopedLive("a certificate nobody vouches for is a transport error, and nothing is sent", () =>
  Effect.gen(function* () {
    const { url } = yield* upstream
    const api = yield* RestSource.make({ baseUrl: `${url}/`, retry: { times: 0 } })
    assert.instanceOf(yield* Effect.flip(api.call(Get({ id: "1" }))), RestError.RestTransportError)
  }).pipe(Effect.provide(UndiciClient.layer()))
)

describe("a large body", () => {
  const large = 100_000_000
  const piece = Buffer.alloc(65_536, 120)

  it.scopedLive.each(["declared", "chunked"])(
    "of 100 MB is refused at the limit, and little of it is ever sent (%s)",
    (how) =>
      Effect.gen(function* () {
        let written = 0
        const upstream = yield* serve((_, response) => {
          response.on("error", () => {})
          response.writeHead(200, how === "declared" ? { "content-length": large } : {})
          const write = () => {
            while (written < large && !response.destroyed) {
              const rest = piece.subarray(0, large - written)
              written += rest.length
              if (!response.write(rest)) {
                response.once("drain", write)
                return
              }
            }
            response.end()
          }
          write()
        })
        const limitBytes = 1_000_000
        const api = yield* RestSource.make({
          baseUrl: `${upstream.url}/`,
          maxBodyBytes: limitBytes,
          retry: { times: 0 }
        })
        const before = process.memoryUsage().arrayBuffers
        const error = yield* Effect.flip(api.call(Get({ id: "1" })))
        assert.instanceOf(error, RestError.RestTooLarge)
        // What both ends hold in buffers of their own is in this process too; the body is not.
        assert.isBelow(process.memoryUsage().arrayBuffers - before, 20_000_000)
        yield* until(() => upstream.sockets.size === 0)
        assert.isBelow(written, 20_000_000)
      }).pipe(Effect.provide(UndiciClient.layer({ maxBodyBytes: 2 * large })))
  )

  it.scopedLive("that drips for longer than a pause may last, and is read all the same", () =>
    Effect.gen(function* () {
      const upstream = yield* serve((_, response) => {
        response.writeHead(200, { "content-type": "application/json" })
        const pieces = [...'{"protocol":"drip"}']
        const timer = setInterval(() => {
          const next = pieces.shift()
          if (next === undefined) response.end()
          else response.write(next)
        }, 40)
        response.on("close", () => clearInterval(timer))
      })
      const api = yield* RestSource.make({
        baseUrl: `${upstream.url}/`,
        timeouts: { bodyIdle: "400 millis" },
        retry: { times: 0 }
      })
      assert.deepStrictEqual(yield* api.call(Get({ id: "1" })), { protocol: "drip" })
    }).pipe(Effect.provide(client))
  )
})
