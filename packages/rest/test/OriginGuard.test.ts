/** What a guard counts as under way, over real sockets and over any client's responses. */
import type { Socket } from "node:net"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, OriginGuard, RestSource, UndiciClient } from "@wellspring/rest"
import * as Fiberless from "@wellspring/source/Fiberless"
import { Context, Effect, Exit, Fiber, FastCheck as fc, Layer, Schema, Stream, TestClock } from "effect"
import { heldAt } from "./support/held.ts"
import * as Server from "./support/server.ts"
import { json, stub } from "./support/stub.ts"

const Get = Endpoint.get("Get", { path: "x", success: Schema.Unknown })
const withoutRetry = { retry: { times: 0 } } as const

const guarded = (options: OriginGuard.Options, client: Layer.Layer<HttpClient.HttpClient>) =>
  OriginGuard.layer(options).pipe(Layer.provide(client))

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["undici's dispatcher", UndiciClient.layer()]
]

const begun = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnu"
const answered = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnull"

describe.each(clients)("a guard with one place, over %s", (_name, client) => {
  /** The first call's headers have come and half its body; `end` says how the rest goes. A second one waits meanwhile. */
  const waits = (
    title: string,
    end: (socket: Socket, first: Fiber.RuntimeFiber<unknown, unknown>) => Effect.Effect<unknown>,
    begin: (api: RestSource.Service) => Effect.Effect<unknown, unknown> = (api) => api.call(Get(), withoutRetry)
  ) =>
    it.scopedLive(title, () =>
      Effect.gen(function* () {
        const sockets: Array<Socket> = []
        const server = yield* Server.raw((socket) => {
          sockets.push(socket)
          socket.write(sockets.length === 1 ? begun : answered)
        })
        const api = yield* RestSource.make({ baseUrl: server.url })
        const first = yield* Effect.forkDaemon(begin(api))
        yield* Server.eventually(() => sockets.length === 1)
        const second = yield* Effect.forkDaemon(api.call(Get()))
        yield* Effect.sleep(30)
        assert.isNull(second.unsafePoll())
        assert.strictEqual(server.open(), 1)
        const [socket] = sockets
        if (socket !== undefined) yield* end(socket, first)
        assert.isNull(yield* Fiber.join(second))
      }).pipe(Effect.provide(guarded({ maxConcurrent: 1 }, client)))
    )

  waits("counts a call until its body has been read", (socket, first) =>
    Effect.zipRight(
      Effect.sync(() => socket.end("ll")),
      Fiber.await(first)
    )
  )
  waits("counts a call until its body breaks", (socket) => Effect.sync(() => socket.resetAndDestroy()))
  waits("counts a call until its caller leaves", (_, first) => Fiber.interrupt(first))
  waits(
    "counts a stream until it is left",
    (_, first) => Fiber.interrupt(first),
    (api) => Stream.runDrain(api.callStream(Get()))
  )
  waits(
    "counts a response that its scope gives up unread",
    (_, first) => Fiber.interrupt(first),
    (api) => Effect.scoped(Effect.zipRight(api.callRaw(Get()), Effect.never))
  )
})

describe("a response that nobody reads", () => {
  it.effect("keeps its place until somebody else has waited long enough for it", () => {
    const { calls, layer } = stub((_, call) => Effect.succeed(json(call)))
    return Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const unread = yield* client.get("https://api.test/")
      yield* TestClock.adjust("1 seconds")
      const waiting = yield* Effect.fork(Effect.flatMap(client.get("https://api.test/"), ({ json }) => json))
      yield* Effect.yieldNow()
      const full = yield* Effect.flip(client.get("https://api.test/"))
      assert.propertyVal(full.cause, "why", "queue")
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(waiting), 2)
      // It can still be read, and counts no more for being so.
      assert.strictEqual(yield* unread.json, 1)
      const next = yield* client.get("https://api.test/")
      const queued = yield* Effect.fork(Effect.flatMap(client.get("https://api.test/"), ({ json }) => json))
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(calls.length, 3)
      yield* next.text
      assert.strictEqual(yield* Fiber.join(queued), 4)
    }).pipe(Effect.provide(guarded({ maxConcurrent: 1, maxQueued: 1, maxUnread: "3 seconds" }, layer)))
  })

  it.effect("never gives way while it is being read, however long that takes", () => {
    const { calls, layer } = stub((_, call) =>
      Effect.succeed(call === 1 ? new Response(new ReadableStream({})) : json(call))
    )
    return Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const reading = yield* Effect.fork(Effect.flatMap(client.get("https://api.test/"), ({ text }) => text))
      const waiting = yield* Effect.fork(client.get("https://api.test/"))
      yield* TestClock.adjust("1 hours")
      assert.strictEqual(calls.length, 1)
      yield* Fiber.interrupt(reading)
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(guarded({ maxConcurrent: 1 }, layer)))
  })
})

