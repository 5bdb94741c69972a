/**
 * Asking an origin about stored responses, and what its answer does to them
 * ([RFC 9111 §4.3][1]).
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.3
 */
import * as Entry from "./Entry.ts"
import * as EntityTag from "./internal/entityTag.ts"
import { makeEntry } from "./internal/makeEntry.ts"
import * as StoredFields from "./internal/storedFields.ts"
import * as Message from "./Message.ts"
import type * as Plan from "./Plan.ts"
import type { Policy } from "./Policy.ts"
import * as Vary from "./Vary.ts"

/** What is asked of the origin besides what the caller asks. */
export type Question =
  /** Nothing. */
  | { readonly _tag: "Plain" }
  /** Is one of these still good? Several only if none of them matched (see `Selection.candidates`). */
  | { readonly _tag: "Validate"; readonly entries: ReadonlyArray<Entry.Entry> }
  /** The bytes `entry` lacks, if it is still good. */
  | { readonly _tag: "Complete"; readonly entry: Entry.Entry; readonly range: string }

/** Asks nothing besides what the caller asks. */
export const plain: Question = { _tag: "Plain" }

type MutableFields = Record<string, string | ReadonlyArray<string>>

/**
 * The fields to send to the origin.
 *
 * The caller's, with validators added (`If-None-Match`, and `If-Modified-Since`
 * for a single entry that has a date) or `Range` and `If-Range`. Tags the caller
 * brings stay beside ours; a date the caller brings gives way to ours, since
 * whether the caller's copy is good can then be told here. The cache modes
 * `reload`, `no-store` and `no-cache` say so to caches further on, as the Fetch
 * standard has it, unless the caller has spoken.
 */
export const requestHeaders = (plan: Plan.Plan, request: Message.Fields, question: Question): Message.Fields => {
  const asking = question._tag === "Plain" ? undefined : question
  const speaking = plan.mode === "reload" || plan.mode === "no-store" || plan.mode === "no-cache"
  if (asking === undefined && !speaking) return request
  const headers: MutableFields = {}
  for (const name in request) {
    const value = request[name]
    if (value !== undefined) headers[name] = value
  }
  if (speaking && headers["cache-control"] === undefined) {
    headers["cache-control"] = plan.mode === "no-cache" ? "max-age=0" : "no-cache"
    if (plan.mode !== "no-cache") headers["pragma"] ??= "no-cache"
  }
  if (asking?._tag === "Complete") {
    headers["range"] = asking.range
    headers["if-range"] = Entry.strongValidator(asking.entry)
  } else if (asking !== undefined) addValidators(headers, asking.entries)
  return headers
}

const addValidators = (headers: MutableFields, entries: ReadonlyArray<Entry.Entry>): void => {
  const callers = callersTags(headers)
  const [only] = entries
  // Beside tags a date has no say (RFC 9110 §13.1.3): a caller's tags are sent alone, as they came.
  if (callers.length > 0 && only?.etag === "") return
  const tags = callers.includes("*") ? [] : [...callers]
  for (const { etag } of entries) if (etag !== "" && !callers.includes(etag)) tags.push(etag)
  if (tags.length > 0) headers["if-none-match"] = tags.join(", ")
  if (entries.length === 1 && only !== undefined && only.lastModified !== "")
    headers["if-modified-since"] = only.lastModified
  // To take a field away costs more than to look whether it is there.
  else if (headers["if-modified-since"] !== undefined) delete headers["if-modified-since"]
}

const callersTags = (request: Message.Fields): ReadonlyArray<string> => {
  const line = Message.line(request, "if-none-match")
  return line === undefined ? none : EntityTag.parse(line)
}

const none: ReadonlyArray<string> = []

/** The origin vouches for `previous`, which is now `entry`. */
export interface Freshened<A extends Entry.Entry> {
  readonly _tag: "Freshened"
  readonly previous: A
  /** What to keep in place of `previous`; `undefined` when the origin no longer permits keeping it. */
  readonly entry: Entry.Entry | undefined
  /** `entry` answers other requests than `previous`, which stays beside it: the origin chose it for this one. */
  readonly isAnother: boolean
  /** What to tell the caller about the representation, single-use fields of the 304 included. */
  readonly headers: Message.Fields
}

