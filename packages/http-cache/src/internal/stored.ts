/**
 * What one key of the store holds: every variant and part of one resource.
 *
 * Kept in one value, the newest last, so that a lookup is one read, and choosing
 * between variants, freshening them and throwing them away need no second one.
 */
import type * as Exit from "effect/Exit"
import * as Entry from "../Entry.ts"
import type * as Body from "./body.ts"

/** A decoded value kept beside a body, under the decoder it came from. */
export interface Decoded {
  readonly by: object
  readonly exit: Exit.Exit<unknown>
  readonly bytes: number
}

/** An entry with its body and tags, and with what was made of it: the one thing that changes, and never leaves this process. */
export interface Stored extends Entry.Entry {
  readonly body: Body.Body
  readonly tags: ReadonlyArray<string>
  decoded: ReadonlyArray<Decoded> | undefined
}

export const noTags: ReadonlyArray<string> = []

export const make = (
  entry: Entry.Entry,
  body: Body.Body,
  tags: ReadonlyArray<string>,
  decoded?: ReadonlyArray<Decoded>
): Stored => ({ ...entry, body, tags, decoded })

export type Slot = ReadonlyArray<Stored>

/** More responses than this under one key, and the oldest go. */
export const mostVariants = 64

/** Whether two values are one entry, which a store elsewhere gives as a new object each time. */
export const isSame = (one: Stored, other: Stored): boolean =>
  one === other ||
  (one.responseTime === other.responseTime && one.requestTime === other.requestTime && one.etag === other.etag)

export const hasValidator = Entry.hasValidator
