import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it, vi } from "@effect/vitest"
import { CacheStore } from "@wellspring/cache-store"
import { CacheOptions, HttpCache } from "@wellspring/http-cache"
import { Context, Deferred, Effect, Fiber, Layer, Scheduler, TestClock } from "effect"
import * as Origin from "./origin.ts"

const live = (options?: HttpCache.Options) =>
  HttpCache.layer(options).pipe(Layer.provide([FetchHttpClient.layer, CacheStore.layerMemory()]))

const text = (url: string, headers: Record<string, string> = {}) =>
  Effect.flatMap(HttpClient.execute(HttpClientRequest.get(url, { headers })), (response) =>
    Effect.map(response.text, (text) => [HttpCache.outcomeOf(response), text] as const)
  )

/** An origin that answers when the gate is opened. */
const gated = (answer: Origin.Handler) =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    const opened = Effect.runPromise(Deferred.await(gate))
    const origin = yield* Origin.make(
      (request, response, index) => void opened.then(() => answer(request, response, index))
    )
    return { origin, open: Deferred.succeed(gate, undefined) }
  })

const until = (condition: () => boolean) =>
  Effect.promise(async () => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  })

/** The callback form of an Effect is found by this symbol. */
const FiberlessId: unique symbol = Symbol.for("@wellspring/source/Fiberless")

/** Holds a fiber at one of its steps until it is released. */
const heldAt = (step: number) => {
  let steps = 0
  let isDue = false
  let held: (() => void) | undefined
  const scheduler: Scheduler.Scheduler = {
    shouldYield: () => {
      if (steps++ !== step) return false
      isDue = true
      return 0
    },
    scheduleTask: (task, priority) => {
      if (isDue && held === undefined) held = task
      else Scheduler.defaultScheduler.scheduleTask(task, priority)
    }
  }
  const release = () => {
    const task = held
    held = () => {}
    task?.()
  }
  return { scheduler, isHeld: () => held !== undefined, release }
}

