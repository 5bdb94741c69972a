/** From a request to a call that can be sent, or to its answer, where a cache still holds that. */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import * as Operation from "@wellspring/source/Operation"
import * as SourceError from "@wellspring/source/SourceError"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Endpoint from "../Endpoint.ts"
import { retold } from "./answer.ts"
import type { Definition } from "./definition.ts"
import type { Settings } from "./engine.ts"
import * as Hit from "./hit.ts"
import { type Flight, Inflight, type Name } from "./inflight.ts"
import * as Naming from "./naming.ts"
import * as Policy from "./policy.ts"
import * as Prepare from "./prepare.ts"
import { type Repeated, Repeats } from "./repeats.ts"
import type { RequestImpl } from "./request.ts"
import type * as Run from "./run.ts"
import type { Settled } from "./settle.ts"
import * as Target from "./target.ts"

/** A call that has been prepared, or one like it that is under way already, or what it ended with before either. */
export type Ready = Prepare.Prepared | Flight<Settled> | Settled

/** A call whose base or credentials take time. What they need is in the context of whoever calls. */
export type Awaited = Effect.Effect<Ready, unknown>

export const isReady = (ready: Ready | Awaited): ready is Ready => !Effect.isEffect(ready) || Exit.isExit(ready)

/** What is worked out once for an endpoint. */
interface OfEndpoint {
  readonly policy: Policy.Effective
  /** Undefined where no call may be answered without being sent. */
  readonly repeats: Repeats | undefined
}

/** A call on its way to being prepared. */
interface Draft {
  readonly impl: RequestImpl
  readonly options: Endpoint.Policy | undefined
  readonly base: Target.Base
  readonly ofEndpoint: OfEndpoint
  readonly described: Prepare.Described
  /** What it would send, where calls like it are found by that. */
  readonly text: string | undefined
  readonly table: Inflight<Settled> | undefined
  readonly repeated: Repeated | undefined
  readonly site: Run.Site | undefined
}

export class Preparing {
  private readonly settings: Settings
  private readonly endpoints = new WeakMap<Definition, OfEndpoint>()
  /** The base URL where it is always the same. */
  private readonly fixed: Target.Base | undefined
  private readonly cache: HttpCache.Service | undefined

  constructor(settings: Settings) {
    const { base, client, onResponse } = settings
    this.settings = settings
    this.fixed = Effect.isEffect(base) ? undefined : base
    this.cache =
      this.fixed === undefined || onResponse !== undefined ? undefined : Option.getOrUndefined(HttpCache.of(client))
  }

  /**
   * The call as prepared, at once where nothing has to be waited for.
   *
   * @param site where an answer may be taken from what is at hand and shared with others; without it the call is only prepared
   */
  prepare(impl: RequestImpl, options: Endpoint.Policy | undefined, site: Run.Site | undefined): Ready | Awaited {
    try {
      const ready = this.begin(impl, options, site)
      // Nothing would stop what is begun after the Operation's end.
      return isReady(ready) || site === undefined || !isOver(site.context) ? ready : closed(impl.definition)
    } catch (defect) {
      // Schemas, keys and `prepare` are somebody else's functions: what they throw is a defect of the call.
      return Exit.die(defect)
    }
  }

  /**
   * The value of a call without options, by the shortest way there is: `prepare` adds nothing to it, and the cache keeps it
   * decoded. Otherwise nothing has been done, and {@link prepare} does all. Not for where there is a tracer: a hit has a span of its own.
   */
  kept(impl: RequestImpl, context: Context.Context<never>): Exit.Exit<unknown> | undefined {
    if (this.cache === undefined || this.settings.prepare !== undefined || isEnded(context)) return undefined
    const kept = this.repeated(impl)?.inquiry(Naming.asked(context), context)?.decoded(impl.definition)
    if (kept === undefined) return undefined
    const operation: Operation.Service | undefined = context.unsafeMap.get(Operation.Operation.key)
    if (operation !== undefined) Operation.recordCall(operation, kept)
    return kept.exit
  }