/** The origin vouches for the caller's copy: pass its 304 on. */
export interface PassOn {
  readonly _tag: "PassOn"
}

/** It cannot be told which response the 304 is about: ask again without conditions. */
export interface AskAgain {
  readonly _tag: "AskAgain"
}

/**
 * Finds the stored response a 304 is about, and brings it up to date.
 *
 * By its entity tag if it has one ([RFC 9111 §4.3.4][1]); a 304 without is about
 * the one entry that was asked for, if nothing else was: a date that differs
 * is a weak validator, and news. Its fields replace the stored ones, except
 * those that describe the bytes ([§3.2][2]), and lifetimes count from it.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.3.4
 * [2]: https://www.rfc-editor.org/rfc/rfc9111#section-3.2
 *
 * @param asked the entries of the question; none when only the caller asked
 * @param request the caller's own request, as it was before {@link requestHeaders}
 */
export const onNotModified = <A extends Entry.Entry>(
  policy: Policy,
  plan: Plan.Plan,
  request: Message.RequestHead,
  response: Message.ResponseHead,
  times: { readonly requestTime: number; readonly responseTime: number },
  asked: ReadonlyArray<A>
): Freshened<A> | PassOn | AskAgain => {
  if (asked.length === 0) return { _tag: "PassOn" }
  const callers = callersTags(request.headers)
  const previous = identify(response.headers, asked, callers)
  if (previous !== undefined) return freshen(policy, plan, request, response, times, previous)
  const tag = Message.line(response.headers, "etag")
  const isCallers =
    tag === undefined
      ? callers.length > 0 && asked.every((entry) => entry.etag === "")
      : callers.some((caller) => EntityTag.weaklyEqual(caller, tag))
  return isCallers ? { _tag: "PassOn" } : { _tag: "AskAgain" }
}

const identify = <A extends Entry.Entry>(
  response: Message.Fields,
  asked: ReadonlyArray<A>,
  callers: ReadonlyArray<string>
): A | undefined => {
  const tag = Message.line(response, "etag")
  const modified = Message.line(response, "last-modified")
  const [only] = asked
  if (tag !== undefined) {
    const same = asked.filter((entry) =>
      entry.etag === ""
        ? entry.lastModified !== "" && entry.lastModified === modified
        : Entry.isStrong(tag)
          ? entry.etag === tag || isWeakened(entry, tag, modified)
          : EntityTag.weaklyEqual(entry.etag, tag)
    )
    return same.reduce<A | undefined>(
      (best, entry) => (best === undefined || entry.date >= best.date ? entry : best),
      undefined
    )
  }
  if (only === undefined || asked.length > 1) return undefined
  // Without a tag it may be about a copy of the caller's that we have not.
  if (callers.some((caller) => caller !== "*" && !EntityTag.weaklyEqual(caller, only.etag))) return undefined
  return only
}

/**
 * Whether `tag` is the entry's own before something on the way, mostly a compression, made it a weak one: the
 * date must say so too, as the strong validator that §4.3.4 asks for beside a strong tag that differs.
 */
const isWeakened = (entry: Entry.Entry, tag: string, modified: string | undefined): boolean =>
  entry.etag === `W/${tag}` &&
  entry.lastModified !== "" &&
  entry.lastModified === modified &&
  Entry.isDatedStrongly(entry)

const freshen = <A extends Entry.Entry>(
  policy: Policy,
  plan: Plan.Plan,
  request: Message.RequestHead,
  response: Message.ResponseHead,
  times: { readonly requestTime: number; readonly responseTime: number },
  previous: A
): Freshened<A> => {
  const { entry, headers } = update(policy, plan, request, response, times, previous)
  const isAnother = !Vary.matches(policy, previous.vary, request.headers)
  return { _tag: "Freshened", previous, entry: plan.mayStore ? entry : previous, isAnother, headers }
}

