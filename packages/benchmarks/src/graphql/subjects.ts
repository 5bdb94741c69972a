/** Ways to answer the query. Each makes a function that answers it once; `cold` forgets what is cached first. */
import { RESTDataSource } from "@apollo/datasource-rest"
import { ApolloServer, type ApolloServerPlugin } from "@apollo/server"
import { InMemoryLRUCache } from "@apollo/utils.keyvaluecache"
import { CacheStore } from "@wellspring/cache-store"
import { GraphqlEffect } from "@wellspring/graphql"
import * as Apollo from "@wellspring/graphql/Apollo"
import { HttpCache } from "@wellspring/http-cache"
import { Endpoint, RestSource } from "@wellspring/rest"
import * as UndiciClient from "@wellspring/rest/UndiciClient"
import { Source } from "@wellspring/source"
import DataLoader from "dataloader"
import { Effect, Layer, Schema } from "effect"
import { execute, type GraphQLSchema } from "graphql"
import { Pool } from "undici"
import * as Query from "./schema.ts"

/** Answers once and gives the data. */
export type Ask = () => Promise<unknown>

/** Made with the origin's address and whether every answer is to be fetched anew. */
export type Subject = (base: string, isCold: boolean) => Promise<Ask>

type Executed = { readonly data?: unknown; readonly errors?: ReadonlyArray<unknown> | undefined }

const dataOf = ({ data, errors }: Executed): unknown => {
  if (errors !== undefined && errors.length > 0) throw errors[0]
  return data
}

/** graphql-js's own execute, with a context for each operation. */
const onGraphqlJs =
  (schema: GraphQLSchema, context: () => object): Ask =>
  async () =>
    dataOf(await execute({ schema, document: Query.document, contextValue: context() }))

/** Apollo Server's pipeline without its HTTP. */
const onApollo = async (
  schema: GraphQLSchema,
  context: () => object,
  plugins: Array<ApolloServerPlugin<object>> = []
): Promise<Ask> => {
  const server = new ApolloServer<object>({ schema, plugins })
  await server.start()
  return async () => {
    const { body } = await server.executeOperation({ query: Query.source }, { contextValue: context() })
    if (body.kind !== "single") throw new Error("Apollo Server answered in parts.")
    return dataOf(body.singleResult)
  }
}

// The limit: a Map of parsed values with a freshness check, one microtask-and-tick batch

class Limit {
  private readonly pool: Pool
  private readonly isCold: boolean
  private details = new Map<string, { readonly until: number; readonly value: Promise<Query.Detail> }>()
  constructor(base: string, isCold: boolean) {
    this.pool = new Pool(base, { connections: 16, pipelining: 8 })
    this.isCold = isCold
  }
  context() {
    if (this.isCold) this.details = new Map()
    return { directors: new LimitLoader() }
  }
  detail(id: string): Promise<Query.Detail> {
    const known = this.details.get(id)
    if (known !== undefined && known.until > Date.now()) return known.value
    const value = this.pool
      .request({ path: `/details/${id}`, method: "GET" })
      .then(({ body }) => body.json() as Promise<Query.Detail>)
    this.details.set(id, { until: Date.now() + 3_600_000, value })
    return value
  }
}

class LimitLoader {
  private pending: Array<{ readonly id: string; readonly resolve: (value: Query.Director | undefined) => void }> = []
  private readonly known = new Map<string, Promise<Query.Director | undefined>>()
  load(id: string): Promise<Query.Director | undefined> {
    let value = this.known.get(id)
    if (value === undefined) {
      value = new Promise((resolve) => {
        if (this.pending.length === 0) setImmediate(() => this.flush())
        this.pending.push({ id, resolve })
      })
      this.known.set(id, value)
    }
    return value
  }
  private flush() {
    const { pending } = this
    this.pending = []
    const values = Query.directors(pending.map(({ id }) => id))
    for (let index = 0; index < pending.length; index++) pending[index]?.resolve(values[index])
  }
}