  private repeated(impl: RequestImpl): Repeated | undefined {
    try {
      const text = Naming.textOf(impl)
      return text === undefined ? undefined : this.ofEndpoint(impl.definition).repeats?.find(text)
    } catch {
      // What cannot be written has never been answered; it is told of where it is to be sent.
      return undefined
    }
  }

  private begin(impl: RequestImpl, options: Endpoint.Policy | undefined, site: Run.Site | undefined): Ready | Awaited {
    if (this.fixed !== undefined) return this.prepareAt(impl, options, this.fixed, site)
    return Effect.flatMap(this.settings.base as Effect.Effect<string | URL, unknown>, (input) => {
      const ready = this.prepareAt(impl, options, Target.base(input), site)
      return isReady(ready) ? Effect.succeed(ready) : ready
    })
  }

  /** Remembers a call that was answered from the cache. */
  keep(prepared: Prepare.Prepared, context: Context.Context<never>): void {
    // What is kept in an Operation comes before the cache.
    if (prepared.alias === undefined || prepared.policy.dedupe === "until-invalidated") return
    this.ofEndpoint(prepared.definition).repeats?.keep(prepared.alias, prepared, context)
  }

  /** By what others in the Operation find a call; undefined when it cannot be told from others. */
  nameOf({ alias, definition, key }: Prepare.Prepared): Name | undefined {
    if (alias !== undefined) return { owner: this.ofEndpoint(definition), text: Naming.whole(alias) }
    return key === undefined ? undefined : { owner: this, text: key }
  }

  /** What the calls of an Operation share: nothing of an earlier epoch. */
  table(operation: Operation.Service): Inflight<Settled> {
    return entered(
      Operation.slot(operation, this, () => new Inflight<Settled>(retold)),
      operation
    )
  }

  private prepareAt(
    impl: RequestImpl,
    options: Endpoint.Policy | undefined,
    base: Target.Base,
    site: Run.Site | undefined
  ): Ready | Awaited {
    const { isAllowed, prepare } = this.settings
    const ofEndpoint = this.ofEndpoint(impl.definition)
    const isFound = options === undefined && site !== undefined && this.fixed !== undefined
    const text = isFound ? Naming.textOf(impl) : undefined
    const table = text === undefined || site === undefined ? undefined : this.busy(site.context)
    if (prepare === undefined && table !== undefined && text !== undefined && site !== undefined) {
      const flight = table.find(ofEndpoint, Naming.whole({ text, added: Naming.asked(site.context) }))
      if (flight !== undefined) return flight
    }
    const repeated = text === undefined ? undefined : ofEndpoint.repeats?.find(text)
    const described = repeated?.described ?? Prepare.describe(impl, base, isAllowed)
    if ("_tag" in described) return Exit.fail(described)
    const draft: Draft = { impl, options, base, ofEndpoint, described, text, table, repeated, site }
    if (prepare === undefined) return this.seal(draft, described.request)
    const given = prepare(described.request)
    if (!Effect.isEffect(given)) return this.seal(draft, given)
    const awaited = given as Effect.Effect<HttpClientRequest.HttpClientRequest, unknown>
    if (!Exit.isExit(awaited)) return Effect.map(awaited, (given) => this.seal(draft, given))
    const exit = awaited as Exit.Exit<HttpClientRequest.HttpClientRequest, unknown>
    return Exit.isSuccess(exit) ? this.seal(draft, exit.value) : Exit.failCause(exit.cause)
  }

