/** The cache as its faces share it: settings read once, requests taken in, redirects followed, entries invalidated. */
import { createHash, randomBytes } from "node:crypto"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as Invalidations from "@wellspring/cache-store/Invalidation"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as CacheKey from "../CacheKey.ts"
import { type CacheOptions, type Lifetime, unseen as unseenIn } from "../CacheOptions.ts"
import * as CacheStatus from "../CacheStatus.ts"
import * as Freshness from "../Freshness.ts"
import type { Inquiry, Options, Target } from "../HttpCache.ts"
import * as Message from "../Message.ts"
import * as Plan from "../Plan.ts"
import * as Policy from "../Policy.ts"
import type { Answering, Ask } from "./ask.ts"
import { urlOf } from "./ask.ts"
import { Background } from "./background.ts"
import { andThen, fiberless, run } from "./begin.ts"
import * as Engine from "./engine.ts"
import { Identities } from "./identity.ts"
import * as Outgoing from "./outgoing.ts"
import * as Redirects from "./redirects.ts"
import { Remembered } from "./remembered.ts"
import type { CacheResponse } from "./response.ts"
import { codec } from "./slotCodec.ts"
import { place, Slots } from "./slots.ts"
import * as Stored from "./stored.ts"

const defaultEntryBytes = 8 * 1024 * 1024
const mostRedirects = 20
/** How long it is remembered that a key's answers cannot be shared. */
const unshareableMillis = 10_000

const millis = (duration: Duration.DurationInput | undefined): number | undefined =>
  duration === undefined ? undefined : Duration.toMillis(duration)

const lifetimesOf = (lifetime: Lifetime | undefined): Policy.Lifetimes =>
  lifetime === undefined
    ? {}
    : {
        atMost: millis(lifetime.atMost),
        atLeast: millis(lifetime.atLeast),
        whenMissing: millis(lifetime.whenMissing),
        assumeFresh: millis(lifetime.assumeFresh)
      }

interface InquiryOf<R> extends Omit<Inquiry, "look"> {
  readonly look: () => R | undefined
}

/** The methods that `bodyInKey` speaks of. */
const withBody = new Set(["POST", "QUERY"])

/** Lists of tags are separated by spaces (`Surrogate-Key`) or commas (`Cache-Tag`). */
const tagLists = /[\s,]+/

export class Cache {
  readonly engine: Engine.Engine
  readonly policy: Policy.Policy
  private readonly options: Options
  private readonly identities: Identities
  private readonly name: string
  /** Policies of callers who ask for something of their own, by their options. */
  private readonly policies = new WeakMap<CacheOptions, Policy.Policy>()
  private readonly reweigh: (stored: Stored.Stored, at: ReturnType<typeof place>) => void

  private constructor(engine: Engine.Engine, policy: Policy.Policy, options: Options, identities: Identities) {
    this.engine = engine
    this.policy = policy
    this.options = options
    this.identities = identities
    this.name = CacheStatus.identify(policy.name)
    this.reweigh = (stored, at) => engine.slots.reweigh(at, stored.scope)
  }

  static readonly make = (
    client: HttpClient.HttpClient,
    options: Options
  ): Effect.Effect<Cache, never, CacheStore.CacheStore | Scope.Scope> =>
    Effect.gen(function* () {
      const { open } = yield* CacheStore.CacheStore
      const clock = yield* Effect.clock
      const background = yield* Background.make
      const store = yield* open(options.namespace ?? "http", codec)
      const secret =
        options.secret === undefined ? randomBytes(32) : Buffer.from(Redacted.value(options.secret), "utf8")
      const identities = new Identities(secret)
      const policy = Policy.make({
        ...options,
        heuristic: options.heuristic && { ...options.heuristic, atMost: Duration.toMillis(options.heuristic.atMost) },
        lifetimes: lifetimesOf(options.lifetime),
        digest: (value) => identities.hash(value)
      })
      const keepStale = Duration.toMillis(options.keepStale ?? "1 day")
      const slots = new Slots(store, clock, background, (entry) => Freshness.keepUntil(policy, entry, keepStale))
      const tagHeaders = (options.tagHeaders ?? ["surrogate-key", "cache-tag"]).map((name) => name.toLowerCase())
      const engine: Engine.Engine = {
        client,
        clock,
        slots,
        background,
        flights: new Map(),
        unshareable: new Remembered(unshareableMillis),
        maxEntryBytes: options.maxEntryBytes ?? defaultEntryBytes,
        collapseFor: options.collapse === false ? undefined : Duration.decode(options.collapse ?? "10 seconds"),
        tagsOf: (ask, head) => {
          const tags: Array<string> = [...(ask.options.tags ?? [])]
          for (const name of tagHeaders) {
            const value = Message.line(head.headers, name)
            if (value !== undefined) tags.push(...value.split(tagLists).filter((tag) => tag !== ""))
          }
          if (options.tags !== undefined) tags.push(...options.tags(ask.request, head))
          return tags.length === 0 ? Stored.noTags : tags
        }
      }
      if (store.direct === undefined) {
        const told = yield* store.subscribe
        const listen = Effect.map(Queue.take(told), (invalidation) =>
          Engine.detach(engine, Invalidations.is("Key")(invalidation) ? (key) => key === invalidation.key : () => true)
        )
        yield* Effect.forkScoped(Effect.forever(listen))
      }
      return new Cache(engine, policy, options, identities)
    })

