/**
 * Calls that a cache has answered before.
 *
 * A call made again is not described, keyed and planned again: what was worked
 * out is found by what the call would send, and the cache is asked whether it
 * still holds the answer. Whatever `prepare` sets is part of what is sent, so
 * no caller is shown what was found for another.
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import type * as HttpCache from "@wellspring/http-cache/HttpCache"
import type * as Context from "effect/Context"
import * as Option from "effect/Option"
import { Problem } from "../Path.ts"
import * as Place from "./place.ts"
import type { Described, Neutral, Prepared } from "./prepare.ts"
import { Recent } from "./recent.ts"
import type { RequestImpl } from "./request.ts"

/** A call as it was prepared, and where its answer is looked up. */
interface Variant {
  /** The cache's options that the caller had set when it was taken in. */
  readonly outer: CacheOptions.CacheOptions | undefined
  readonly inquiry: HttpCache.Inquiry
}

/** A request that was answered from the cache, with the ways it was prepared. */
export interface Repeated {
  readonly described: Described
  /** As described, with nothing added to it. */
  plain: Variant | undefined
  /** By what `prepare` added. */
  variants: Recent<Variant> | undefined
}

/** Requests remembered of one endpoint, and variants of one request. */
const mostRequests = 1024
const mostVariants = 16

export class Repeats {
  private readonly cache: HttpCache.Service
  private readonly neutral: Neutral
  private readonly requests = new Recent<Repeated>(mostRequests)

  constructor(cache: HttpCache.Service, neutral: Neutral) {
    this.cache = cache
    this.neutral = neutral
  }

  find(request: RequestImpl): Repeated | undefined {
    const text = textOf(request)
    return text === undefined ? undefined : this.requests.get(text)
  }

  /** What the cache holds for a repeated request, prepared as `given`. */
  look(
    { described, plain, variants }: Repeated,
    given: HttpClientRequest.HttpClientRequest,
    context: Context.Context<never>
  ): HttpClientResponse.HttpClientResponse | undefined {
    let variant = plain
    if (given !== described.request) {
      const text = variants === undefined ? undefined : this.added(described.request, given)
      variant = text === undefined ? undefined : variants?.get(text)
    }
    return variant === undefined || variant.outer !== outerOf(context) ? undefined : variant.inquiry()
  }

  /** Remembers a call that was answered from the cache. */
  keep(prepared: Prepared, context: Context.Context<never>): void {
    const { described, given, impl } = prepared
    const text = textOf(impl)
    if (text === undefined || prepared.options !== undefined || prepared.policy.dedupe === "until-invalidated") return
    const added = given === described.request ? "" : this.added(described.request, given)
    if (added === undefined) return
    const inquiry = this.cache.inquire(prepared.request, Place.cacheOptions(context, prepared))
    if (Option.isNone(inquiry)) return
    const variant: Variant = { outer: outerOf(context), inquiry: inquiry.value }
    let repeated = this.requests.get(text)
    if (repeated === undefined) {
      repeated = { described, plain: undefined, variants: undefined }
      this.requests.set(text, repeated)
    }
    if (given === described.request) repeated.plain = variant
    else {
      repeated.variants ??= new Recent(mostVariants)
      repeated.variants.set(added, variant)
    }
  }

  /** What `prepare` made of a request, as a text that no other outcome has; undefined where that cannot be told, or is not all that counts. */
  private added(
    described: HttpClientRequest.HttpClientRequest,
    given: HttpClientRequest.HttpClientRequest
  ): string | undefined {
    if (given.method !== described.method || given.body !== described.body || Option.isSome(given.hash))
      return undefined
    // Lengths keep one value's end from being taken for another's beginning.
    let text = given.url === described.url ? "" : `${given.url}\n`
    for (const [name, value] of given.urlParams) text += `${name.length}:${name}=${value.length}:${value}&`
    for (const name in given.headers) {
      const value = given.headers[name]
      if (value === undefined || this.neutral.headers.has(name)) return undefined
      text += `${name}:${value.length}:${value};`
    }
    return text
  }
}

/** What a request without a body would send, which tells it from every other of its endpoint. */
const textOf = ({ definition, location, wire }: RequestImpl): string | undefined =>
  definition.method !== "GET" || location !== undefined || wire instanceof Problem || wire.body !== undefined
    ? undefined
    : wire.identity

const outerOf = (context: Context.Context<never>): CacheOptions.CacheOptions | undefined =>
  context.unsafeMap.get(CacheOptions.Current.key)