  private seal(draft: Draft, given: HttpClientRequest.HttpClientRequest): Ready {
    const { base, described, impl, ofEndpoint, options, site } = draft
    const { isAllowed, neutral, policy: ofSource } = this.settings
    const isShared = site?.context.unsafeMap.has(Operation.Operation.key) === true
    const alias = isShared || ofEndpoint.repeats !== undefined ? this.alias(draft, given) : undefined
    const found = alias === undefined ? undefined : this.found(draft, alias)
    if (found !== undefined) return found
    const policy = options === undefined ? ofEndpoint.policy : Policy.resolve(impl.definition, options, ofSource)
    const isKeyed = isShared && alias === undefined
    const asked = site === undefined ? "" : Naming.asked(site.context)
    const variant = options === undefined ? asked : `${variantOf(policy)}${asked}`
    const sealing = { impl, options, described, base, policy, variant, alias, isKeyed }
    const sealed = Prepare.seal(sealing, given, isAllowed, neutral)
    return "_tag" in sealed ? Exit.fail(sealed) : sealed
  }

  private alias(
    { described, site, text }: Draft,
    given: HttpClientRequest.HttpClientRequest
  ): Naming.Alias | undefined {
    if (text === undefined || site === undefined) return undefined
    const added = Naming.added(described, given, this.settings.neutral)
    if (added === undefined) return undefined
    const asked = Naming.asked(site.context)
    return { text, added: asked === "" ? added : `${added}${asked}` }
  }

  /** A call like it that is under way in the Operation, or an answer that the cache still holds. */
  private found(
    { impl, ofEndpoint, repeated, site, table }: Draft,
    alias: Naming.Alias
  ): Flight<Settled> | Settled | undefined {
    const flight = table?.find(ofEndpoint, Naming.whole(alias))
    if (flight !== undefined || repeated === undefined || site === undefined) return flight
    if (isEnded(site.context)) return undefined
    // A hit has a span of its own where there is a tracer.
    const response = site.tracer === undefined ? repeated.inquiry(alias.added, site.context)?.look() : undefined
    return response && Hit.of(response, impl.definition, site.context)
  }

  /** The calls of the caller's Operation, where any are under way or kept. */
  private busy({ unsafeMap }: Context.Context<never>): Inflight<Settled> | undefined {
    const operation: Operation.Service | undefined = unsafeMap.get(Operation.Operation.key)
    const table = operation === undefined ? undefined : Operation.findSlot<Inflight<Settled>>(operation, this)
    return operation === undefined || table === undefined || entered(table, operation).size === 0 ? undefined : table
  }

  private ofEndpoint(definition: Definition): OfEndpoint {
    let known = this.endpoints.get(definition)
    if (known === undefined) {
      known = {
        policy: Policy.resolve(definition, undefined, this.settings.policy),
        repeats: this.cache === undefined ? undefined : new Repeats(this.cache)
      }
      this.endpoints.set(definition, known)
    }
    return known
  }
}

const isOver = ({ unsafeMap }: Context.Context<never>): boolean => {
  const operation: Operation.Service | undefined = unsafeMap.get(Operation.Operation.key)
  return operation !== undefined && Operation.isClosed(operation)
}

/** As with a load, it is a defect to call after the Operation's end. */
export const closed = ({ method, name, template }: Definition): Exit.Exit<never> =>
  Exit.die(new SourceError.OperationClosed({ source: name, key: `${method} ${template}` }))

/** Whether the caller's Operation is over: nothing is answered then, not even from a cache. */
const isEnded = ({ unsafeMap }: Context.Context<never>): boolean => {
  const operation: Operation.Service | undefined = unsafeMap.get(Operation.Operation.key)
  return operation !== undefined && Operation.isClosed(operation)
}

const entered = (table: Inflight<Settled>, operation: Operation.Service): Inflight<Settled> => {
  table.enter(operation[Operation.TypeId].epoch)
  return table
}

/** What of a call's own options decides which answer it is given, and whose: it shares only with calls that have the same. */
const variantOf = ({ cache, decode, limits, reading }: Policy.Effective): string =>
  ` ${decode} ${reading} ${limits.maxBodyBytes} ${JSON.stringify([cache?.mode, cache?.identity, cache?.bodyInKey])}`
