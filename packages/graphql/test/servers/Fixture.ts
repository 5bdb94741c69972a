/** The application that every server is asked about. */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { GraphqlEffect, GraphqlRequest, PublicError } from "@wellspring/graphql"
import { Operation, Source } from "@wellspring/source"
import { Context, Effect, Layer, Schema, Stream } from "effect"

export class Viewer extends Context.Tag("test/Viewer")<Viewer, { readonly name: string }>() {
  static readonly OfRequest = Layer.effect(
    Viewer,
    Effect.map(GraphqlRequest.GraphqlRequest, (request) => ({ name: request.header("x-viewer") ?? "nobody" }))
  )
}

/** Batches as they were called, by test, which each test names in its keys. */
export class Calls extends Effect.Service<Calls>()("test/Calls", {
  sync: () => ({ batches: [] as Array<ReadonlyArray<string>>, upstream: "" })
}) {}

export class MovieNotFound extends Schema.TaggedError<MovieNotFound>()(
  "MovieNotFound",
  { id: Schema.String },
  PublicError.annotations((error: { readonly id: string }) => ({
    code: "NOT_FOUND",
    message: `There is no movie "${error.id}".`
  }))
) {}

/** An error as another library would make it, annotated without this package. */
class Limited extends Schema.TaggedError<Limited>()("Limited", { url: Schema.String }) {
  get [Symbol.for("@wellspring/PublicError")]() {
    return { code: "RATE_LIMITED", retryAfter: 1500 }
  }
}

const Directors = Source.make("Directors", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) =>
    Effect.flatMap(Calls, (calls) =>
      Effect.sync(() => {
        calls.batches.push(ids)
        return ids.map((id) => `director of ${id}`)
      }).pipe(Effect.delay("1 millis"))
    )
})

const cached = (secondsLeft: number, scope: "public" | "private") =>
  Effect.map(Operation.Operation, (operation) =>
    Operation.recordCall(operation, { outcome: "hit", lifetime: { secondsLeft, scope } })
  )

/** A batch that reads through a cache. */
const Composers = Source.make("Composers", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) => Effect.as(Effect.delay(cached(25, "public"), "1 millis"), ids)
})

/** What only the viewer may see: the batch runs with the viewer's own services. */
const Notes = Source.make("Notes", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) =>
    Effect.flatMap(Viewer, ({ name }) =>
      Effect.delay(Effect.succeed(ids.map((id) => `${name}'s note on ${id}`)), "1 millis")
    )
})

/** A call to an upstream over a socket of its own, which interruption closes. */
const hang = Effect.flatMap(Calls, ({ upstream }) =>
  Effect.async<string>((resume) => {
    const request = Http.get(upstream, { agent: false }, (response) => {
      response.resume()
      response.on("end", () => resume(Effect.succeed("answered")))
    })
    request.on("error", () => {})
    return Effect.sync(() => request.destroy())
  })
)

/** A batch that makes such a call. */
const Hanging = Source.make("Hanging", {
  key: Schema.String,
  success: Schema.String,
  resolve: (ids: ReadonlyArray<string>) => Effect.map(hang, (answer) => ids.map(() => answer))
})

const typeDefs = `
  enum CacheControlScope { PUBLIC PRIVATE }
  directive @cacheControl(maxAge: Int, scope: CacheControlScope, inheritMaxAge: Boolean) on FIELD_DEFINITION | OBJECT
  type Movie {
    id: ID!, title: String!, director: String!, note: String, secret: String, number: Int
    composer: String, writer: String @cacheControl(maxAge: 15), studio: Studio
  }
  type Studio { name: String }
  type Query {
    viewer: String
    movies(ids: [ID!]!): [Movie!]!
    missing: String
    limited: String
    defect: String
    rejected: String
    thrown: String
    unsafe: Movie
    hang: String
    hangs(ids: [ID!]!): [String]
    fresh(seconds: Int!): [Movie!]
    private(seconds: Int!): String
    unknown: String
    hinted: String @cacheControl(maxAge: 20)
    listed: [Movie!] @cacheControl(maxAge: 40)
  }
  type Mutation { write(value: String!): String, read: String }
  type Subscription { counted(to: Int!): Int!, noted: String!, endless: Int! }
`

