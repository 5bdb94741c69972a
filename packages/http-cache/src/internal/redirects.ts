/**
 * Following redirects, hop by hop ([RFC 9110 §15.4][1]): every hop is a request
 * of its own to the cache, answered and stored under its own URL.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9110#section-15.4
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Message from "../Message.ts"
import { urlOf } from "./ask.ts"
import { AUTHORIZATION, IDENTITY } from "./credentials.ts"
import type { CacheResponse } from "./response.ts"

const redirecting = new Set([301, 302, 303, 307, 308])

export const isRedirect = (status: number): boolean => redirecting.has(status)

/** Fields that speak of a body, which a GET made of a POST no longer has. */
const ofBody = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-type",
  "transfer-encoding"
]
/** Fields about one host, or about the connection to it. */
const ofHost = ["host", "origin", "referer"]

/**
 * The next request, or nothing when the response is not a redirect that can be followed.
 *
 * 303, and 301 or 302 to a POST, make a GET, as every browser does. To another origin
 * (scheme, host or port) no credentials go, of any kind the cache knows, and no body; from https to http nothing goes at all.
 */
export const next = (
  request: HttpClientRequest.HttpClientRequest,
  response: CacheResponse,
  classify: (name: string) => number
): { readonly request: HttpClientRequest.HttpClientRequest; readonly crosses: boolean } | undefined => {
  if (!redirecting.has(response.status)) return undefined
  const location = Message.line(response.fields, "location")
  const from = parse(urlOf(request))
  const to = location === undefined || from === undefined ? undefined : parse(location, from)
  if (from === undefined || to === undefined || (to.protocol !== "http:" && to.protocol !== "https:")) return undefined
  const crosses = from.origin !== to.origin
  if (from.protocol === "https:" && to.protocol === "http:") return undefined
  const becomesGet =
    (response.status === 303 && request.method !== "HEAD" && request.method !== "GET") ||
    ((response.status === 301 || response.status === 302) && request.method === "POST")
  // What streams has been sent, and a body is not for another origin.
  const hasBody = request.body._tag !== "Empty"
  if (!becomesGet && hasBody && (crosses || request.body._tag === "Stream")) return undefined
  if (to.username !== "" || to.password !== "") return undefined
  to.hash = ""
  const dropped = (name: string): boolean =>
    (becomesGet && ofBody.includes(name)) ||
    (crosses && (ofHost.includes(name) || (classify(name) & (AUTHORIZATION | IDENTITY)) !== 0))
  const headers = Object.entries(request.headers).filter(([name]) => !dropped(name))
  const bare = HttpClientRequest.setHeaders(
    HttpClientRequest.make(becomesGet ? "GET" : request.method)(to.href),
    Headers.fromInput(headers)
  )
  return { request: becomesGet || !hasBody ? bare : HttpClientRequest.setBody(bare, request.body), crosses }
}

const parse = (url: string, base?: URL): URL | undefined => {
  try {
    return new URL(url, base)
  } catch {
    return undefined
  }
}
