import * as Http from "node:http"
import { json } from "node:stream/consumers"
import { assert, describe, it } from "@effect/vitest"
import { GraphqlEffect, GraphqlRequest } from "@wellspring/graphql"
import { Operation, Source } from "@wellspring/source"
import { Context, Deferred, Effect, Layer, Schema } from "effect"
import * as Subjects from "./Subjects.ts"

const count = 1000

/** Holds whoever comes until all have come. */
const gathering = Effect.map(Deferred.make<void>(), (complete) => {
  const gate = { here: 0, most: 0, enter: Effect.void }
  gate.enter = Effect.suspend(() => {
    gate.here++
    gate.most = Math.max(gate.most, gate.here)
    const wait = gate.here === count ? Deferred.succeed(complete, undefined) : Deferred.await(complete)
    return Effect.ensuring(
      wait,
      Effect.sync(() => void gate.here--)
    )
  })
  return gate
})

type Gate = Effect.Effect.Success<typeof gathering>

/** What all operations share: where they meet, and what of them is still held. */
class Hall extends Context.Tag("test/Hall")<
  Hall,
  { readonly fields: Gate; readonly batches: Gate; readonly held: Set<string>; opened: number }
>() {}

class Viewer extends Context.Tag("test/ConcurrentViewer")<Viewer, { readonly name: string }>() {
  static readonly OfRequest = Layer.scoped(
    Viewer,
    Effect.gen(function* () {
      const hall = yield* Hall
      const request = yield* GraphqlRequest.GraphqlRequest
      const name = request.header("x-viewer") ?? "nobody"
      hall.opened++
      return yield* Effect.acquireRelease(
        Effect.sync(() => {
          hall.held.add(`viewer ${name}`)
          return { name }
        }),
        () => Effect.sync(() => hall.held.delete(`viewer ${name}`))
      )
    })
  )
}

/** Answered for one viewer's operation at a time, once the batches of all of them are there. */
const Notes = Source.make("Notes", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const { batches } = yield* Hall
      const { name } = yield* Viewer
      yield* batches.enter
      return ids.map((id) => `${name}'s note on ${id}`)
    })
})

const make = (hall: Context.Tag.Service<Hall>) =>
  GraphqlEffect.make({
    typeDefs: `
      type Movie { id: ID!, note: String }
      type Query { mine: String, acquired: String, movies: [Movie!]! }
    `,
    layer: Layer.succeed(Hall, hall).pipe(GraphqlEffect.perOperation(Viewer.OfRequest)),
    resolvers: {
      Query: {
        movies: () => [{ id: "1" }, { id: "2" }],
        mine: () =>
          Effect.gen(function* () {
            const { fields } = yield* Hall
            yield* fields.enter
            return (yield* Viewer).name
          }),
        acquired: () =>
          Effect.gen(function* () {
            const { held } = yield* Hall
            const { name } = yield* Viewer
            const operation = yield* Operation.Operation
            const mine = Operation.slot(operation, hall, () => name)
            yield* Effect.acquireRelease(
              Effect.sync(() => held.add(`field ${name}`)),
              () => Effect.sync(() => held.delete(`field ${name}`))
            )
            return mine
          })
      },
      Movie: { note: (movie: { readonly id: string }) => Notes.load(movie.id) }
    }
  })

const agent = new Http.Agent({ keepAlive: false, maxSockets: count })

const query = "{ mine acquired movies { note } }"

/** Asks as each viewer. Connections open a few at a time: past a server's backlog a client waits for seconds. */
const askAll = async (url: string, viewers: ReadonlyArray<string>): Promise<ReadonlyArray<unknown>> => {
  const answers: Array<Promise<unknown>> = []
  let connected: Array<Promise<unknown>> = []
  for (const viewer of viewers) {
    const headers = { "content-type": "application/json", accept: "application/json", "x-viewer": viewer }
    const request = Http.request(url, { agent, method: "POST", headers })
    connected.push(
      new Promise((resolve) => {
        request.once("socket", (socket) => socket.once("connect", resolve))
      })
    )
    answers.push(
      new Promise((resolve, reject) => {
        request.on("error", reject)
        request.on("response", (response) => resolve(json(response)))
      })
    )
    request.end(JSON.stringify({ query }))
    if (connected.length < 100) continue
    await Promise.all(connected)
    connected = []
  }
  return Promise.all(answers)
}

for (const subject of Subjects.all) {
  describe(`${subject.name}, with ${count} operations in flight at the same time`, () => {
    it.scopedLive(
      "answers each with what is its viewer's own, and keeps nothing of any",
      () =>
        Effect.gen(function* () {
          const hall = { fields: yield* gathering, batches: yield* gathering, held: new Set<string>(), opened: 0 }
          const { url } = yield* Subjects.started(subject, make(hall) as never)
          const viewers = Array.from({ length: count }, (_, index) => `viewer ${index}`)
          const answers = yield* Effect.promise(() => askAll(url, viewers))
          for (const [index, viewer] of viewers.entries()) {
            assert.deepStrictEqual(answers[index], {
              data: {
                mine: viewer,
                acquired: viewer,
                movies: [{ note: `${viewer}'s note on 1` }, { note: `${viewer}'s note on 2` }]
              }
            })
          }
          assert.deepStrictEqual([hall.opened, hall.fields.most, hall.batches.most], [count, count, count])
          // A response may be on its way while its operation still ends.
          yield* Effect.repeat(Effect.yieldNow(), { until: () => hall.held.size === 0 }).pipe(
            Effect.timeout("5 seconds")
          )
          assert.deepStrictEqual([hall.fields.here, hall.batches.here], [0, 0])
        }),
      60_000
    )
  })
}
