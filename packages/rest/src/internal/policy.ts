/** Policies of source, endpoint and call, laid over each other and made into numbers. */
import type * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import * as Duration from "effect/Duration"
import type * as Endpoint from "../Endpoint.ts"
import type { Definition } from "./definition.ts"
import type { Limits } from "./exchange.ts"

export interface Effective {
  readonly dedupe: Endpoint.Dedupe
  readonly decode: Endpoint.Decode
  readonly reading: Endpoint.Reading
  readonly limits: Limits
  readonly retry: RetryNumbers
  readonly hedge: { readonly afterMillis: number } | undefined
  readonly cache: CacheOptions.CacheOptions | undefined
}

export interface RetryNumbers {
  readonly times: number
  readonly backoffMillis: number
  readonly maxBackoffMillis: number
  readonly statuses: ReadonlySet<number>
}

const millis = (input: Duration.DurationInput | undefined, otherwise: number): number =>
  input === undefined ? otherwise : Duration.toMillis(input)

const worthAnotherTry: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

const nearest = <K extends keyof Endpoint.Policy>(
  key: K,
  policies: ReadonlyArray<Endpoint.Policy>
): Endpoint.Policy[K] | undefined => policies.find((policy) => policy[key] !== undefined)?.[key]

/** The first policy that says something about a point decides it; groups of points are laid over each other by their members. */
export const resolve = (
  definition: Definition,
  call: Endpoint.Policy | undefined,
  source: Endpoint.Policy
): Effective => {
  const policies = call === undefined ? [definition.policy, source] : [call, definition.policy, source]
  const over = <A extends object>(key: keyof Endpoint.Policy): Partial<A> =>
    Object.assign({}, ...policies.map((policy) => defined(policy[key] as object | undefined)).reverse())
  const timeouts = over<Endpoint.Timeouts>("timeouts")
  const retry = over<Endpoint.Retry>("retry")
  const hedge = nearest("hedge", policies)
  const isRead = definition.method === "GET" || definition.method === "HEAD"
  return {
    dedupe: nearest("dedupe", isRead ? policies : policies.slice(0, -1)) ?? (isRead ? "during-lifetime" : "none"),
    decode: nearest("decode", policies) ?? "strict",
    reading: nearest("as", policies) ?? "auto",
    limits: {
      totalMillis: millis(timeouts.total, 30_000),
      attemptMillis: millis(timeouts.attempt, 20_000),
      headersMillis: millis(timeouts.headers, 10_000),
      bodyIdleMillis: millis(timeouts.bodyIdle, 10_000),
      maxBodyBytes: nearest("maxBodyBytes", policies) ?? 10_485_760
    },
    retry: {
      times: definition.idempotent ? (retry.times ?? 2) : 0,
      backoffMillis: millis(retry.backoff, 100),
      maxBackoffMillis: millis(retry.maxBackoff, 5_000),
      statuses: retry.statuses === undefined ? worthAnotherTry : new Set(retry.statuses)
    },
    hedge: hedge === undefined || !definition.idempotent ? undefined : { afterMillis: Duration.toMillis(hedge.after) },
    cache: nearest("cache", policies)
  }
}

const defined = (group: object | undefined): object =>
  group === undefined ? {} : Object.fromEntries(Object.entries(group).filter(([, value]) => value !== undefined))
