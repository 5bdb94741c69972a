/** Where a redirect leads, and what of the request goes along. */
import * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { Redirects } from "./exchange.ts"

const followed: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
// A change of origin keeps nothing that could say who asks.
const harmless: ReadonlySet<string> = new Set(["accept", "accept-language", "user-agent"])

export interface Settings {
  readonly max: number
  readonly isAllowed: (origin: string) => boolean
}

export const make =
  ({ isAllowed, max }: Settings): Redirects =>
  (request, response, hops) => {
    const { status } = response
    const location = response.headers["location"]
    if (max === 0 || !followed.has(status) || location === undefined) return undefined
    const refuse = (problem: string) => ({ _tag: "Redirect" as const, status, problem })
    if (hops >= max) return refuse(`it is redirect number ${hops + 1}, and ${max} are followed`)
    const from = new URL(request.url)
    if (!URL.canParse(location, from.href)) return refuse("its location is not a URL")
    const to = new URL(location, from)
    if (to.protocol !== "http:" && to.protocol !== "https:") return refuse("its location is not http or https")
    if (from.protocol === "https:" && to.protocol === "http:") return refuse("it leaves https for http")
    to.username = ""
    to.password = ""
    if (to.hash === "") to.hash = from.hash
    const isAbroad = to.origin !== from.origin
    if (isAbroad && !isAllowed(to.origin)) return refuse(`${to.host} is not among allowedOrigins`)
    to.hash = ""
    // RFC 9110 §15.4: 303 turns everything but HEAD into GET, 301 and 302 do so to POST; 307 and 308 keep method and body.
    const becomesGet = (status === 303 && request.method !== "HEAD") || (status <= 302 && request.method === "POST")
    const keepsBody = !becomesGet && request.body._tag !== "Empty"
    if (keepsBody && request.body._tag === "Stream") return refuse("its body was a stream, which cannot be sent twice")
    if (keepsBody && isAbroad) return refuse("it would send the body to another origin")
    const headers = isAbroad
      ? Headers.fromInput(Object.entries(request.headers).filter(([name]) => harmless.has(name)))
      : keepsBody
        ? request.headers
        : Headers.remove(request.headers, ["content-type", "content-length", "content-encoding", "content-language"])
    const bare = HttpClientRequest.make(becomesGet && request.method !== "GET" ? "GET" : request.method)(to.href)
    return HttpClientRequest.modify(bare, { headers, ...(keepsBody ? { body: request.body } : undefined) })
  }
