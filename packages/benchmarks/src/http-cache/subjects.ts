/** What is compared: ways to a JSON document behind a cache, each as a function of its URL. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RESTDataSource } from "@apollo/datasource-rest"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "@effect/platform"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as Decoded from "@wellspring/http-cache/Decoded"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import * as MakeFetch from "@wellspring/http-cache/MakeFetch"
import * as UndiciClient from "@wellspring/rest/UndiciClient"
import * as Fiberless from "@wellspring/source/Fiberless"
import { Context, Effect, Exit, Layer, ManagedRuntime } from "effect"
import makeFetchHappen from "make-fetch-happen"
import { Agent, interceptors } from "undici"

export type Get = (url: string) => unknown

/** Enough for every case; what is measured is not eviction. */
const maxBytes = 3_000_000_000

const store = () => CacheStore.layerMemory({ maxBytes })

const unwrap = <A>(exit: Exit.Exit<A, unknown>): A => {
  if (Exit.isFailure(exit)) throw new Error("A benchmark request failed.", { cause: exit.cause })
  return exit.value
}

/** Runs an Effect as a promise, without a fiber where it offers that. */
const promise = <A>(effect: Effect.Effect<A, unknown>): Promise<A> | A => {
  if (Exit.isExit(effect)) return unwrap(effect as Exit.Exit<A, unknown>)
  if (!Fiberless.isFiberless(effect)) return Effect.runPromise(effect)
  return new Promise((resolve, reject) => {
    const settle = (exit: Exit.Exit<unknown, unknown>) =>
      Exit.isSuccess(exit) ? resolve(exit.value as A) : reject(exit.cause)
    const begun = effect[Fiberless.TypeId](Context.empty() as Context.Context<never>, settle)
    if (typeof begun !== "function") settle(begun)
  })
}

const client = (layer: Layer.Layer<HttpClient.HttpClient>) =>
  ManagedRuntime.make(HttpCache.layer().pipe(Layer.provideMerge(Layer.mergeAll(layer, store())))).runPromise(
    Effect.all({ cache: HttpCache.HttpCache, http: HttpClient.HttpClient })
  )

const decoder = {}

const decode = (response: HttpClientResponse.HttpClientResponse): unknown => {
  const known = Decoded.peek(response, decoder)
  if (known !== undefined) return unwrap(known)
  const parsed = promise(response.json)
  return parsed instanceof Promise
    ? parsed.then((value) => Decoded.keep(response, decoder, value).pipe(unwrap))
    : unwrap(Decoded.keep(response, decoder, parsed))
}

/** The decoded value, shared: what `@wellspring/rest` does. */
const decoded = async (): Promise<Get> => {
  const { cache } = await client(UndiciClient.layer())
  return (url) => {
    const request = HttpClientRequest.get(url)
    const found = unwrap(cache.lookup(request))
    if (found._tag === "Some") return decode(found.value)
    const answer = promise(cache.execute(request))
    return answer instanceof Promise ? answer.then(decode) : decode(answer)
  }
}

/** A value of one's own at each call, parsed from what is stored. */
const parsed = async (): Promise<Get> => {
  const { cache } = await client(UndiciClient.layer())
  return (url) => {
    const request = HttpClientRequest.get(url)
    const found = unwrap(cache.lookup(request))
    if (found._tag === "Some") return promise(found.value.json)
    const answer = promise(cache.execute(request))
    return answer instanceof Promise ? answer.then(({ json }) => promise(json)) : promise(answer.json)
  }
}

const parsedInFiber = async (): Promise<Get> => {
  const { http } = await client(UndiciClient.layer())
  return (url) => Effect.runPromise(Effect.flatMap(http.get(url), ({ json }) => json))
}

const bareUndici = async (): Promise<Get> => {
  const http = await ManagedRuntime.make(UndiciClient.layer()).runPromise(HttpClient.HttpClient)
  return (url) => Effect.runPromise(Effect.flatMap(http.get(url), ({ json }) => json))
}

const cachedFetchClient = async (): Promise<Get> => {
  const { http } = await client(FetchHttpClient.layer)
  return (url) => Effect.runPromise(Effect.flatMap(http.get(url), ({ json }) => json))
}

const bareFetchClient = async (): Promise<Get> => {
  const http = await ManagedRuntime.make(FetchHttpClient.layer).runPromise(HttpClient.HttpClient)
  return (url) => Effect.runPromise(Effect.flatMap(http.get(url), ({ json }) => json))
}

const fetching = (): Get => {
  const fetch = MakeFetch.make({ memory: { maxBytes } })
  return (url) => fetch(url).then((response) => response.json())
}

const bareFetch = (): Get => (url) => fetch(url).then((response) => response.json())

class MovieApi extends RESTDataSource {
  override get<A>(url: string): Promise<A> {
    return super.get(url)
  }
}

