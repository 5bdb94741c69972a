/**
 * Where a request goes: its origin, and what stands on the request line.
 *
 * The answer is that of the [WHATWG URL Standard](https://url.spec.whatwg.org/),
 * as with `UrlParams.makeUrl`. A URL already in the form the standard would
 * give it, as nearly all are, is only cut in two.
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { RequestRefused } from "./undiciErrors.ts"

export interface Target {
  /** Scheme, host and port, as written: two spellings of one origin may differ. */
  readonly origin: string
  /** Path and query. The fragment is the client's own ([RFC 9110 §7.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.1)). */
  readonly path: string
}

const authority = /^https?:\/\/[a-z0-9.-]+(?::\d+)?(?=[/?]|$)/
/** Segments with nothing to encode; one that begins with a dot may be a dot segment. */
const plainPath = /^(?:\/(?!\.|%2e)[\w.~!$&'()*+,;=:@%-]*)*$/i
const plainQuery = /^[\w.~!$&()*+,;=:@%/?-]*$/
/** What `application/x-www-form-urlencoded` leaves as it is. */
const plainParam = /^[\w*.-]*$/

const parameters = (params: UrlParams.UrlParams): string => {
  let query = ""
  for (const [name, value] of params) {
    if (value === undefined) continue
    if (!plainParam.test(name) || !plainParam.test(value)) return UrlParams.toString(params)
    query += `${query === "" ? "" : "&"}${name}=${value}`
  }
  return query
}

const notUrl = (cause: Error) => new RequestRefused({ reason: cause.message, cause })

const parse = (request: HttpClientRequest.HttpClientRequest): Either.Either<Target, RequestRefused> =>
  Either.flatMap(Either.mapLeft(UrlParams.makeUrl(request.url, request.urlParams, Option.none()), notUrl), (url) => {
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      return Either.left(new RequestRefused({ reason: `${url.protocol} is not a scheme this client speaks` }))
    }
    // As with `fetch`: to drop them would send the request as somebody else.
    if (url.username !== "" || url.password !== "") {
      return Either.left(
        new RequestRefused({ reason: "credentials in a URL are not sent; set the authorization header" })
      )
    }
    return Either.right({ origin: url.origin, path: `${url.pathname}${url.search}` })
  })

/** Fails for what is no absolute `http` or `https` URL, and for credentials in a URL. */
export const of = (request: HttpClientRequest.HttpClientRequest): Either.Either<Target, RequestRefused> => {
  const url = request.url
  const origin = authority.exec(url)?.[0]
  if (origin === undefined) return parse(request)
  const question = url.indexOf("?", origin.length)
  const path = question === -1 ? url.slice(origin.length) : url.slice(origin.length, question)
  if (!plainPath.test(path)) return parse(request)
  const target = path === "" ? "/" : path
  if (question !== -1) {
    const query = url.slice(question + 1)
    // Parameters appended to a query write the whole of it anew.
    if (request.urlParams.length > 0 || query === "" || !plainQuery.test(query)) return parse(request)
    return Either.right({ origin, path: `${target}?${query}` })
  }
  if (request.urlParams.length === 0) return Either.right({ origin, path: target })
  const query = parameters(request.urlParams)
  return Either.right({ origin, path: query === "" ? target : `${target}?${query}` })
}
