/**
 * One origin call among many processes that share a store: whoever is granted
 * the lease of a key makes it, the others look again for a while.
 */
import type * as Store from "@wellspring/cache-store/Store"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Slot } from "./stored.ts"

/** What a process that wants to make a call is to do. */
export type Turn =
  /** Make it; with the lease that keeps the others waiting, if there is one. */
  | { readonly _tag: "Mine"; readonly lease: Store.Granted | undefined }
  /** Another has stored an answer meanwhile. */
  | { readonly _tag: "Made"; readonly slot: Slot }

const firstPause = Duration.millis(20)
const longestPause = Duration.millis(200)

/**
 * @param isGood whether what is stored by now answers the request
 * @param atMost how long to wait for another process, and how long one may keep the others waiting
 */
export const turn = (
  store: Store.Store<Slot>,
  key: string,
  read: Effect.Effect<Slot>,
  isGood: (slot: Slot) => boolean,
  atMost: Duration.Duration
): Effect.Effect<Turn> => {
  const attempt = (pause: Duration.Duration, waited: Duration.Duration): Effect.Effect<Turn> =>
    Effect.flatMap(store.acquire(key, { timeToLive: atMost }), (lease): Effect.Effect<Turn> => {
      if (lease._tag === "Granted") {
        // Another may have stored its answer, and given the lease back, since we looked.
        return Effect.flatMap(read, (slot) =>
          isGood(slot)
            ? Effect.as(store.release(lease), { _tag: "Made", slot })
            : Effect.succeed<Turn>({ _tag: "Mine", lease })
        )
      }
      if (Duration.greaterThanOrEqualTo(waited, atMost)) return Effect.succeed({ _tag: "Mine", lease: undefined })
      return Effect.sleep(pause).pipe(
        Effect.zipRight(read),
        Effect.flatMap((slot) =>
          isGood(slot)
            ? Effect.succeed<Turn>({ _tag: "Made", slot })
            : attempt(Duration.min(Duration.times(pause, 2), longestPause), Duration.sum(waited, pause))
        )
      )
    })
  return attempt(firstPause, Duration.zero)
}