/** As its documentation has it: a data source for each operation, a cache for all of them. */
const restDataSource = (): Get => {
  const entries = new Map<string, { readonly value: string; readonly until: number }>()
  const cache = {
    get: async (key: string) => {
      const entry = entries.get(key)
      return entry !== undefined && Date.now() < entry.until ? entry.value : undefined
    },
    set: async (key: string, value: string, options?: { ttl?: number | null }) =>
      void entries.set(key, { value, until: Date.now() + (options?.ttl ?? 1e9) * 1000 }),
    delete: async (key: string) => void entries.delete(key)
  }
  return (url) => new MovieApi({ cache }).get(url)
}

/** One data source for the whole burst: it is the one that joins equal requests. */
const restDataSourceShared = (): Get => {
  let source = new MovieApi()
  let last = ""
  return (url) => {
    if (url !== last) source = new MovieApi()
    last = url
    return source.get(url)
  }
}

const undiciCache = (): Get => {
  const dispatcher = new Agent().compose(interceptors.cache())
  return (url) => {
    const { origin, pathname, search } = new URL(url)
    return dispatcher.request({ origin, path: pathname + search, method: "GET" }).then(({ body }) => body.json())
  }
}

const undiciDeduplicate = (): Get => {
  const dispatcher = new Agent().compose(interceptors.deduplicate())
  return (url) => {
    const { origin, pathname, search } = new URL(url)
    return dispatcher.request({ origin, path: pathname + search, method: "GET" }).then(({ body }) => body.json())
  }
}

const happen = (): Get => {
  const fetch = makeFetchHappen.defaults({ cachePath: mkdtempSync(join(tmpdir(), "bench-")) })
  return (url) => fetch(url).then((response) => response.json())
}

interface Kept {
  readonly text: string
  value: unknown
  until: number
}

const load = (agent: Agent, url: string, headers: Record<string, string> = {}) => {
  const at = url.indexOf("/", 8)
  return agent.request({ origin: url.slice(0, at), path: url.slice(at), method: "GET", headers })
}

/** The limit: a map, a look at the clock, and `JSON.parse`. */
const mapAndParse = (): Get => {
  const agent = new Agent()
  const kept = new Map<string, Kept>()
  return async (url) => {
    const known = kept.get(url)
    if (known !== undefined && Date.now() < known.until) return JSON.parse(known.text)
    const text = await (await load(agent, url)).body.text()
    kept.set(url, { text, value: undefined, until: Date.now() + 60_000 })
    return JSON.parse(text)
  }
}

/** The limit of revalidation and of bursts: one shared value, its validator, and one promise for all. */
const mapAndValidate = (): Get => {
  const agent = new Agent()
  const kept = new Map<string, Kept>()
  const pending = new Map<string, Promise<unknown>>()
  const ask = async (url: string, known: Kept | undefined): Promise<unknown> => {
    const { body, statusCode } = await load(agent, url, known === undefined ? {} : { "if-none-match": '"33a64df5"' })
    if (statusCode === 304 && known !== undefined) {
      await body.dump()
      known.until = Date.now() + 60_000
      return known.value
    }
    const text = await body.text()
    const value: unknown = JSON.parse(text)
    kept.set(url, { text, value, until: Date.now() + 60_000 })
    return value
  }
  return (url) => {
    const known = kept.get(url)
    if (known !== undefined && Date.now() < known.until) return known.value
    const under = pending.get(url)
    if (under !== undefined) return under
    const asking = ask(url, known).finally(() => pending.delete(url))
    pending.set(url, asking)
    return asking
  }
}

type Subjects = Record<string, () => Get | Promise<Get>>

export const hit: Subjects = {
  "Map + JSON.parse": mapAndParse,
  "Wellspring, decoded value": decoded,
  "Wellspring, own parse": parsed,
  "Wellspring, runPromise": parsedInFiber,
  "Wellspring, fetch": fetching,
  RESTDataSource: restDataSource,
  "undici cache": undiciCache,
  "make-fetch-happen": happen
}

export const revalidation: Subjects = {
  "Map + If-None-Match": mapAndValidate,
  "Wellspring, decoded value": decoded,
  "Wellspring, fetch": fetching,
  RESTDataSource: restDataSource,
  "undici cache": undiciCache,
  "make-fetch-happen": happen
}

export const burst: Subjects = {
  "Map of promises": mapAndValidate,
  "Wellspring, decoded value": decoded,
  RESTDataSource: restDataSourceShared,
  "undici deduplicate": undiciDeduplicate
}

/** Each client beside itself with the cache over it. */
export const miss: Subjects = {
  fetch: bareFetch,
  "fetch, cached": fetching,
  FetchHttpClient: bareFetchClient,
  "FetchHttpClient, cached": cachedFetchClient,
  UndiciClient: bareUndici,
  "UndiciClient, cached": parsedInFiber
}

export const memory: Subjects = {
  "Map + parsed value": mapAndValidate,
  "Wellspring, bytes": parsed,
  "Wellspring, bytes and decoded value": decoded,
  RESTDataSource: restDataSource,
  "undici cache": undiciCache
}
