import { assert, describe, it } from "@effect/vitest"
import { GraphqlEffect } from "@wellspring/graphql"
import { Policy, Source } from "@wellspring/source"
import { Context, Deferred, Effect, Layer, Option, Schema } from "effect"

const recorded = (batches: Array<string>, policy: Policy.Policy, wait: string) =>
  Source.make(wait, {
    key: Schema.String,
    success: Schema.String,
    policy,
    resolve: (ids: ReadonlyArray<string>) =>
      Effect.sync(() => {
        batches.push([...ids].sort().join(","))
        return ids
      })
  })

class Name extends Context.Tag("test/Name")<Name, string>() {}

describe("batching under graphql-js", () => {
  it.live("makes one call of a diamond whose sides take different times, when exhausted", () =>
    Effect.gen(function* () {
      const batches: Array<string> = []
      const policy = Policy.exhausted({ maxWait: "5 seconds" })
      const Owners = recorded(batches, policy, "Owners")
      const app = GraphqlEffect.make({
        typeDefs: "type Thing { owner: String } type Query { fast: Thing, slow: Thing, slower: Thing }",
        layer: Layer.empty,
        resolvers: {
          Query: {
            fast: () => Effect.succeed({ id: "a" }),
            slow: () => Effect.delay(Effect.succeed({ id: "b" }), "5 millis"),
            slower: async () => {
              await new Promise((resolve) => setTimeout(resolve, 15))
              return { id: "c" }
            }
          },
          Thing: {
            owner: (thing: { readonly id: string }) =>
              thing.id === "a" ? Effect.flatMap(Effect.yieldNow(), () => Owners.load("a")) : Owners.load(thing.id)
          }
        }
      })
      const { result } = yield* Effect.promise(() =>
        app.execute({ document: "{ fast { owner } slow { owner } slower { owner } }" })
      )
      assert.isUndefined(result.errors)
      assert.deepStrictEqual(batches, ["a,b,c"])
    })
  )

  it.effect("gives graphql-js plain values for what is at hand, so that no Promise is made", () =>
    Effect.gen(function* () {
      const app = GraphqlEffect.make({
        typeDefs: "type Query { exit: String, sync: String, option: String, none: String, tag: String }",
        layer: Layer.succeed(Name, "tag"),
        resolvers: {
          Query: {
            exit: () => Effect.succeed("exit"),
            sync: () =>
              Effect.flatMap(
                Effect.sync(() => "sync"),
                Effect.succeed
              ),
            option: () => Option.some("option"),
            none: () => Effect.succeedNone,
            tag: () => Name
          }
        }
      })
      yield* Effect.promise(() => app.runtime.runPromise(Effect.void))
      const operation = app.begin({ header: () => undefined, contextValue: {}, native: undefined })
      const contextValue = {}
      operation.attach(contextValue)
      const fields = app.schema.getQueryType()?.getFields() ?? {}
      const info = { rootValue: undefined, operation: { operation: "query" }, variableValues: {} } as never
      const answers = Object.values(fields).map(({ resolve }) => resolve?.(undefined, {}, contextValue, info))
      assert.deepStrictEqual(answers, ["exit", "sync", "option", null, "tag"])
      yield* Effect.promise(() => operation.end())
    })
  )

  it.effect("shares one Promise among fields of one place that wait for one answer, and gives each its own error", () =>
    Effect.gen(function* () {
      const Broken = Source.make("Broken", {
        key: Schema.String,
        success: Schema.String,
        resolve: () => Effect.die(new Error("hunter2"))
      })
      const app = GraphqlEffect.make({
        typeDefs: "type Thing { owner: String, maker: String } type Query { things: [Thing!]! }",
        layer: Layer.empty,
        resolvers: {
          Query: { things: () => [{}, {}] },
          Thing: { owner: () => Broken.load("a"), maker: () => Broken.load("a") }
        }
      })
      const { result } = yield* Effect.promise(() => app.execute({ document: "{ things { owner maker } }" }))
      const errors = result.errors ?? []
      assert.sameDeepMembers(
        errors.map(({ path }) => path),
        [0, 1].flatMap((index) => ["owner", "maker"].map((field) => ["things", index, field]))
      )
      assert.strictEqual(new Set(errors.map(({ extensions }) => extensions)).size, 4)
      const idsOf = (field: string) =>
        errors.filter(({ path }) => path?.[2] === field).map(({ extensions }) => extensions["correlationId"])
      assert.strictEqual(new Set(idsOf("owner")).size, 1)
      assert.notStrictEqual(idsOf("owner")[0], idsOf("maker")[0])
      assert.notInclude(JSON.stringify(result), "hunter2")
    })
  )
})

