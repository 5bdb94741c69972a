/** What happens to calls under way when the Operation they were made in closes. */
import type { Socket } from "node:net"
import { FetchHttpClient, type HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, RestSource, UndiciClient } from "@wellspring/rest"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Operation from "@wellspring/source/Operation"
import * as SourceError from "@wellspring/source/SourceError"
import { Cause, Context, Effect, Exit, Fiber, type Layer, Schema, Scope } from "effect"
import * as Server from "./support/server.ts"
import { json, soon, stub } from "./support/stub.ts"

const Get = Endpoint.get("Get", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  success: Schema.Unknown
})
const Kept = Endpoint.get("Kept", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  success: Schema.Unknown,
  dedupe: "until-invalidated"
})
const Alone = Endpoint.get("Alone", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  success: Schema.Unknown,
  dedupe: "none"
})
const Post = Endpoint.post("Post", { path: "x", success: Schema.Unknown })

const opened = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const operation = yield* Scope.extend(Operation.make(), scope)
  return { close: Scope.close(scope, Exit.void), operation }
})

type Exited = Exit.Exit<unknown, unknown>
const isInterrupted = (exit: Exited) => Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["undici's dispatcher", UndiciClient.layer()]
]

describe.each(clients)("the end of an Operation, over %s", (_name, client) => {
  it.scopedLive.each([
    ["whose headers have not come", ""],
    ["whose body has begun", 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":']
  ] as const)("stops calls %s, shared or not, down to the socket, and answers everyone", ([, head]) =>
    Effect.gen(function* () {
      const asked: Array<Socket> = []
      const server = yield* Server.raw((socket) => {
        asked.push(socket)
        if (head !== "") socket.write(head)
      })
      const api = yield* RestSource.make({ baseUrl: server.url })
      const { close, operation } = yield* opened
      const context = Context.make(Operation.Operation, operation)
      const calls = [Get({ id: "1" }), Get({ id: "1" }), Kept({ id: "2" }), Alone({ id: "1" }), Post()]
      const told: Array<Exited> = []
      const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
      for (const call of calls) {
        // As an adapter would make them: nothing is there that could be interrupted.
        Fiberless.start(api.call(call), context, (exit) => told.push(exit))
        fibers.push(yield* Effect.forkDaemon(Effect.provide(api.call(call), context)))
      }
      // Shared: two of the three GETs. Alone: two of each other call.
      yield* Server.eventually(() => asked.length === 6)
      yield* close
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      assert.strictEqual(told.length, calls.length)
      assert.isTrue([...told, ...exits].every(isInterrupted))
      // Of those that carried a call: `fetch` opens idle ones in their place.
      const open = () => asked.filter(({ closed }) => !closed).length
      yield* Server.eventually(() => open() === 0)
      assert.strictEqual(open(), 0)
      assert.strictEqual(asked.length, 6)
    }).pipe(Effect.provide(client))
  )
})

describe("the end of an Operation", () => {
  it.scopedLive("stops a call that waits for its next attempt, or for its credentials, and sends nothing more", () => {
    const { calls, layer } = stub(() => soon(json({}, { status: 503 })))
    return Effect.gen(function* () {
      let isAsked = false
      const retrying = yield* RestSource.make({ baseUrl: "https://api.test/", retry: { backoff: "1 minutes" } })
      const waiting = yield* RestSource.make({
        baseUrl: "https://api.test/",
        prepare: () => {
          isAsked = true
          return Effect.never
        }
      })
      const { close, operation } = yield* opened
      const inside = Effect.provideService(Operation.Operation, operation)
      const fibers = [
        yield* Effect.forkDaemon(inside(retrying.call(Get({ id: "1" })))),
        yield* Effect.forkDaemon(inside(waiting.call(Get({ id: "1" }))))
      ]
      yield* Server.eventually(() => calls.length === 1 && isAsked)
      yield* close
      assert.isTrue((yield* Effect.forEach(fibers, Fiber.await)).every(isInterrupted))
      assert.strictEqual(calls.length, 1)
    }).pipe(Effect.provide(layer))
  })

  it.scopedLive("does not touch calls of another Operation, or of none", () => {
    const { interrupted, layer } = stub(() => Effect.delay(soon(json("ok")), 20))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const { close, operation } = yield* opened
      const mine = yield* Effect.forkDaemon(
        Effect.provideService(api.call(Get({ id: "1" })), Operation.Operation, operation)
      )
      const others = [
        yield* Effect.forkDaemon(Operation.scoped(api.call(Get({ id: "1" })))),
        yield* Effect.forkDaemon(api.call(Get({ id: "1" })))
      ]
      yield* Effect.sleep(5)
      yield* close
      assert.isTrue(isInterrupted(yield* Fiber.await(mine)))
      assert.deepStrictEqual(yield* Effect.forEach(others, Fiber.join), ["ok", "ok"])
      assert.strictEqual(interrupted(), 1)
    }).pipe(Effect.provide(layer))
  })

  it.scopedLive("leaves nothing behind of calls that were answered, left, or stopped", () => {
    const { layer } = stub((request) => (request.url.endsWith("/hang") ? Effect.never : soon(json("ok"))))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const { close, operation } = yield* opened
      const { guests } = operation[Operation.TypeId]
      const inside = Effect.provideService(Operation.Operation, operation)
      const hanging = inside(api.call(Get({ id: "hang" })))
      yield* inside(Effect.all([api.call(Get({ id: "1" })), api.call(Kept({ id: "1" }))], { concurrency: 2 }))
      assert.strictEqual(guests.size, 0)
      const fibers = [yield* Effect.forkDaemon(hanging), yield* Effect.forkDaemon(hanging)] as const
      yield* Effect.sleep(1)
      // Both wait for one call.
      assert.strictEqual(guests.size, 1)
      yield* Fiber.interrupt(fibers[0])
      assert.strictEqual(guests.size, 1)
      yield* Fiber.interrupt(fibers[1])
      assert.strictEqual(guests.size, 0)
      yield* Effect.forkDaemon(hanging)
      yield* Effect.sleep(1)
      assert.strictEqual(guests.size, 1)
      yield* close
      assert.strictEqual(guests.size, 0)
    }).pipe(Effect.provide(layer))
  })

  it.scopedLive("is told to calls that come after it, with the name of their endpoint, and nothing is sent", () => {
    const { calls, layer } = stub(() => json("ok"))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const { close, operation } = yield* opened
      yield* close
      const exit = yield* Effect.exit(Effect.provideService(api.call(Get({ id: "1" })), Operation.Operation, operation))
      assert.deepStrictEqual(exit, Exit.die(new SourceError.OperationClosed({ source: "Get", key: "GET x/:id" })))
      assert.deepStrictEqual(calls, [])
    }).pipe(Effect.provide(layer))
  })

  it.scopedLive("is told to later calls before their credentials are waited for, which nothing would stop", () => {
    const { layer } = stub(() => json("ok"))
    return Effect.gen(function* () {
      let asked = 0
      const api = yield* RestSource.make({
        baseUrl: "https://api.test/",
        prepare: () =>
          Effect.zipRight(
            Effect.sync(() => asked++),
            Effect.never
          )
      })
      const { close, operation } = yield* opened
      yield* close
      const started = Fiberless.start(
        api.call(Get({ id: "1" })),
        Context.make(Operation.Operation, operation),
        () => {}
      )
      assert.deepStrictEqual(started, Exit.die(new SourceError.OperationClosed({ source: "Get", key: "GET x/:id" })))
      assert.strictEqual(asked, 0)
    }).pipe(Effect.provide(layer))
  })
})
