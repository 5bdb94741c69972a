import type { Socket } from "node:net"
import * as zlib from "node:zlib"
import { HttpClient, HttpClientError } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as UndiciClient from "@wellspring/rest/UndiciClient"
import { Duration, Effect, Either, Fiber, Stream } from "effect"
import * as Server from "./support/server.ts"
import { raw, serve, until } from "./UndiciClientUpstream.ts"

const full = process.env["WELLSPRING_FULL"] !== undefined

/** Deadlines short enough to wait for, and each of its own length, so that the one that fired is known. */
const impatient = {
  connectTimeout: "150 millis",
  headersTimeout: "200 millis",
  bodyTimeout: "250 millis",
  totalTimeout: "400 millis"
} as const

const read = (client: HttpClient.HttpClient, url: string) => Effect.flatMap(client.get(url), ({ text }) => text)

const failure = (error: unknown): unknown => (HttpClientError.isHttpClientError(error) ? error.cause : error)

const deadline = (error: unknown) => {
  const cause = failure(error)
  assert.instanceOf(cause, UndiciClient.DeadlineExceeded)
  return { phase: cause.phase, millis: Duration.toMillis(cause.limit) }
}

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

describe("UndiciClient against an upstream that is slow", () => {
  it.live("gives up on headers that never come, says so, and closes the socket", () =>
    Effect.gen(function* () {
      const upstream = yield* raw(() => {})
      const client = yield* UndiciClient.make(impatient)
      const error = yield* Effect.flip(read(client, upstream.url))
      assert.strictEqual(error._tag, "RequestError")
      assert.deepStrictEqual(deadline(error), { phase: "headers", millis: 200 })
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("gives up on headers that drip, for each byte does not begin the wait anew", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => {
        socket.write("HTTP/1.1 200 OK\r\n")
        const drip = setInterval(() => socket.write("x-drip: 1\r\n"), 20)
        socket.on("close", () => clearInterval(drip))
      })
      const client = yield* UndiciClient.make(impatient)
      assert.strictEqual(deadline(yield* Effect.flip(read(client, upstream.url))).phase, "headers")
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("gives up on a body that stops", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"))
      const client = yield* UndiciClient.make(impatient)
      const error = yield* Effect.flip(read(client, upstream.url))
      assert.strictEqual(error._tag, "ResponseError")
      assert.deepStrictEqual(deadline(error), { phase: "body", millis: 250 })
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live(
    "tells for how long nothing has come, so that whoever waits for a whole body can leave one that has stopped",
    () =>
      Effect.gen(function* () {
        const sockets: Array<Socket> = []
        const upstream = yield* raw((socket) => {
          sockets.push(socket)
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        })
        const client = yield* UndiciClient.make()
        const response = yield* client.get(upstream.url)
        const idle = () =>
          (response as unknown as { readonly [UndiciClient.IdleMillis]: () => number })[UndiciClient.IdleMillis]()
        assert.isAtLeast(idle(), 0)
        const text = yield* Effect.fork(response.text)
        yield* until(() => idle() >= 100)
        // Less than before can only be because something came.
        let longest = 0
        sockets[0]?.write("w")
        yield* until(() => {
          const millis = idle()
          if (millis < longest) return true
          longest = millis
          return false
        })
        sockets[0]?.write("orld")
        assert.strictEqual(yield* Fiber.join(text), "helloworld")
      }).pipe(Effect.scoped)
  )

  it.live("gives up on a body that drips for longer than the exchange may take", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        const drip = setInterval(() => socket.write("x"), 20)
        socket.on("close", () => clearInterval(drip))
      })
      const client = yield* UndiciClient.make(impatient)
      assert.deepStrictEqual(deadline(yield* Effect.flip(read(client, upstream.url))), { phase: "total", millis: 400 })
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("lets a body that is taken as a stream go on beyond that", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        const drip = setInterval(() => socket.write(chunk("x")), 60)
        socket.on("close", () => clearInterval(drip))
      })
      const client = yield* UndiciClient.make(impatient)
      const response = yield* client.get(upstream.url)
      const chunks = yield* Stream.runCount(Stream.take(response.stream, 10))
      assert.strictEqual(chunks, 10)
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("gives up when no connection is free", () =>
    Effect.gen(function* () {
      const upstream = yield* raw(() => {})
      const client = yield* UndiciClient.make({
        ...impatient,
        headersTimeout: "5 seconds",
        totalTimeout: "10 seconds",
        pool: { connections: 1 }
      })
      const first = yield* Effect.fork(read(client, upstream.url))
      yield* until(() => upstream.sockets.size === 1)
      const error = yield* Effect.flip(read(client, upstream.url))
      assert.strictEqual(error._tag, "RequestError")
      assert.deepStrictEqual(deadline(error), { phase: "connect", millis: 150 })
      yield* Fiber.interrupt(first)
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("does not take informational responses for an answer, however many", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => {
        const drip = setInterval(() => socket.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), 10)
        socket.on("close", () => clearInterval(drip))
      })
      const patient = yield* UndiciClient.make({ headersTimeout: "10 seconds" })
      const many = failure(yield* Effect.flip(read(patient, upstream.url)))
      assert.instanceOf(many, UndiciClient.ConnectionLost)
      const client = yield* UndiciClient.make(impatient)
      assert.strictEqual(deadline(yield* Effect.flip(read(client, upstream.url))).phase, "headers")
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient against an upstream that breaks off", () => {
  const lost = (answer: Parameters<typeof raw>[0], phase: "headers" | "body") =>
    Effect.gen(function* () {
      const upstream = yield* raw(answer)
      const client = yield* UndiciClient.make(impatient)
      const error = yield* Effect.flip(read(client, upstream.url))
      const cause = failure(error)
      assert.instanceOf(cause, UndiciClient.ConnectionLost)
      assert.strictEqual(cause.phase, phase)
      assert.strictEqual(error._tag, phase === "headers" ? "RequestError" : "ResponseError")
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)

  it.live("fails for a connection that ends before the response", () => lost((socket) => socket.end(), "headers"))

  it.live("fails for bytes that are not HTTP", () =>
    lost((socket) => socket.write("SSH-2.0-OpenSSH\r\n\r\n"), "headers")
  )

  it.live("fails for a body that ends short of its content-length", () =>
    lost((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"), "body")
  )

  it.live("fails for a body that ends short of its content-length on a connection to be closed", () =>
    lost((socket) => socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhello"), "body")
  )

  it.live("fails for chunks that end without the last one", () =>
    lost((socket) => socket.end(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk("hello")}`), "body")
  )

  it.live("fails for a connection that is reset within the body", () =>
    lost((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
      setTimeout(() => socket.resetAndDestroy(), 20)
    }, "body")
  )

  it.live("fails for two lengths that contradict each other", () =>
    lost((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"), "headers")
  )

  it.live("says that nobody listens", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(serve(() => {}))
      const client = yield* UndiciClient.make(impatient)
      const cause = failure(yield* Effect.flip(read(client, url)))
      assert.instanceOf(cause, UndiciClient.ConnectionLost)
      assert.strictEqual(cause.phase, "connect")
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient against an upstream that sends too much", () => {
  const endless = "x".repeat(65_536)

  const flood = serve((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(endless));
      if (!response.destroyed) response.once("drain", more)
    }
    more()
  })

  it.live("stops at the limit of a body that is read whole, and closes the socket", () =>
    Effect.gen(function* () {
      const upstream = yield* flood
      const client = yield* UndiciClient.make({ maxBodyBytes: 1_000_000 })
      const error = yield* Effect.flip(read(client, upstream.url))
      assert.deepStrictEqual(failure(error), new UndiciClient.BodyTooLarge({ limitBytes: 1_000_000 }))
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("stops at the limit of a body that is taken as a stream", () =>
    Effect.gen(function* () {
      const upstream = yield* flood
      const client = yield* UndiciClient.make({ maxStreamBytes: 1_000_000 })
      const error = yield* Effect.flip(
        HttpClient.get(upstream.url).pipe(
          Effect.flatMap(({ stream }) => Stream.runDrain(stream)),
          Effect.provideService(HttpClient.HttpClient, client)
        )
      )
      assert.deepStrictEqual(failure(error), new UndiciClient.BodyTooLarge({ limitBytes: 1_000_000 }))
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("refuses a declared length without reading", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nx"))
      const client = yield* UndiciClient.make()
      const error = yield* Effect.flip(read(client, upstream.url))
      assert.instanceOf(failure(error), UndiciClient.BodyTooLarge)
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("leaves what nobody reads in the socket", () =>
    Effect.gen(function* () {
      let sent = 0
      const upstream = yield* serve((_, response) => {
        const more = () => {
          sent += endless.length
          while (!response.destroyed && response.write(endless)) sent += endless.length
          if (!response.destroyed) response.once("drain", more)
        }
        more()
      })
      const client = yield* UndiciClient.make()
      yield* client.get(upstream.url)
      // The buffers on the way fill, and then nothing moves any more.
      let before = -1
      yield* until(() => {
        const isStill = sent === before
        before = sent
        return isStill
      })
      assert.isBelow(sent, 32_000_000)
    }).pipe(Effect.scoped)
  )

  it.live("copies a body of one-byte chunks together", () =>
    Effect.gen(function* () {
      const count = 50_000
      const upstream = yield* raw((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        socket.write(chunk("x").repeat(count))
        socket.write("0\r\n\r\n")
      })
      const client = yield* UndiciClient.make()
      assert.strictEqual(yield* read(client, upstream.url), "x".repeat(count))
    }).pipe(Effect.scoped)
  )

  it.live("refuses headers beyond their limit", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => {
        const drip = setInterval(() => socket.write(`x-more: ${"x".repeat(1000)}\r\n`), 1)
        socket.write("HTTP/1.1 200 OK\r\n")
        socket.on("close", () => clearInterval(drip))
      })
      const client = yield* UndiciClient.make()
      const error = yield* Effect.flip(read(client, upstream.url))
      assert.strictEqual(error._tag, "RequestError")
      assert.deepStrictEqual(failure(error), new UndiciClient.HeadersTooLarge({ limitBytes: 16_384 }))
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient against a decompression bomb", () => {
  /** About 400 kB of gzip that unfold to 400 MB: one member of 4 MB, a hundred times over. */
  const bomb = Buffer.concat(Array.from({ length: 100 }, () => zlib.gzipSync(Buffer.alloc(4_000_000), { level: 9 })))

  const encoded = (encoding: string, body: Uint8Array) =>
    serve((_, response) => {
      response.setHeader("content-encoding", encoding)
      response.end(body)
    })

  it.live("stops at the limit in decoded bytes, with little more memory than the limit", () =>
    Effect.gen(function* () {
      assert.isBelow(bomb.length, 500_000)
      const upstream = yield* encoded("gzip", bomb)
      const client = yield* UndiciClient.make()
      yield* read(client, `${upstream.url}/warm`).pipe(Effect.flip)
      const before = process.memoryUsage.rss()
      const error = yield* Effect.flip(read(client, upstream.url))
      assert.deepStrictEqual(failure(error), new UndiciClient.BodyTooLarge({ limitBytes: 10_485_760 }))
      assert.isBelow(process.memoryUsage.rss() - before, 64_000_000)
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("stops inside the codings too", () =>
    Effect.gen(function* () {
      const upstream = yield* encoded("gzip, gzip", zlib.gzipSync(bomb))
      const client = yield* UndiciClient.make()
      assert.instanceOf(failure(yield* Effect.flip(read(client, upstream.url))), UndiciClient.BodyTooLarge)
    }).pipe(Effect.scoped)
  )

  it.live("streams it at the reader's pace", () =>
    Effect.gen(function* () {
      const upstream = yield* encoded("gzip", bomb)
      const client = yield* UndiciClient.make()
      const response = yield* client.get(upstream.url)
      const before = process.memoryUsage.rss()
      const total = yield* Stream.runFold(response.stream, 0, (sum, { length }) => sum + length)
      assert.strictEqual(total, 400_000_000)
      assert.isBelow(process.memoryUsage.rss() - before, 64_000_000)
    }).pipe(Effect.scoped)
  )

  it.live("refuses more than five codings", () =>
    Effect.gen(function* () {
      const five = [1, 2, 3, 4, 5].reduce((body) => zlib.gzipSync(body), Buffer.from("deep"))
      const allowed = yield* encoded("gzip, gzip, gzip, gzip, gzip", five)
      const client = yield* UndiciClient.make()
      assert.strictEqual(yield* read(client, allowed.url), "deep")
      for (const count of [6, 2000]) {
        const refused = yield* encoded(Array.from({ length: count }, () => "gzip").join(","), five)
        const error = yield* Effect.flip(read(client, refused.url))
        assert.instanceOf(failure(error), UndiciClient.EncodingRefused)
        yield* until(() => refused.sockets.size === 0)
      }
    }).pipe(Effect.scoped)
  )

  it.live("fails for a coding that is corrupt or cut", () =>
    Effect.gen(function* () {
      const client = yield* UndiciClient.make()
      const body = zlib.gzipSync(Buffer.from("hello".repeat(1000)))
      for (const broken of [
        body.subarray(0, -9),
        Buffer.from("not gzip"),
        Buffer.concat([bomb, body.subarray(0, 20)])
      ]) {
        const upstream = yield* encoded("gzip", broken)
        const response = yield* client.get(upstream.url)
        const error = yield* Effect.flip(Stream.runDrain(response.stream))
        assert.instanceOf(failure(error), UndiciClient.EncodingRefused)
      }
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient when a request is interrupted", () => {
  it.live("closes the socket at once while it waits for headers", () =>
    Effect.gen(function* () {
      const upstream = yield* raw(() => {})
      const client = yield* UndiciClient.make()
      const fiber = yield* Effect.fork(client.get(upstream.url))
      yield* until(() => upstream.sockets.size === 1)
      yield* Fiber.interrupt(fiber)
      yield* until(() => upstream.sockets.size === 0)
      assert.strictEqual(upstream.connections(), 1)
    }).pipe(Effect.scoped)
  )

  it.live("closes the socket when the last reader of the body leaves, and not before", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"))
      const client = yield* UndiciClient.make()
      const response = yield* client.get(upstream.url)
      const first = yield* Effect.fork(response.text)
      const second = yield* Effect.fork(response.json)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      assert.strictEqual(upstream.sockets.size, 1)
      yield* Fiber.interrupt(second)
      yield* until(() => upstream.sockets.size === 0)
      assert.instanceOf(failure(yield* Effect.flip(response.text)), UndiciClient.ConnectionLost)
    }).pipe(Effect.scoped)
  )

  it.live("gives up the connection it was making", () =>
    Effect.gen(function* () {
      // It never greets: the socket connects, TLS does not.
      const upstream = yield* raw(() => {})
      const client = yield* UndiciClient.make()
      const fiber = yield* Effect.fork(client.get(upstream.url.replace("http:", "https:")))
      yield* until(() => upstream.sockets.size === 1)
      yield* Fiber.interrupt(fiber)
      yield* until(() => upstream.sockets.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("never hands one request's answer to another", () =>
    Effect.gen(function* () {
      const upstream = yield* serve((request, response) => {
        setTimeout(() => response.end(request.url), Math.random() * 4)
      })
      const client = yield* UndiciClient.make({ pool: { connections: 4 } })
      const runs = full ? 10_000 : 100
      yield* Effect.forEach(
        Array.from({ length: runs }, (_, index) => `/${index}`),
        (path) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.fork(read(client, `${upstream.url}${path}`))
            if (Math.random() < 0.5) {
              yield* Effect.sleep(Math.random() * 5)
              yield* Fiber.interrupt(fiber)
            } else assert.strictEqual(yield* Fiber.join(fiber), path)
          }),
        { concurrency: 16, discard: true }
      )
    }).pipe(Effect.scoped)
  )

  it.live("does not use a connection on which an answer came unasked", () =>
    Effect.gen(function* () {
      const upstream = yield* raw((socket, request) => {
        const own = request.startsWith("GET /first") ? "own" : "next"
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${own.length}\r\n\r\n${own}`)
        if (own === "own") setTimeout(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nalien"), 10)
      })
      const client = yield* UndiciClient.make()
      assert.strictEqual(yield* read(client, `${upstream.url}/first`), "own")
      yield* until(() => upstream.sockets.size === 0)
      assert.strictEqual(yield* read(client, `${upstream.url}/second`), "next")
    }).pipe(Effect.scoped)
  )
})

describe("UndiciClient, holding back a body that nobody reads", () => {
  const large = Buffer.alloc(1_000_000, "a")
  const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n"

  it.scopedLive.each([
    ["reset", `${head}\r\n`, large, true, false],
    ["reset, of a declared length", `${head}Content-Length: ${large.length}\r\n\r\n`, large, true, false],
    ["ended", `${head}Content-Length: 65536\r\n\r\n`, large.subarray(0, 65_536), false, true],
    ["ended, without a length", `${head}\r\n`, large.subarray(0, 65_536), false, false]
  ] as const)("outlives a connection that is %s", ([, head, body, isReset, isWhole]) =>
    Effect.gen(function* () {
      let isClosed = false
      const server = yield* Server.raw((socket) => {
        socket.on("close", () => {
          isClosed = true
        })
        socket.write(head)
        socket.write(body)
        if (isReset) setTimeout(() => socket.resetAndDestroy(), 50)
        else socket.end()
      })
      const client = yield* UndiciClient.make()
      const responses = yield* Effect.replicateEffect(client.get(server.url), 5)
      yield* Server.eventually(() => isClosed && server.open() === 0)
      yield* Effect.sleep(20)
      for (const { text } of responses) {
        const read = yield* Effect.either(text)
        // A body known to have come whole is one; what comes of any other depends on how much had come.
        if (isWhole) assert.strictEqual(Either.getOrThrow(read).length, 65_536)
      }
      // And the client goes on.
      yield* Effect.scoped(client.get(server.url))
    })
  )
})
