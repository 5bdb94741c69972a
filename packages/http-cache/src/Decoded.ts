/**
 * The decoded value beside a stored body, so that the next hit costs neither
 * parse nor decode.
 *
 * It belongs to the entry: found by everybody the entry is given to, counted in
 * the store's bounds, gone when the entry is. It is shared, so it must not be written to.
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Body from "./internal/body.ts"
import { CacheResponse } from "./internal/response.ts"
import * as Stored from "./internal/stored.ts"

/** A response decoded in more ways than this keeps the last ones. */
const mostDecoders = 4

/**
 * The value that `decoder` made of this response earlier; `undefined` when it has made none, or the response is not a stored one.
 *
 * @param decoder whatever names the way of decoding, compared by identity; it must stand for one type
 */
export const peek = <A>(response: HttpClientResponse.HttpClientResponse, decoder: object): Exit.Exit<A> | undefined => {
  const stored = response instanceof CacheResponse ? response.stored : undefined
  // The decoder stands for one type.
  return stored && (Stored.decodedBy(stored, decoder) as Exit.Exit<A> | undefined)
}

/**
 * Keeps what `decoder` made of this response.
 *
 * @param options.bytes what the value holds in memory; default three times its body, as JSON has it
 * @returns the value as an Exit to answer with
 */
export const keep = <A>(
  response: HttpClientResponse.HttpClientResponse,
  decoder: object,
  value: A,
  options?: { readonly bytes?: number | undefined }
): Exit.Exit<A> => {
  const exit = Exit.succeed(value)
  if (!(response instanceof CacheResponse) || response.stored === undefined) return exit
  const { reweigh, stored } = response
  const bytes = options?.bytes ?? 3 * Body.length(stored.body)
  const others = (stored.decoded ?? []).filter((one) => one.by !== decoder).slice(1 - mostDecoders)
  stored.decoded = [...others, { by: decoder, exit, bytes }]
  reweigh?.(stored)
  return exit
}

/**
 * Decodes a response once for as long as it is stored. A hit is answered by an Exit at hand. Failures are not kept.
 *
 * @example
 * import { HttpClient, HttpClientResponse } from "@effect/platform"
 * import { Decoded } from "@wellspring/http-cache"
 * import { Effect, Schema } from "effect"
 *
 * const Movie = Schema.Struct({ id: Schema.String, title: Schema.String })
 *
 * export const movie = (id: string) =>
 *   HttpClient.get(`https://api.example.com/movies/${id}`).pipe(
 *     Effect.flatMap((response) => Decoded.of(response, Movie, HttpClientResponse.schemaBodyJson(Movie)))
 *   )
 */
export const of = <A, E, R>(
  response: HttpClientResponse.HttpClientResponse,
  decoder: object,
  decode: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<A, E, R>,
  options?: { readonly bytes?: ((value: A) => number) | undefined }
): Effect.Effect<A, E, R> =>
  peek<A>(response, decoder) ??
  Effect.flatMap(decode(response), (value) => keep(response, decoder, value, { bytes: options?.bytes?.(value) }))
