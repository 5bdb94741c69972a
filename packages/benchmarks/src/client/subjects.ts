/**
 * What is compared: one way each to get a JSON document that is not in any cache.
 */
import { RESTDataSource } from "@apollo/datasource-rest"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import * as UndiciClient from "@wellspring/rest/UndiciClient"
import * as Fiberless from "@wellspring/source/Fiberless"
import { Context, Effect, Exit, type Layer, ManagedRuntime } from "effect"
import { type Dispatcher, Pool } from "undici"

/** Gets and parses the document once. */
export type Fetch = () => Promise<unknown>

const path = "/v1/movies/tt0111161?fields=all"

const undici = (base: string): Fetch => {
  const pool = new Pool(base)
  return () => pool.request({ path, method: "GET" }).then(({ body }) => body.json())
}

/** undici's own limit: a handler that keeps the body. */
class Collect implements Dispatcher.DispatchHandler {
  readonly #chunks: Array<Buffer> = []
  readonly #resolve: (value: unknown) => void
  readonly #reject: (error: Error) => void
  constructor(resolve: (value: unknown) => void, reject: (error: Error) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }
  onConnect(): void {}
  onHeaders(): boolean {
    return true
  }
  onData(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    return true
  }
  onComplete(): void {
    this.#resolve(JSON.parse(Buffer.concat(this.#chunks).toString()))
  }
  onError(error: Error): void {
    this.#reject(error)
  }
}

const dispatch = (base: string): Fetch => {
  const pool = new Pool(base)
  return () =>
    new Promise((resolve, reject) => {
      pool.dispatch({ path, method: "GET" }, new Collect(resolve, reject))
    })
}

/** What Effect itself costs: one fiber that waits for the handler above. */
const dispatchInFiber = (base: string): Fetch => {
  const pool = new Pool(base)
  return () =>
    Effect.runPromise(
      Effect.async<unknown, Error>((resume) => {
        const handler = new Collect(
          (value) => resume(Exit.succeed(value)),
          (error) => resume(Exit.fail(error))
        )
        pool.dispatch({ path, method: "GET" }, handler)
      })
    )
}

const fromLayer = (base: string, layer: Layer.Layer<HttpClient.HttpClient>): Promise<Fetch> =>
  ManagedRuntime.make(layer)
    .runPromise(HttpClient.HttpClient)
    .then((client) => () => Effect.runPromise(Effect.flatMap(client.get(`${base}${path}`), ({ json }) => json)))

const fiberless = async (base: string): Promise<Fetch> => {
  const client = await ManagedRuntime.make(UndiciClient.layer()).runPromise(HttpClient.HttpClient)
  const settle = (exit: Exit.Exit<unknown, unknown>, resolve: (value: unknown) => void) =>
    Exit.isSuccess(exit) ? resolve(exit.value) : resolve(Promise.reject(exit.cause))
  const begin = <A, E>(effect: Effect.Effect<A, E>, resume: (exit: Exit.Exit<A, E>) => void): void => {
    if (Exit.isExit(effect)) resume(effect as Exit.Exit<A, E>)
    else {
      if (!Fiberless.isFiberless(effect)) throw new Error("This takes a fiber.")
      const started = (effect as Fiberless.Fiberless<A, E>)[Fiberless.TypeId](Context.empty(), resume)
      if (typeof started !== "function") resume(started)
    }
  }
  return () =>
    new Promise((resolve) =>
      begin(client.execute(HttpClientRequest.get(`${base}${path}`)), (exit) =>
        Exit.isSuccess(exit) ? begin(exit.value.json, (exit) => settle(exit, resolve)) : settle(exit, resolve)
      )
    )
}

const restDataSource = (base: string): Fetch => {
  class Movies extends RESTDataSource {
    override baseURL = base
    movie() {
      return this.get<unknown>(path)
    }
  }
  // One a request, as its documentation asks; without a shared cache, for every call is to be a miss.
  return () => new Movies().movie()
}

export const subjects: Readonly<Record<string, (base: string) => Fetch | Promise<Fetch>>> = {
  "undici.request": undici,
  "undici dispatch": dispatch,
  "dispatch in a fiber": dispatchInFiber,
  UndiciClient: (base) => fromLayer(base, UndiciClient.layer()),
  "UndiciClient, no fiber": fiberless,
  FetchHttpClient: (base) => fromLayer(base, FetchHttpClient.layer),
  "NodeHttpClient.layerUndici": (base) => fromLayer(base, NodeHttpClient.layerUndici),
  RESTDataSource: restDataSource
}