class Resource extends Context.Tag("test/Resource")<Resource, { readonly name: string }>() {}

describe("the end of an operation", () => {
  it.effect("releases what fields acquired and forked, then ends its loads, then releases its services", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const note = (event: string) => Effect.sync(() => void events.push(event))
      const calling = yield* Deferred.make<void>()
      const Endless = Source.make("Endless", {
        key: Schema.String,
        success: Schema.String,
        resolve: () =>
          Effect.zipRight(Deferred.succeed(calling, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => note("call interrupted"))
          )
      })
      const service = Layer.scoped(
        Resource,
        Effect.acquireRelease(Effect.succeed({ name: "service" }), () => note("service released"))
      )
      const app = GraphqlEffect.make({
        typeDefs: "type Query { acquired: String, forked: String, endless: String }",
        layer: Layer.empty.pipe(GraphqlEffect.perOperation(service)),
        resolvers: {
          Query: {
            acquired: () =>
              Effect.zipRight(
                Effect.addFinalizer(() => note("field released")),
                Resource
              ).pipe(Effect.map(({ name }) => name)),
            forked: () =>
              Effect.as(Effect.forkScoped(Effect.onInterrupt(Effect.never, () => note("fork interrupted"))), "forked"),
            endless: () => Endless.load("a")
          }
        }
      })
      const leaving = new AbortController()
      const execution = app.execute({ document: "{ acquired forked endless }", signal: leaving.signal })
      yield* Deferred.await(calling)
      leaving.abort()
      yield* Effect.promise(() => execution)
      assert.deepStrictEqual(events, ["call interrupted", "fork interrupted", "field released", "service released"])
    })
  )

  it.effect("releases what resolvers acquired, and interrupts what still runs", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const started = yield* Deferred.make<void>()
      const note = (event: string) => Effect.sync(() => void events.push(event))
      const app = GraphqlEffect.make({
        typeDefs: "type Query { acquired: String, endless: String }",
        layer: Layer.empty,
        resolvers: {
          Query: {
            acquired: () => Effect.acquireRelease(Effect.succeed("acquired"), () => note("released")),
            endless: () =>
              Effect.zipRight(Deferred.succeed(started, undefined), Effect.never).pipe(
                Effect.onInterrupt(() => note("interrupted"))
              )
          }
        }
      })
      const leaving = new AbortController()
      const execution = app.execute({ document: "{ acquired endless }", signal: leaving.signal })
      yield* Deferred.await(started)
      leaving.abort()
      const { result } = yield* Effect.promise(() => execution)
      assert.strictEqual(result.errors?.[0]?.extensions["code"], "REQUEST_CANCELLED")
      assert.sameMembers(events, ["interrupted", "released"])
    })
  )

  it.effect("fails every field that returns an Effect when the operation's services cannot be built", () =>
    Effect.gen(function* () {
      const app = GraphqlEffect.make({
        typeDefs: "type Query { plain: String, effect: String }",
        layer: Layer.empty.pipe(GraphqlEffect.perOperation(Layer.fail(new Error("hunter2")))),
        resolvers: { Query: { plain: () => "plain", effect: () => Effect.sync(() => "effect") } }
      })
      const { result } = yield* Effect.promise(() => app.execute({ document: "{ plain effect }" }))
      assert.deepStrictEqual({ ...result.data }, { plain: "plain", effect: null })
      assert.notInclude(JSON.stringify(result), "hunter2")
    })
  )
})
