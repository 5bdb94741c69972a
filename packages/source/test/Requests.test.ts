import { assert, describe, it } from "@effect/vitest"
import { Operation, Source } from "@wellspring/source"
import { Cause, Effect, Equal, Exit, Fiber, Hash, Request, RequestResolver, Schema } from "effect"
import { recording, turns } from "./recording.ts"

class GetName extends Request.TaggedClass("GetName")<string, string, { readonly id: number }> {}

describe("a load as a Request", () => {
  const ask = <A, E, R>(
    source: { readonly resolver: RequestResolver.RequestResolver<Source.Load<unknown, unknown, unknown>, R> },
    load: Source.Load<A, E, R>
  ) => Effect.request(load, RequestResolver.contextFromEffect(source.resolver))

  it.effect("equals another for the same key of the same source", () =>
    Effect.sync(() => {
      const { source } = recording()
      const other = recording().source
      assert.isTrue(Request.isRequest(source.load(1)))
      assert.isTrue(Equal.equals(source.load(1), source.load(1)))
      assert.strictEqual(Hash.hash(source.load(1)), Hash.hash(source.load(1)))
      assert.isFalse(Equal.equals(source.load(1), source.load(2)))
      assert.isFalse(Equal.equals(source.load(1), other.load(1)))
      const distinct = source.with({ distinct: true })
      assert.isFalse(Equal.equals(distinct.load(1), distinct.load(1)))
    })
  )

  it.effect("is batched by Effect.forEach, and with loads that are not requests", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const [values, value] = yield* Effect.all(
        [Effect.forEach([1, 2, 1], (id) => ask(source, source.load(id)), { batching: true }), source.load(3)],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(values, ["1!", "2!", "1!"])
      assert.strictEqual(value, "3!")
      assert.strictEqual(calls.length, 1)
      assert.sameMembers([...(calls[0] ?? [])], [1, 2, 3])
    }).pipe(Operation.scoped)
  )

  it.effect("meets requests of other fibers, which requests alone never do", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const fibers = yield* Effect.forEach([1, 2, 3], (id) => Effect.fork(ask(source, source.load(id))))
      assert.deepStrictEqual(yield* Fiber.joinAll(fibers), ["1!", "2!", "3!"])
      assert.deepStrictEqual(calls, [[1, 2, 3]])
    }).pipe(Operation.scoped)
  )

  it.effect("is remembered by a Request.Cache", () =>
    Effect.gen(function* () {
      const cache = yield* Request.makeCache({ capacity: 10, timeToLive: "1 minute" })
      const { calls, source } = recording()
      const once = Operation.scoped(ask(source, source.load(1))).pipe(
        Effect.withRequestCache(cache),
        Effect.withRequestCaching(true)
      )
      yield* once
      assert.strictEqual(yield* once, "1!")
      assert.strictEqual(calls.length, 1)
    })
  )

  it.effect("passes through RequestResolver.around and batchN", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const log: Array<string> = []
      const resolver = source.resolver.pipe(
        RequestResolver.batchN(2),
        RequestResolver.around(
          Effect.sync(() => log.push("before")),
          () => Effect.sync(() => log.push("after"))
        )
      )
      yield* Effect.forEach([1, 2, 3], (id) => ask({ resolver }, source.load(id)), { batching: true })
      assert.deepStrictEqual(log, ["before", "after"])
      assert.deepStrictEqual(calls, [[1, 2], [3]])
    }).pipe(Operation.scoped)
  )

  it.effect("gives failures and defects as they are", () =>
    Effect.gen(function* () {
      const source = Source.make("Failing", {
        key: Schema.Number,
        success: Schema.String,
        failure: Schema.String,
        resolve: (keys) => Effect.succeed(keys.map((key) => Source.fail(`no ${key}`)))
      })
      assert.strictEqual(yield* Effect.flip(ask(source, source.load(1))), "no 1")
      const other = recording().source
      const exit = yield* Effect.exit(ask(source, other.load(1)))
      assert.isTrue(
        Exit.isFailure(exit) && Cause.pretty(exit.cause).includes('"Failing" was given a load of "Recording"')
      )
    }).pipe(Operation.scoped)
  )

  it.effect("gives up its key when interrupted, and leaves the others", () =>
    Effect.gen(function* () {
      const { calls, source } = recording()
      const one = yield* Effect.fork(ask(source, source.load(1)))
      const two = yield* Effect.fork(ask(source, source.load(2)))
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow()
      yield* Fiber.interrupt(one)
      assert.strictEqual(yield* Fiber.join(two), "2!")
      assert.deepStrictEqual(calls, [[2]])
    }).pipe(Operation.scoped)
  )
})

