/** The services a call is sent with: the caller's, and what the clients below are to know of the call. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import type { Prepared } from "./prepare.ts"
import { RequestAnnotations } from "./undiciTracing.ts"

type Services = Context.Context<never>

const known = new WeakMap<Services, Services>()

/** Redirects are ours to follow: they may lead where credentials must not go. */
const plain = (context: Services): Services => {
  let placed = known.get(context)
  if (placed === undefined) {
    const init: RequestInit | undefined = context.unsafeMap.get(FetchHttpClient.RequestInit.key)
    placed = context.pipe(
      Context.add(FetchHttpClient.RequestInit, { ...init, redirect: "manual" }),
      Context.add(CacheOptions.Current, { ...Context.get(context, CacheOptions.Current), redirect: "manual" })
    )
    known.set(context, placed)
  }
  return placed
}

const defaultMaxBodyBytes = 10_485_760

export const of = (context: Services, { definition, identity, impl, policy }: Prepared): Services => {
  let placed = plain(context)
  if (policy.cache !== undefined || identity !== "" || definition.tags !== undefined) {
    const outer = Context.get(placed, CacheOptions.Current)
    const own = typeof definition.tags === "function" ? definition.tags(impl.input) : (definition.tags ?? [])
    const tags = [...(outer.tags ?? []), ...(policy.cache?.tags ?? []), ...own]
    placed = Context.add(placed, CacheOptions.Current, {
      ...outer,
      ...policy.cache,
      tags,
      redirect: "manual",
      // What `prepare` set tells callers apart in the cache as well, whether or not the upstream says so with Vary.
      ...(identity === "" ? undefined : { identity })
    })
  }
  if (policy.limits.maxBodyBytes !== defaultMaxBodyBytes) {
    const limit = Option.some(FileSystem.Size(policy.limits.maxBodyBytes))
    placed = Context.add(placed, HttpIncomingMessage.MaxBodySize, limit)
  }
  return placed
}

/** How often the call was sent before, as whoever called this source says. */
export const resends = (context: Services): number => Context.get(context, RequestAnnotations).resendCount ?? 0

/** Tells the client, and sources below it, that this is not the first time. */
export const resent = (context: Services, prepared: Prepared, count: number): Services =>
  Context.add(context, RequestAnnotations, { urlTemplate: prepared.definition.template, resendCount: count })
