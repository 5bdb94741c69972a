import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  Breaker,
  Endpoint,
  HedgeBudget,
  OriginGuard,
  RateLimit,
  RestError,
  RestSource,
  RetryAfter,
  RetryBudget
} from "@wellspring/rest"
import * as Operation from "@wellspring/source/Operation"
import {
  Context,
  DateTime,
  Duration,
  Effect,
  Exit,
  Fiber,
  FastCheck as fc,
  Layer,
  Option,
  Ref,
  Schema,
  Scope,
  TestClock
} from "effect"
import { json, stub } from "./support/stub.ts"

const Get = Endpoint.get("Get", { path: "x", success: Schema.Struct({ ok: Schema.Boolean }) })
const Post = Endpoint.post("Post", { path: "x", success: Schema.Void })
const source = RestSource.make({ baseUrl: "https://api.test/" })
const never = () => stub(() => Effect.never)

describe("timeouts", () => {
  it.effect.each([
    ["headers", {}, 10_000],
    ["attempt", { headers: Duration.infinity }, 20_000],
    ["total", { headers: Duration.infinity, attempt: Duration.infinity }, 30_000]
  ] as const)("end a call by default: %s", ([phase, timeouts, millis]) => {
    const { interrupted, layer } = never()
    return Effect.gen(function* () {
      const api = yield* source
      const fiber = yield* Effect.fork(Effect.flip(api.call(Get(), { timeouts, retry: { times: 0 } })))
      yield* TestClock.adjust(millis - 1)
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, RestError.RestTimeout)
      assert.deepInclude(error, { phase, millis })
      assert.strictEqual(interrupted(), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("count retries and their pauses into the total", () => {
    const { calls, layer } = never()
    return Effect.gen(function* () {
      const api = yield* source
      const fiber = yield* Effect.fork(Effect.flip(api.call(Get(), { timeouts: { total: "25 seconds" } })))
      yield* TestClock.adjust("25 seconds")
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, RestError.RestTimeout)
      assert.isAtMost(calls.length, 3)
    }).pipe(Effect.provide(layer))
  })
})

describe("retries", () => {
  const flaky = (failures: number, failure: () => Response) =>
    stub((_, call) => Effect.succeed(call <= failures ? failure() : json({ ok: true })))

  const settled = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.either(effect))
      yield* TestClock.adjust("30 seconds")
      return yield* Fiber.join(fiber)
    })

  it.effect("send an idempotent call again after a status that may pass", () => {
    const { calls, layer } = flaky(2, () => json({}, { status: 503 }))
    return Effect.gen(function* () {
      const api = yield* source
      const result = yield* settled(api.callFull(Get()))
      assert.isTrue(result._tag === "Right" && result.right.timings.attempts === 3)
      assert.strictEqual(calls.length, 3)
    }).pipe(Effect.provide(layer), Effect.provideService(RetryBudget.RetryBudget, RetryBudget.make()))
  })

  it.effect("never send a POST twice, unless its endpoint says that it may be", () => {
    const { calls, layer } = flaky(1, () => json({}, { status: 503 }))
    const Safe = Endpoint.post("Safe", { path: "x", idempotent: true })
    return Effect.gen(function* () {
      const api = yield* source
      yield* settled(api.call(Post()))
      assert.strictEqual(calls.length, 1)
      yield* settled(api.call(Safe()))
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(layer), Effect.provideService(RetryBudget.RetryBudget, RetryBudget.make()))
  })

  it.effect("wait for as long as Retry-After asks", () => {
    const { calls, layer } = flaky(1, () => json({}, { status: 429, headers: { "retry-after": "3" } }))
    return Effect.gen(function* () {
      const api = yield* source
      const fiber = yield* Effect.fork(api.call(Get(), { retry: { backoff: 0 } }))
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(layer), Effect.provideService(RetryBudget.RetryBudget, RetryBudget.make()))
  })

  it.effect.each(["3600", "Fri, 31 Dec 2199 23:59:59 GMT"])(
    "give up at once when asked for more patience than they have: %s",
    (value) => {
      const { calls, layer } = flaky(9, () => json({}, { status: 503, headers: { "retry-after": value } }))
      return Effect.gen(function* () {
        const api = yield* source
        const error = yield* Effect.flip(api.call(Get()))
        assert.instanceOf(error, RestError.RestStatusError)
        assert.isDefined(RestError.details(error).retryAfter)
        assert.strictEqual(calls.length, 1)
      }).pipe(Effect.provide(layer))
    }
  )

  const many = process.env["WELLSPRING_FULL"] === undefined ? 150 : 1000

  it.effect("of many calls to an origin that is down stay within its budget", () => {
    const { calls, layer } = flaky(Number.POSITIVE_INFINITY, () => json({}, { status: 503 }))
    return Effect.gen(function* () {
      const api = yield* source
      const all = Effect.forEach(Array.from({ length: many }), () => Effect.either(api.call(Get())), {
        concurrency: "unbounded"
      })
      yield* settled(all)
      // A fifth more, and ten a second for the second or two that it takes.
      assert.isAtMost(calls.length, many * 1.2 + 20)
      assert.isAtLeast(calls.length, many * 1.2)
    }).pipe(Effect.provide(layer), Effect.provideService(RetryBudget.RetryBudget, RetryBudget.make()))
  })
})

describe("retries of sources above one another", () => {
  const count = process.env["WELLSPRING_FULL"] === undefined ? 100 : 1000

  it.effect("draw from one budget: an origin that is down is sent little more than its calls", () => {
    const { calls, layer } = stub(() => Effect.succeed(json({}, { status: 503 })))
    return Effect.gen(function* () {
      const inner = yield* source
      // A service whose calls become calls of another, as behind a gateway in one process.
      const relay = HttpClient.make((request) =>
        Effect.map(Effect.either(inner.call(Get())), () =>
          HttpClientResponse.fromWeb(request, json({}, { status: 503 }))
        )
      )
      const outer = yield* Effect.provideService(source, HttpClient.HttpClient, relay)
      const all = Effect.forEach(Array.from({ length: count }), () => Effect.either(outer.call(Get())), {
        concurrency: "unbounded"
      })
      const fiber = yield* Effect.fork(all)
      yield* TestClock.adjust("60 seconds")
      yield* Fiber.join(fiber)
      // A fifth more, and ten a second for the second or two that it takes.
      assert.isAtMost(calls.length, count * 1.2 + 30)
    }).pipe(Effect.provide(layer), Effect.provideService(RetryBudget.RetryBudget, RetryBudget.make()))
  })
})

describe("RetryBudget", () => {
  it("allows a share of the calls of the last ten seconds, and some every second", () => {
    const budget = RetryBudget.make({ share: 0.2, perSecond: 1 })
    for (let call = 0; call < 10; call++) budget.deposit("o", 0)
    assert.deepStrictEqual(
      Array.from({ length: 4 }, () => budget.withdraw("o", 0)),
      [true, true, true, false]
    )
    for (let call = 0; call < 10; call++) budget.deposit("o", 0)
    assert.deepStrictEqual(
      Array.from({ length: 2 }, () => budget.withdraw("o", 10_000)),
      [true, false]
    )
    assert.isTrue(budget.withdraw("another", 10_000))
  })

  it("adds up shares of calls that came in different seconds", () => {
    const budget = RetryBudget.make({ share: 0.1, perSecond: 0 })
    const allowed = Array.from({ length: 40 }, (_, call) => {
      budget.deposit("o", call * 250)
      return budget.withdraw("o", call * 250)
    })
    assert.strictEqual(allowed.filter(Boolean).length, 4)
    assert.isTrue(allowed[9])
  })
})

describe("hedging", () => {
  const hedge = { hedge: { after: "200 millis" } } as const
  const slow = (response: Response) => Effect.delay(Effect.succeed(response), "50 millis")
  const budgets = (hedges: RetryBudget.Budget, retries = RetryBudget.make()) =>
    Layer.mergeAll(Layer.succeed(HedgeBudget.HedgeBudget, hedges), Layer.succeed(RetryBudget.RetryBudget, retries))

  it.effect("sends a second call when the first is slow, and stops the slower one", () => {
    const { calls, interrupted, layer } = stub((_, call) => (call === 1 ? Effect.never : slow(json({ ok: true }))))
    return Effect.gen(function* () {
      const api = yield* source
      const fiber = yield* Effect.fork(api.call(Get(), hedge))
      yield* TestClock.adjust("199 millis")
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("51 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual(calls.length, 2)
      assert.strictEqual(interrupted(), 1)
    }).pipe(Effect.provide(Layer.merge(layer, budgets(HedgeBudget.make()))))
  })

  it.effect("waits for the first when the second answers badly, whether or not retries are on", () => {
    const { calls, layer } = stub((_, call) =>
      call === 1 ? Effect.delay(Effect.succeed(json({ ok: true })), "1 seconds") : Effect.fail("broken")
    )
    return Effect.gen(function* () {
      const api = yield* source
      const fiber = yield* Effect.fork(api.call(Get(), { ...hedge, retry: { times: 0 } }))
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { ok: true })
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(Layer.merge(layer, budgets(HedgeBudget.make()))))
  })

  it.effect("leaves a first answer that is bad and quick to the retries", () => {
    const { calls, layer } = stub((_, call) =>
      Effect.succeed(call === 1 ? json({}, { status: 503 }) : json({ ok: true }))
    )
    return Effect.gen(function* () {
      const api = yield* source
      const fiber = yield* Effect.fork(api.callFull(Get(), { ...hedge, retry: { backoff: 0 } }))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(fiber)).timings.attempts, 2)
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(Layer.merge(layer, budgets(HedgeBudget.make({ share: 0, perSecond: 0 })))))
  })

  it.effect.each([
    [1, 100],
    [5, 40]
  ] as const)(
    "of calls that are all slow stays within a tenth of them and one a second: %d a second",
    ([rate, count]) => {
      const { calls, layer } = stub(() => Effect.delay(Effect.succeed(json({ ok: true })), "5 seconds"))
      return Effect.gen(function* () {
        const api = yield* source
        for (let call = 0; call < count; call++) {
          yield* Effect.fork(api.call(Get(), hedge))
          yield* TestClock.adjust(1000 / rate)
        }
        const hedges = calls.length - count
        assert.isAtMost(hedges, count * 0.1 + count / rate + 1)
        assert.isAtLeast(hedges, count * 0.1)
      }).pipe(Effect.provide(Layer.merge(layer, budgets(HedgeBudget.make()))))
    }
  )

  it.effect("and retrying leave each other their budgets", () => {
    const hedges = HedgeBudget.make({ share: 0, perSecond: 3 })
    const retries = RetryBudget.make({ share: 0, perSecond: 3 })
    const left = (budget: RetryBudget.Budget) =>
      Array.from({ length: 5 }, () => budget.withdraw("https://api.test", 300)).filter(Boolean).length
    const { layer } = stub((request) =>
      request.headers["slow"] === "1" ? Effect.never : Effect.succeed(json({}, { status: 503 }))
    )
    return Effect.gen(function* () {
      const slowly = yield* RestSource.make({
        baseUrl: "https://api.test/",
        prepare: HttpClientRequest.setHeader("slow", "1")
      })
      const badly = yield* source
      const fibers = yield* Effect.replicateEffect(Effect.fork(slowly.call(Get(), hedge)), 3)
      yield* TestClock.adjust("300 millis")
      assert.deepStrictEqual([left(hedges), left(retries)], [0, 3])
      yield* Fiber.interruptAll(fibers)
      // Used up by hand above; what fails now finds none, and takes none of the hedges that come with time.
      yield* Effect.flip(badly.call(Get(), { ...hedge, retry: { backoff: 0 } }))
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(
        Array.from({ length: 5 }, () => hedges.withdraw("https://api.test", 1300)).filter(Boolean).length,
        3
      )
    }).pipe(Effect.provide(Layer.merge(layer, budgets(hedges, retries))))
  })
})

describe("refresh", () => {
  class Tokens extends Context.Tag("Tokens")<Tokens, Ref.Ref<string>>() {}

  it.effect("renews credentials once for all callers that used them, and sends each once more", () => {
    const { calls, layer } = stub((request) =>
      Effect.delay(
        Effect.succeed(
          request.headers["authorization"] === "Bearer new" ? json({ ok: true }) : json({}, { status: 401 })
        ),
        "10 millis"
      )
    )
    return Effect.gen(function* () {
      const refreshed = yield* Ref.make(0)
      const api = yield* RestSource.make({
        baseUrl: "https://api.test/",
        prepare: (request) =>
          Effect.map(Effect.flatMap(Tokens, Ref.get), (token) => HttpClientRequest.bearerToken(request, token)),
        refresh: Effect.gen(function* () {
          yield* Effect.sleep("50 millis")
          yield* Ref.update(refreshed, (count) => count + 1)
          yield* Ref.set(yield* Tokens, "new")
        })
      })
      const all = Effect.forEach(Array.from({ length: 10 }), () => api.call(Get()), { concurrency: "unbounded" })
      const fiber = yield* Effect.fork(Effect.provideServiceEffect(all, Tokens, Ref.make("old")))
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).length, 10)
      assert.strictEqual(yield* Ref.get(refreshed), 1)
      assert.strictEqual(calls.length, 20)
    }).pipe(Effect.provide(layer))
  })

  it.effect("goes on for the others when the Operation of the caller who began it ends", () => {
    const { layer } = stub(({ headers, url }) =>
      url.endsWith("/login")
        ? Effect.delay(Effect.succeed(json(null)), "1 seconds")
        : Effect.succeed(headers["authorization"] === "Bearer new" ? json({ ok: true }) : json({}, { status: 401 }))
    )
    const Login = Endpoint.get("Login", { path: "login", success: Schema.Null })
    return Effect.gen(function* () {
      const token = yield* Ref.make("old")
      const login = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const api = yield* RestSource.make({
        baseUrl: "https://api.test/",
        prepare: (request) => Effect.map(token, (token) => HttpClientRequest.bearerToken(request, token)),
        refresh: Effect.zipRight(login.call(Login()), Ref.set(token, "new"))
      })
      const scope = yield* Scope.make()
      const operation = yield* Scope.extend(Operation.make(), scope)
      const first = yield* Effect.fork(Effect.provideService(api.call(Get()), Operation.Operation, operation))
      yield* TestClock.adjust("100 millis")
      const second = yield* Effect.fork(Operation.scoped(api.call(Get())))
      yield* TestClock.adjust("100 millis")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(first)))
      assert.deepStrictEqual(yield* Fiber.join(second), { ok: true })
    }).pipe(Effect.provide(layer))
  })

  it.effect("hands a 401 on that new credentials do not mend", () => {
    const { calls, layer } = stub(() => Effect.succeed(json({}, { status: 401 })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/", refresh: Effect.void })
      const error = yield* Effect.flip(api.call(Get()))
      assert.propertyVal(error, "status", 401)
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(layer))
  })
})

