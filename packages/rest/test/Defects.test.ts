/** Functions that users give, and that throw, cost the call and nothing else: nobody waits for ever. */
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, RestError, RestSource } from "@wellspring/rest"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Operation from "@wellspring/source/Operation"
import { Context, Effect, Exit, Schema, Stream } from "effect"
import { json, soon, stub } from "./support/stub.ts"

const oops = new Error("oops")
const thrower = () => {
  throw oops
}

describe("a function that throws", () => {
  const { layer } = stub(() => soon(json({ ok: true })))
  const source = { baseUrl: "https://api.test/" }

  const plain = { path: "x", success: Schema.Unknown } as const
  const Plain = Endpoint.get("Plain", plain)

  it.live.each([
    ["prepare", { ...source, prepare: thrower }, Plain],
    // Asked for only where there is an Operation to share calls in.
    ["key", source, Endpoint.get("Keyed", { ...plain, key: thrower })],
    ["tags", source, Endpoint.get("Tagged", { ...plain, tags: thrower, cache: {} })],
    ["failure.when", source, Endpoint.get("Failing", { ...plain, failure: { when: thrower, error: Schema.Unknown } })],
    [
      "onReport",
      { ...source, onReport: thrower, decode: "lenient" as const },
      Endpoint.get("Reporting", { path: "x", success: Schema.Number })
    ]
  ] as const)("is a defect of every call that meets it: %s", ([name, options, Get]) =>
    Effect.gen(function* () {
      const api = yield* RestSource.make(options)
      const operation = yield* Operation.Operation
      const inside = Context.make(Operation.Operation, operation)
      const contexts = name === "key" ? [inside] : [inside, Context.empty()]
      for (const context of contexts) {
        // Two that would share one call, and one of each without a fiber.
        const exits = yield* Effect.all([Effect.exit(api.call(Get())), Effect.exit(api.call(Get()))], {
          concurrency: 2
        }).pipe(Effect.provide(context))
        const told = yield* Effect.async<Exit.Exit<unknown, unknown>>((resume) => {
          const started = Fiberless.start(api.call(Get()), context, (exit) => resume(Effect.succeed(exit)))
          if (Exit.isExit(started)) resume(Effect.succeed(started))
        })
        assert.deepStrictEqual([...exits, told], [Exit.die(oops), Exit.die(oops), Exit.die(oops)])
      }
    }).pipe(Operation.scoped, Effect.provide(layer))
  )
})

describe("a function that only looks on", () => {
  it.live.each([
    ["throws", thrower],
    ["dies", () => Effect.die(oops)]
  ] as const)("changes nothing of the call when it %s", ([, onResponse]) =>
    Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/", onResponse })
      const Get = Endpoint.get("Get", { path: "x", success: Schema.Unknown })
      assert.deepStrictEqual(yield* api.call(Get()), { ok: true })
    }).pipe(Effect.provide(stub(() => soon(json({ ok: true }))).layer))
  )
})

describe("a body nested beyond the stack", () => {
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`

  it.live("comes to an end as a line or an event, too", () => {
    const body = deep(100_000)
    const { layer } = stub((request) => soon(new Response(request.url.endsWith("n") ? body : `data: ${body}\n\n`)))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const Lines = Endpoint.get("Lines", { path: "n", success: Schema.Unknown })
      const Events = Endpoint.get("Events", { path: "e", success: Schema.Unknown })
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(api.callNdjson(Lines()))), RestError.RestDecodeError)
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(api.callEvents(Events()))), RestError.RestDecodeError)
    }).pipe(Effect.provide(layer))
  })

  it.live.each(["strict", "lenient", "report"] as const)("comes to an end however it is decoded: %s", (decode) => {
    const { layer } = stub(() => soon(new Response(deep(100_000), { headers: { "content-type": "application/json" } })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/", onReport: () => {} })
      for (const success of [Schema.Unknown, Schema.Struct({ a: Schema.Number }), Schema.Array(Schema.Unknown)]) {
        const Get = Endpoint.get("Get", { path: "x", success, decode })
        assert.instanceOf(yield* Effect.flip(api.call(Get())), RestError.RestDecodeError)
      }
    }).pipe(Effect.provide(layer))
  })
})
