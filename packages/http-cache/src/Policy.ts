/**
 * What one cache was told to do: the settings every decision takes.
 *
 * The decisions themselves are pure functions in their own modules, in the order
 * a request meets them: `Plan`, `Selection`, `Reuse`, `Answer`, `Validation`,
 * `Storing`, `Combining`, `Invalidation`.
 */
import * as Credentials from "./internal/credentials.ts"

/**
 * Changes to how long responses are kept, in milliseconds.
 *
 * They count from the arrival of a response. All but `assumeFresh` stay within
 * what the response permits.
 */
export interface Lifetimes {
  /** No response is fresh for longer. */
  readonly atMost?: number | undefined
  /** Responses are used for at least so long, unless they forbid being used stale (`no-cache`, `must-revalidate`, …). */
  readonly atLeast?: number | undefined
  /** For responses that say nothing about their lifetime but may be stored all the same; replaces the heuristic. */
  readonly whenMissing?: number | undefined
  /**
   * For origins whose headers cannot be helped: successful responses are fresh
   * for so long whatever `max-age`, `Expires` and `no-cache` say. `no-store`,
   * `private`, credentials and `Vary` still hold.
   */
  readonly assumeFresh?: number | undefined
}

/** The settings of a cache. Spans are milliseconds. */
export interface Options {
  /**
   * `shared`: what RFC 9111 lets a shared cache keep answers everybody, the rest
   * is kept for its own partition. `private`: a request with a partition reads
   * and fills that partition only.
   *
   * @default "shared"
   */
  readonly mode?: "shared" | "private" | undefined
  /** Fields that replace `Cache-Control` for shared entries, the most specific first. @default ["cdn-cache-control"] */
  readonly targetedFields?: ReadonlyArray<string> | undefined
  /** Request fields that carry an identity, besides the usual ones. */
  readonly identityHeaders?: ReadonlyArray<string> | undefined
  /** Request fields that carry none although they look so. `authorization`, `proxy-authorization` and `cookie` always do. */
  readonly anonymousHeaders?: ReadonlyArray<string> | undefined
  /** Whether shared entries replay `set-cookie` to others. @default "drop" */
  readonly setCookie?: "drop" | "keep" | undefined
  /**
   * The share of the time since `Last-Modified` for which a response without a
   * lifetime is fresh, and the most that may come of it.
   *
   * @default { fraction: 0.1, atMost: 86_400_000 }
   */
  readonly heuristic?: { readonly fraction: number; readonly atMost: number } | undefined
  /** Whether a lost origin lets stale responses be used (RFC 9111 §4.2.4). @default true */
  readonly staleWhenDisconnected?: boolean | undefined
  readonly lifetimes?: Lifetimes | undefined
  /**
   * Whether `Accept-Language` is compared by what it means: case, order and
   * weights aside, and against `Content-Language`.
   *
   * @default false
   */
  readonly normalizeLanguage?: boolean | undefined
  /** Whether a partial entry is completed by asking for the rest. @default true */
  readonly completePartials?: boolean | undefined
  /** Whether a 206 that holds less than was asked, or than it says, is kept to answer the same `Range`. @default false */
  readonly shortRanges?: boolean | undefined
  /** Methods with a body that are cached like GET under a key that covers the body, such as `["QUERY"]`. @default [] */
  readonly bodyKeyedMethods?: ReadonlyArray<string> | undefined
  /** Whether query parameters are sorted by name in keys. @default false */
  readonly sortQuery?: boolean | undefined
  /** Query parameters that never matter, left out of keys. @default [] */
  readonly ignoredParameters?: ReadonlyArray<string> | undefined
  /** What this cache calls itself in `Cache-Status`. @default "wellspring" */
  readonly name?: string | undefined
  /**
   * Turns a request field's value into something that can be kept: it must tell
   * values apart and not give them away, such as a keyed hash.
   */
  readonly digest: (value: string) => string
}

/** {@link Options} with every default in place, and what follows from them. */
export interface Policy {
  readonly mode: "shared" | "private"
  readonly targetedFields: ReadonlyArray<string>
  readonly setCookie: "drop" | "keep"
  readonly heuristic: { readonly fraction: number; readonly atMost: number }
  readonly staleWhenDisconnected: boolean
  readonly lifetimes: Lifetimes
  readonly normalizeLanguage: boolean
  readonly completePartials: boolean
  readonly shortRanges: boolean
  readonly bodyKeyedMethods: ReadonlySet<string>
  readonly sortQuery: boolean
  readonly ignoredParameters: ReadonlySet<string>
  readonly name: string
  readonly digest: (value: string) => string
  /** What a request field of this name means to the cache. */
  readonly classify: (name: string) => number
}

/** Completes `options`. */
export const make = (options: Options): Policy => ({
  mode: options.mode ?? "shared",
  targetedFields: (options.targetedFields ?? ["cdn-cache-control"]).map((name) => name.toLowerCase()),
  setCookie: options.setCookie ?? "drop",
  heuristic: options.heuristic ?? { fraction: 0.1, atMost: 86_400_000 },
  staleWhenDisconnected: options.staleWhenDisconnected ?? true,
  lifetimes: options.lifetimes ?? {},
  normalizeLanguage: options.normalizeLanguage ?? false,
  completePartials: options.completePartials ?? true,
  shortRanges: options.shortRanges ?? false,
  bodyKeyedMethods: new Set((options.bodyKeyedMethods ?? []).map((method) => method.toUpperCase())),
  sortQuery: options.sortQuery ?? false,
  ignoredParameters: new Set(options.ignoredParameters ?? []),
  name: options.name ?? "wellspring",
  digest: options.digest,
  classify: Credentials.classifier(options.identityHeaders ?? [], options.anonymousHeaders ?? [])
})
