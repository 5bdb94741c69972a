/** Atlas behind each of three GraphQL servers, on a local port, until the scope closes. */
import { createServer } from "node:http"
import { ApolloServer } from "@apollo/server"
import { startStandaloneServer } from "@apollo/server/standalone"
import * as Apollo from "@wellspring/graphql/Apollo"
import * as Mercurius from "@wellspring/graphql/Mercurius"
import * as Yoga from "@wellspring/graphql/Yoga"
import { Effect, Schema } from "effect"
import fastify from "fastify"
import { createYoga } from "graphql-yoga"
import type * as Atlas from "./Atlas.ts"

const host = "127.0.0.1"

/** Another program listens on the port. */
export class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", { port: Schema.Number }) {
  override get message() {
    return `Port ${this.port} is taken by another program. Choose another one: npm start -- --port ${this.port + 1}`
  }
}

interface Listening {
  readonly url: string
  readonly close: () => Promise<unknown>
}

const listening = (port: number, listen: () => Promise<Listening>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.tryPromise(listen).pipe(
        Effect.catchAll(({ error }) =>
          error instanceof Error && "code" in error && error.code === "EADDRINUSE"
            ? new PortTaken({ port })
            : Effect.die(error)
        )
      ),
      ({ close }) => Effect.promise(close)
    ),
    ({ url }) => url
  )

const yoga = (app: Atlas.Atlas, port: number) =>
  listening(port, async () => {
    const server = createServer(createYoga({ schema: app.schema, plugins: [Yoga.plugin(app)], logging: false }))
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(port, host, resolve)
    })
    const close = () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
    return { url: `http://${host}:${portOf(server.address())}/graphql`, close }
  })

const apollo = (app: Atlas.Atlas, port: number) =>
  listening(port, async () => {
    const server = new ApolloServer({ schema: app.schema, plugins: [Apollo.plugin(app)], introspection: true })
    const { url } = await startStandaloneServer(server, { context: Apollo.context(), listen: { host, port } })
    return { url, close: () => server.stop() }
  })

const mercurius = (app: Atlas.Atlas, port: number) =>
  listening(port, async () => {
    const server = fastify({ forceCloseConnections: true })
    server.register(Mercurius.plugin(app), { graphiql: true })
    const address = await server.listen({ host, port })
    return { url: `${address}/graphiql`, close: () => server.close() }
  })

const portOf = (address: { readonly port: number } | string | null): number =>
  typeof address === "object" && address !== null ? address.port : 0

/** By the name that `--server` takes. */
export const servers = { apollo, mercurius, yoga }
export type Name = keyof typeof servers
export const isName = (name: string): name is Name => Object.hasOwn(servers, name)
