/** Whatever an upstream answers comes to a value or a typed error, and changes nothing else. */
import { Socket } from "node:net"
import type { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import { Endpoint, RestError, RestSource, UndiciClient } from "@wellspring/rest"
import { Cause, Chunk, Effect, Exit, Fiber, FastCheck as fc, Layer, Option, Schema, Stream } from "effect"
import { vi } from "vitest"
import * as Fuzz from "./support/fuzz.ts"
import * as Server from "./support/server.ts"

const isFull = process.env["WELLSPRING_FULL"] !== undefined
/** For each client, and each is read twice. */
const count = isFull ? 10_000 : 500

const path = Endpoint.path`f/${Endpoint.param("id", Schema.Number)}`
const Any = Endpoint.get("Any", { path, success: Schema.Unknown })
const Shaped = Endpoint.get("Shaped", { path, success: Schema.Struct({ value: Schema.Number }) })
const Failing = Endpoint.get("Failing", {
  path,
  success: Schema.Unknown,
  errors: { 404: Schema.Struct({ a: Schema.Number }), 401: Schema.Unknown },
  failure: { when: (answer) => Array.isArray(answer), error: Schema.Unknown }
})
const Head = Endpoint.head("Head", { path })
const Put = Endpoint.put("Put", { path, body: Schema.Unknown, success: Schema.Unknown })

/** Every way to call, in turn. */
const calls: ReadonlyArray<(api: RestSource.Service, id: number) => Effect.Effect<unknown, unknown>> = [
  (api, id) => api.call(Any({ id })),
  (api, id) => Effect.map(api.callFull(Any({ id })), ({ value }) => value),
  (api, id) => api.call(Shaped({ id })),
  (api, id) => api.call(Failing({ id })),
  (api, id) => api.call(Any({ id }), { as: "json" }),
  (api, id) => api.call(Any({ id }), { as: "bytes" }),
  (api, id) => api.call(Shaped({ id }), { decode: "lenient" }),
  (api, id) => api.callOption(Any({ id })),
  (api, id) => api.call(Head({ id })),
  (api, id) => api.call(Put({ id, body: id })),
  (api, id) => Stream.runCount(api.callStream(Any({ id }))),
  (api, id) => Effect.map(Stream.runCollect(api.callNdjson(Any({ id }))), Chunk.toReadonlyArray),
  (api, id) => Effect.map(Stream.runCollect(api.callEvents(Any({ id }))), Chunk.toReadonlyArray),
  (api, id) => Effect.scoped(Effect.map(api.callRaw(Any({ id })), ({ status }) => status))
]

/** The server answers a request for `/f/<n>` with the n-th script. */
const play = (scripts: ReadonlyArray<Fuzz.Script>) => (socket: Socket, request: string) => {
  const id = Number(/ \/f\/(\d+)/.exec(request)?.[1] ?? 0)
  const { end, pieces, times } = scripts[id % scripts.length] ?? assert.fail()
  const left = [...pieces, ...Array.from({ length: times - 1 }, () => pieces[pieces.length - 1] ?? Buffer.alloc(0))]
  const next = () => {
    if (socket.destroyed) return
    const piece = left.shift()
    if (piece !== undefined) {
      socket.write(piece)
      setImmediate(next)
    } else if (end === "fin") socket.end()
    else if (end === "reset") socket.resetAndDestroy()
  }
  next()
}

/** What the data of an upstream must not have brought about. */
const foreign = (value: unknown): string | undefined => {
  const pending = [value]
  while (pending.length > 0) {
    const next = pending.pop()
    if (typeof next !== "object" || next === null || next instanceof Uint8Array) continue
    const prototype: unknown = Object.getPrototypeOf(next)
    const isPlain = prototype === null || prototype === Object.prototype || Array.isArray(next)
    if (Array.isArray(next) && prototype !== Array.prototype) return "an array with another prototype"
    if (Object.hasOwn(next, "__proto__")) return "a key __proto__"
    const { constructor } = next
    if (typeof constructor === "object" && Object.hasOwn(constructor, "prototype")) return "a key constructor.prototype"
    if (Object.hasOwn(next, "polluted")) continue
    if (isPlain && !Array.isArray(next) && "polluted" in next) return "an object that inherits"
    pending.push(...Object.values(next))
  }
  return undefined
}

const prototypes = [Object.prototype, Array.prototype, Function.prototype]
const keys = () => prototypes.map((prototype) => Reflect.ownKeys(prototype).map(String).join())

const errors = [
  RestError.RestStatusError,
  RestError.RestDecodeError,
  RestError.RestTransportError,
  RestError.RestTimeout,
  RestError.RestTooLarge,
  RestError.RestRedirectError
]

const nameOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "value"
  if (exit.cause._tag !== "Fail") return `untyped: ${Cause.pretty(exit.cause)}`
  const { error } = exit.cause
  if (errors.some((known) => error instanceof known)) return (error as RestError.RestError)._tag
  // What an endpoint declares is data that fits the error's schema.
  return error instanceof Error ? `unknown: ${error}` : "declared"
}