describe("over a client that needs no fiber", () => {
  const client = Effect.map(HttpClient.HttpClient, (client) => (url: string) => {
    const effect = client.execute(HttpClientRequest.get(url))
    return Fiberless.isFiberless(effect) ? effect : assert.fail()
  })

  it.scopedLive("a guard needs none either, and a refusal is there at once", () =>
    Effect.gen(function* () {
      const server = yield* Server.http((_, response) => response.writeHead(500).end("no"))
      const get = yield* client
      const answered = yield* Effect.async<unknown>((resume) => {
        const started = Fiberless.start(get(server.url), Context.empty(), (exit) => resume(Effect.succeed(exit)))
        assert.isFunction(started)
      })
      assert.isTrue(Exit.isExit(answered) && Exit.isSuccess(answered))
      const refused = Fiberless.start(get(server.url), Context.empty(), () => assert.fail())
      assert.isTrue(Exit.isExit(refused) && Exit.isFailure(refused))
      assert.deepStrictEqual(server.calls, ["GET /"])
    }).pipe(Effect.provide(guarded({ maxConcurrent: 1, breaker: { minCalls: 1 } }, UndiciClient.layer())))
  )

  it.scopedLive("a caller that leaves gives its place back, sent or not", () =>
    Effect.gen(function* () {
      let isSilent = true
      const server = yield* Server.raw((socket) => {
        if (!isSilent) socket.end(answered)
      })
      const get = yield* client
      const begin = () => Fiberless.start(get(server.url), Context.empty(), () => assert.fail())
      const leaves = [begin(), begin()]
      yield* Server.eventually(() => server.calls.length === 1)
      isSilent = false
      for (const leave of [...leaves, ...leaves]) if (typeof leave === "function") leave()
      yield* Server.eventually(() => server.open() === 0)
      yield* Effect.all([get(server.url), get(server.url)], { concurrency: 2 })
      assert.strictEqual(server.calls.length, 3)
    }).pipe(Effect.provide(guarded({ maxConcurrent: 1 }, UndiciClient.layer())))
  )
})

