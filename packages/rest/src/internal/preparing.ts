/** From a request to a call that can be sent, or to its answer, where a cache still holds that. */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import * as Operation from "@wellspring/source/Operation"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Endpoint from "../Endpoint.ts"
import type { Definition } from "./definition.ts"
import type { Settings } from "./engine.ts"
import * as Hit from "./hit.ts"
import * as Policy from "./policy.ts"
import * as Prepare from "./prepare.ts"
import { type Repeated, Repeats } from "./repeats.ts"
import type { RequestImpl } from "./request.ts"
import type * as Run from "./run.ts"
import type { Settled } from "./settle.ts"
import * as Target from "./target.ts"

/** A call that has been prepared, or what it ended with before. */
export type Ready = Prepare.Prepared | Settled

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
    if (this.fixed !== undefined) return this.prepareAt(impl, options, this.fixed, site)
    return Effect.flatMap(this.settings.base as Effect.Effect<string | URL, unknown>, (input) => {
      const ready = this.prepareAt(impl, options, Target.base(input), site)
      return isReady(ready) ? Effect.succeed(ready) : ready
    })
  }

  /** Remembers a call that was answered from the cache. */
  keep(prepared: Prepare.Prepared, context: Context.Context<never>): void {
    this.ofEndpoint(prepared.definition).repeats?.keep(prepared, context)
  }

  private prepareAt(
    impl: RequestImpl,
    options: Endpoint.Policy | undefined,
    base: Target.Base,
    site: Run.Site | undefined
  ): Ready | Awaited {
    const { isAllowed, prepare } = this.settings
    const ofEndpoint = this.ofEndpoint(impl.definition)
    const repeated = options === undefined && site !== undefined ? ofEndpoint.repeats?.find(impl) : undefined
    const described = repeated?.described ?? Prepare.describe(impl, base, isAllowed)
    if ("_tag" in described) return Exit.fail(described)
    const draft: Draft = { impl, options, base, ofEndpoint, described, repeated, site }
    if (prepare === undefined) return this.seal(draft, described.request)
    const given = prepare(described.request)
    if (!Effect.isEffect(given)) return this.seal(draft, given)
    const awaited = given as Effect.Effect<HttpClientRequest.HttpClientRequest, unknown>
    if (!Exit.isExit(awaited)) return Effect.map(awaited, (given) => this.seal(draft, given))
    const exit = awaited as Exit.Exit<HttpClientRequest.HttpClientRequest, unknown>
    return Exit.isSuccess(exit) ? this.seal(draft, exit.value) : Exit.failCause(exit.cause)
  }

  private seal(draft: Draft, given: HttpClientRequest.HttpClientRequest): Ready {
    const { base, described, impl, ofEndpoint, options, repeated, site } = draft
    if (repeated !== undefined && site !== undefined && site.tracer === undefined) {
      const response = ofEndpoint.repeats?.look(repeated, given, site.context)
      const hit = response === undefined ? undefined : Hit.of(response, impl.definition, site.context)
      if (hit !== undefined) return hit
    }
    const { isAllowed, neutral } = this.settings
    const policy =
      options === undefined ? ofEndpoint.policy : Policy.resolve(impl.definition, options, this.settings.policy)
    const isKeyed = site?.context.unsafeMap.has(Operation.Operation.key) === true
    const variant = options === undefined ? "" : variantOf(policy)
    const sealed = Prepare.seal({ impl, options, described, base, policy, variant, isKeyed }, given, isAllowed, neutral)
    return "_tag" in sealed ? Exit.fail(sealed) : sealed
  }

  private ofEndpoint(definition: Definition): OfEndpoint {
    let known = this.endpoints.get(definition)
    if (known === undefined) {
      const { neutral, policy } = this.settings
      known = {
        policy: Policy.resolve(definition, undefined, policy),
        repeats: this.cache === undefined ? undefined : new Repeats(this.cache, neutral)
      }
      this.endpoints.set(definition, known)
    }
    return known
  }
}

/** Calls with options of their own share only with calls that have the same. */
const variantOf = (policy: Policy.Effective): string =>
  ` ${policy.decode} ${policy.reading} ${policy.cache?.mode ?? ""} ${policy.limits.maxBodyBytes}`
