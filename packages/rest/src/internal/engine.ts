/** One call from a request to its answer; `RestSource.ts` is what users see of it. */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Operation from "@wellspring/source/Operation"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Endpoint from "../Endpoint.ts"
import type { Answer } from "./answer.ts"
import * as CacheLink from "./cacheLink.ts"
import * as Collect from "./collect.ts"
import { Exchange, type Exchanged, type Fault, type Plan, type Redirects } from "./exchange.ts"
import * as Hit from "./hit.ts"
import { Flight, type Inflight } from "./inflight.ts"
import * as Opening from "./opening.ts"
import * as Place from "./place.ts"
import type * as Prepare from "./prepare.ts"
import { type Awaited, closed, isReady, Preparing, type Ready } from "./preparing.ts"
import type { RequestImpl } from "./request.ts"
import * as Retrying from "./retrying.ts"
import * as Run from "./run.ts"
import * as Settle from "./settle.ts"
import { Shared } from "./shared.ts"
import type * as Target from "./target.ts"

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
  readonly onResponse:
    | ((response: HttpClientResponse.HttpClientResponse) => Effect.Effect<void> | undefined)
    | undefined
  readonly refresh: Refresh | undefined
}

/** A response whose body the caller reads. */
export interface Opened {
  readonly call: Retrying.Call
  readonly response: HttpClientResponse.HttpClientResponse
}

export interface Refresh {
  readonly isDue: (tried: Exit.Exit<Exchanged, Fault>) => boolean
  readonly run: Effect.Effect<void, unknown, never>
}

type Leave = Fiberless.Leave

/** A first attempt that was sent without a fiber, with its answer where that was at hand. */
interface Sent {
  readonly hit: Settled | undefined
  readonly started: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown> | Leave
  readonly attach: (exchange: Exchange) => void
}

type FiberlessResponse = Fiberless.Fiberless<HttpClientResponse.HttpClientResponse, unknown>

const operationKey = Operation.Operation.key

export class Engine {
  readonly preparing: Preparing
  readonly #settings: Settings
  readonly #refreshing = new Shared()

  constructor(settings: Settings) {
    this.#settings = settings
    this.preparing = new Preparing(settings)
  }

  /** Where a caller without a fiber makes its call. */
  site(context: Context.Context<never>): Run.Site {
    return Run.siteOf(context, this.#settings.clock)
  }

  /** Goes on with a call that was prepared: the answer when it is at hand, or else `resume` is called later unless the caller leaves. */
  follow(ready: Ready | Awaited, site: Run.Site, resume: (exit: Settled) => void): Settled | Leave {
    const operation: Operation.Service | undefined = site.context.unsafeMap.get(operationKey)
    if (isReady(ready)) return this.#go(ready, operation, site, resume)
    const wait = (resume: (exit: Settled) => void) => this.#wait(ready, operation, site, resume)
    return operation === undefined ? wait(resume) : Operation.whileOpen(operation, wait, resume)
  }

  /** Base or credentials take time: the rest follows when they are there. */
  #wait(
    ready: Awaited,
    operation: Operation.Service | undefined,
    site: Run.Site,
    resume: (exit: Settled) => void
  ): Settled | Leave {
    let leave: Leave | undefined
    const started = Run.start(ready, site, (exit) => {
      const went = this.#go(Exit.isFailure(exit) ? Exit.failCause(exit.cause) : exit.value, operation, site, resume)
      if (typeof went === "function") leave = went
      else resume(went)
    })
    if (!Run.isLeave(started)) {
      const ready = Exit.isFailure(started) ? Exit.failCause(started.cause) : started.value
      return this.#go(ready, operation, site, resume)
    }
    return () => (leave ?? started)()
  }