const secret = "https://user:hunter2@db.internal/?api_key=hunter2"
let written = ""

const Written = Source.make("Written", {
  key: Schema.String,
  success: Schema.String,
  resolve: (keys: ReadonlyArray<string>) => Effect.sync(() => keys.map(() => written))
})

/** The application and its calls. */
export const make = (options?: { readonly development?: boolean }) => {
  const app = GraphqlEffect.make({
    typeDefs,
    ...options,
    layer: Calls.Default.pipe(GraphqlEffect.perOperation(Viewer.OfRequest)),
    resolvers: {
      Query: {
        viewer: () => Effect.map(Viewer, ({ name }) => name),
        movies: (_, args: { readonly ids: ReadonlyArray<string> }) =>
          Effect.succeed(args.ids.map((id) => ({ id, title: `Title ${id}` }))),
        missing: () => Effect.fail(new MovieNotFound({ id: "7" })),
        limited: () => Effect.fail(new Limited({ url: secret })),
        defect: () => Effect.die(new Error(secret)),
        rejected: () => Promise.reject(new Error(secret)),
        thrown: () => {
          throw new Error(secret)
        },
        unsafe: () => ({
          id: "1",
          title: "x",
          get secret() {
            throw new Error(secret)
          },
          number: secret
        }),
        hang: () => hang,
        hangs: (_, args: { readonly ids: ReadonlyArray<string> }) => Hanging.loadMany(args.ids),
        fresh: (_, args: { readonly seconds: number }) =>
          Effect.as(cached(args.seconds, "public"), [{ id: "1", title: "a", studio: { name: "A" } }]),
        private: (_, args: { readonly seconds: number }) => Effect.as(cached(args.seconds, "private"), "mine"),
        unknown: () => Effect.delay(Effect.succeed("from somewhere"), "1 millis"),
        listed: () => [{ id: "1", title: "a" }],
        hinted: () => Effect.delay(Effect.succeed("hinted"), "1 millis")
      },
      Movie: {
        director: (movie: { readonly id: string }) => Directors.load(movie.id),
        composer: (movie: { readonly id: string }) => Composers.load(movie.id),
        writer: (movie: { readonly id: string }) => Directors.load(movie.id),
        note: (movie: { readonly id: string }) => Notes.load(movie.id)
      },
      Mutation: {
        write: (_, args: { readonly value: string }) =>
          Effect.zipRight(
            Effect.sync(() => {
              written = args.value
            }),
            Written.load("it")
          ),
        read: () => Written.load("it")
      },
      Subscription: {
        counted: { subscribe: (_, args: { readonly to: number }) => Stream.range(1, args.to) },
        noted: {
          subscribe: () => Stream.make("a", "b"),
          resolve: (id: string) => Notes.load(id)
        },
        endless: {
          subscribe: () =>
            Stream.unwrapScoped(
              Effect.gen(function* () {
                const calls = yield* Calls
                yield* Effect.addFinalizer(() => Effect.sync(() => calls.batches.push(["endless stream closed"])))
                return Stream.concat(Stream.make(1), Stream.never)
              })
            )
        }
      }
    }
  })
  return app
}

/** An upstream that never answers. */
export const upstream = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly opened: Promise<void>; readonly closed: Promise<void> }>((resume) => {
    let open = () => {}
    let close = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    const closed = new Promise<void>((resolve) => {
      close = resolve
    })
    const server = Http.createServer((request) => {
      open()
      request.socket.once("close", close)
    })
    server.listen(0, "127.0.0.1", () =>
      resume(
        Effect.succeed({
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
          opened,
          closed: closed.finally(() => server.close())
        })
      )
    )
  }),
  () => Effect.void
)