  /** The way to the response of a request. */
  answering(
    request: HttpClientRequest.HttpClientRequest,
    options: CacheOptions,
    runtime: Runtime.Runtime<never>
  ): Answering {
    const redirect = this.redirect(options)
    const first = this.once(request, options, runtime)
    return redirect === "manual"
      ? first
      : this.following(first, request, options, runtime, redirect === "error" ? 0 : mostRedirects)
  }

  /** The response when it is at hand and the origin need not be asked. */
  peek(request: HttpClientRequest.HttpClientRequest, options: CacheOptions): CacheResponse | undefined {
    return this.inquire(request, options)?.look()
  }

  /** A request taken in once, to be looked up again and again. */
  inquire(request: HttpClientRequest.HttpClientRequest, options: CacheOptions): InquiryOf<CacheResponse> | undefined {
    const { engine } = this
    const partition = this.partitionOf(request, options)
    if (isAsked(partition)) return undefined
    const ask = this.ask(request, options, engine.background.runtime, partition)
    if (ask.plan._tag !== "Lookup") return undefined
    const decoded = (decoder: object) => Engine.peekDecoded(engine, ask, decoder)
    if (this.redirect(options) === "manual") return { look: () => Engine.peek(engine, ask), decoded }
    const look = () => {
      const response = Engine.peek(engine, ask)
      // A redirect that is to be followed is not yet the answer.
      return response === undefined || !Redirects.isRedirect(response.status) ? response : undefined
    }
    return { look, decoded }
  }

  /** A request as it would be taken in. */
  asking(request: HttpClientRequest.HttpClientRequest, options: CacheOptions): Effect.Effect<Ask> {
    const { runtime } = this.engine.background
    const partition = this.partitionOf(request, options)
    if (!isAsked(partition)) return Effect.sync(() => this.ask(request, options, runtime, partition))
    return Effect.map(partition, (given) => this.ask(request, options, runtime, this.hashed(given)))
  }

  /** What is stored that might answer a request. */
  stored(ask: Ask): Effect.Effect<Stored.Slot> {
    return fiberless((_runtime, resume) => this.engine.slots.read(ask.place)(resume))
  }

  /** Forgets what `target` names, and everybody's answers under way to it. */
  invalidate(target: Target): Effect.Effect<void> {
    const { engine } = this
    const { store } = engine.slots
    return Effect.suspend(() => {
      if ("tag" in target) {
        Engine.detach(engine, () => true)
        return store.removeTagged(target.tag)
      }
      if ("prefix" in target) {
        const { prefix } = target
        Engine.detach(engine, (key) => key.startsWith(prefix))
        return store.removePrefix(prefix)
      }
      if ("url" in target) {
        const key = CacheKey.of(this.policy, target.url)
        Engine.detachUrl(engine, key)
        return fiberless<void, never>((_runtime, resume) => engine.slots.forget([key])(resume))
      }
      Engine.detach(engine, () => true)
      return store.clear
    })
  }

