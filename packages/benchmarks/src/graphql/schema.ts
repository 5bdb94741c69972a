/** The query of the comparison: 100 movies, each with a batched director and a cached detail. */
import { makeExecutableSchema } from "@graphql-tools/schema"
import { type GraphQLSchema, parse } from "graphql"

export const typeDefs = `
  type Director { id: ID!, name: String! }
  type Detail { rating: Float!, votes: Int! }
  type Movie { id: ID!, title: String!, director: Director!, detail: Detail! }
  type Query { movies: [Movie!]! }
`

export const source = `{ movies { id title director { id name } detail { rating votes } } }`
export const document = parse(source)

export interface Movie {
  readonly id: string
  readonly title: string
  readonly directorId: string
}

export interface Director {
  readonly id: string
  readonly name: string
}

export interface Detail {
  readonly rating: number
  readonly votes: number
}

export const movies: ReadonlyArray<Movie> = Array.from({ length: 100 }, (_, index) => ({
  id: `m${index}`,
  title: `Movie ${index}`,
  directorId: `d${index % 20}`
}))

/** The backend of directors: in memory, so that what is measured is how it is asked. */
export const directors = (ids: ReadonlyArray<string>): ReadonlyArray<Director> =>
  ids.map((id) => ({ id, name: `Director ${id}` }))

interface Resolvers<C> {
  readonly director: (movie: Movie, context: C) => unknown
  readonly detail: (movie: Movie, context: C) => unknown
}

/** A schema over plain resolvers, for the peers and the limit. */
export const plain = <C>(resolvers: Resolvers<C>): GraphQLSchema =>
  makeExecutableSchema({
    typeDefs,
    resolvers: {
      Query: { movies: () => movies },
      Movie: {
        director: (movie: Movie, _: unknown, context: C) => resolvers.director(movie, context),
        detail: (movie: Movie, _: unknown, context: C) => resolvers.detail(movie, context)
      }
    }
  })