describe("Breaker", () => {
  const breaker = Breaker.make({ failureShare: 0.5, minCalls: 4, window: 1000, openFor: 500, probes: 2 })

  it("opens on a share of failures, tries a few, and closes", () => {
    let state = Breaker.initial(0)
    const call = (now: number, result: Breaker.Result): string => {
      const [next, admission] = Breaker.admit(breaker, state, now)
      state = admission._tag === "Refuse" ? next : Breaker.settle(breaker, next, admission.round, result, now)
      return `${admission._tag} ${state._tag}`
    }
    assert.deepStrictEqual(
      [call(0, "success"), call(1, "failure"), call(2, "success"), call(3, "failure")],
      ["Pass Closed", "Pass Closed", "Pass Closed", "Pass Open"]
    )
    assert.strictEqual(call(502, "success"), "Refuse Open")
    assert.strictEqual(call(503, "success"), "Pass HalfOpen")
    assert.strictEqual(call(504, "abandoned"), "Pass HalfOpen")
    assert.strictEqual(call(505, "success"), "Pass Closed")
  })

  const step = fc.record({
    after: fc.integer({ min: 0, max: 700 }),
    action: fc.constantFrom("admit" as const, "success" as const, "failure" as const, "abandoned" as const)
  })

  it.prop(
    "never has more probes under way than it may, and always comes back to trying",
    [fc.array(step, { maxLength: 60 })],
    ([steps]) => {
      let state = Breaker.initial(0)
      let now = 0
      const running: Array<number | undefined> = []
      for (const { action, after } of steps) {
        now += after
        if (action === "admit") {
          const [next, admission] = Breaker.admit(breaker, state, now)
          state = next
          if (admission._tag === "Pass") running.push(admission.round)
        } else if (running.length > 0) {
          state = Breaker.settle(breaker, state, running.shift(), action, now)
        }
        const open = state
        if (open._tag === "HalfOpen") {
          const probes = running.filter((round) => round === open.round).length
          if (probes !== open.running || probes > 2) return false
        }
      }
      // Whatever happened: once everyone has left, a call gets through within the time it stays open.
      for (const round of running) state = Breaker.settle(breaker, state, round, "abandoned", now)
      return Breaker.admit(breaker, state, now + 500)[1]._tag === "Pass"
    },
    { fastCheck: { numRuns: process.env["WELLSPRING_FULL"] === undefined ? 1000 : 10_000 } }
  )
})

