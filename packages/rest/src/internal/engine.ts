/** One call from a request to its answer; `RestSource.ts` is what users see of it. */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { Leave } from "@wellspring/source/Fiberless"
import * as Operation from "@wellspring/source/Operation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRefs from "effect/FiberRefs"
import type * as Endpoint from "../Endpoint.ts"
import type { Answer } from "./answer.ts"
import * as CacheLink from "./cacheLink.ts"
import * as Collect from "./collect.ts"
import type { Definition } from "./definition.ts"
import { Exchange, type Exchanged, type Fault, type Plan, type Redirects } from "./exchange.ts"
import { type Flight, Inflight } from "./inflight.ts"
import * as Policy from "./policy.ts"
import * as Prepare from "./prepare.ts"
import type { RequestImpl } from "./request.ts"
import * as Retrying from "./retrying.ts"
import * as Run from "./run.ts"
import * as Settle from "./settle.ts"
import * as Target from "./target.ts"

type Settled = Settle.Settled

export interface Settings {
  readonly client: HttpClient.HttpClient
  readonly clock: Clock.Clock
  readonly base: Target.Base | Effect.Effect<string | URL, unknown, unknown>
  readonly prepare:
    | ((
        request: HttpClientRequest.HttpClientRequest
      ) => HttpClientRequest.HttpClientRequest | Effect.Effect<HttpClientRequest.HttpClientRequest, unknown, unknown>)
    | undefined
  readonly neutral: Prepare.Neutral
  readonly isAllowed: (origin: string) => boolean
  readonly policy: Endpoint.Policy
  readonly redirects: Redirects
  readonly report: Settle.Report
}

/** A call that has been prepared, or what kept it from being. */
type Ready = Prepare.Prepared | Exit.Exit<never, unknown>

/** How a prepared call goes on: to be joined, or to be run by its caller alone. */
type Step =
  | {
      readonly _tag: "Join"
      readonly table: Inflight<Settled>
      readonly flight: Flight<Settled>
      readonly isFirst: boolean
    }
  | { readonly _tag: "Alone"; readonly prepared: Prepare.Prepared; readonly table: Inflight<Settled> | undefined }

const operationKey = Operation.Operation.key

export class Engine {
  readonly #settings: Settings
  readonly #policies = new WeakMap<Definition, Policy.Effective>()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** Where a call is made: its services, its fiber's settings if it has a fiber, and the clock that applies. */
  site(context: Context.Context<never>, fiberRefs: FiberRefs.FiberRefs | undefined): Run.Site {
    const services =
      fiberRefs === undefined ? context : FiberRefs.getOrDefault(fiberRefs, DefaultServices.currentServices)
    const clock: Clock.Clock = services.unsafeMap.get(Clock.Clock.key) ?? this.#settings.clock
    return { context, fiberRefs, clock }
  }

  /** Begins a call: the answer when it is at hand, or else `resume` is called later unless the caller leaves. */
  start(
    request: RequestImpl,
    options: Endpoint.Policy | undefined,
    site: Run.Site,
    resume: (exit: Settled) => void
  ): Settled | Leave {
    const ready = this.#prepare(request, options)
    if (isReady(ready)) return this.#go(ready, site, resume)
    // Base or credentials take time: the rest follows when they are there.
    let leave: Leave | undefined
    const started = Run.start(ready as Effect.Effect<Ready, unknown>, site, (exit) => {
      const went = this.#go(Exit.isFailure(exit) ? Exit.failCause(exit.cause) : exit.value, site, resume)
      if (typeof went === "function") leave = went
      else resume(went)
    })
    if (!Run.isLeave(started)) {
      return this.#go(Exit.isFailure(started) ? Exit.failCause(started.cause) : started.value, site, resume)
    }
    return () => (leave ?? started)()
  }