const outcomes = (answers: ReadonlyArray<readonly [ReturnType<typeof HttpCache.outcomeOf>, string]>) => {
  const counts: Record<string, number> = {}
  for (const [outcome] of answers) {
    const name = outcome._tag === "Some" ? outcome.value.outcome : "none"
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

describe("HttpCache, concurrent requests for one key", () => {
  it.scoped("makes one origin call for a thousand of them", () =>
    Effect.gen(function* () {
      const { open, origin } = yield* gated((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end("body")
      })
      const fibers = yield* Effect.forEach(Array.from({ length: 1000 }), () => Effect.fork(text(`${origin.url}/a`)))
      yield* until(() => origin.asked.length > 0)
      yield* open
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(outcomes(answers), { miss: 1, collapsed: 999 })
      assert.isTrue(answers.every(([, text]) => text === "body"))
      assert.strictEqual(origin.asked.length, 1)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("goes on with the one call when whoever began it leaves, and any others", () =>
    Effect.gen(function* () {
      const { open, origin } = yield* gated((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end("body")
      })
      const fibers = yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.fork(text(`${origin.url}/a`)))
      yield* until(() => origin.asked.length > 0)
      yield* Fiber.interruptAll(fibers.filter((_, index) => index % 3 === 0))
      yield* open
      const answers = yield* Effect.forEach(
        fibers.filter((_, index) => index % 3 !== 0),
        Fiber.join
      )
      assert.deepStrictEqual(outcomes(answers), { collapsed: 66 })
      assert.strictEqual(origin.asked.length, 1)
      assert.deepStrictEqual(outcomes([yield* text(`${origin.url}/a`)]), { hit: 1 })
    }).pipe(Effect.provide(live()))
  )

  it.live("answers everybody by callback, though one of them throws", () => {
    const below = HttpClient.make((request) =>
      Effect.delay(
        Effect.sync(() =>
          HttpClientResponse.fromWeb(request, new Response("body", { headers: { "cache-control": "max-age=60" } }))
        ),
        5
      )
    )
    return Effect.gen(function* () {
      const cache = yield* HttpCache.make(below)
      const request = HttpClientRequest.get("https://origin.test/")
      const uncaught = vi.spyOn(globalThis, "queueMicrotask")
      yield* Effect.addFinalizer(() => Effect.sync(() => uncaught.mockRestore()))
      let told = 0
      const begin = (resume: () => void) => {
        const effect: unknown = cache.execute(request)
        const { [FiberlessId]: start } = effect as {
          readonly [FiberlessId]: (context: unknown, resume: () => void) => unknown
        }
        assert.isFunction(Reflect.apply(start, effect, [Context.empty(), resume]))
      }
      begin(() => told++)
      begin(() => {
        uncaught.mockImplementationOnce((task) => assert.throws(task, "thrown by a caller"))
        throw new Error("thrown by a caller")
      })
      begin(() => {
        told++
      })
      yield* Effect.sleep(30)
      assert.strictEqual(told, 2)
    }).pipe(Effect.scoped, Effect.provide(CacheStore.layerMemory()))
  })

  it.live("ends the call of somebody who was interrupted before it had come to wait", () => {
    let begun = 0
    let left = 0
    const never = Object.assign(
      Effect.suspend(() => Effect.never),
      {
        [FiberlessId]: () => {
          begun++
          return () => void left++
        }
      }
    )
    const client = HttpClient.makeWith<never, never, never, never>(() => never, Effect.succeed)
    const below = Layer.succeed(HttpClient.HttpClient, client)
    return Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      // Whichever step the fiber is held at, one of them is that between the question and the wait.
      for (let step = 0; step < 40; step++) {
        const holding = heldAt(step)
        const fiber = yield* Effect.fork(Effect.withScheduler(client.get("https://origin.test/"), holding.scheduler))
        yield* until(() => holding.isHeld() || begun > left)
        yield* Fiber.interruptFork(fiber)
        yield* Effect.yieldNow()
        holding.release()
        yield* Fiber.await(fiber)
        assert.strictEqual(left, begun)
      }
      assert.isAbove(begun, 0)
    }).pipe(Effect.provide(HttpCache.layer().pipe(Layer.provide([below, CacheStore.layerMemory()]))))
  })

  it.scoped("ends the call when everybody has left, and the next one makes its own", () =>
    Effect.gen(function* () {
      const { open, origin } = yield* gated((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end("body")
      })
      const fibers = yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.fork(text(`${origin.url}/a`)))
      yield* until(() => origin.asked.length > 0)
      yield* Fiber.interruptAll(fibers)
      const next = yield* Effect.fork(text(`${origin.url}/a`))
      yield* until(() => origin.asked.length > 1)
      yield* open
      assert.deepStrictEqual(outcomes([yield* Fiber.join(next)]), { miss: 1 })
      assert.strictEqual(origin.asked.length, 2)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("lets the others go on their own, all at once, when the answer cannot be shared", () =>
    Effect.gen(function* () {
      const held: Array<() => void> = []
      const origin = yield* Origin.make((_, response, index) => {
        response.setHeader("cache-control", "no-store")
        // Only when all have come are any answered, but for the very first: nobody may be waiting for another.
        if (index === 0) return void response.end("mine")
        held.push(() => response.end("mine"))
        if (index === 49 || index === 99) for (const answer of held.splice(0)) answer()
      })
      const burst = Effect.forEach(Array.from({ length: 50 }), () => text(`${origin.url}/a`), {
        concurrency: "unbounded"
      })
      yield* burst
      assert.strictEqual(origin.asked.length, 50)
      // It is remembered: all fifty go at once now.
      yield* burst
      assert.strictEqual(origin.asked.length, 100)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("makes one call a variant when the answer varies", () =>
    Effect.gen(function* () {
      const { open, origin } = yield* gated((request, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.setHeader("vary", "accept-language")
        response.end(request.headers["accept-language"])
      })
      const fibers = yield* Effect.forEach(Array.from({ length: 100 }), (_, index) => {
        const language = index % 2 === 0 ? "en" : "fr"
        return Effect.fork(
          Effect.map(text(`${origin.url}/a`, { "accept-language": language }), ([, text]) => text === language)
        )
      })
      yield* until(() => origin.asked.length > 0)
      yield* open
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.isTrue(answers.every((isRight) => isRight))
      assert.strictEqual(origin.asked.length, 2)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("never joins callers with different credentials", () =>
    Effect.gen(function* () {
      const { open, origin } = yield* gated((request, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(String(request.headers.authorization))
      })
      const fibers = yield* Effect.forEach(Array.from({ length: 30 }), (_, index) => {
        const token = `Bearer ${index % 3}`
        return Effect.fork(Effect.map(text(`${origin.url}/a`, { authorization: token }), ([, text]) => text === token))
      })
      yield* until(() => origin.asked.length === 3)
      yield* open
      assert.isTrue((yield* Effect.forEach(fibers, Fiber.join)).every((isOwn) => isOwn))
      assert.strictEqual(origin.asked.length, 3)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("shares a failure, so that a dead origin is not stormed", () =>
    Effect.gen(function* () {
      const { open, origin } = yield* gated((_, response) => void response.destroy())
      const fibers = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.fork(Effect.either(text(`${origin.url}/a`)))
      )
      yield* until(() => origin.asked.length > 0)
      yield* open
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.isTrue(answers.every(({ _tag }) => _tag === "Left"))
      assert.strictEqual(origin.asked.length, 1)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("does not hold callers behind an answer that does not end", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response, index) => {
        response.setHeader("cache-control", "max-age=60")
        response.write("begun")
        if (index > 0) response.end()
      })
      const first = yield* HttpClient.get(`${origin.url}/a`)
      assert.strictEqual(first.status, 200)
      const second = yield* Effect.fork(text(`${origin.url}/a`))
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
      assert.strictEqual(origin.asked.length, 1)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(second))[1], "begun")
      assert.strictEqual(origin.asked.length, 2)
    }).pipe(Effect.provide(live()))
  )

  it.scoped("lets a reload make a call of its own", () =>
    Effect.gen(function* () {
      const { open, origin } = yield* gated((_, response, index) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(String(index))
      })
      const waiting = yield* Effect.fork(text(`${origin.url}/a`))
      yield* until(() => origin.asked.length === 1)
      const reload = yield* Effect.fork(text(`${origin.url}/a`).pipe(CacheOptions.with({ mode: "reload" })))
      yield* until(() => origin.asked.length === 2)
      yield* open
      assert.strictEqual((yield* Fiber.join(waiting))[1], "0")
      assert.strictEqual((yield* Fiber.join(reload))[1], "1")
    }).pipe(Effect.provide(live()))
  )

  it.scoped("does not join a call that began before a write", () =>
    Effect.gen(function* () {
      const slow = yield* Deferred.make<void>()
      const released = Effect.runPromise(Deferred.await(slow))
      let value = "old"
      const origin = yield* Origin.make((request, response, index) => {
        response.setHeader("cache-control", "max-age=60")
        const answer = value
        if (request.method === "PUT") {
          value = "new"
          response.writeHead(204).end()
        } else if (index === 0) void released.then(() => response.end(answer))
        else response.end(answer)
      })
      const before = yield* Effect.fork(text(`${origin.url}/a`))
      yield* until(() => origin.asked.length === 1)
      yield* HttpClient.put(`${origin.url}/a`, {})
      assert.strictEqual((yield* text(`${origin.url}/a`))[1], "new")
      yield* Deferred.succeed(slow, undefined)
      assert.strictEqual((yield* Fiber.join(before))[1], "old")
      // What the slow read brought has not taken the place of the new value.
      assert.strictEqual((yield* text(`${origin.url}/a`))[1], "new")
      assert.strictEqual(origin.asked.length, 3)
    }).pipe(Effect.provide(live()))
  )
})