describe("OriginGuard", () => {
  const guarded = (options: OriginGuard.Options, layer: Layer.Layer<HttpClient.HttpClient>) =>
    OriginGuard.layer(options).pipe(Layer.provide(layer))

  it.effect("runs no more calls at once than allowed, queues some, and refuses the rest at once", () => {
    let running = 0
    let most = 0
    const { calls, layer } = stub(() =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          most = Math.max(most, ++running)
        }),
        () => Effect.delay(Effect.succeed(json({ ok: true })), "1 seconds"),
        () => Effect.sync(() => running--)
      )
    )
    return Effect.gen(function* () {
      const api = yield* source
      const fiber = yield* Effect.fork(
        Effect.forEach(Array.from({ length: 100 }), () => Effect.either(api.call(Get())), { concurrency: "unbounded" })
      )
      const leaver = yield* Effect.fork(api.call(Get()))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(leaver)
      yield* TestClock.adjust("3 seconds")
      const results = yield* Fiber.join(fiber)
      const refused = results.filter(
        (result) => result._tag === "Left" && result.left instanceof RestError.RestQueueFull
      )
      assert.strictEqual(most, 10)
      assert.strictEqual(calls.length, 30)
      // The one that left later had one of the thirty places.
      assert.strictEqual(refused.length, 71)
      // Those who left gave their places back.
      const again = yield* Effect.fork(api.call(Get()))
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(again)
    }).pipe(Effect.provide(guarded({ maxConcurrent: 10, maxQueued: 20 }, layer)))
  })

  it.effect("leaves an origin alone that keeps failing, and comes back", () => {
    let isDown = true
    const { calls, layer } = stub(() => Effect.succeed(isDown ? json({}, { status: 500 }) : json({ ok: true })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/", retry: { times: 0 } })
      for (let call = 0; call < 5; call++) yield* Effect.flip(api.call(Get()))
      const error = yield* Effect.flip(api.call(Get()))
      assert.instanceOf(error, RestError.RestCircuitOpen)
      assert.strictEqual(calls.length, 5)
      isDown = false
      yield* TestClock.adjust("5 seconds")
      yield* Effect.replicateEffect(api.call(Get()), 10)
      assert.strictEqual(calls.length, 15)
    }).pipe(Effect.provide(guarded({ breaker: { minCalls: 5 } }, layer)))
  })

  it.effect("waits for a rate limit that the upstream has announced, and refuses when that is too long", () => {
    const { calls, layer } = stub((_, call) =>
      Effect.succeed(
        json(
          { ok: true },
          { headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": call === 1 ? "2" : "3600" } }
        )
      )
    )
    return Effect.gen(function* () {
      const api = yield* source
      yield* api.call(Get())
      const fiber = yield* Effect.fork(api.call(Get()))
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      const error = yield* Effect.flip(api.call(Get()))
      assert.instanceOf(error, RestError.RestRateLimited)
      assert.deepStrictEqual(RestError.details(error).retryAfter, Duration.hours(1))
    }).pipe(Effect.provide(guarded({}, layer)))
  })
})

