import { ApolloServer } from "@apollo/server"
import { assert, describe, it } from "@effect/vitest"
import { CacheHint, GraphqlEffect } from "@wellspring/graphql"
import * as Apollo from "@wellspring/graphql/Apollo"
import { Operation } from "@wellspring/source"
import { Effect, Layer } from "effect"
import type { GraphQLResolveInfo } from "graphql"

/** What Apollo Server gives resolvers, as they use it without this package. */
interface CacheControl {
  readonly setCacheHint: (hint: { readonly maxAge: number; readonly scope?: "PRIVATE" }) => void
}

const apolloOf = (info: GraphQLResolveInfo): CacheControl =>
  (info as GraphQLResolveInfo & { readonly cacheControl: CacheControl }).cacheControl

const read = (secondsLeft: number) =>
  Effect.map(Operation.Operation, (operation) =>
    Operation.recordCall(operation, { outcome: "hit", lifetime: { secondsLeft, scope: "public" } })
  )

const typeDefs = `
  enum CacheControlScope { PUBLIC PRIVATE }
  directive @cacheControl(maxAge: Int, scope: CacheControlScope, inheritMaxAge: Boolean) on FIELD_DEFINITION | OBJECT
  type Movie { title: String, studio: Studio, short: Studio @cacheControl(maxAge: 7) }
  type Studio { name: String }
  type Query { read: Movie, apollo: Movie, mine: Movie, ours: Movie, nothing: Movie }
`

const movie = { title: "Alien", studio: { name: "A" }, short: { name: "B" } }

const app = GraphqlEffect.make({
  typeDefs,
  layer: Layer.empty,
  resolvers: {
    Query: {
      read: () => Effect.as(read(47), movie),
      apollo: (_, __: unknown, ___: unknown, info: GraphQLResolveInfo) =>
        Effect.delay(
          Effect.sync(() => {
            apolloOf(info).setCacheHint({ maxAge: 20 })
            return movie
          }),
          "1 millis"
        ),
      mine: (_, __: unknown, ___: unknown, info: GraphQLResolveInfo) => {
        apolloOf(info).setCacheHint({ maxAge: 30, scope: "PRIVATE" })
        return Effect.delay(Effect.succeed(movie), "1 millis")
      },
      ours: (_, __: unknown, ___: unknown, info: GraphQLResolveInfo) => {
        CacheHint.set(info, { maxAge: "10 seconds" })
        return Effect.delay(Effect.succeed(movie), "1 millis")
      },
      nothing: () => Effect.delay(Effect.succeed(movie), "1 millis")
    }
  }
})

/** The `Cache-Control` of an answer. */
const ask = (query: string) =>
  Effect.promise(async () => {
    const server = new ApolloServer({ schema: app.schema, plugins: [Apollo.plugin(app)] })
    await server.start()
    const { body, http } = await server.executeOperation({ query }, { contextValue: {} })
    await server.stop()
    if (body.kind === "single") assert.isUndefined(body.singleResult.errors)
    return http.headers.get("cache-control")
  })

describe("the cache policy of Apollo Server", () => {
  for (const [name, query, expected] of [
    [
      "is the lifetime that was read, for objects within it too",
      `{ read { title studio { name } } }`,
      "max-age=47, public"
    ],
    ["takes a directive on a field without a resolver", `{ read { short { name } } }`, "max-age=7, public"],
    ["takes what a resolver told Apollo by itself", `{ read { title } apollo { title } }`, "max-age=20, public"],
    ["is private when a resolver told Apollo so", `{ read { title } mine { title } }`, "max-age=30, private"],
    ["takes hints of ours", `{ apollo { title } ours { title } }`, "max-age=10, public"],
    ["allows nothing when a field's lifetime is not known", `{ apollo { title } nothing { title } }`, "no-store"]
  ] as const) {
    it.live(name, () => Effect.map(ask(query), (header) => assert.strictEqual(header, expected)))
  }
})
