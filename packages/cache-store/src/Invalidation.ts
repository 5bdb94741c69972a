/**
 * What was thrown away before its time.
 *
 * A store tells its invalidations to whoever keeps copies: a memory tier in
 * front of a remote store, or the memory of another server.
 */
import * as Data from "effect/Data"

export type Invalidation = Data.TaggedEnum<{
  /** One key. */
  Key: { readonly namespace: string; readonly key: string }
  /** Every entry that was set with this tag. */
  Tag: { readonly namespace: string; readonly tag: string }
  /** Every key that begins with this text. */
  Prefix: { readonly namespace: string; readonly prefix: string }
  /** The whole namespace; also sent when invalidations were lost, as after a broken connection. */
  All: { readonly namespace: string }
}>

export const { Key, Tag, Prefix, All, $is: is, $match: match } = Data.taggedEnum<Invalidation>()