describe("Source.fromResolver", () => {
  const lifted = (
    resolve: (requests: ReadonlyArray<GetName>) => Effect.Effect<void> = (requests) =>
      Effect.forEach(requests, (request) => Request.succeed(request, `user${request.id}`), { discard: true }),
    options: Source.ResolverOptions<GetName, never> = {}
  ) => {
    const calls: Array<ReadonlyArray<number>> = []
    const resolver = RequestResolver.makeBatched((requests: ReadonlyArray<GetName>) => {
      calls.push(requests.map(({ id }) => id))
      return resolve(requests)
    })
    return { calls, source: Source.fromResolver("Names", resolver, options) }
  }
  const load = (source: Source.Source<GetName, string, string>, id: number) => source.load(new GetName({ id }))

  it.effect("batches requests of separate fibers, equal ones once", () =>
    Effect.gen(function* () {
      const { calls, source } = lifted()
      const fibers = yield* Effect.forEach([1, 2, 1], (id) => Effect.fork(load(source, id)))
      assert.deepStrictEqual(yield* Fiber.joinAll(fibers), ["user1", "user2", "user1"])
      assert.deepStrictEqual(calls, [[1, 2]])
    }).pipe(Operation.scoped)
  )

  it.effect("keeps equal requests apart where they must not be merged", () =>
    Effect.gen(function* () {
      const { calls, source } = lifted(undefined, { distinct: true })
      const same = new GetName({ id: 1 })
      assert.deepStrictEqual(yield* source.loadMany([same, same]), ["user1", "user1"])
      assert.deepStrictEqual(calls, [[1, 1]])
    }).pipe(Operation.scoped)
  )

  it.effect("answers each as it is completed", () =>
    Effect.gen(function* () {
      const { source } = lifted((requests) =>
        Effect.zipRight(Request.succeed(requests[0] as GetName, "first"), Effect.never)
      )
      yield* Effect.fork(load(source, 2).pipe(Effect.zipLeft(Effect.never)))
      const [first] = yield* Effect.all([load(source, 1).pipe(Effect.timeoutOption("1 second"), Effect.fork)])
      yield* turns()
      assert.isTrue((yield* Effect.map(Fiber.poll(first), (exit) => exit._tag)) === "None")
      assert.strictEqual(yield* load(source, 2), "first")
    }).pipe(Operation.scoped)
  )

  it.effect("says which request was left without an answer, and why", () =>
    Effect.gen(function* () {
      const silent = lifted(() => Effect.void)
      const exit = yield* Effect.exit(load(silent.source, 1))
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes('"Names" gave no answer'))
      const dying = lifted(() => Effect.die(new Error("boom")))
      const died = yield* Effect.exit(load(dying.source, 1))
      const text = Exit.isFailure(died) ? Cause.pretty(died.cause, { renderErrorCause: true }) : ""
      assert.include(text, "boom")
    }).pipe(Operation.scoped)
  )

  it.effect("runs resolvers that Effect's own combinators have wrapped", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const resolver = RequestResolver.fromEffect((request: GetName) =>
        request.id < 0 ? Effect.fail("negative") : Effect.succeed(`user${request.id}`)
      ).pipe(
        RequestResolver.batchN(2),
        RequestResolver.aroundRequests(
          (requests) => Effect.sync(() => seen.push(requests.length)),
          () => Effect.void
        )
      )
      const source = Source.fromResolver("Wrapped", resolver, { cacheKey: ({ id }) => id })
      assert.deepStrictEqual(yield* source.loadMany([1, 2, 3].map((id) => new GetName({ id }))), [
        "user1",
        "user2",
        "user3"
      ])
      assert.strictEqual(yield* Effect.flip(source.load(new GetName({ id: -1 }))), "negative")
      assert.deepStrictEqual(seen, [3, 1])
    }).pipe(Operation.scoped)
  )
})
