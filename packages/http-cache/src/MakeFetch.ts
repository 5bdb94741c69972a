/**
 * The cache as a WHATWG `fetch` function, for code that is not Effect.
 *
 * The same entries by the same rules, `Response`s instead of Effects. What the
 * cache does not use itself goes on to the inner function as it came.
 */

import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import type { CacheOptions, Mode } from "./CacheOptions.ts"
import type { Options, Target } from "./HttpCache.ts"
import { Cache } from "./internal/cache.ts"
import * as FetchClient from "./internal/fetchClient.ts"
import { CacheResponse } from "./internal/response.ts"
import * as WebResponse from "./internal/webResponse.ts"

export interface FetchOptions extends Options {
  /** The function that goes to the network. Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Where entries are kept. Default: a memory store of this function alone. */
  readonly store?: Context.Tag.Service<CacheStore.CacheStore> | undefined
  /** The bounds of the default store. */
  readonly memory?: CacheStore.MemoryOptions | undefined
  /** Default: the machine's. */
  readonly clock?: Clock.Clock | undefined
}

/** `fetch`, with entries that stay from call to call. */
export interface CachingFetch {
  (input: string | URL | Request, init?: RequestInit & CacheInit): Promise<Response>
  /** Forgets entries, by URL, prefix or tag. */
  readonly invalidate: (target: Target) => Promise<void>
  /** Ends what is under way behind responses and lets go of the entries. Calls made after it are refused. */
  readonly close: () => Promise<void>
}

/** What `fetch` has no option for. */
export interface CacheInit {
  /** As the Fetch standard has it; Node's types leave it out. */
  readonly cache?: Mode
  /** Lifetime, tags, `bodyInKey` and the like. */
  readonly cacheOptions?: Omit<CacheOptions, "mode" | "redirect">
}

/** What a caller gives, taken apart: what the cache uses and what is only passed on. */
interface Call {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly options: CacheOptions
  readonly signal: AbortSignal | undefined
  readonly rest: RequestInit
}

const standardMethods = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"])

/** Only the methods the standard names are put in upper case. */
const normalize = (method: string): string => {
  const upper = method.toUpperCase()
  return standardMethods.has(upper) ? upper : method
}

const headersOf = (headers: RequestInit["headers"] | undefined): Record<string, string> => {
  const fields: Record<string, string> = {}
  if (headers !== undefined) for (const [name, value] of new Headers(headers)) fields[name] = value
  return fields
}

const isStream = (body: unknown): boolean =>
  body instanceof ReadableStream || (typeof body === "object" && body !== null && Symbol.asyncIterator in body)

const isRequest = (input: unknown): input is Request => input instanceof Request

/** Takes a call apart. A body that is at hand whole becomes bytes, so that it can be sent again and be part of a key. */
const parse = async (input: string | URL | Request, init: RequestInit & CacheInit): Promise<Call> => {
  const given = isRequest(input) ? input : undefined
  const { body, cache, cacheOptions, headers, method, redirect, signal, ...rest } = init
  const request = HttpClientRequest.make(normalize(method ?? given?.method ?? "GET") as "GET")(
    given === undefined ? new URL(input as string | URL).href : given.url
  ).pipe(HttpClientRequest.setHeaders(headersOf(headers ?? given?.headers)))
  const options: CacheOptions = {
    ...cacheOptions,
    mode: cache ?? (given?.cache as Mode | undefined),
    redirect: redirect ?? given?.redirect
  }
  return {
    request: await withBody(request, body ?? given?.body ?? undefined, given),
    options,
    signal: signal ?? given?.signal ?? undefined,
    rest
  }
}

const withBody = async (
  request: HttpClientRequest.HttpClientRequest,
  body: NonNullable<RequestInit["body"]> | undefined,
  given: Request | undefined
): Promise<HttpClientRequest.HttpClientRequest> => {
  if (body === undefined) return request
  if (isStream(body) && given === undefined) return HttpClientRequest.setBody(request, HttpBody.raw(body))
  // The constructor knows the content type of every kind of body.
  const whole = new Response(body)
  const type = request.headers["content-type"] ?? whole.headers.get("content-type") ?? ""
  const bytes = HttpBody.uint8Array(new Uint8Array(await whole.arrayBuffer()), type)
  const made = HttpClientRequest.setBody(request, bytes)
  return type === "" ? HttpClientRequest.setHeaders(made, request.headers) : made
}

