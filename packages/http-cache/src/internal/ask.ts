/** One request on its way through the cache, with everything the steps need to know of it. */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Runtime from "effect/Runtime"
import type { CacheOptions } from "../CacheOptions.ts"
import type * as Message from "../Message.ts"
import type * as Plan from "../Plan.ts"
import type { Policy } from "../Policy.ts"
import type { Begun, Resume, Work } from "./begin.ts"
import type { CacheResponse } from "./response.ts"
import type { Place } from "./slots.ts"
import type { Stored } from "./stored.ts"

export type Failure = HttpClientError.HttpClientError

export interface Ask<P extends Plan.Plan = Plan.Plan> {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly head: Message.RequestHead
  readonly options: CacheOptions
  readonly policy: Policy
  readonly plan: P
  /** Whom the request speaks for; nobody in particular when absent. */
  readonly partition: string | undefined
  /** What the caller's Effects run with. */
  readonly runtime: Runtime.Runtime<never>
  /** Where its entries are. */
  readonly place: Place
  /** The cache's own name in `Cache-Status`. */
  readonly name: string
  readonly reweigh: (stored: Stored) => void
  /** The same request as made behind an answer: for all of the resource, and on nobody's conditions. */
  readonly behind: () => Ask
}

/** The way to one response. */
export type Answering = Work<CacheResponse, Failure>

/** Whom a response is for. */
export type Receive = Resume<CacheResponse, Failure>

/** A response at hand, or how to leave while it is waited for. */
export type Coming = Begun<CacheResponse, Failure>

/** The absolute URL of a request, its parameters in it, no fragment. What cannot be made a URL is left for the client to refuse. */
export const urlOf = (request: HttpClientRequest.HttpClientRequest): string => {
  const { url, urlParams } = request
  if (urlParams.length === 0) return url
  if (!url.includes("?") && !url.includes("#")) return `${url}?${UrlParams.toString(urlParams)}`
  return Either.match(UrlParams.makeUrl(url, urlParams, Option.none()), {
    onLeft: () => url,
    onRight: (made) => made.href
  })
}