  #go(ready: Ready, site: Run.Site, resume: (exit: Settled) => void): Settled | Leave {
    if (Exit.isExit(ready)) return ready
    const step = this.#step(ready, site)
    switch (step._tag) {
      case "Alone":
        return this.#perform(step.prepared, step.table, site, resume)
      case "Join": {
        const { flight, table } = step
        const as = (exit: Settled): Settled => (step.isFirst ? exit : joined(exit))
        if (flight.exit !== undefined) return as(flight.exit)
        return table.join(flight, (exit) => resume(as(exit)))
      }
    }
  }

  /** The base and the request as prepared, at once where nothing has to be waited for. */
  #prepare(request: RequestImpl, options: Endpoint.Policy | undefined): Ready | Effect.Effect<Ready, unknown, unknown> {
    const { base } = this.#settings
    if (!Effect.isEffect(base)) return this.#prepareAt(request, options, base)
    return Effect.flatMap(base, (input) => {
      const ready = this.#prepareAt(request, options, Target.base(input))
      return isReady(ready) ? Effect.succeed(ready) : ready
    })
  }

  #prepareAt(
    request: RequestImpl,
    options: Endpoint.Policy | undefined,
    base: Target.Base
  ): Ready | Effect.Effect<Ready, unknown, unknown> {
    const { isAllowed, neutral, prepare } = this.#settings
    const described = Prepare.describe(request, base, isAllowed)
    if ("_tag" in described) return Exit.fail(described)
    const policy = this.#policy(request.definition, options)
    const seal = (prepared: HttpClientRequest.HttpClientRequest): Ready => {
      const sealed = Prepare.seal(
        {
          impl: request,
          wire: described.wire,
          described: described.request,
          base,
          policy,
          variant: options === undefined ? "" : variant(policy)
        },
        prepared,
        isAllowed,
        neutral
      )
      return "_tag" in sealed ? Exit.fail(sealed) : sealed
    }
    if (prepare === undefined) return seal(described.request)
    const prepared = prepare(described.request)
    if (!Effect.isEffect(prepared)) return seal(prepared)
    if (!Exit.isExit(prepared)) return Effect.map(prepared, seal)
    const exit = prepared as Exit.Exit<HttpClientRequest.HttpClientRequest, unknown>
    return Exit.isSuccess(exit) ? seal(exit.value) : Exit.failCause(exit.cause)
  }

  #policy(definition: Definition, options: Endpoint.Policy | undefined): Policy.Effective {
    if (options !== undefined) return Policy.resolve(definition, options, this.#settings.policy)
    let policy = this.#policies.get(definition)
    if (policy === undefined) {
      policy = Policy.resolve(definition, undefined, this.#settings.policy)
      this.#policies.set(definition, policy)
    }
    return policy
  }

  /** What is at hand or under way already, or a new call. */
  #step(prepared: Prepare.Prepared, site: Run.Site): Step {
    const { definition, key, policy } = prepared
    const operation: Operation.Service | undefined = site.context.unsafeMap.get(operationKey)
    const table = operation === undefined ? undefined : Operation.slot(operation, this, () => new Inflight<Settled>())
    if (!definition.safe) table?.invalidate(prepared.url)
    if (table === undefined || key === undefined || policy.dedupe === "none") return { _tag: "Alone", prepared, table }
    const known = table.find(key)
    if (known !== undefined) return { _tag: "Join", table, flight: known, isFirst: false }
    const flight = table.open(key, prepared.url, policy.dedupe === "until-invalidated")
    const started = this.#perform(prepared, undefined, site, (exit) => table.settle(flight, exit))
    if (typeof started === "function") flight.leave = started
    else table.settle(flight, started)
    return { _tag: "Join", table, flight, isFirst: true }
  }

  /** Sends, retries, decodes and accounts for one call. */
  #perform(
    prepared: Prepare.Prepared,
    table: Inflight<Settled> | undefined,
    site: Run.Site,
    resume: (exit: Settled) => void
  ): Settled | Leave {
    const { policy } = prepared
    const begun = site.clock.unsafeCurrentTimeMillis()
    const place =
      policy.limits.maxBodyBytes === defaultMaxBytes
        ? site
        : { ...site, context: Collect.withLimit(site.context, policy.limits.maxBodyBytes) }
    const plan: Plan = {
      client: this.#settings.client,
      limits: policy.limits,
      redirects: this.#settings.redirects,
      callEnd: begun + policy.limits.totalMillis,
      site: place
    }
    const call: Retrying.Call = { prepared, plan, begun }
    const done = (exit: Exit.Exit<Exchanged, Fault>, attempts: number): Settled | Effect.Effect<Answer, unknown> =>
      this.#settle(call, exit, attempts, table)

    let leave: Leave | undefined
    let now: Settled | undefined
    let isSync = true
    const end = (exit: Settled): void => {
      if (isSync) now = exit
      else resume(exit)
    }
    const onExchange = (exit: Exit.Exit<Exchanged, Fault>): void => {
      const settled: Settled | Effect.Effect<Answer, unknown> = Retrying.isWorthIt(call, exit)
        ? Effect.flatMap(Retrying.again(call, exit), ([last, attempts]) => done(last, attempts))
        : done(exit, 1)
      const started = Run.start(settled, plan.site, end)
      if (Run.isLeave(started)) leave = started
      else end(started)
    }
    if (policy.hedge === undefined) {
      const exchange = new Exchange(plan, onExchange)
      leave = () => exchange.stop()
      exchange.send(prepared.request)
    } else {
      const started = Run.start(Retrying.hedged(call), plan.site, (exit) => onExchange(Exit.flatten(exit)))
      if (Run.isLeave(started)) leave = started
      else onExchange(Exit.flatten(started))
    }
    isSync = false
    return now ?? (() => leave?.())
  }

  #settle(
    { begun, plan, prepared }: Retrying.Call,
    exit: Exit.Exit<Exchanged, Fault>,
    attempts: number,
    table: Inflight<Settled> | undefined
  ): Settled | Effect.Effect<Answer, unknown> {
    const now = plan.site.clock.unsafeCurrentTimeMillis()
    const operation: Operation.Service | undefined = plan.site.context.unsafeMap.get(operationKey)
    if (Exit.isFailure(exit)) {
      if (operation !== undefined) Operation.recordCall(operation, { outcome: "bypass", lifetime: CacheLink.nothing })
      const fault = Cause.failureOption(exit.cause)
      if (fault._tag === "None") return Exit.failCause(exit.cause as Cause.Cause<never>)
      const told = {
        outcome: "bypass" as const,
        timings: { totalMillis: now - begun, headersMillis: undefined, attempts },
        now,
        report: this.#settings.report
      }
      return Exit.fail(Settle.failure(prepared, fault.value, told))
    }
    const exchanged = exit.value
    const { response } = exchanged
    const outcome = CacheLink.outcomeOf(response)
    if (operation !== undefined) {
      Operation.recordCall(operation, { outcome, lifetime: CacheLink.lifetimeOf(response, prepared, now) })
    }
    if (!prepared.definition.safe && response.status < 400) table?.invalidate(prepared.url)
    return Settle.settle(
      prepared,
      exchanged,
      {
        outcome,
        timings: { totalMillis: now - begun, headersMillis: exchanged.headersAt - begun, attempts },
        now,
        report: this.#settings.report
      },
      noop
    )
  }
}

const defaultMaxBytes = 10_485_760
const noop = (): void => {}

const isReady = (ready: Ready | Effect.Effect<Ready, unknown, unknown>): ready is Ready =>
  !Effect.isEffect(ready) || Exit.isExit(ready)

/** Calls with options of their own share only with calls that have the same. */
const variant = (policy: Policy.Effective): string =>
  ` ${policy.decode} ${policy.reading} ${policy.cache?.mode ?? ""} ${policy.limits.maxBodyBytes}`

const joined = (exit: Settled): Settled => (Exit.isSuccess(exit) ? Exit.succeed(exit.value.as("joined")) : exit)
