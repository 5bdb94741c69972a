/** `npm start`: the upstreams, the server, one query and its account. */
import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { HttpCache } from "@wellspring/http-cache"
import * as UndiciClient from "@wellspring/rest/UndiciClient"
import { Config, Console, Effect, Layer, Schema } from "effect"
import * as Atlas from "./Atlas.ts"
import * as Servers from "./Servers.ts"
import * as Store from "./Store.ts"
import * as Tour from "./Tour.ts"
import * as Upstreams from "./Upstreams.ts"

const usage =
  "npm start -- [--once] [--port 4000] [--server yoga|apollo|mercurius] [--redis URL | --memcached HOST:PORT[,…]]"

class Unusable extends Schema.TaggedError<Unusable>()("Unusable", { message: Schema.String }) {}

const options = Effect.gen(function* () {
  const { values } = yield* Effect.try({
    try: () =>
      parseArgs({
        options: {
          once: { type: "boolean", default: false },
          port: { type: "string", default: "4000" },
          server: { type: "string", default: "yoga" },
          redis: { type: "string" },
          memcached: { type: "string" }
        }
      }),
    catch: (error) => new Unusable({ message: `${error instanceof Error ? error.message : error}\n${usage}` })
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return yield* new Unusable({ message: `"${values.port}" is not a port.\n${usage}` })
  }
  if (!Servers.isName(values.server)) {
    return yield* new Unusable({ message: `There is no server "${values.server}".\n${usage}` })
  }
  const { memcached, once, redis, server } = values
  if (redis !== undefined && memcached !== undefined) {
    return yield* new Unusable({ message: `--redis or --memcached, not both.\n${usage}` })
  }
  return { once, port, server, store: { redis, memcached } }
})

/** Processes that share a store share this secret too, so that they tell callers apart alike. */
const secret = Config.redacted("ATLAS_SECRET").pipe(Config.withDefault(undefined))

const client = (store: Store.Options) =>
  Layer.unwrapEffect(Effect.map(secret, (secret) => HttpCache.layer({ mode: "shared", secret }))).pipe(
    Layer.provide(Store.layer(store)),
    Layer.provide(UndiciClient.layer())
  )

const program = Effect.gen(function* () {
  const { once, port, server, store } = yield* options
  // A store that outlives this process knows answers by their URLs: these must not change then.
  const first = store.redis === undefined && store.memcached === undefined ? undefined : 4101
  const upstreams = Layer.succeedContext(yield* Layer.build(Upstreams.layer(first)))
  const app = yield* Effect.acquireRelease(
    Effect.sync(() => Atlas.make(Atlas.services.pipe(Layer.provide([client(store), upstreams])))),
    (app) => Effect.promise(() => app.dispose())
  )
  const url = yield* Servers.servers[server](app, port)
  yield* Console.log(`Atlas is at ${url}: open it in a browser and ask.\n`)
  yield* Console.log(yield* Effect.provide(Tour.take(url), upstreams))
  if (once) return
  yield* Console.log("\nServing until you press Ctrl-C.")
  return yield* Effect.never
})

program.pipe(
  Effect.scoped,
  Effect.catchTags({
    PortTaken: (error) => fail(error.message),
    ServeError: (error) => fail(`The upstreams need the ports 4101 to 4103: ${error.cause}`),
    Unusable: (error) => fail(error.message)
  }),
  NodeRuntime.runMain
)

function fail(message: string) {
  return Effect.zipRight(
    Console.error(message),
    Effect.sync(() => {
      process.exitCode = 1
    })
  )
}
