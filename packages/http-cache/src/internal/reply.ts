/** The responses callers get: status, fields with `age` and `cache-status`, and what answered. */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Answer from "../Answer.ts"
import * as CacheStatus from "../CacheStatus.ts"
import type * as Entry from "../Entry.ts"
import * as Freshness from "../Freshness.ts"
import * as Message from "../Message.ts"
import type { Outcome } from "../Outcome.ts"
import type { ForwardReason } from "../Plan.ts"
import type { Ask } from "./ask.ts"
import * as Body from "./body.ts"
import type { Head, Source } from "./response.ts"
import { CacheResponse } from "./response.ts"
import type { Stored } from "./stored.ts"

/** How a response came about. */
export interface Course {
  readonly outcome: Outcome["outcome"]
  /** Why the origin was asked, if it was. */
  readonly fwd?: ForwardReason | undefined
  readonly fwdStatus?: number | undefined
  readonly stored?: boolean | undefined
  readonly collapsed?: boolean | undefined
  readonly detail?: string | undefined
}

/** Courses that carry nothing of their own are made once. */
export const hit: Course = { outcome: "hit" }
export const stale: Course = { outcome: "stale" }

const collapses: Partial<Record<ForwardReason, Course>> = {}

/** Answered by what somebody else was fetching for this reason. */
export const collapsed = (reason: ForwardReason): Course => {
  collapses[reason] ??= { outcome: "collapsed", fwd: reason, collapsed: true }
  return collapses[reason]
}

export const lifetimeOf = (entry: Entry.Entry, now: number): NonNullable<Outcome["lifetime"]> => ({
  secondsLeft: Math.max(0, Freshness.secondsLeft(entry, now)),
  scope: entry.scope === "shared" ? "public" : "private"
})

type MutableFields = { [name: string]: string | ReadonlyArray<string> | undefined }

// To spread a record and add to it takes V8 five times as long.
const copy = (fields: Message.Fields): MutableFields => Object.assign({}, fields)

/** Adds what this cache has to say to fields that are the caller's own. */
const withStatus = (ask: Ask, fields: MutableFields, course: Course, ttl: number | undefined): Message.Fields => {
  const { key } = ask.plan
  const status = CacheStatus.serialize(ask.name, {
    hit: course.outcome === "hit" || (course.outcome === "stale" && course.fwd === undefined),
    fwd: course.fwd,
    fwdStatus: course.fwdStatus,
    stored: course.stored,
    collapsed: course.collapsed,
    detail: course.detail,
    ttl,
    key: key === "" ? undefined : key
  })
  const before = fields["cache-status"]
  fields["cache-status"] = before === undefined ? status : CacheStatus.append(before, status)
  return fields
}

class StoredHead implements Head {
  private readonly ask: Ask
  private readonly stored: Stored
  private readonly answer: Answer.Answer
  private readonly now: number
  private readonly course: Course
  private readonly updated: Message.Fields | undefined

  constructor(
    ask: Ask,
    stored: Stored,
    answer: Answer.Answer,
    now: number,
    course: Course,
    updated: Message.Fields | undefined
  ) {
    this.ask = ask
    this.stored = stored
    this.answer = answer
    this.now = now
    this.course = course
    this.updated = updated
  }

  get status(): number {
    return Answer.status(this.answer, this.stored)
  }

  get outcome(): Outcome {
    return { outcome: this.course.outcome, lifetime: lifetimeOf(this.stored, this.now) }
  }

  get contentType(): string | undefined {
    return Message.line(this.fieldsBefore(), "content-type")
  }

  fields(): Message.Fields {
    const { now, stored } = this
    const fields = copy(this.fieldsBefore())
    fields["age"] = String(Freshness.ageSeconds(stored, now))
    return withStatus(this.ask, fields, this.course, Freshness.secondsLeft(stored, now))
  }

  private fieldsBefore(): Message.Fields {
    return Answer.headers(this.answer, this.updated ?? this.stored.headers)
  }
}

const nobody: Source = { _tag: "Held", body: Body.empty }

const sourceOf = (ask: Ask, stored: Stored, answer: Answer.Answer): Source => {
  switch (answer._tag) {
    case "Whole":
      return ask.plan.method === "HEAD" ? nobody : { _tag: "Held", body: stored.body }
    case "Part": {
      const from = stored.range?.first ?? 0
      return { _tag: "Held", body: Body.slice(stored.body, answer.span.first - from, answer.span.last + 1 - from) }
    }
    default:
      return nobody
  }
}

/** Whether a request is given all of a stored response, its body included. */
export const isWhole = ({ head, plan }: Ask, stored: Stored): boolean =>
  plan.method !== "HEAD" && Answer.of(plan, head.headers, stored, Body.length(stored.body))._tag === "Whole"

/**
 * A stored response, or the part of it the request asks for.
 *
 * @param updated what a 304 has just said about it, in place of its own fields
 */
export const fromStored = (
  ask: Ask,
  stored: Stored,
  now: number,
  course: Course,
  updated?: Message.Fields
): CacheResponse => {
  const answer = Answer.of(ask.plan, ask.head.headers, stored, Body.length(stored.body))
  return new CacheResponse(
    ask.request,
    new StoredHead(ask, stored, answer, now, course, updated),
    sourceOf(ask, stored, answer),
    answer._tag === "Whole" ? stored : undefined,
    ask.reweigh
  )
}

/** What the origin has answered, with `entry` if it is being stored. */
export const fromOrigin = (
  ask: Ask,
  head: Message.ResponseHead,
  source: Source,
  now: number,
  course: Course,
  entry: Entry.Entry | undefined,
  stored?: Stored
): CacheResponse =>
  new CacheResponse(
    ask.request,
    {
      status: head.status,
      contentType: Message.line(head.headers, "content-type"),
      outcome:
        entry === undefined
          ? { outcome: course.outcome }
          : { outcome: course.outcome, lifetime: lifetimeOf(entry, now) },
      fields: () => {
        const fields = copy(head.headers)
        if (entry === undefined) return withStatus(ask, fields, course, undefined)
        // A response without a date is given one when it is stored, and to the caller who brought it as well.
        fields["date"] ??= entry.headers["date"]
        return withStatus(ask, fields, course, Freshness.secondsLeft(entry, now))
      }
    },
    source,
    stored,
    ask.reweigh
  )

/** What the client below answered, untouched but for what this cache has to say. */
export const passed = (
  ask: Ask,
  head: Message.ResponseHead,
  response: HttpClientResponse.HttpClientResponse,
  now: number,
  course: Course
): CacheResponse => fromOrigin(ask, head, { _tag: "Below", response }, now, course, undefined)

/** 504: nothing stored may answer, and the origin was not, or could not be, asked. */
export const gatewayTimeout = (ask: Ask, course: Course): CacheResponse =>
  new CacheResponse(
    ask.request,
    {
      status: 504,
      contentType: undefined,
      outcome: { outcome: course.outcome },
      fields: () => withStatus(ask, { "content-length": "0" }, course, undefined)
    },
    nobody,
    undefined,
    undefined
  )