  /** Takes what is at hand or under way already, or begins a new call. */
  #go(
    ready: Ready,
    operation: Operation.Service | undefined,
    site: Run.Site,
    resume: (exit: Settled) => void
  ): Settled | Leave {
    if (Exit.isExit(ready)) return ready
    if (ready instanceof Flight) return ready.join(resume)
    if (operation === undefined) return this.#perform(ready, undefined, site, resume)
    const { definition, policy, url } = ready
    if (Operation.isClosed(operation)) return closed(definition)
    const table = this.preparing.table(operation)
    const name = policy.dedupe === "none" ? undefined : this.preparing.nameOf(ready)
    const known = name === undefined ? undefined : table.find(name.owner, name.text)
    if (known !== undefined) return known.join(resume)
    // A call that may change something is never behind one that read before it.
    if (!definition.safe) table.invalidate(url)
    const begin = (resume: (exit: Settled) => void) => this.#perform(ready, table, site, resume)
    if (name === undefined) return Operation.whileOpen(operation, begin, resume)
    const flight = table.open(name, url, policy.dedupe === "until-invalidated")
    const started = Operation.whileOpen(operation, begin, (exit) => flight.settle(exit))
    if (typeof started === "function") flight.leave = started
    else flight.settle(started)
    return flight.join(resume, true)
  }

  /** The call prepared, to be sent whatever is at hand. */
  #prepared(request: RequestImpl, options: Endpoint.Policy | undefined): Effect.Effect<Prepare.Prepared, unknown> {
    return Effect.suspend(() => {
      const ready = this.preparing.prepare(request, options, undefined)
      return isReady(ready) ? Effect.succeed(ready) : ready
    }).pipe(
      Effect.flatMap((ready) =>
        isPrepared(ready)
          ? Effect.succeed(ready)
          : Exit.isExit(ready) && Exit.isFailure(ready)
            ? Exit.failCause(ready.cause)
            : noAnswer
      )
    )
  }

  /** A call, whose defects, too, are told to everyone who waits for it. */
  #perform(
    prepared: Prepare.Prepared,
    table: Inflight<Settled> | undefined,
    site: Run.Site,
    resume: (exit: Settled) => void
  ): Settled | Leave {
    return orDefect(() => this.#run(prepared, table, site, resume))
  }

  /** Sends, retries, decodes and accounts for one call. */
  #run(
    prepared: Prepare.Prepared,
    table: Inflight<Settled> | undefined,
    site: Run.Site,
    resume: (exit: Settled) => void
  ): Settled | Leave {
    const services = Place.of(site.context, prepared)
    const sent = this.#send(prepared, services, site)
    if (sent?.hit !== undefined) return sent.hit
    const call = this.#call(prepared, site, services)
    if (!Place.isNested(site.context)) Retrying.count(call)
    let leave: Leave | undefined
    let now: Settled | undefined
    let isSync = true
    const end = (exit: Settled): void => {
      if (isSync) now = exit
      else resume(exit)
    }
    const onTried = (tried: Exit.Exit<Exchanged, Fault>): void => {
      const started = Run.start(
        orDefect(() => this.#finish(call, tried, table, site)),
        call.plan.site,
        end
      )
      if (Run.isLeave(started)) leave = started
      else end(started)
    }
    if (sent !== undefined) {
      const exchange = new Exchange(call.plan, onTried)
      sent.attach(exchange)
      leave = () => exchange.stop()
      exchange.adopt(prepared.request, sent.started)
    } else if (prepared.policy.hedge === undefined) {
      let isDone = false
      const stop = Retrying.launch(call, 0, (tried) => {
        isDone = true
        onTried(tried)
      })
      if (!isDone) leave = stop
    } else {
      const started = Run.start(Retrying.hedged(call), call.plan.site, (exit) => onTried(Exit.flatten(exit)))
      if (Run.isLeave(started)) leave = started
      else onTried(Exit.flatten(started))
    }
    isSync = false
    return now ?? (() => leave?.())
  }

  /**
   * Sends the first attempt straight away where the client needs no fiber. What
   * a cache holds, decoded before, is the answer: it needs no deadline, no
   * budget and no span.
   */
  #send(prepared: Prepare.Prepared, services: Context.Context<never>, site: Run.Site): Sent | undefined {
    const { client, onResponse } = this.#settings
    if (prepared.policy.hedge !== undefined || onResponse !== undefined) return undefined
    const effect = client.execute(prepared.request)
    if (!Fiberless.isFiberless(effect) || site.tracer !== undefined) return undefined
    let exchange: Exchange | undefined
    const started = (effect as FiberlessResponse)[Fiberless.TypeId](services, (exit) =>
      exchange?.receive(prepared.request, exit)
    )
    const attach = (adopter: Exchange): void => {
      exchange = adopter
    }
    if (typeof started === "function" || Exit.isFailure(started)) return { hit: undefined, started, attach }
    const hit = prepared.isPlain ? Hit.of(started.value, prepared.definition, services) : undefined
    if (hit !== undefined) this.preparing.keep(prepared, site.context)
    return { hit, started, attach }
  }

  /**
   * Begins a call whose body is read by the caller: the response once its
   * headers are there, for as long as the scope lasts. Shared with nobody and sent once.
   */
  open(request: RequestImpl, options: Endpoint.Policy | undefined): Effect.Effect<Opened, unknown, unknown> {
    return Effect.withFiberRuntime<Opened, unknown, unknown>((fiber) => {
      const site = Run.siteIn(fiber)
      return Effect.flatMap(this.#prepared(request, options), (ready): Effect.Effect<Opened, unknown> => {
        const call = this.#call(ready, site)
        const operation: Operation.Service | undefined = site.context.unsafeMap.get(operationKey)
        if (!ready.definition.safe && operation !== undefined) {
          this.preparing.table(operation).invalidate(ready.url)
        }
        return Effect.flatMap(Opening.open(call), (tried): Effect.Effect<Opened, unknown> => {
          if (Exit.isSuccess(tried)) return Effect.succeed({ call, response: tried.value })
          return Effect.zipRight(this.#settle(call, Exit.failCause(tried.cause), 1, undefined), noAnswer)
        })
      })
    })
  }

  /** The typed failure of a response that was opened and has a status outside 2xx. */
  refusal({ call, response }: Opened): Effect.Effect<never, unknown> {
    const bytes = Collect.bytes(
      response,
      call.prepared.definition.method,
      call.plan.limits.maxBodyBytes,
      call.plan.site,
      () => {}
    )
    // What it says of itself is worth a pause, not a wait without end: the status is known.
    const { bodyIdleMillis } = call.plan.limits
    const inTime = Effect.timeoutFail(bytes, { duration: Duration.millis(bodyIdleMillis), onTimeout: () => "late" })
    return Effect.flatMap(Effect.exit(inTime), (exit) => {
      const nothing = new Uint8Array(0)
      const tried = Exit.succeed<Exchanged>({
        response,
        bytes: Exit.isSuccess(exit) ? exit.value : nothing,
        decoded: undefined,
        headersAt: call.begun
      })
      const settled = this.#settle(call, tried, 1, undefined)
      return Effect.zipRight(settled, noAnswer)
    })
  }

  #call(prepared: Prepare.Prepared, site: Run.Site, services = Place.of(site.context, prepared)): Retrying.Call {
    const begun = site.clock.unsafeCurrentTimeMillis()
    const { limits } = prepared.policy
    const plan: Plan = {
      client: this.#settings.client,
      limits,
      redirects: this.#settings.redirects,
      callEnd: begun + limits.totalMillis,
      isTraced: false,
      remembered: (response) => (prepared.isPlain ? CacheLink.remembered(response, prepared.definition) : undefined),
      site: site.within(services)
    }
    return { prepared, plan, begun, origin: originOf(prepared.request.url) }
  }

  /** What becomes of a first attempt: an Exit where that is its end, an Effect where there is more to do. */
  #finish(
    call: Retrying.Call,
    tried: Exit.Exit<Exchanged, Fault>,
    table: Inflight<Settled> | undefined,
    site: Run.Site
  ): Effect.Effect<Answer, unknown> {
    if (this.#settings.refresh?.isDue(tried) === true) {
      return Effect.flatMap(this.#renew(call), (prepared) => {
        if (prepared === undefined) return this.#settle(call, tried, 1, table)
        // What caches are told of whom it speaks for is new as well.
        const plan = { ...call.plan, site: site.within(Place.of(site.context, prepared)) }
        const renewed = { ...call, prepared, plan }
        return Effect.flatMap(Retrying.rest(renewed, 1), ([last, attempts]) =>
          this.#settle(renewed, last, attempts, table)
        )
      })
    }
    return Retrying.isWorthIt(call, tried)
      ? Effect.flatMap(Retrying.again(call, tried), ([last, attempts]) => this.#settle(call, last, attempts, table))
      : this.#settle(call, tried, 1, table)
  }

  /**
   * The call with new credentials. Somebody else may have renewed them while
   * this call was under way, which shows in how it would be prepared now; if
   * not, they are renewed once for everyone who used the same.
   */
  #renew(call: Retrying.Call): Effect.Effect<Prepare.Prepared | undefined, unknown> {
    const { prepared } = call
    const { refresh } = this.#settings
    const stream = prepared.request.body._tag === "Stream"
    if (refresh === undefined || stream) return Effect.succeed(undefined)
    const anew = this.#prepared(prepared.impl, prepared.options)
    // It is for others as well, who may wait for it when this caller's Operation has ended.
    const ofNobody = call.plan.site.within(Place.lasting(call.plan.site.context))
    return Effect.flatMap(anew, (current) =>
      current.identity !== prepared.identity
        ? Effect.succeed(current)
        : Effect.zipRight(this.#refreshing.run(prepared.identity, refresh.run, ofNobody), anew)
    )
  }

  #settle(
    { begun, plan, prepared }: Retrying.Call,
    tried: Exit.Exit<Exchanged, Fault>,
    attempts: number,
    table: Inflight<Settled> | undefined
  ): Settled | Effect.Effect<Answer, unknown> {
    const now = plan.site.clock.unsafeCurrentTimeMillis()
    const { onResponse, report } = this.#settings
    const operation: Operation.Service | undefined = plan.site.context.unsafeMap.get(operationKey)
    if (Exit.isFailure(tried)) {
      if (operation !== undefined) Operation.recordCall(operation, { outcome: "bypass", lifetime: CacheLink.nothing })
      const fault = Cause.failureOption(tried.cause)
      if (fault._tag === "None") return Exit.failCause(tried.cause as Cause.Cause<never>)
      const timings = { totalMillis: now - begun, headersMillis: undefined, attempts }
      return Exit.fail(Settle.failure(prepared, fault.value, { outcome: "bypass", timings, now, report }))
    }
    const { headersAt, response } = tried.value
    const outcome = CacheLink.outcomeOf(response)
    if (operation !== undefined) {
      Operation.recordCall(operation, { outcome, lifetime: CacheLink.lifetimeOf(response, prepared) })
    }
    if (!prepared.definition.safe && response.status < 400) table?.invalidate(prepared.url)
    const timings = { totalMillis: now - begun, headersMillis: headersAt - begun, attempts }
    const settled = Settle.settle(prepared, tried.value, { outcome, timings, now, report })
    if (onResponse === undefined) return settled
    // Nothing of what a mere observer does, not even a defect, may change what it observes.
    return Effect.zipRight(Effect.exit(Effect.suspend(() => onResponse(response) ?? Effect.void)), settled)
  }
}

const isPrepared = (ready: Ready): ready is Prepare.Prepared => !(ready instanceof Flight) && !Exit.isExit(ready)

/** A call that did not succeed cannot come this far. */
const noAnswer = Effect.die(new Error("A failed call was settled as an answer."))

/** What somebody else's function throws on the way, and nobody would catch here, is a defect of the call. */
const orDefect = <A>(f: () => A): A | Exit.Exit<never> => {
  try {
    return f()
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** The origin of a URL that has been parsed before: up to its third slash. */
const originOf = (href: string): string => {
  const end = href.indexOf("/", 8)
  return end === -1 ? href : href.slice(0, end)
}