/** A plain GET needs no taking apart that would have to be waited for. */
const parsePlain = (input: string | URL): Call => ({
  request: HttpClientRequest.get(typeof input === "string" ? new URL(input).href : input.href),
  options: noOptions,
  signal: undefined,
  rest: noInit
})

const noOptions: CacheOptions = {}
const noInit: RequestInit = {}

/**
 * Makes a `fetch` function with a cache of its own.
 *
 * It rejects as `fetch` does: with the inner function's own error, or the signal's reason. Where the origin is lost and what is stored
 * may not be used without it, it answers 504.
 *
 * @example
 * import { MakeFetch } from "@wellspring/http-cache"
 *
 * const fetch = MakeFetch.make({ mode: "shared" })
 *
 * export const movies = () => fetch("https://api.example.com/movies").then((response) => response.json())
 */
export const make = (options: FetchOptions = {}): CachingFetch => {
  const inner = options.fetch ?? ((...args: Parameters<typeof globalThis.fetch>) => globalThis.fetch(...args))
  const scope = Effect.runSync(Scope.make())
  const making = Effect.gen(function* () {
    const store = options.store ?? (yield* CacheStore.makeMemory(options.memory))
    return yield* Effect.provideService(Cache.make(FetchClient.make(inner), options), CacheStore.CacheStore, store)
  }).pipe(Scope.extend(scope))
  const cache = Effect.runSync(options.clock === undefined ? making : Effect.withClock(making, options.clock))
  const { runtime } = cache.engine.background
  let closed = false

  const answer = ({ options, request, rest, signal }: Call): Promise<Response> =>
    new Promise((resolve, reject) => {
      if (closed) return reject(new TypeError("this fetch function was closed"))
      if (signal?.aborted) return reject(signal.reason)
      const calling = rest === noInit ? runtime : Runtime.provideService(runtime, FetchClient.Init, rest)
      let leave: () => void = () => {}
      const abort = () => {
        leave()
        reject(signal?.reason)
      }
      const settle = (exit: Exit.Exit<CacheResponse, HttpClientError.HttpClientError>) => {
        signal?.removeEventListener("abort", abort)
        try {
          const response = Exit.isSuccess(exit) ? exit.value : responseOf(exit.cause)
          if (response === undefined) return reject(Exit.isFailure(exit) ? reasonOf(exit.cause) : undefined)
          resolve(WebResponse.make(response, response.request.url !== request.url, signal))
        } catch (error) {
          reject(error)
        }
      }
      const begun = cache.answering(request, options, calling)(settle)
      if (typeof begun !== "function") return settle(begun)
      leave = begun
      signal?.addEventListener("abort", abort, { once: true })
    })

  const fetch = async (input: string | URL | Request, init?: RequestInit & CacheInit): Promise<Response> =>
    answer(init === undefined && !isRequest(input) ? parsePlain(input) : await parse(input, init ?? {}))

  return Object.assign(fetch, {
    invalidate: (target: Target) => Effect.runPromise(cache.invalidate(target)),
    close: () => {
      closed = true
      return Effect.runPromise(
        Effect.zipRight(
          Scope.close(scope, Exit.void),
          options.store === undefined ? cache.engine.slots.store.clear : Effect.void
        )
      )
    }
  })
}

/** The 504 that is a failure to Effect code. */
const responseOf = (cause: Cause.Cause<HttpClientError.HttpClientError>): CacheResponse | undefined => {
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  return error?._tag === "ResponseError" && error.response instanceof CacheResponse && error.response.status === 504
    ? error.response
    : undefined
}

/** What `fetch` would have rejected with. */
const reasonOf = (cause: Cause.Cause<HttpClientError.HttpClientError>): unknown => {
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  if (error === undefined) return Cause.squash(cause)
  return error._tag === "RequestError" && error.reason === "Transport"
    ? error.cause
    : new TypeError("fetch failed", { cause: error })
}
