/**
 * Calls that a cache has answered before.
 *
 * A call made again is not described, keyed and planned again: what was worked
 * out is found by what the call would send, and the cache is asked whether it
 * still holds the answer. Whatever `prepare` sets is part of what is sent, so
 * no caller is shown what was found for another.
 */
import * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import type * as HttpCache from "@wellspring/http-cache/HttpCache"
import type * as Context from "effect/Context"
import * as Option from "effect/Option"
import type * as Naming from "./naming.ts"
import * as Place from "./place.ts"
import type { Described, Prepared } from "./prepare.ts"
import { Recent } from "./recent.ts"

/** A call as it was prepared, and where its answer is looked up. */
interface Variant {
  /** The cache's options that the caller had set when it was taken in. */
  readonly outer: CacheOptions.CacheOptions | undefined
  readonly inquiry: HttpCache.Inquiry
}

/** Requests remembered of one endpoint, and variants of one request. */
const mostRequests = 1024
const mostVariants = 16

/** A request that was answered from the cache, with the ways it was prepared. */
export class Repeated {
  readonly described: Described
  /** As described, with nothing added to it. */
  private plain: Variant | undefined = undefined
  /** By what `prepare` added. */
  private variants: Recent<Variant> | undefined = undefined

  constructor(described: Described) {
    this.described = described
  }

  /** Where the cache is asked for it, prepared by adding `added`. */
  inquiry(added: string, context: Context.Context<never>): HttpCache.Inquiry | undefined {
    const variant = added === "" ? this.plain : this.variants?.get(added)
    return variant === undefined || variant.outer !== outerOf(context) ? undefined : variant.inquiry
  }

  keep(added: string, variant: Variant): void {
    if (added === "") this.plain = variant
    else {
      this.variants ??= new Recent(mostVariants)
      this.variants.set(added, variant)
    }
  }
}

export class Repeats {
  private readonly cache: HttpCache.Service
  private readonly requests = new Recent<Repeated>(mostRequests)

  constructor(cache: HttpCache.Service) {
    this.cache = cache
  }

  find(text: string): Repeated | undefined {
    return this.requests.get(text)
  }

  /** Remembers a call that was answered from the cache. */
  keep({ added, text }: Naming.Alias, prepared: Prepared, context: Context.Context<never>): void {
    // An inquiry knows the request alone.
    if (CacheOptions.unseen(context) !== undefined) return
    const inquiry = this.cache.inquire(prepared.request, Place.cacheOptions(context, prepared))
    if (Option.isNone(inquiry)) return
    let repeated = this.requests.get(text)
    if (repeated === undefined) {
      repeated = new Repeated(prepared.described)
      this.requests.set(text, repeated)
    }
    repeated.keep(added, { outer: outerOf(context), inquiry: inquiry.value })
  }
}

const outerOf = (context: Context.Context<never>): CacheOptions.CacheOptions | undefined =>
  context.unsafeMap.get(CacheOptions.Current.key)