/** What a 304 changes. A strong tag would promise bytes that are not those we have: a weak one stays. */
const newsOf = (headers: Message.Fields, previous: Entry.Entry): Message.Fields =>
  previous.etag.startsWith("W/") && Entry.isStrong(Message.line(headers, "etag") ?? "")
    ? { ...headers, etag: previous.etag }
    : headers

const update = (
  policy: Policy,
  plan: Plan.Plan,
  request: Message.RequestHead,
  response: Message.ResponseHead,
  times: { readonly requestTime: number; readonly responseTime: number },
  previous: Entry.Entry
): { readonly entry: Entry.Entry | undefined; readonly headers: Message.Fields } => {
  const headers = StoredFields.update(previous.headers, newsOf(response.headers, previous), times.responseTime)
  const vary = Vary.of(policy, request.headers, headers)
  if (vary === undefined) return { entry: undefined, headers }
  const made = makeEntry(
    policy,
    {
      status: previous.status,
      // `age` is no stored field, and counts for how old the 304 is.
      headers: response.headers["age"] === undefined ? headers : { ...headers, age: response.headers["age"] },
      decoded: Entry.has(previous, Entry.DECODED)
    },
    times,
    {
      scope: previous.scope,
      key: previous.key,
      vary,
      credentials: plan.credentials,
      explicitOnly: false,
      range: previous.range,
      rangeAsked: previous.rangeAsked
    }
  )
  return { entry: made._tag === "Store" ? made.entry : undefined, headers }
}

/** What a HEAD says about the stored response a GET would have been given. */
export type HeadUpdate =
  /** It is this one still, with newer fields. */
  | { readonly _tag: "Updated"; readonly entry: Entry.Entry }
  /** It is another by now: keep this in its place, which is stale. */
  | { readonly _tag: "Outdated"; readonly entry: Entry.Entry }
  /** It says nothing about it. */
  | { readonly _tag: "Unrelated" }

/**
 * Learns from the answer to a HEAD ([RFC 9111 §4.3.5][1]).
 *
 * A 200 whose validators and length are those of the entry updates its fields;
 * otherwise the entry counts as stale from now on, and so it does once a HEAD is
 * answered 404 or 410.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.3.5
 *
 * @param entry what a GET with the same fields would have selected
 * @param bytes the length of its body
 */
export const onHead = (
  policy: Policy,
  plan: Plan.Plan,
  request: Message.RequestHead,
  response: Message.ResponseHead,
  times: { readonly requestTime: number; readonly responseTime: number },
  entry: Entry.Entry,
  bytes: number
): HeadUpdate => {
  if (response.status === 404 || response.status === 410) return { _tag: "Outdated", entry: outdate(entry) }
  if (response.status !== 200) return { _tag: "Unrelated" }
  const tag = Message.line(response.headers, "etag")
  const modified = Message.line(response.headers, "last-modified")
  const length = Message.line(response.headers, "content-length")
  const size = entry.range === undefined ? bytes : entry.range.size
  const isSame =
    (tag === undefined || tag === entry.etag) &&
    (modified === undefined || modified === entry.lastModified) &&
    (length === undefined || Entry.has(entry, Entry.DECODED) || Number(length) === size)
  if (!isSame || (entry.status !== 200 && entry.range === undefined)) return { _tag: "Outdated", entry: outdate(entry) }
  if (!plan.mayStore) return { _tag: "Unrelated" }
  const updated = update(policy, plan, request, response, times, entry).entry
  return updated === undefined ? { _tag: "Outdated", entry: outdate(entry) } : { _tag: "Updated", entry: updated }
}

/** `entry` as one that is stale, and was so all along. */
export const outdate = (entry: Entry.Entry): Entry.Entry => ({
  ...entry,
  freshUntil: entry.responseTime,
  staleWhileRevalidateUntil: entry.responseTime,
  staleIfErrorUntil: entry.responseTime
})
