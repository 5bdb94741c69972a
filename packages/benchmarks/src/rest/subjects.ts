/**
 * What is compared. Each subject gets documents of an origin; in `hit` from its
 * cache, in `miss` never twice the same, in `stale` one that has to be
 * validated, in `burst` a thousand times the same at once.
 */
import { RESTDataSource } from "@apollo/datasource-rest"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import { Endpoint, RestSource, UndiciClient } from "@wellspring/rest"
import * as Operation from "@wellspring/source/Operation"
import { Context, Effect, Exit, Layer, ManagedRuntime, Schema, Scope } from "effect"
import { Pool } from "undici"

export interface Subject {
  /** One document; `name` tells documents of one size apart. */
  readonly get: (lifetime: number, kilobytes: number, name: string) => Promise<unknown>
  /** A thousand at once of one document. */
  readonly burst: (kilobytes: number) => Promise<unknown>
}

const thousand = Array.from({ length: 1000 })
const always = 3600

/** A map with a freshness check and the one parsed value: what no cache can do with less. */
const limit = (base: string): Subject => {
  const pool = new Pool(base)
  interface Entry {
    until: number
    readonly etag: string
    readonly promise: Promise<unknown>
  }
  const entries = new Map<string, Entry>()
  const pending = new Map<string, Promise<unknown>>()
  const fetch = async (path: string, lifetime: number): Promise<unknown> => {
    const old = entries.get(path)
    const headers = old === undefined ? {} : { "if-none-match": old.etag }
    const response = await pool.request({ path, method: "GET", headers })
    pending.delete(path)
    if (old !== undefined && response.statusCode === 304) {
      await response.body.dump()
      old.until = Date.now() + lifetime * 1000
      return old.promise
    }
    const value = await response.body.json()
    const promise = Promise.resolve(value)
    entries.set(path, { until: Date.now() + lifetime * 1000, etag: String(response.headers["etag"]), promise })
    if (entries.size > 10_000)
      for (const oldest of entries.keys()) {
        entries.delete(oldest)
        break
      }
    return value
  }
  const get: Subject["get"] = (lifetime, kilobytes, name) => {
    const path = `/${lifetime}/${kilobytes}/${name}`
    const entry = entries.get(path)
    if (entry !== undefined && entry.until > Date.now()) return entry.promise
    const known = pending.get(path)
    if (known !== undefined) return known
    const promise = fetch(path, lifetime)
    pending.set(path, promise)
    return promise
  }
  let bursts = 0
  return {
    get,
    burst: (kilobytes) => {
      const name = `burst${bursts++}`
      return Promise.all(thousand.map(() => get(always, kilobytes, name)))
    }
  }
}

/** undici's request and a parse, with no cache at all. */
const undici = (base: string): Subject => {
  const pool = new Pool(base)
  const get: Subject["get"] = (lifetime, kilobytes, name) =>
    pool.request({ path: `/${lifetime}/${kilobytes}/${name}`, method: "GET" }).then(({ body }) => body.json())
  return { get, burst: (kilobytes) => Promise.all(thousand.map(() => get(always, kilobytes, "burst"))) }
}

const Get = Endpoint.get("Get", {
  path: Endpoint.path`${Endpoint.param("lifetime", Schema.Number)}/${Endpoint.param("kilobytes", Schema.Number)}/${Endpoint.param("name", Schema.String)}`
})

/** Ours, through promises or through Effect's runtime. */
const wellspring =
  (cached: boolean, through: "promises" | "runtime") =>
  async (base: string): Promise<Subject> => {
    const client = UndiciClient.layer()
    const Live = cached
      ? HttpCache.layer().pipe(
          Layer.provide([client, CacheStore.layerMemory({ maxBytes: 256_000_000, maxEntries: 10_000 })])
        )
      : client
    const runtime = ManagedRuntime.make(Live)
    const source = await runtime.runPromise(RestSource.make({ baseUrl: `${base}/` }))
    const promises = RestSource.toPromises(source, Context.empty())
    const get: Subject["get"] =
      through === "promises"
        ? (lifetime, kilobytes, name) => promises.call(Get({ lifetime, kilobytes, name }))
        : (lifetime, kilobytes, name) => Effect.runPromise(source.call(Get({ lifetime, kilobytes, name })))
    let bursts = 0
    return {
      get,
      burst: async (kilobytes) => {
        const scope = Effect.runSync(Scope.make())
        const operation = Effect.runSync(Scope.extend(Operation.make(), scope))
        const inOperation = RestSource.toPromises(
          source,
          Context.make(Operation.Operation, operation) as Context.Context<never>
        )
        const name = `burst${bursts++}`
        const request = Get({ lifetime: always, kilobytes, name })
        await Promise.all(thousand.map(() => inOperation.call(request)))
        await Effect.runPromise(Scope.close(scope, Exit.void))
      }
    }
  }

class Movies extends RESTDataSource {
  override baseURL: string
  constructor(base: string) {
    super()
    this.baseURL = base
  }
  document(path: string): Promise<unknown> {
    return this.get(path)
  }
}

const restDataSource = (base: string): Subject => {
  const movies = new Movies(`${base}/`)
  let bursts = 0
  return {
    get: (lifetime, kilobytes, name) => movies.document(`${lifetime}/${kilobytes}/${name}`),
    burst: (kilobytes) => {
      const path = `${always}/${kilobytes}/burst${bursts++}`
      return Promise.all(thousand.map(() => movies.document(path)))
    }
  }
}

export const subjects: Readonly<Record<string, (base: string) => Subject | Promise<Subject>>> = {
  limit,
  "undici.request": undici,
  wellspring: wellspring(true, "promises"),
  "wellspring, runPromise": wellspring(true, "runtime"),
  "wellspring, no cache": wellspring(false, "promises"),
  RESTDataSource: restDataSource
}
