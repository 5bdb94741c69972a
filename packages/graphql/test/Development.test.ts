import { assert, describe, it } from "@effect/vitest"
import { GraphqlEffect } from "@wellspring/graphql"
import { Operation, Source } from "@wellspring/source"
import { Effect, Layer, Schema } from "effect"

const call = Effect.map(Operation.Operation, (operation) => {
  Operation.recordCall(operation, { outcome: "miss" })
  return "called"
})

const Batched = Source.make("Batched", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) => Effect.as(call, ids)
})

const make = (development: boolean) =>
  GraphqlEffect.make({
    typeDefs: "type Thing { alone: String, batched: String } type Query { things: [Thing!]! }",
    layer: Layer.empty,
    development,
    resolvers: {
      Query: { things: () => Array.from({ length: 20 }, (_, id) => ({ id: `${id}` })) },
      Thing: {
        alone: () => Effect.zipRight(Effect.yieldNow(), call),
        batched: (thing: { readonly id: string }) => Batched.load(thing.id)
      }
    }
  })

const ask = (development: boolean, document: string) =>
  Effect.map(
    Effect.promise(() => make(development).execute({ document })),
    ({ result }) => result.extensions?.["wellspring"]
  )

describe("extensions.wellspring", () => {
  it.effect("accounts for what the operation did", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(true, "{ things { batched } }"), {
        account: {
          loads: 20,
          batches: 1,
          keys: 20,
          hits: 0,
          joins: 0,
          calls: 1,
          outcomes: { hit: 0, stale: 0, revalidated: 0, miss: 1, collapsed: 0, bypass: 0 },
          fields: { "Thing.batched": 20 }
        },
        cacheControl: "no-store",
        warnings: []
      })
    })
  )

  it.effect("warns of a field that calls an upstream once for each parent, and names the way out", () =>
    Effect.gen(function* () {
      const { warnings } = (yield* ask(true, "{ things { alone } }")) as { readonly warnings: ReadonlyArray<string> }
      assert.strictEqual(warnings.length, 1)
      assert.match(warnings[0] ?? "", /^Thing\.alone ran 20 times .*Source\.make/)
    })
  )

  it.effect("is absent unless asked for", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* ask(false, "{ things { batched } }"))
    })
  )
})
