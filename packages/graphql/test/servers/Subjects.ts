/** The servers, each as its users would start it with the application. */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { ApolloServer } from "@apollo/server"
import { startStandaloneServer } from "@apollo/server/standalone"
import type { GraphqlEffect } from "@wellspring/graphql"
import { GraphqlRequest } from "@wellspring/graphql"
import * as Apollo from "@wellspring/graphql/Apollo"
import * as GraphqlHttp from "@wellspring/graphql/GraphqlHttp"
import * as Mercurius from "@wellspring/graphql/Mercurius"
import * as Yoga from "@wellspring/graphql/Yoga"
import { Effect } from "effect"
import fastify from "fastify"
import { createHandler } from "graphql-http/lib/use/http"
import { createYoga } from "graphql-yoga"

type App = GraphqlEffect.GraphqlEffect<never>

export interface Started {
  readonly url: string
  readonly stop: () => Promise<unknown>
}

export interface Subject {
  readonly name: string
  readonly subscriptions: "sse" | "websocket" | "none"
  /** Whether one HTTP request may carry a list of queries. */
  readonly batches: boolean
  readonly start: (app: App) => Promise<Started>
}

const listen = (server: Http.Server): Promise<Started> =>
  new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
        stop: () =>
          new Promise((resolve) => {
            server.closeAllConnections()
            server.close(resolve)
          })
      })
    )
  )

const yoga: Subject = {
  name: "GraphQL Yoga",
  batches: true,
  subscriptions: "sse",
  start: (app) =>
    listen(
      Http.createServer(createYoga({ schema: app.schema, plugins: [Yoga.plugin(app)], batching: true, logging: false }))
    )
}

const apollo: Subject = {
  name: "Apollo Server",
  batches: true,
  subscriptions: "none",
  start: async (app) => {
    const server = new ApolloServer({
      schema: app.schema,
      plugins: [Apollo.plugin(app)],
      allowBatchedHttpRequests: true
    })
    const { url } = await startStandaloneServer(server, {
      context: Apollo.context(),
      listen: { port: 0, host: "127.0.0.1" }
    })
    return { url, stop: () => server.stop() }
  }
}

const mercurius: Subject = {
  name: "Mercurius",
  batches: true,
  subscriptions: "websocket",
  start: async (app) => {
    const server = fastify({ forceCloseConnections: true })
    await server.register(Mercurius.plugin(app), { subscription: true, allowBatchedQueries: true })
    const url = await server.listen({ port: 0, host: "127.0.0.1" })
    return { url: `${url}/graphql`, stop: () => server.close() }
  }
}

const graphqlHttp: Subject = {
  name: "graphql-http",
  batches: false,
  subscriptions: "none",
  start: (app) => listen(Http.createServer(createHandler(GraphqlHttp.options(app))))
}

/** No server at all: graphql-js's execute behind node:http. */
const plain: Subject = {
  name: "plain execute",
  batches: false,
  subscriptions: "none",
  start: (app) =>
    listen(
      Http.createServer(async (request, response) => {
        let body = ""
        for await (const chunk of request) body += chunk
        const hangUp = new AbortController()
        response.once("close", () => hangUp.abort())
        const { cacheControl, result } = await app.execute({
          document: JSON.parse(body).query,
          request: GraphqlRequest.make({ headers: request.headers }),
          signal: hangUp.signal
        })
        response.setHeader("cache-control", cacheControl).end(JSON.stringify(result))
      })
    )
}

export const all: ReadonlyArray<Subject> = [yoga, apollo, mercurius, graphqlHttp, plain]

/** A running server that stops with the scope. */
export const started = (subject: Subject, app: App) =>
  Effect.acquireRelease(
    Effect.promise(() => subject.start(app)),
    ({ stop }) => Effect.promise(() => Promise.all([stop(), app.dispose()]))
  )
