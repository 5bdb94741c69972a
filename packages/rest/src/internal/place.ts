/** The services a call is sent with: the caller's, and what the clients below are to know of the call. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import * as Operation from "@wellspring/source/Operation"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Effective } from "./policy.ts"
import type { Prepared } from "./prepare.ts"
import { RequestAnnotations } from "./undiciTracing.ts"

type Services = Context.Context<never>

const known = new WeakMap<Services, Services>()

/**
 * The services of the call before, which are often this call's too, though in
 * a Context made for it alone. Held weakly: an Operation must not outlive its end.
 */
let last: { readonly given: WeakRef<Services>; readonly placed: WeakRef<Services> } | undefined

const isSame = (self: Services, that: Services): boolean => {
  if (self.unsafeMap.size !== that.unsafeMap.size) return false
  for (const [key, service] of self.unsafeMap) {
    if (that.unsafeMap.get(key) !== service || !that.unsafeMap.has(key)) return false
  }
  return true
}

/** There for whatever is called by a client that a source sends with: it is part of a call that has been counted. */
class Within extends Context.Reference<Within>()("@wellspring/rest/Within", { defaultValue: () => true as const }) {}

/** Whether a call is made on behalf of another source's call. */
export const isNested = (context: Services): boolean => context.unsafeMap.has(Within.key)

/** Redirects are ours to follow: they may lead where credentials must not go. */
const plain = (context: Services): Services => {
  const given = last?.given.deref()
  if (given !== undefined && (given === context || isSame(given, context))) {
    const placed = last?.placed.deref()
    if (placed !== undefined) return placed
  }
  let placed = known.get(context)
  if (placed === undefined) {
    const init: RequestInit | undefined = context.unsafeMap.get(FetchHttpClient.RequestInit.key)
    placed = context.pipe(
      Context.add(Within, true),
      Context.add(FetchHttpClient.RequestInit, { ...init, redirect: "manual" }),
      Context.add(CacheOptions.Current, { ...Context.get(context, CacheOptions.Current), redirect: "manual" })
    )
    known.set(context, placed)
  }
  last = { given: new WeakRef(context), placed: new WeakRef(placed) }
  return placed
}

/** Services without those that belong to one caller, and end with it: for what is given to others, or done for them. */
export const lasting = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.omit(
    Operation.Operation,
    Scope.Scope,
    Tracer.ParentSpan
  )(context as Context.Context<R | Operation.Operation | Scope.Scope | Tracer.ParentSpan>) as Context.Context<R>

const defaultMaxBodyBytes = 10_485_760

/** What was placed before, by the caller's services and the policy; then by identity. */
const placed = new WeakMap<Services, WeakMap<Effective, Map<string, Services>>>()
const maxIdentities = 100

export const of = (context: Services, prepared: Prepared): Services => {
  const { definition, identity, policy } = prepared
  const isPlain = policy.cache === undefined && policy.limits.maxBodyBytes === defaultMaxBodyBytes && identity === ""
  if (definition.tags !== undefined) return make(context, prepared)
  if (isPlain) return plain(context)
  let byPolicy = placed.get(context)
  if (byPolicy === undefined) {
    byPolicy = new WeakMap()
    placed.set(context, byPolicy)
  }
  let byIdentity = byPolicy.get(policy)
  if (byIdentity === undefined) {
    byIdentity = new Map()
    byPolicy.set(policy, byIdentity)
  }
  let found = byIdentity.get(identity)
  if (found === undefined) {
    if (byIdentity.size >= maxIdentities) byIdentity.clear()
    found = make(context, prepared)
    byIdentity.set(identity, found)
  }
  return found
}

/** What a cache below is to know of the call. */
export const cacheOptions = (
  context: Services,
  { definition, identity, impl, policy }: Prepared
): CacheOptions.CacheOptions => {
  const outer = Context.get(context, CacheOptions.Current)
  const said = policy.cache?.identity ?? outer.identity
  const own = typeof definition.tags === "function" ? definition.tags(impl.input) : (definition.tags ?? [])
  return {
    ...outer,
    ...policy.cache,
    tags: [...(outer.tags ?? []), ...(policy.cache?.tags ?? []), ...own],
    redirect: "manual",
    // What `prepare` set tells callers apart in the cache as well, whether or not the upstream says so with Vary.
    identity: identity === "" ? said : both(said, identity)
  }
}

/** Whom a call speaks for by what its caller says, and by what `prepare` set: neither makes up for the other. */
const both = (said: string | undefined, prepared: string): string =>
  said === undefined ? prepared : JSON.stringify([said, prepared])

const make = (context: Services, prepared: Prepared): Services => {
  const { maxBodyBytes } = prepared.policy.limits
  const services = Context.add(plain(context), CacheOptions.Current, cacheOptions(context, prepared))
  if (maxBodyBytes === defaultMaxBodyBytes) return services
  return Context.add(services, HttpIncomingMessage.MaxBodySize, Option.some(FileSystem.Size(maxBodyBytes)))
}

/** How often the call was sent before, as whoever called this source says. */
export const resends = (context: Services): number => Context.get(context, RequestAnnotations).resendCount ?? 0

/** Tells the client, and sources below it, that this is not the first time. */
export const resent = (context: Services, prepared: Prepared, count: number): Services =>
  Context.add(context, RequestAnnotations, { urlTemplate: prepared.definition.template, resendCount: count })