const limit = (base: string, isCold: boolean) => {
  const shared = new Limit(base, isCold)
  const schema = Query.plain<ReturnType<Limit["context"]>>({
    director: (movie, { directors }) => directors.load(movie.directorId),
    detail: (movie) => shared.detail(movie.id)
  })
  return { schema, context: () => shared.context() }
}

// RESTDataSource and DataLoader

class Details extends RESTDataSource {
  override baseURL: string
  constructor(base: string, cache: InMemoryLRUCache) {
    super({ cache })
    this.baseURL = `${base}/`
  }
  detail(id: string): Promise<Query.Detail> {
    return this.get(`details/${id}`)
  }
}

const peer = (base: string, isCold: boolean) => {
  let cache = new InMemoryLRUCache()
  const schema = Query.plain<{ readonly details: Details; readonly directors: DataLoader<string, Query.Director> }>({
    director: (movie, { directors }) => directors.load(movie.directorId),
    detail: (movie, { details }) => details.detail(movie.id)
  })
  const context = () => {
    if (isCold) cache = new InMemoryLRUCache()
    return {
      details: new Details(base, cache),
      directors: new DataLoader(async (ids: ReadonlyArray<string>) => Query.directors(ids))
    }
  }
  return { schema, context }
}

// Wellspring

const GetDetail = Endpoint.get("GetDetail", {
  path: Endpoint.path`details/${Endpoint.param("id", Schema.String)}`,
  success: Schema.Struct({ rating: Schema.Number, votes: Schema.Number })
})

class Api extends Effect.Service<Api>()("benchmarks/Api", {
  effect: Effect.map(RestSource.RestSource, (source) => ({ detail: (id: string) => source.call(GetDetail({ id })) }))
}) {}

const Directors = Source.make("Directors", {
  key: Schema.String,
  success: Schema.Struct({ id: Schema.String, name: Schema.String }),
  resolve: (ids: ReadonlyArray<string>) => Effect.sync(() => Query.directors(ids))
})

const wellspring = async (base: string, isCold: boolean) => {
  const layer = Api.Default.pipe(
    Layer.provide(RestSource.layer({ baseUrl: `${base}/`, ...(isCold && { cache: { mode: "reload" as const } }) })),
    Layer.provide(HttpCache.layer({ mode: "private" })),
    Layer.provide(CacheStore.layerMemory({ maxBytes: 64_000_000 })),
    Layer.provide(UndiciClient.layer({ pool: { connections: 16 } }))
  )
  let api: Api | undefined
  const app = GraphqlEffect.make({
    typeDefs: Query.typeDefs,
    layer,
    resolvers: {
      Query: { movies: () => Query.movies },
      Movie: {
        director: (movie: Query.Movie) => Directors.load(movie.directorId),
        detail: (movie: Query.Movie) =>
          api === undefined ? Effect.flatMap(Api, ({ detail }) => detail(movie.id)) : api.detail(movie.id)
      }
    }
  })
  api = await app.runtime.runPromise(Api)
  return app
}

export const subjects: Readonly<Record<string, Subject>> = {
  "graphql-js: limit": async (base, isCold) => {
    const { schema, context } = limit(base, isCold)
    return onGraphqlJs(schema, context)
  },
  "graphql-js: wellspring": async (base, isCold) => {
    const app = await wellspring(base, isCold)
    return async () => dataOf((await app.execute({ document: Query.document })).result)
  },
  "graphql-js: RESTDataSource + DataLoader": async (base, isCold) => {
    const { schema, context } = peer(base, isCold)
    return onGraphqlJs(schema, context)
  },
  "Apollo Server: limit": async (base, isCold) => {
    const { schema, context } = limit(base, isCold)
    return onApollo(schema, context)
  },
  "Apollo Server: wellspring": async (base, isCold) => {
    const app = await wellspring(base, isCold)
    return onApollo(app.schema, () => ({}), [Apollo.plugin(app)])
  },
  "Apollo Server: RESTDataSource + DataLoader": async (base, isCold) => {
    const { schema, context } = peer(base, isCold)
    return onApollo(schema, context)
  }
}
