/** What a response tells of the cache it came through, and for how long it may be kept. */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Operation from "@wellspring/source/Operation"
import type { Prepared } from "./prepare.ts"

type Response = HttpClientResponse.HttpClientResponse

/** The lifetime of what may not be kept. */
export const nothing: Operation.Lifetime = { secondsLeft: 0, scope: "private" }

export const outcomeOf = (_response: Response): Operation.Outcome => "bypass"

const seconds = (directives: string, name: string): number | undefined => {
  const found = new RegExp(`(?:^|,)\\s*${name}\\s*=\\s*"?(\\d+)"?`, "i").exec(directives)
  return found?.[1] === undefined ? undefined : Number(found[1])
}

/** The response's own lifetime, as it would be without any cache between. */
export const lifetimeOf = (response: Response, prepared: Prepared, _now: number): Operation.Lifetime => {
  const directives = response.headers["cache-control"]
  if (!prepared.definition.safe || directives === undefined || /(?:^|[\s,])no-(?:store|cache)/i.test(directives))
    return nothing
  const age = Number(response.headers["age"] ?? 0)
  const isPrivate = /(?:^|[\s,])private/i.test(directives)
  const shared = isPrivate ? undefined : seconds(directives, "s-maxage")
  const lifetime = shared ?? seconds(directives, "max-age") ?? 0
  const isPublic = /(?:^|[\s,])public/i.test(directives) || shared !== undefined
  return {
    secondsLeft: Math.max(0, lifetime - (Number.isFinite(age) ? age : 0)),
    // What depends on who asked is theirs, unless the upstream says that it does not.
    scope: isPrivate || (prepared.identity !== "" && !isPublic) ? "private" : "public"
  }
}
