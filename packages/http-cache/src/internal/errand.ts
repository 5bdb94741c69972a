/** What the steps of a request through the cache hand to each other. */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Store from "@wellspring/cache-store/Store"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import type * as Exit from "effect/Exit"
import type * as Message from "../Message.ts"
import type * as Plan from "../Plan.ts"
import type * as Reuse from "../Reuse.ts"
import type * as Storing from "../Storing.ts"
import type * as Validation from "../Validation.ts"
import type { Ask, Failure } from "./ask.ts"
import type { Background } from "./background.ts"
import type { Flight } from "./flights.ts"
import * as Intake from "./intake.ts"
import type { Remembered } from "./remembered.ts"
import type { CacheResponse } from "./response.ts"
import type { Guard, Slots } from "./slots.ts"
import type * as Stored from "./stored.ts"

export interface Engine {
  readonly client: HttpClient.HttpClient
  readonly clock: Clock.Clock
  readonly slots: Slots
  readonly background: Background
  readonly flights: Map<string, Flight<Landing>>
  /** Whose last answer could not be shared: who asks for one does not queue behind another for nothing. */
  readonly unshareable: Remembered
  readonly maxEntryBytes: number
  /** How long a caller waits for another's answer; `undefined` when nobody is to wait. */
  readonly collapseFor: Duration.Duration | undefined
  readonly tagsOf: (ask: Ask, head: Message.ResponseHead) => ReadonlyArray<string>
}

/** What a flight ends with, for those who waited. */
export type Landing =
  /** An entry, which may or may not be what a waiter needs, and when it came. */
  | { readonly _tag: "Landed"; readonly stored: Stored.Stored; readonly at: number }
  /** Nothing that can be shared: everybody for himself. */
  | { readonly _tag: "Alone" }
  /** The origin failed. */
  | { readonly _tag: "Failed"; readonly failure: Reuse.Failure; readonly exit: Exit.Exit<never, Failure> | undefined }

export const alone: Landing = { _tag: "Alone" }

/** A call that is to be made, and what is known before it. */
export interface Errand {
  readonly ask: Ask
  readonly question: Validation.Question
  /** What the question is about. */
  readonly asked: ReadonlyArray<Stored.Stored>
  readonly reason: Plan.ForwardReason
  /** The stored entry that might have answered. */
  readonly selected: Stored.Stored | undefined
  /** Those who wait for the same. */
  readonly flight: Flight<Landing> | undefined
  /** What keeps other processes from making the same call. */
  readonly lease: Store.Granted | undefined
}

/** What the origin answered, and when. */
export interface Arrival {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly head: Message.ResponseHead
  readonly times: Storing.Received
  readonly guard: Guard
}

export const now = (engine: Engine): number => engine.clock.unsafeCurrentTimeMillis()

/** Tells those who wait, and gives the lease back; what is stored gives it back as it is written. */
export const land = (engine: Engine, { flight, lease }: Errand, landing: Landing): void => {
  if (lease !== undefined && landing._tag !== "Landed") giveBack(engine, lease)
  if (flight === undefined) return
  if (landing._tag === "Alone") engine.unshareable.add(flight.key, now(engine))
  else if (landing._tag === "Landed") engine.unshareable.remove(flight.key)
  flight.land(landing)
}

export const giveBack = ({ background, slots }: Engine, lease: Store.Granted): void =>
  background.finish(slots.store.release(lease))

/** Lets go of a response nobody is there to take. */
export const release = ({ background }: Engine, { source }: CacheResponse): void => {
  if (source._tag === "Below") background.fork(Intake.abandon(source.response))
}