  /** A request as the steps of the engine take it. */
  ask(
    request: HttpClientRequest.HttpClientRequest,
    options: CacheOptions,
    runtime: Runtime.Runtime<never>,
    partition: string | undefined
  ): Ask {
    const policy = this.policyFor(options)
    const head: Message.RequestHead = { method: request.method, url: urlOf(request), headers: request.headers }
    const isBodyKeyed =
      policy.bodyKeyedMethods.has(request.method) || (options.bodyInKey === true && withBody.has(request.method))
    const digest = isBodyKeyed ? digestOf(request) : undefined
    // A body that can be sent but once cannot be looked at for a key: nothing is stored, and nothing looked for.
    const mode = isBodyKeyed && digest === undefined ? "no-store" : options.mode
    // Whom a function names may stand in no field of the request.
    const identified =
      options.identity !== undefined || (partition !== undefined && typeof this.options.partition === "function")
    const plan = Plan.of(policy, head, { mode, bodyKeyed: isBodyKeyed, identified, key: CacheKey.of(policy, head.url) })
    const at = place(plan.key, { digest, partition, shared: Plan.usesShared(policy, partition) })
    return {
      request,
      head,
      options,
      policy,
      plan,
      partition,
      runtime,
      place: at,
      name: this.name,
      reweigh: (stored) => this.reweigh(stored, at),
      behind: () => this.ask(Outgoing.unconditional(request), { ...options, mode: "default" }, runtime, partition)
    }
  }

  private redirect(options: CacheOptions): "follow" | "manual" | "error" {
    return options.redirect ?? this.options.redirect ?? "follow"
  }

  private once(
    request: HttpClientRequest.HttpClientRequest,
    given: CacheOptions,
    runtime: Runtime.Runtime<never>
  ): Answering {
    const unseen = unseenIn(runtime.context)
    const options = unseen === undefined ? given : { ...given, identity: JSON.stringify([given.identity, unseen]) }
    const partition = this.partitionOf(request, options)
    if (!isAsked(partition)) return Engine.answering(this.engine, this.ask(request, options, runtime, partition))
    return andThen(run(partition, runtime), (exit): Answering => {
      if (Exit.isFailure(exit)) return () => Exit.failCause(exit.cause)
      return Engine.answering(this.engine, this.ask(request, options, runtime, this.hashed(exit.value)))
    })
  }

  private following(
    first: Answering,
    request: HttpClientRequest.HttpClientRequest,
    options: CacheOptions,
    runtime: Runtime.Runtime<never>,
    left: number
  ): Answering {
    return andThen(first, (exit): Answering => {
      const next = Exit.isSuccess(exit) ? Redirects.next(request, exit.value, this.policy.classify) : undefined
      if (next === undefined || Exit.isFailure(exit)) return () => exit
      Engine.release(this.engine, exit.value)
      if (left === 0) return () => Exit.fail(refusedRedirect(request, exit.value))
      // An identity is known to the origin it was given for.
      const onwards = next.crosses ? { ...options, identity: undefined } : options
      return this.following(this.once(next.request, onwards, runtime), next.request, onwards, runtime, left - 1)
    })
  }

  private partitionOf(request: HttpClientRequest.HttpClientRequest, options: CacheOptions): string | undefined | Asked {
    const { partition } = this.options
    if (partition === undefined) return this.identities.of(request.headers, this.policy.classify, options.identity)
    return typeof partition === "string" ? this.identities.hash(partition) : partition(request)
  }

  private hashed(partition: Option.Option<string>): string | undefined {
    return Option.getOrUndefined(Option.map(partition, (text) => this.identities.hash(text)))
  }

  private policyFor(options: CacheOptions): Policy.Policy {
    const { lifetime } = options
    if (lifetime === undefined) return this.policy
    const known = this.policies.get(options)
    if (known !== undefined) return known
    const policy: Policy.Policy = {
      ...this.policy,
      lifetimes: { ...this.policy.lifetimes, ...defined(lifetimesOf(lifetime)) }
    }
    this.policies.set(options, policy)
    return policy
  }
}

/** A partition that has to be asked for, each time. */
type Asked = Effect.Effect<Option.Option<string>>

/** By what a partition is not: an Effect may be a function, as the class of a service is. */
const isAsked = (partition: string | undefined | Asked): partition is Asked =>
  partition !== undefined && typeof partition !== "string"

const defined = (lifetimes: Policy.Lifetimes): Policy.Lifetimes =>
  Object.fromEntries(Object.entries(lifetimes).filter(([, value]) => value !== undefined))

const refusedRedirect = (
  request: HttpClientRequest.HttpClientRequest,
  response: CacheResponse
): HttpClientError.ResponseError =>
  new HttpClientError.ResponseError({
    request,
    response,
    reason: "StatusCode",
    description: `redirected, where redirects are refused or after ${mostRedirects} of them`
  })

/** A digest of a body that is at hand whole, its type included. */
const digestOf = ({ body }: HttpClientRequest.HttpClientRequest): string | undefined => {
  if (body._tag !== "Empty" && body._tag !== "Uint8Array") return undefined
  const hash = createHash("sha256")
  if (body._tag === "Uint8Array") hash.update(`${body.contentType}\n`).update(body.body)
  return hash.digest("base64url")
}
