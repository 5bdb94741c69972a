/**
 * What one request asks of the cache.
 *
 * Options travel in the Effect's context, not on the request value: a request is rebuilt by every
 * combinator that touches it, and a header of ours would reach the origin
 * of a program that runs without the cache. What the standard has a field for
 * can be said on the request itself: `Cache-Control: no-cache`, `max-age=0`, `only-if-cached`, …
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"

/**
 * The cache modes of the [Fetch standard][1].
 *
 * - `default`: a fresh response is used, a stale one validated first.
 * - `no-store`: past the cache both ways.
 * - `reload`: from the origin, and the answer is stored.
 * - `no-cache`: validated with the origin even when fresh.
 * - `force-cache`: any stored response, stale ones too; otherwise from the origin.
 * - `only-if-cached`: any stored response; otherwise 504, and the origin is not asked.
 *
 * [1]: https://fetch.spec.whatwg.org/#concept-request-cache-mode
 */
export type Mode = "default" | "no-store" | "reload" | "no-cache" | "force-cache" | "only-if-cached"

/**
 * Changes how long a response to this request counts as fresh. It never makes
 * storable what the response, or the request's credentials, keep out of the cache.
 */
export interface Lifetime {
  /** Shortens: fresh for this long at most. */
  readonly atMost?: Duration.DurationInput | undefined
  /** Lengthens a lifetime the response states, unless it says `must-revalidate`, `no-cache` or the like. */
  readonly atLeast?: Duration.DurationInput | undefined
  /** For a response that says nothing about its lifetime. */
  readonly whenMissing?: Duration.DurationInput | undefined
  /**
   * Takes the place of whatever lifetime the response has, `no-cache` and `max-age=0` included, for an API whose headers are wrong. `no-store`,
   * `private`, credentials and partitions still hold.
   */
  readonly assumeFresh?: Duration.DurationInput | undefined
}

export interface CacheOptions {
  /** Default `default`. */
  readonly mode?: Mode | undefined
  readonly lifetime?: Lifetime | undefined
  /** Names for `HttpCache.invalidate`, besides those the response carries. */
  readonly tags?: ReadonlyArray<string> | undefined
  /**
   * Caches the answer to this POST or QUERY under its URL and its body. For
   * requests that are reads in all but method, as GraphQL queries: one that changes something would change it only once. Default `false`.
   */
  readonly bodyInKey?: boolean | undefined
  /**
   * Whom the request speaks for, besides the credentials in its fields: a tenant, a user known by other means. It counts as a credential. Only a
   * keyed hash of it is kept.
   */
  readonly identity?: string | undefined
  /** Whether redirects are followed, hop by hop. Default: what the layer says. */
  readonly redirect?: "follow" | "manual" | "error" | undefined
}

/** The options that hold where no others were given. */
export class Current extends Context.Reference<Current>()("@wellspring/http-cache/CacheOptions", {
  defaultValue: (): CacheOptions => ({})
}) {}

/**
 * What a caller's `FetchHttpClient.RequestInit` adds to every request, where no request shows it; `undefined` when it adds no
 * header fields. The cache counts it as part of who is asking, and so must whoever shares answers above it.
 */
export const unseen = (context: Context.Context<never>): string | undefined => {
  const init: RequestInit | undefined = context.unsafeMap.get(FetchHttpClient.RequestInit.key)
  if (init?.headers === undefined) return undefined
  const fields = Object.entries(Headers.fromInput(init.headers as Headers.Input))
  return fields.length === 0 ? undefined : JSON.stringify(fields.sort())
}

/**
 * Sets options for every request within an Effect. Inner options win over outer ones, one by one.
 *
 * @example
 * import { HttpClient } from "@effect/platform"
 * import { CacheOptions } from "@wellspring/http-cache"
 *
 * export const fresh = HttpClient.get("https://api.example.com/movies").pipe(CacheOptions.with({ mode: "reload" }))
 */
export const withOptions: {
  (options: CacheOptions): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, options: CacheOptions): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, options: CacheOptions): Effect.Effect<A, E, R> =>
    Effect.flatMap(Current, (outer) =>
      Effect.provideService(self, Current, {
        ...outer,
        ...options,
        lifetime: options.lifetime === undefined ? outer.lifetime : { ...outer.lifetime, ...options.lifetime }
      })
    )
)

export { withOptions as with }
