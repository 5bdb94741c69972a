/** A memory in front of a store that is further away. */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Invalidation } from "../Invalidation.ts"
import type * as Store from "../Store.ts"
import * as Far from "./far.ts"
import * as Fiberless from "./fiberless.ts"
import { InvalidationLog, ofKey, ofTag } from "./invalidationLog.ts"
import { makeKeyHash } from "./keyHash.ts"
import type { MemoryStore } from "./memoryStore.ts"

/**
 * `near` knows tags by their hashes, as entries that come from afar do.
 * It keeps nothing longer than `maxAgeMillis`, nor than the entry may live.
 */
export const make = <A>(
  near: MemoryStore<A>,
  far: Far.Far<A>,
  clock: Clock.Clock,
  maxAgeMillis: number
): Far.Far<A> => {
  const log = new InvalidationLog()
  const hash = makeKeyHash()
  const remote = far[Far.TypeId]

  const keep = (key: string, value: A, millis: number, tags: ReadonlyArray<string>): boolean =>
    near.direct.set(key, value, Math.min(millis, maxAgeMillis), { tags })

  /** What a read has brought stays here, unless it was invalidated while it was on its way. */
  const promote = (key: string, found: Far.Found<A>, begun: number) => {
    if (log.hasSince(begun, ofKey(key)) || found.tags.some((tag) => log.hasSince(begun, ofTag(tag)))) return
    keep(key, found.value, found.expiresAt - clock.unsafeCurrentTimeMillis(), found.tags)
  }

  const lookupFar = (
    keys: ReadonlyArray<string>,
    done: (found: ReadonlyArray<Far.Found<A> | undefined>) => void
  ): (() => void) => {
    const begun = log.now()
    return remote.lookup(keys, (found) => {
      found.forEach((entry, index) => {
        const key = keys[index]
        if (entry !== undefined && key !== undefined) promote(key, entry, begun)
      })
      done(found)
    })
  }

  const getMany = (keys: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Option.Option<A>>> =>
    Fiberless.make((_, resume) => {
      const answers = keys.map((key) => near.peek(key))
      const missing = keys.filter((_, index) => answers[index] === undefined)
      const settle = (): ReadonlyArray<Option.Option<A>> => answers.map(Option.fromNullable)
      if (missing.length === 0) return Exit.succeed(settle())
      return begin(
        (done: (found: ReadonlyArray<Far.Found<A> | undefined>) => void) => lookupFar(missing, done),
        (found) => {
          let next = 0
          answers.forEach((answer, index) => {
            if (answer === undefined) answers[index] = found[next++]?.value
          })
          return settle()
        },
        resume
      )
    })

  const isInvalidatedSince = (position: number, key: string, tags: ReadonlyArray<string>): boolean =>
    log.hasSince(position, ofKey(key)) || tags.some((tag) => log.hasSince(position, ofTag(tag)))

  const write = (
    key: string,
    value: A,
    { lease, since, tags = [], timeToLive }: Store.SetOptions,
    done: (outcome: Far.Outcome) => void
  ): void => {
    const hashes = tags.map(hash)
    if (since !== undefined && isInvalidatedSince(since, key, hashes)) {
      done("refused")
      return
    }
    const millis = Duration.toMillis(timeToLive)
    const begun = log.now()
    // A value that the far store may yet refuse is not shown to anybody before.
    const isKept = lease === undefined && keep(key, value, millis, hashes)
    remote.write(key, value, { lease, tags, timeToLive }, (outcome) => {
      if (outcome === "refused") {
        if (isKept && near.peek(key) === value) near.direct.remove(key)
        done(outcome)
        return
      }
      const isGood = !isInvalidatedSince(begun, key, hashes)
      // While the far store is in trouble, this process still has what it made itself.
      const isHere = isKept || (lease !== undefined && isGood && keep(key, value, millis, hashes))
      done(outcome === "lost" && isHere ? "kept" : outcome)
    })
  }

  const forgetAll = () => {
    log.addAll()
    Effect.runSync(near.clear)
  }

  const forget = (invalidation: Invalidation) => {
    if (invalidation._tag === "Key") {
      log.add(ofKey(invalidation.key))
      near.direct.remove(invalidation.key)
    } else if (invalidation._tag === "Tag") {
      log.add(ofTag(hash(invalidation.tag)))
      near.direct.removeTagged(hash(invalidation.tag))
    } else if (invalidation._tag === "Prefix") {
      log.addAll()
      Effect.runSync(near.removePrefix(invalidation.prefix))
    } else forgetAll()
  }
  remote.onForeign(forget)

  /** Here first, so that nobody in this process reads the old value while it is told further on. */
  const forgetting = (invalidation: () => void, further: Effect.Effect<void>): Effect.Effect<void> =>
    Fiberless.make((_, resume) => {
      invalidation()
      if (Fiberless.isFiberless(further)) return further[Fiberless.TypeId](Context.empty(), resume)
      Effect.runCallback(further, { onExit: resume })
      return () => {}
    })

  return {
    namespace: far.namespace,
    [Far.TypeId]: { bound: remote.bound, lookup: lookupFar, write, onForeign: remote.onForeign },
    peek: near.peek,
    resize: near.resize,
    position: () => log.now(),
    get: (key) => {
      const held = near.peek(key)
      if (held !== undefined) return Exit.succeed(Option.some(held))
      return Fiberless.make((_, resume) =>
        begin(
          (done: (found: ReadonlyArray<Far.Found<A> | undefined>) => void) => lookupFar([key], done),
          ([found]) => (found === undefined ? Option.none() : Option.some(found.value)),
          resume
        )
      )
    },
    getMany,
    set: (key, value, options) =>
      Fiberless.make((_, resume) =>
        begin(
          (done: (outcome: Far.Outcome) => void) => {
            let left = false
            const leave = () => {
              left = true
              free()
            }
            const free = remote.bound(() => {
              left = true
              done(near.peek(key) === value ? "kept" : "lost")
            })
            write(key, value, options, (outcome) => {
              if (left) return
              free()
              done(outcome)
            })
            return leave
          },
          (outcome) => outcome === "kept",
          resume
        )
      ),
    remove: (key) =>
      forgetting(() => {
        log.add(ofKey(key))
        near.direct.remove(key)
      }, far.remove(key)),
    removeTagged: (tag) =>
      forgetting(() => {
        log.add(ofTag(hash(tag)))
        near.direct.removeTagged(hash(tag))
      }, far.removeTagged(tag)),
    removePrefix: (prefix) =>
      forgetting(() => {
        log.addAll()
        Effect.runSync(near.removePrefix(prefix))
      }, far.removePrefix(prefix)),
    clear: forgetting(forgetAll, far.clear),
    acquire: far.acquire,
    release: far.release,
    subscribe: far.subscribe
  }
}

/** Waits for a callback that may come before it returns. */
const begin = <B, C>(
  run: (done: (answer: B) => void) => () => void,
  map: (answer: B) => C,
  resume: (exit: Exit.Exit<C>) => void
): Exit.Exit<C> | (() => void) => {
  let answered: Exit.Exit<C> | undefined
  let returned = false
  const leave = run((answer) => {
    answered = Exit.succeed(map(answer))
    if (returned) resume(answered)
  })
  returned = true
  return answered ?? leave
}
