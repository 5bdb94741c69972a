/**
 * How a value becomes bytes, and how much memory it holds.
 *
 * A memory store keeps values as they are and only asks their size; a store
 * behind a socket encodes them. One codec serves both.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

export interface Codec<A> {
  /** What the bytes are. Part of an entry's identity: change it with the format, and old entries are simply not found. */
  readonly name: string
  /** The value as bytes. A value that cannot be encoded may throw: it is then not stored. */
  readonly encode: (value: A) => Uint8Array
  /** The value again, or `None` when the bytes are not of this format. May throw, which means the same. */
  readonly decode: (bytes: Uint8Array) => Option.Option<A>
  /** Bytes the value holds in this process, without the key it is stored under. An estimate that errs upwards keeps bounds honest. */
  readonly size: (value: A) => number
}

/** Bytes V8 needs for a string: one a character in Latin-1, two otherwise, and a header. */
export const stringBytes = (text: string): number => {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0xff) return 24 + 2 * text.length
  }
  return 24 + text.length
}

/** What a `Uint8Array` costs besides its content: its own object, its buffer's and the allocation. */
const arrayOverhead = 240

/** Bytes as they are. */
export const bytes: Codec<Uint8Array> = {
  name: "bytes",
  encode: (value) => value,
  decode: Option.some,
  size: (value) => arrayOverhead + value.byteLength
}

/** Text, as UTF-8. Lone surrogates do not survive a store behind a socket. */
export const text: Codec<string> = {
  name: "text",
  encode: (value) => new TextEncoder().encode(value),
  decode: (value) => Option.some(new TextDecoder("utf-8", { fatal: true }).decode(value)),
  size: stringBytes
}

/**
 * Values of a schema, as the JSON of their encoded form. What comes back from
 * a remote store is decoded by the schema, so that a poisoned or outdated entry is a miss.
 *
 * The size of a value in memory is estimated as twice its JSON's unless `size` says better.
 *
 * @example
 * import { Codec } from "@wellspring/cache-store"
 * import { Schema } from "effect"
 *
 * const Movie = Schema.Struct({ id: Schema.String, title: Schema.String })
 *
 * export const codec = Codec.schema(Movie, { name: "movie-1" })
 */
export const schema = <A, I>(
  schema: Schema.Schema<A, I>,
  options: { readonly name: string; readonly size?: (value: A) => number }
): Codec<A> => {
  const json = Schema.parseJson(schema)
  const encode = Schema.encodeSync(json)
  const decode = Schema.decodeUnknownOption(json)
  return {
    name: options.name,
    encode: (value) => text.encode(encode(value)),
    decode: (value) => Option.flatMap(text.decode(value), decode),
    size: options.size ?? ((value) => 2 * stringBytes(encode(value)))
  }
}
