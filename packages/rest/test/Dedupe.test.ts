import { HttpClientRequest } from "@effect/platform"
import { assert, describe, it, vi } from "@effect/vitest"
import { Endpoint, RestError, RestSource, UndiciClient } from "@wellspring/rest"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Operation from "@wellspring/source/Operation"
import { Context, Effect, Exit, Fiber, FastCheck as fc, Schema } from "effect"
import { heldAt } from "./support/held.ts"
import * as Server from "./support/server.ts"
import { json, soon, stub } from "./support/stub.ts"

const isFull = process.env["WELLSPRING_FULL"] !== undefined

const Value = Schema.Struct({ mark: Schema.String })
const Get = Endpoint.get("Get", { path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`, success: Value })
const Kept = Endpoint.get("Kept", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  success: Value,
  dedupe: "until-invalidated"
})
const Put = Endpoint.put("Put", { path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`, success: Schema.Void })
const Head = Endpoint.head("Head", { path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}` })
const Named = Endpoint.get("Named", {
  path: Endpoint.path`x/${Endpoint.param("id", Schema.String)}`,
  success: Value,
  key: () => "one for all"
})

const marked = (call: number) => soon(json({ mark: String(call) }))
const source = RestSource.make({ baseUrl: "https://api.test/", retry: { times: 0 } })
const together = { concurrency: "unbounded" } as const

describe("during-lifetime", () => {
  it.live("asks again once the call is over", () => {
    const { calls, layer } = stub((_, call) => marked(call))
    return Effect.gen(function* () {
      const api = yield* source
      const first = yield* Effect.all([api.call(Get({ id: "1" })), api.call(Get({ id: "1" }))], together)
      assert.strictEqual(first[0], first[1])
      yield* api.call(Get({ id: "1" }))
      assert.strictEqual(calls.length, 2)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("shares nothing between Operations, or without one", () => {
    const { calls, layer } = stub((_, call) => marked(call))
    return Effect.gen(function* () {
      const api = yield* source
      const one = Operation.scoped(api.call(Get({ id: "1" })))
      yield* Effect.all([one, one, api.call(Get({ id: "1" })), api.call(Get({ id: "1" }))], together)
      assert.strictEqual(calls.length, 4)
    }).pipe(Effect.provide(layer))
  })

  it.live("keeps HEAD from GET, and endpoints from one another, whatever their keys", () => {
    const { calls, layer } = stub((request, call) =>
      request.method === "HEAD" ? soon(new Response(null)) : marked(call)
    )
    return Effect.gen(function* () {
      const api = yield* source
      yield* Effect.all(
        [api.call(Get({ id: "1" })), api.call(Head({ id: "1" })), api.call(Named({ id: "1" }))],
        together
      )
      assert.strictEqual(calls.length, 3)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("is for other methods where their endpoint asks for it, told apart by their bodies", () => {
    const { calls, layer } = stub((_, call) => marked(call))
    const Search = Endpoint.post("Search", {
      path: "search",
      body: Schema.String,
      success: Value,
      dedupe: "during-lifetime"
    })
    const Plain = Endpoint.post("Plain", { path: "search", body: Schema.String, success: Value })
    return Effect.gen(function* () {
      const api = yield* source
      yield* Effect.all([api.call(Search({ body: "a" })), api.call(Search({ body: "a" }))], together)
      assert.strictEqual(calls.length, 1)
      yield* Effect.all([api.call(Search({ body: "a" })), api.call(Search({ body: "b" }))], together)
      assert.strictEqual(calls.length, 3)
      yield* Effect.all([api.call(Plain({ body: "a" })), api.call(Plain({ body: "a" }))], together)
      assert.strictEqual(calls.length, 5)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("goes by the name an endpoint gives its calls", () => {
    const { calls, layer } = stub((_, call) => marked(call))
    return Effect.gen(function* () {
      const api = yield* source
      yield* Effect.all([api.call(Named({ id: "1" })), api.call(Named({ id: "2" }))], together)
      assert.strictEqual(calls.length, 1)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("shares a failure with those who wait, and keeps it for nobody", () => {
    const { calls, layer } = stub(() => soon(json({}, { status: 500 })))
    return Effect.gen(function* () {
      const api = yield* source
      const call = Effect.flip(api.call(Kept({ id: "1" })))
      const [a, b] = yield* Effect.all([call, call], together)
      assert.instanceOf(a, RestError.RestStatusError)
      assert.strictEqual(a, b)
      yield* call
      assert.strictEqual(calls.length, 2)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })
})

describe("until-invalidated", () => {
  it.live("answers from the Operation until an unsafe call to the URL", () => {
    const { calls, layer } = stub((request, call) =>
      request.method === "PUT" ? soon(new Response(null, { status: 204 })) : marked(call)
    )
    return Effect.gen(function* () {
      const api = yield* source
      yield* api.call(Kept({ id: "1" }))
      const again = yield* api.callFull(Kept({ id: "1" }))
      assert.strictEqual(again.outcome, "memo")
      assert.strictEqual(calls.length, 1)
      yield* api.call(Put({ id: "2" }))
      yield* api.call(Kept({ id: "1" }))
      assert.strictEqual(calls.length, 2)
      yield* api.call(Put({ id: "1" }))
      yield* api.call(Kept({ id: "1" }))
      assert.strictEqual(calls.length, 4)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("keeps what HEAD does not change", () => {
    const { calls, layer } = stub((request, call) =>
      request.method === "HEAD" ? soon(new Response(null)) : marked(call)
    )
    return Effect.gen(function* () {
      const api = yield* source
      yield* api.call(Kept({ id: "1" }))
      yield* api.call(Head({ id: "1" }))
      yield* api.call(Kept({ id: "1" }))
      assert.deepStrictEqual(calls, ["GET https://api.test/x/1", "HEAD https://api.test/x/1"])
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("never keeps what was read before a write that has ended since", () => {
    const { calls, layer } = stub((request, call) =>
      request.method === "PUT" ? soon(new Response(null, { status: 204 })) : Effect.delay(marked(call), 20)
    )
    return Effect.gen(function* () {
      const api = yield* source
      const slow = yield* Effect.fork(api.call(Kept({ id: "1" })))
      yield* Effect.yieldNow()
      yield* api.call(Put({ id: "1" }))
      const { mark } = yield* api.call(Kept({ id: "1" }))
      const old = yield* Fiber.join(slow)
      assert.notStrictEqual(mark, old.mark)
      assert.strictEqual((yield* api.call(Kept({ id: "1" }))).mark, mark)
      assert.strictEqual(calls.length, 3)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("forgets at a new epoch, and joins nothing across it", () => {
    const { calls, layer } = stub((_, call) => marked(call))
    return Effect.gen(function* () {
      const api = yield* source
      yield* api.call(Kept({ id: "1" }))
      const fiber = yield* Effect.fork(api.call(Get({ id: "1" })))
      yield* Effect.yieldNow()
      yield* Operation.newEpoch
      yield* Effect.all([api.call(Kept({ id: "1" })), api.call(Get({ id: "1" }))], together)
      yield* Fiber.join(fiber)
      assert.strictEqual(calls.length, 4)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })
})

describe("interruption", () => {
  it.live("of one caller leaves the others, of the last one stops the call", () => {
    const { calls, interrupted, layer } = stub((_, call) => Effect.delay(marked(call), 30))
    return Effect.gen(function* () {
      const api = yield* source
      const fibers = yield* Effect.replicateEffect(Effect.fork(api.call(Get({ id: "1" }))), 20)
      yield* Effect.delay(Effect.void, 5)
      yield* Fiber.interruptAll(fibers.slice(0, 10))
      assert.strictEqual(interrupted(), 0)
      const answers = yield* Effect.forEach(fibers.slice(10), Fiber.join)
      assert.strictEqual(new Set(answers).size, 1)
      const others = yield* Effect.replicateEffect(Effect.fork(api.call(Get({ id: "2" }))), 5)
      yield* Effect.delay(Effect.void, 5)
      yield* Fiber.interruptAll(others)
      yield* Effect.delay(Effect.void, 1)
      assert.strictEqual(interrupted(), 1)
      // Nothing of the stopped call is left to be joined.
      yield* api.call(Get({ id: "2" }))
      assert.strictEqual(calls.length, 3)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("of the last caller but one who has not come to wait yet has that one make the call itself", () => {
    const { layer } = stub((_, call) => Effect.delay(marked(call), 30))
    return Effect.gen(function* () {
      const api = yield* source
      // Whichever step the fiber is held at, one of them is that between finding the call and waiting for it.
      yield* Effect.forEach(
        Array.from({ length: 30 }, (_, step) => step),
        (step) =>
          Effect.gen(function* () {
            const call = api.call(Get({ id: String(step) }))
            const first = yield* Effect.fork(call)
            yield* Effect.sleep(1)
            const holding = heldAt(step)
            const second = yield* Effect.fork(Effect.withScheduler(call, holding.scheduler))
            yield* Effect.sleep(5)
            yield* Fiber.interrupt(first)
            holding.release()
            yield* Fiber.join(second)
          }),
        together
      )
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  const when = fc.constantFrom("at once", "sent", "body begun" as const)

  it.live(
    "by any of a hundred callers, at any time, leaves the others one answer; by all of them, nothing",
    () =>
      Effect.gen(function* () {
        let end = (): void => {}
        let isBegun = false
        let serving = 0
        const server = yield* Server.http((_, response) => {
          serving++
          response.on("close", () => serving--)
          response.writeHead(200, { "content-type": "application/json" })
          response.write('{"mark":')
          isBegun = true
          end = () => response.end('"a"}')
        })
        const api = yield* RestSource.make({ baseUrl: server.url, retry: { times: 0 } })
        const seed = Math.trunc(Math.random() * 2 ** 31)
        const leavers = fc.subarray(Array.from({ length: 100 }, (_, index) => index))
        const given = fc.sample(fc.tuple(leavers, when), { numRuns: isFull ? 1000 : 30, seed })
        const everybody = Array.from({ length: 100 }, (_, index) => index)
        for (const [leaving, at] of [...given, [everybody, "sent"], [everybody, "body begun"]] as const) {
          const before = server.calls.length
          yield* Effect.gen(function* () {
            const operation = yield* Operation.Operation
            const fibers = yield* Effect.replicateEffect(Effect.fork(api.call(Get({ id: "1" }))), 100)
            yield* Effect.yieldNow()
            if (at !== "at once") yield* Server.eventually(() => server.calls.length > before)
            if (at === "body begun") yield* Server.eventually(() => isBegun)
            yield* Fiber.interruptAll(leaving.flatMap((index) => fibers[index] ?? []))
            if (leaving.length < 100) {
              yield* Server.eventually(() => server.calls.length > before && isBegun)
              end()
            }
            const exits = yield* Effect.forEach(fibers, Fiber.await)
            const answers = exits.flatMap((exit) => (Exit.isSuccess(exit) ? [exit.value] : []))
            assert.strictEqual(answers.length, 100 - leaving.length, `seed ${seed}`)
            assert.isAtMost(new Set(answers).size, 1)
            assert.isAtMost(server.calls.length, before + 1)
            assert.strictEqual(operation[Operation.TypeId].guests.size, 0)
            // Its connection is closed, or free for the next call.
            yield* Server.eventually(() => serving === 0)
            assert.strictEqual(serving, 0)
          }).pipe(Operation.scoped)
          isBegun = false
        }
      }).pipe(Effect.scoped, Effect.provide(UndiciClient.layer())),
    { timeout: 120_000 }
  )

  it.live("by an AbortSignal stops the call and rejects with its reason", () => {
    const { interrupted, layer } = stub(() => Effect.never)
    return Effect.gen(function* () {
      const promises = RestSource.toPromises(yield* source, Context.empty())
      const controller = new AbortController()
      const call = promises.call(Get({ id: "1" }), { signal: controller.signal })
      const outcome = yield* Effect.fork(Effect.promise(() => call.then(String, String)))
      yield* Effect.delay(Effect.void, 5)
      controller.abort("enough")
      assert.strictEqual(yield* Fiber.join(outcome), "enough")
      yield* Effect.delay(Effect.void, 1)
      assert.strictEqual(interrupted(), 1)
    }).pipe(Effect.provide(layer))
  })
})

describe("callers by callback", () => {
  const begun = (api: RestSource.Service, context: Context.Context<Operation.Operation>, told: () => void) => {
    const started = Fiberless.start(api.call(Get({ id: "1" })), context, told)
    return typeof started === "function" ? started : assert.fail("answered at once")
  }

  it.live("are not told once they have been taken out by another who was", () => {
    const { layer } = stub((_, call) => marked(call))
    return Effect.gen(function* () {
      const api = yield* source
      const context = yield* Effect.context<Operation.Operation>()
      const told: Array<number> = []
      begun(api, context, () => {
        told.push(1)
        leave()
      })
      begun(api, context, () => told.push(2))
      const leave = begun(api, context, () => told.push(3))
      yield* Effect.sleep(10)
      assert.deepStrictEqual(told, [1, 2])
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("are told though one before them throws, which is uncaught", () => {
    const { layer } = stub((_, call) => marked(call))
    return Effect.gen(function* () {
      const api = yield* source
      const context = yield* Effect.context<Operation.Operation>()
      const uncaught = vi.spyOn(globalThis, "queueMicrotask")
      yield* Effect.addFinalizer(() => Effect.sync(() => uncaught.mockRestore()))
      let told = 0
      begun(api, context, () => {
        uncaught.mockImplementationOnce((task) => assert.throws(task, "thrown by a caller"))
        throw new Error("thrown by a caller")
      })
      begun(api, context, () => {
        told++
      })
      yield* Effect.sleep(10)
      assert.strictEqual(told, 1)
    }).pipe(Effect.scoped, Operation.scoped, Effect.provide(layer))
  })
})

describe("isolation", () => {
  class Viewer extends Context.Tag("Viewer")<Viewer, { readonly name: string }>() {}

  const carriers = {
    header: (request: HttpClientRequest.HttpClientRequest, name: string) =>
      HttpClientRequest.setHeader(request, "X-Tenant", name),
    authorization: HttpClientRequest.bearerToken,
    cookie: (request: HttpClientRequest.HttpClientRequest, name: string) =>
      HttpClientRequest.setHeader(request, "Cookie", `s=${name}`),
    query: (request: HttpClientRequest.HttpClientRequest, name: string) =>
      HttpClientRequest.setUrlParam(request, "token", name),
    base: (request: HttpClientRequest.HttpClientRequest, name: string) =>
      HttpClientRequest.setUrl(request, request.url.replace("https://api.test/", `https://api.test/${name}/`))
  }

  /** Whom the upstream takes a request to be from. */
  const principal = (request: HttpClientRequest.HttpClientRequest): string => {
    const url = new URL(request.url)
    return (
      request.headers["x-tenant"] ??
      request.headers["authorization"]?.slice("Bearer ".length) ??
      request.headers["cookie"]?.slice(2) ??
      url.searchParams.get("token") ??
      url.pathname.split("/")[1] ??
      ""
    )
  }

  interface Program {
    readonly carrier: keyof typeof carriers
    readonly steps: ReadonlyArray<{
      readonly viewer: string
      readonly id: string
      readonly endpoint: "Get" | "Kept" | "Named" | "Put"
      readonly wait: boolean
    }>
  }

  const program: fc.Arbitrary<Program> = fc.record({
    carrier: fc.constantFrom(...(Object.keys(carriers) as Array<keyof typeof carriers>)),
    steps: fc.array(
      fc.record({
        viewer: fc.constantFrom("alice", "bob", "carol"),
        id: fc.constantFrom("1", "2"),
        endpoint: fc.constantFrom("Get" as const, "Kept" as const, "Named" as const, "Put" as const),
        wait: fc.boolean()
      }),
      { minLength: 2, maxLength: 12 }
    )
  })

  const run = (
    { carrier, steps }: Program,
    neutral: boolean
  ): Effect.Effect<ReadonlyArray<readonly [viewer: string, mark: string]>> => {
    const { layer } = stub((request) =>
      request.method === "PUT" ? soon(new Response(null, { status: 204 })) : soon(json({ mark: principal(request) }))
    )
    return Effect.gen(function* () {
      const api = yield* RestSource.make({
        baseUrl: "https://api.test/",
        prepare: (request) => Effect.map(Viewer, ({ name }) => carriers[carrier](request, name)),
        ...(neutral ? { neutral: { headers: ["x-tenant", "authorization", "cookie"], query: ["token"] } } : undefined)
      })
      const seen: Array<readonly [string, string]> = []
      const fibers: Array<Fiber.Fiber<void, unknown>> = []
      for (const { endpoint, id, viewer, wait } of steps) {
        const call =
          endpoint === "Put"
            ? Effect.asVoid(api.call(Put({ id })))
            : Effect.map(api.call({ Get, Kept, Named }[endpoint]({ id })), ({ mark }) => void seen.push([viewer, mark]))
        const step = call.pipe(Effect.provideService(Viewer, { name: viewer }))
        if (wait) yield* step
        else fibers.push(yield* Effect.fork(step))
      }
      yield* Fiber.joinAll(fibers)
      return seen
    }).pipe(Effect.orDie, Operation.scoped, Effect.provide(layer))
  }

  const runs = isFull ? 10_000 : 40

  it.effect.prop(
    "never hands one caller another's answer, however their identity is carried",
    [program],
    ([given]) =>
      Effect.map(run(given, false), (seen) => {
        for (const [viewer, mark] of seen) assert.strictEqual(mark, viewer)
      }),
    { fastCheck: { numRuns: runs } }
  )

  it.live("would be seen to fail: with identity declared neutral, callers do share", () =>
    Effect.gen(function* () {
      const step = { id: "1", endpoint: "Get", wait: false } as const
      const seen = yield* run(
        {
          carrier: "header",
          steps: [
            { ...step, viewer: "alice" },
            { ...step, viewer: "bob" }
          ]
        },
        true
      )
      assert.isTrue(seen.some(([viewer, mark]) => viewer !== mark))
    })
  )
})

describe("shared answers", () => {
  it.live("are frozen, all the way down", () => {
    const Nested = Endpoint.get("Nested", { path: "n", success: Schema.Struct({ list: Schema.Array(Value) }) })
    const { layer } = stub(() => json({ list: [{ mark: "a" }] }))
    return Effect.gen(function* () {
      const api = yield* source
      const nested = yield* api.call(Nested())
      assert.isTrue(Object.isFrozen(nested) && Object.isFrozen(nested.list) && Object.isFrozen(nested.list[0]))
    }).pipe(Effect.provide(layer))
  })

  it.live("of a Schema class still compare and hash once frozen", () => {
    class Movie extends Schema.Class<Movie>("Movie")({ mark: Schema.String }) {}
    const GetMovie = Endpoint.get("GetMovie", { path: "m", success: Movie })
    const { layer } = stub(() => json({ mark: "a" }))
    return Effect.gen(function* () {
      const api = yield* source
      const exit = yield* Effect.exit(Effect.map(api.call(GetMovie()), (movie) => new Set([movie]).size))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(yield* api.call(GetMovie()), new Movie({ mark: "a" }))
    }).pipe(Effect.provide(layer))
  })
})
