/** The other view of a source: a resolver of its own loads, for `Effect.request`. */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import type { Answer, Definition } from "./definition.ts"
import { begin, type Load } from "./load.ts"

const resolvers = new WeakMap<Definition, RequestResolver.RequestResolver<Load, unknown>>()

/** A source as a resolver of its own loads, for `Effect.request`. */
export const resolverOf = (definition: Definition): RequestResolver.RequestResolver<Load, unknown> => {
  const known = resolvers.get(definition)
  if (known !== undefined) return known
  const resolver = RequestResolver.makeWithEntry((blocks: Array<Array<Request.Entry<Load>>>) =>
    Effect.contextWithEffect((context: Context.Context<unknown>) =>
      Effect.forEach(blocks, (entries) => resolveAll(definition, entries, context as Context.Context<never>), {
        discard: true
      })
    )
  )
  resolvers.set(definition, resolver)
  return resolver
}

const resolveAll = (
  definition: Definition,
  entries: ReadonlyArray<Request.Entry<Load>>,
  context: Context.Context<never>
): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const leaves: Array<() => void> = []
    let left = 1
    const done = (): void => {
      if (--left === 0) resume(Effect.void)
    }
    for (const entry of entries) {
      if (entry.state.completed) continue
      const complete = (exit: Answer): void => {
        if (entry.state.completed) return
        entry.state.completed = true
        Deferred.unsafeDone(entry.result as unknown as Deferred.Deferred<unknown, unknown>, exit)
      }
      const { target, key } = entry.request
      if (target.definition !== definition) {
        const names = `"${definition.name}" was given a load of "${target.definition.name}"`
        complete(Exit.die(new TypeError(`The resolver of source ${names}.`)))
        continue
      }
      const started = begin(target, context, key, (exit) => {
        entry.listeners.removeObserver(watch)
        complete(exit)
        done()
      })
      // A caller that was interrupted gives up its key; the others of its batch go on.
      const watch = (count: number): void => {
        if (count > 0 || typeof started !== "function") return
        entry.listeners.removeObserver(watch)
        started()
        complete(Exit.interrupt(entry.ownerId))
        done()
      }
      if (typeof started !== "function") {
        complete(started)
        continue
      }
      left++
      leaves.push(started)
      entry.listeners.addObserver(watch)
    }
    done()
    return Effect.sync(() => {
      for (const leave of leaves) leave()
    })
  })