describe("places", () => {
  it("come back once for each call, though its caller leaves when it has been answered", () => {
    const answers: Array<() => void> = []
    const request = HttpClientRequest.get("https://api.test/")
    const below = HttpClient.makeWith<never, never, never, never>(
      () =>
        Fiberless.make<HttpClientResponse.HttpClientResponse>((_, resume) => {
          answers.push(() =>
            resume(Exit.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status: 204 }))))
          )
          return () => {}
        }),
      Effect.succeed
    )
    const client = OriginGuard.transform(below, { maxConcurrent: 1 })
    const begin = () => {
      const effect = client.execute(request)
      const started = Fiberless.isFiberless(effect) ? Fiberless.start(effect, Context.empty(), () => {}) : undefined
      return typeof started === "function" ? started : assert.fail()
    }
    const leave = begin()
    answers[0]?.()
    leave()
    const leaves = [begin(), begin()]
    assert.strictEqual(answers.length, 2)
    for (const leave of leaves) leave()
  })

  it.live("come back from callers who are interrupted wherever they are between asking for one and using it", () => {
    const { layer } = stub((_, call) => Effect.delay(Effect.succeed(json(call)), 8))
    return Effect.gen(function* () {
      yield* Effect.forEach(
        Array.from({ length: 60 }, (_, step) => step),
        (step) =>
          Effect.gen(function* () {
            const client = yield* HttpClient.HttpClient
            const get = Effect.flatMap(client.get(`https://${step}.test/`), ({ json }) => json)
            const first = yield* Effect.fork(get)
            yield* Effect.sleep(1)
            const holding = heldAt(step)
            const second = yield* Effect.fork(Effect.withScheduler(get, holding.scheduler))
            // Held before it waits, while it waits, or when it has been given its place.
            yield* Effect.sleep(step % 2 === 0 ? 2 : 12)
            yield* Fiber.interruptFork(second)
            yield* Effect.sleep(1)
            holding.release()
            yield* Fiber.await(first)
            yield* get
          }),
        { concurrency: "unbounded" }
      )
    }).pipe(Effect.timeout("10 seconds"), Effect.provide(guarded({ maxConcurrent: 1, maxUnread: "1 minute" }, layer)))
  })

  const step = fc.record({
    kind: fc.constantFrom("read", "head", "stream", "broken", "refused", "unread"),
    headersMillis: fc.integer({ min: 0, max: 20 }),
    bodyMillis: fc.integer({ min: 0, max: 20 }),
    /** When its caller leaves, counted from its beginning. */
    leavesMillis: fc.option(fc.integer({ min: 0, max: 60 })),
    pauseMillis: fc.integer({ min: 0, max: 10 })
  })

  it.effect.prop(
    "are never taken by more calls than there are, and all come back",
    [fc.array(step, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 3 })],
    ([steps, maxConcurrent]) => {
      let running = 0
      let most = 0
      const over = () => running--
      const { layer } = stub((request) => {
        const given = steps[Number(request.headers["step"] ?? -1)]
        if (given === undefined) return Effect.succeed(json("ok"))
        most = Math.max(most, ++running)
        const body = new ReadableStream({
          pull: (controller) => {
            if (given.kind === "broken") controller.error(new Error("broken"))
            else {
              controller.enqueue(new Uint8Array(1))
              controller.close()
            }
          }
        })
        return Effect.delay(
          Effect.suspend(() =>
            given.kind === "refused" ? Effect.fail("refused") : Effect.succeed(new Response(body))
          ),
          given.headersMillis
        ).pipe(Effect.onExit((exit) => Effect.sync(() => Exit.isFailure(exit) && over())))
      })
      return Effect.gen(function* () {
        const client = yield* HttpClient.HttpClient
        const call = (index: number) => {
          const { bodyMillis, kind } = steps[index] ?? assert.fail()
          const method = kind === "head" ? "HEAD" : "GET"
          const request = HttpClientRequest.make(method)("https://api.test/", { headers: { step: String(index) } })
          return Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(restore(client.execute(request)), (response) => {
              if (kind === "head" || kind === "unread") return Effect.sync(over)
              const read = kind === "stream" ? Stream.runDrain(response.stream) : response.text
              // It counts while it is not read yet; the body itself is there at once.
              return Effect.zipRight(
                Effect.ensuring(restore(Effect.sleep(bodyMillis)), Effect.sync(over)),
                restore(read)
              )
            })
          )
        }
        const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
        for (const [index, { leavesMillis, pauseMillis }] of steps.entries()) {
          const fiber = yield* Effect.fork(Effect.either(call(index)))
          fibers.push(fiber)
          if (leavesMillis !== null) yield* Effect.fork(Effect.delay(Fiber.interrupt(fiber), leavesMillis))
          yield* TestClock.adjust(pauseMillis)
        }
        yield* TestClock.adjust("1 hours")
        yield* Effect.forEach(fibers, Fiber.await)
        assert.isAtMost(most, maxConcurrent)
        // As many as there are places, at once, and one more has to wait.
        const responses = yield* Effect.replicateEffect(client.get("https://api.test/"), maxConcurrent)
        const waiting = yield* Effect.fork(client.get("https://api.test/"))
        yield* Effect.yieldNow()
        assert.isNull(waiting.unsafePoll())
        yield* Effect.forEach(responses, ({ text }) => text)
        yield* Fiber.join(waiting)
      }).pipe(Effect.provide(guarded({ maxConcurrent, maxQueued: 100 }, layer)))
    },
    { fastCheck: { numRuns: process.env["WELLSPRING_FULL"] === undefined ? 20 : 500 } }
  )
})
