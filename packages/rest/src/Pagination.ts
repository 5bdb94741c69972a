/**
 * Pages as a `Stream`, whatever way the upstream has of naming the next one.
 *
 * Each page is the endpoint's decoded answer. While one is being worked on the
 * next is already on its way; nothing further is asked for than that, and
 * nothing at all once the stream is no longer read.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import Link from "http-link-header"
import type * as Endpoint from "./Endpoint.ts"
import { errorFields } from "./internal/prepare.ts"
import { RequestImpl } from "./internal/request.ts"
import * as RestError from "./RestError.ts"
import type * as RestSource from "./RestSource.ts"

export interface Options extends Endpoint.Policy {
  /** Whether the next page is fetched while this one is worked on. Default true. */
  readonly prefetch?: boolean | undefined
  /** The most pages read. Default unlimited; a page that names itself or an earlier one as next is an error in any case. */
  readonly maxPages?: number | undefined
}

/** The next page's request, if there is one. */
export type Next<A, E1> = (answer: RestSource.Answer<A>, index: number) => Endpoint.Request<A, E1, unknown> | undefined

/**
 * Pages from a first request and a rule that makes the next request from an answer.
 *
 * The other functions of this module are rules for the usual ways.
 */
export const unfold = <A, E1, E, R>(
  source: RestSource.Service<E, R>,
  first: Endpoint.Request<A, E1, unknown>,
  next: Next<A, E1>,
  options: Options = {}
): Stream.Stream<A, E | E1 | RestError.RestError, R> => {
  type Failure = E | E1 | RestError.RestError
  const maxPages = options.maxPages ?? Number.POSITIVE_INFINITY
  return Stream.unwrapScoped(
    Effect.map(Effect.scope, (scope) => {
      interface Step {
        readonly page: Effect.Effect<RestSource.Answer<A>, Failure, R>
        readonly request: Endpoint.Request<A, E1, unknown>
        readonly index: number
      }
      const seen = new Set<string>()
      const fetch = (request: Endpoint.Request<A, E1, unknown>) => source.callFull(request, options)
      const step = (
        page: Effect.Effect<RestSource.Answer<A>, Failure, R>,
        request: Endpoint.Request<A, E1, unknown>,
        index: number
      ): Effect.Effect<readonly [A, Option.Option<Step>], Failure, R> =>
        Effect.flatMap(page, (answer): Effect.Effect<readonly [A, Option.Option<Step>], Failure, R> => {
          const following = index + 1 < maxPages ? next(answer, index) : undefined
          if (following === undefined) return Effect.succeed([answer.value, Option.none()])
          seen.add(nameOf(request))
          if (seen.has(nameOf(following))) return Effect.fail(circular(request, answer.status))
          const call = fetch(following)
          if (options.prefetch === false) {
            return Effect.succeed([answer.value, Option.some({ page: call, request: following, index: index + 1 })])
          }
          return Effect.map(Effect.forkIn(call, scope), (fiber) => [
            answer.value,
            Option.some({ page: Fiber.join(fiber), request: following, index: index + 1 })
          ])
        })
      const start: Step = { page: fetch(first), request: first, index: 0 }
      return Stream.paginateEffect(start, ({ index, page, request }) => step(page, request, index))
    })
  )
}

const implOf = (request: unknown): RequestImpl => request as RequestImpl

const nameOf = (request: unknown): string => {
  const { location, wire } = implOf(request)
  return location ?? ("identity" in wire ? (wire.identity ?? "") : "")
}

const circular = (request: unknown, status: number): RestError.RestDecodeError =>
  new RestError.RestDecodeError({
    ...errorFields(implOf(request).definition),
    status,
    path: [],
    problem: "it names a page as its next one that was read before"
  })

/**
 * Follows `Link: <…>; rel="next"` ([RFC 8288][1]).
 *
 * The link is resolved against the page it came with, and followed within the
 * source's origin and `allowedOrigins` only: elsewhere it would carry the caller's credentials away.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc8288
 */
export const byLink = <A, E1, E, R>(
  source: RestSource.Service<E, R>,
  first: Endpoint.Request<A, E1, unknown>,
  options?: Options
): Stream.Stream<A, E | E1 | RestError.RestError, R> =>
  unfold(source, first, ({ headers }) => follow(first, nextLink(headers["link"])), options)

/** Follows a URL that the answer itself holds, by the same rules as {@link byLink}. */
export const byUrl = <A, E1, E, R>(
  source: RestSource.Service<E, R>,
  first: Endpoint.Request<A, E1, unknown>,
  next: (page: A) => string | null | undefined,
  options?: Options
): Stream.Stream<A, E | E1 | RestError.RestError, R> =>
  unfold(source, first, ({ value }) => follow(first, next(value) ?? undefined), options)

const follow = <A, E1>(
  first: Endpoint.Request<A, E1, unknown>,
  location: string | undefined
): Endpoint.Request<A, E1, unknown> | undefined => {
  if (location === undefined) return undefined
  const { definition, input } = implOf(first)
  return new RequestImpl(definition, input, location) as unknown as Endpoint.Request<A, E1, unknown>
}

const nextLink = (header: string | undefined): string | undefined => {
  if (header === undefined || header.length > 16_384) return undefined
  try {
    // Long runs of spaces, which mean nothing, would take the parser a time that grows with their square.
    return Link.parse(header.replace(/\s+/g, " ")).rel("next")[0]?.uri
  } catch {
    // A malformed header must not cost the page it came with.
    return undefined
  }
}

/** Hands the cursor of one page to the request for the next, until a page has none. */
export const byCursor = <C, A, E1, E, R>(
  source: RestSource.Service<E, R>,
  request: (cursor: C | undefined) => Endpoint.Request<A, E1, unknown>,
  cursor: (page: A) => C | null | undefined,
  options?: Options
): Stream.Stream<A, E | E1 | RestError.RestError, R> =>
  unfold(
    source,
    request(undefined),
    ({ value }) => {
      const next = cursor(value)
      return next === null || next === undefined || next === "" ? undefined : request(next)
    },
    options
  )

/** Counts pages up from `first` (default 1) until one is the last: by default the first that is an empty list. */
export const byPage = <A, E1, E, R>(
  source: RestSource.Service<E, R>,
  request: (page: number) => Endpoint.Request<A, E1, unknown>,
  options?: Options & {
    readonly first?: number | undefined
    readonly isLast?: ((page: A, number: number) => boolean) | undefined
  }
): Stream.Stream<A, E | E1 | RestError.RestError, R> => {
  const start = options?.first ?? 1
  const isLast = options?.isLast ?? isEmpty
  return unfold(
    source,
    request(start),
    ({ value }, index) => (isLast(value, start + index) ? undefined : request(start + index + 1)),
    options
  )
}

/** Advances by what each page held, until one holds less than `limit`. */
export const byOffset = <A, E1, E, R>(
  source: RestSource.Service<E, R>,
  request: (offset: number) => Endpoint.Request<A, E1, unknown>,
  options: Options & {
    /** How many items a full page holds. */
    readonly limit: number
    /** How many this page holds. */
    readonly count: (page: A) => number
  }
): Stream.Stream<A, E | E1 | RestError.RestError, R> => {
  return Stream.suspend(() => {
    let offset = 0
    return unfold(
      source,
      request(0),
      ({ value }) => {
        const count = options.count(value)
        if (count === 0 || count < options.limit) return undefined
        offset += count
        return request(offset)
      },
      options
    )
  })
}

const isEmpty = (page: unknown): boolean => Array.isArray(page) && page.length === 0
