/** What a response tells of the cache it came through, and for how long it may be kept. */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Decoded from "@wellspring/http-cache/Decoded"
import type { Outcome } from "@wellspring/http-cache/Outcome"
import type * as Operation from "@wellspring/source/Operation"
import type * as Exit from "effect/Exit"
import type { Definition } from "./definition.ts"
import type { Prepared } from "./prepare.ts"

/** What was decoded from this stored answer before. */
export const remembered = (
  response: HttpClientResponse.HttpClientResponse,
  definition: Definition
): Exit.Success<unknown, never> | undefined =>
  response.status < 300 ? (Decoded.peek(response, definition) as Exit.Success<unknown, never> | undefined) : undefined

/** Keeps a decoded value beside the stored answer it was made from, for as long as that is kept. */
export const remember = (
  response: HttpClientResponse.HttpClientResponse,
  { definition, isPlain }: Prepared,
  value: unknown
): void => {
  if (isPlain) Decoded.keep(response, definition, value)
}

type Response = HttpClientResponse.HttpClientResponse

/** The lifetime of what may not be kept. */
export const nothing: Operation.Lifetime = { secondsLeft: 0, scope: "private" }

/** How a cache answered, on the responses of ours. */
const told = (response: Response): Outcome | undefined => (response as { readonly outcome?: Outcome }).outcome

/** How the call was answered; without a cache, every call passes it by. */
export const outcomeOf = (response: Response): Operation.Outcome => told(response)?.outcome ?? "bypass"

const seconds = (directives: string, name: string): number | undefined => {
  const found = new RegExp(`(?:^|,)\\s*${name}\\s*=\\s*"?(\\d+)"?`, "i").exec(directives)
  return found?.[1] === undefined ? undefined : Number(found[1])
}

/** A cache's answer as it is accounted for. */
export const callOf = (response: Response): Operation.Call => {
  const outcome = told(response)
  return { outcome: outcome?.outcome ?? "bypass", lifetime: outcome?.lifetime ?? nothing }
}

/** For how long the answer may be kept: as the cache says, or else as its own headers do. */
export const lifetimeOf = (response: Response, prepared: Prepared): Operation.Lifetime => {
  const outcome = told(response)
  if (outcome !== undefined) return outcome.lifetime ?? nothing
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