const client = UndiciClient.layer({ connectTimeout: "1 seconds" })
const layers: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["UndiciClient", client],
  [
    "HttpCache over UndiciClient",
    HttpCache.layer().pipe(
      Layer.provide([client, CacheStore.layerMemory({ maxBytes: 20_000_000, maxEntries: 10_000 })])
    )
  ]
]

describe.each(layers)("%s", (name, layer) => {
  it.scopedLive(
    `comes to a value or a typed error for each of ${count} responses`,
    () =>
      Effect.gen(function* () {
        const seed = Math.trunc(Math.random() * 2 ** 31)
        const dialled = vi.spyOn(Socket.prototype, "connect")
        const broken: Array<unknown> = []
        const onBroken = (reason: unknown) => broken.push(reason)
        yield* Effect.acquireRelease(
          Effect.sync(() => process.on("unhandledRejection", onBroken).on("uncaughtException", onBroken)),
          () =>
            Effect.sync(() => {
              process.off("unhandledRejection", onBroken).off("uncaughtException", onBroken)
              dialled.mockRestore()
            })
        )
        const before = keys()

        const other = yield* Server.http((_, response) => {
          response.setHeader("content-type", "application/json").end('{"value":1}')
        })
        const scripts: Array<Fuzz.Script> = []
        const server = yield* Server.conversing((socket, request) => play(scripts)(socket, request))
        const locations = [
          "1",
          "/f/2",
          "../../f/3?x=%00",
          `${server.url}f/4`,
          `${other.url}x`,
          `${other.origin.replace("http", "https")}/x`,
          `//127.0.0.1:1/x`,
          "http://127.0.0.1:0/",
          "http://user:password@127.0.0.1/",
          "http://[::1",
          "javascript:alert(1)",
          "file:///etc/passwd",
          "",
          "\\\\127.0.0.1\\x",
          "x".repeat(9000)
        ]
        scripts.push(...fc.sample(Fuzz.script(locations), { numRuns: count, seed }))

        const api = yield* RestSource.make({
          baseUrl: server.url,
          allowedOrigins: [other.origin],
          onReport: () => {},
          maxBodyBytes: 200_000,
          retry: { times: 1, backoff: 1, maxBackoff: 5 },
          timeouts: { headers: "300 millis", bodyIdle: "300 millis", attempt: "1 seconds", total: "2 seconds" }
        })
        const told = new Map<string, number>()
        const faults: Array<string> = []
        const valid = { calls: 0, values: 0 }
        const one = (id: number) =>
          Effect.gen(function* () {
            // A response is read in two ways, so that what a cache has stored of it is too.
            for (const which of [id, id * 5 + 3]) {
              const call = calls[which % calls.length] ?? assert.fail()
              const fiber = yield* Effect.forkDaemon(call(api, id))
              const settled = yield* Effect.timeoutOption(Fiber.await(fiber), "10 seconds")
              const exit = Option.getOrElse(settled, () => Exit.die("unsettled"))
              const tag = nameOf(exit)
              told.set(tag, (told.get(tag) ?? 0) + 1)
              const wrong = tag.includes(":") ? tag : foreign(Exit.isSuccess(exit) ? exit.value : undefined)
              if (wrong !== undefined) faults.push(`response ${id}, call ${which % calls.length}: ${wrong}`)
              if (scripts[id]?.kind === "valid") {
                valid.calls++
                if (Exit.isSuccess(exit)) valid.values++
              }
            }
          })
        yield* Effect.forEach(Array.from({ length: count }), (_, id) => one(id), { concurrency: 16, discard: true })

        const figures = `seed ${seed}, over ${name}: ${JSON.stringify(Object.fromEntries(told))}`
        if (isFull) yield* Effect.sync(() => process.stdout.write(`${figures}\n`))
        assert.deepStrictEqual(faults, [], figures)
        assert.deepStrictEqual(broken, [], figures)
        assert.deepStrictEqual(keys(), before, figures)
        assert.notProperty({}, "polluted")
        // The test itself is alive: much comes through, and most kinds of error are seen.
        assert.isAbove(valid.values, valid.calls / 4, figures)
        for (const { name } of errors) assert.isAbove(told.get(name) ?? 0, 0, `${name}: ${figures}`)
        // Nobody else was asked, and nothing looked up.
        const hosts = new Set(dialled.mock.calls.map((args) => hostOf(args)))
        assert.deepStrictEqual([...hosts], ["127.0.0.1"], figures)
      }).pipe(Effect.provide(layer)),
    { timeout: isFull ? 590_000 : 60_000 }
  )
})

/** Whom `connect` was asked for, in whichever of its forms. */
const hostOf = (args: ReadonlyArray<unknown>): unknown => {
  const options: unknown = args.flat()[0]
  return typeof options === "object" && options !== null && "host" in options ? options.host : options
}