describe("RateLimit", () => {
  const now = 1_800_000_000_000
  it.each([
    [{ ratelimit: '"default";r=50;t=30' }, { remaining: 50, resetAtMillis: now + 30_000 }],
    [{ ratelimit: '"burst";r=0;t=1, "daily";r=900;t=3600' }, { remaining: 0, resetAtMillis: now + 1000 }],
    [{ ratelimit: "limit=100, remaining=7, reset=30" }, { remaining: 7, resetAtMillis: now + 30_000 }],
    [
      { "ratelimit-remaining": "3", "ratelimit-reset": "5" },
      { remaining: 3, resetAtMillis: now + 5000 }
    ],
    [
      { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000060" },
      { remaining: 0, resetAtMillis: now + 60_000 }
    ],
    [
      { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000060000" },
      { remaining: 0, resetAtMillis: now + 60_000 }
    ]
  ])("reads %j", (headers, limit) => {
    assert.deepStrictEqual(RateLimit.parse(headers, now), Option.some(limit))
  })

  it.each([{}, { ratelimit: "?" }, { "x-ratelimit-remaining": "many", "x-ratelimit-reset": "soon" }])(
    "reads nothing from %j",
    (headers) => {
      assert.deepStrictEqual(RateLimit.parse(headers, now), Option.none())
    }
  )
})

describe("RetryAfter", () => {
  const now = DateTime.unsafeMake("2026-01-01T00:00:00Z")
  it.each([
    ["120", 120],
    ["0", 0],
    ["Thu, 01 Jan 2026 00:01:00 GMT", 60],
    ["Thu, 01 Jan 2020 00:00:00 GMT", 0]
  ])("RFC 9110 §10.2.3: %s is %d seconds", (value, seconds) => {
    assert.deepStrictEqual(RetryAfter.parse(value, now), Option.some(Duration.seconds(seconds)))
  })

  it.each(["", "-1", "1.5", "soon", "2026-01-01"])("reads nothing from %j", (value) => {
    assert.deepStrictEqual(RetryAfter.parse(value, now), Option.none())
  })
})
