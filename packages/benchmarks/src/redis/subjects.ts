/** Ways to have a fresh 1 kB answer out of Redis. Each gives what reads one of its keys. */
import { RESTDataSource } from "@apollo/datasource-rest"
import { KeyvAdapter } from "@apollo/utils.keyvadapter"
import KeyvRedis from "@keyv/redis"
import { CacheStore, type Codec } from "@wellspring/cache-store"
import { Redis } from "@wellspring/redis"
import { Fiberless } from "@wellspring/source"
import { Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { Redis as Ioredis } from "ioredis"
import Keyv from "keyv"

export const keyCount = 100

export interface Movie {
  readonly id: number
  readonly title: string
  readonly cast: ReadonlyArray<{
    readonly id: string
    readonly name: string
    readonly role: string
    readonly order: number
  }>
}

/** 1 kB of JSON as an API gives it: many small fields. */
const movie = (id: number): Movie => ({
  id,
  title: `The movie number ${id}`,
  cast: Array.from({ length: 13 }, (_, order) => ({
    id: `nm${1000 + order}`,
    name: `Actor number ${order}`,
    role: `Character ${order}`,
    order
  }))
})

export interface Subject {
  readonly name: string
  readonly open: (port: number) => Promise<(key: number) => Promise<Movie>>
}

const json: Codec.Codec<Movie> = {
  name: "movie",
  encode: (value) => Buffer.from(JSON.stringify(value)),
  decode: (bytes) => Option.some(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())),
  size: () => 1024
}

const keys = Array.from({ length: keyCount }, (_, index) => index)

const storeOf = async (layer: Layer.Layer<CacheStore.CacheStore, Redis.RedisSetupError>) => {
  const scope = Effect.runSync(Scope.make())
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const store = await Effect.runPromise(Context.get(context, CacheStore.CacheStore).open("movies", json))
  for (const key of keys) await Effect.runPromise(store.set(String(key), movie(key), { timeToLive: "1 hour" }))
  return store
}

const missing = (): never => {
  throw new Error("It must be a hit.")
}

/** As an adapter reads it: by callback, without a fiber. */
const direct = (effect: Effect.Effect<Option.Option<Movie>>): Promise<Movie> | Movie => {
  if (Exit.isExit(effect)) {
    const exit = effect as Exit.Exit<Option.Option<Movie>>
    return Option.getOrElse(Exit.isSuccess(exit) ? exit.value : Option.none(), missing)
  }
  if (!Fiberless.isFiberless(effect)) throw new Error("It must need no fiber.")
  const fiberless = effect as Fiberless.Fiberless<Option.Option<Movie>>
  return new Promise((resolve, reject) => {
    const started = fiberless[Fiberless.TypeId](Context.empty(), (exit) =>
      Exit.isSuccess(exit) && Option.isSome(exit.value) ? resolve(exit.value.value) : reject(new Error("A miss."))
    )
    if (typeof started !== "function") reject(new Error("A miss."))
  })
}

const patient = { timeout: "5 seconds", writeTimeout: "5 seconds" } as const

/** What a hit can not be cheaper than, one command a read. */
const bareGet: Subject = {
  name: "bare GET + JSON.parse",
  open: async (port) => {
    const client = new Ioredis({ port })
    for (const key of keys) await client.set(`bare:${key}`, JSON.stringify(movie(key)))
    return async (key) => JSON.parse((await client.get(`bare:${key}`)) ?? missing())
  }
}

const store: Subject = {
  name: "Redis store, no fiber",
  open: async (port) => {
    const opened = await storeOf(Redis.layer({ url: `redis://127.0.0.1:${port}`, ...patient }))
    return async (key) => direct(opened.get(String(key)))
  }
}

const storeInFiber: Subject = {
  name: "Redis store, Effect.runPromise",
  open: async (port) => {
    const opened = await storeOf(Redis.layer({ url: `redis://127.0.0.1:${port}`, ...patient }))
    return async (key) => Option.getOrElse(await Effect.runPromise(opened.get(String(key))), missing)
  }
}

const tiered: Subject = {
  name: "memory in front of Redis, no fiber",
  open: async (port) => {
    const remote = Redis.layer({ url: `redis://127.0.0.1:${port}`, ...patient })
    const opened = await storeOf(CacheStore.layerTiered({ remote, maxAge: "1 hour" }))
    return async (key) => direct(opened.get(String(key)))
  }
}

class Movies extends RESTDataSource {
  override baseURL = "http://movies.invalid/"
  read(key: number): Promise<Movie> {
    return this.get<Movie>(`movies/${key}`)
  }
}

const dataSource: Subject = {
  name: "RESTDataSource + KeyvAdapter + @keyv/redis",
  open: async (port) => {
    // The adapter brings a Keyv of its own; the two differ in a private field's type.
    const keyv: unknown = new Keyv(new KeyvRedis(`redis://127.0.0.1:${port}`))
    const cache = new KeyvAdapter<string>(keyv as ConstructorParameters<typeof KeyvAdapter<string>>[0])
    let calls = 0
    const fetcher = async (url: string) => {
      calls++
      const body = JSON.stringify(movie(Number(new URL(url).pathname.split("/").at(-1))))
      const headers = { "content-type": "application/json", "cache-control": "max-age=3600" }
      return new Response(body, { headers })
    }
    const make = () => new Movies({ cache, fetch: fetcher })
    for (const key of keys) await make().read(key)
    await new Promise((resolve) => setTimeout(resolve, 200))
    calls = 0
    return async (key) => {
      const value = await make().read(key)
      if (calls > 0) missing()
      return value
    }
  }
}

export const subjects: ReadonlyArray<Subject> = [bareGet, store, storeInFiber, tiered, dataSource]
