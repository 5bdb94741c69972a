/** A typed store of text as Promises, without a fiber where the store needs none. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { OwnKeyValueCache } from "../KeyValue.ts"
import type { Store } from "../Store.ts"
import * as Fiberless from "./fiberless.ts"

const promise = <A>(effect: Effect.Effect<A>): Promise<A> => {
  if (!Fiberless.isFiberless(effect)) return Effect.runPromise(effect)
  return new Promise((resolve) => {
    const settle = (exit: Exit.Exit<A>) => resolve(Exit.isSuccess(exit) ? exit.value : Promise.reject(exit.cause))
    const started = effect[Fiberless.TypeId](Context.empty(), settle)
    if (typeof started !== "function") settle(started)
  })
}

/** `timeToLiveMillis` is for what is set without a time to live. */
export const make = (store: Store<string>, timeToLiveMillis: number): OwnKeyValueCache => ({
  get: async (key) => Option.getOrUndefined(await promise(store.get(key))),
  set: async (key, value, options) => {
    const timeToLive = options?.ttl == null ? timeToLiveMillis : options.ttl * 1000
    await promise(store.set(key, value, { timeToLive }))
  },
  delete: async (key) => {
    await promise(store.remove(key))
  }
})
