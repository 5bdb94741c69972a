/**
 * Leaves an upstream alone that keeps failing, and finds out when it is back.
 *
 * Closed, calls pass and are counted in windows. Too large a share of failures
 * opens it: calls are refused for a while. Then a few probes may pass; when
 * they succeed it closes, and the first that fails opens it again. Pure
 * functions of a state and an instant in milliseconds.
 */
import * as Duration from "effect/Duration"

/** When it opens, for how long, and how it is tried. */
export interface Settings {
  /** The share of failures that opens it, from 0 to 1. Default 0.5. */
  readonly failureShare?: number | undefined
  /** Calls in a window before their share means anything. Default 20. */
  readonly minCalls?: number | undefined
  /** How long calls are counted before counting begins anew. Default 10 seconds. */
  readonly window?: Duration.DurationInput | undefined
  /** How long an open one refuses. Default 5 seconds. */
  readonly openFor?: Duration.DurationInput | undefined
  /** Calls that may pass at once while it is tried, and must succeed to close it. Default 3. */
  readonly probes?: number | undefined
}

export type State =
  | { readonly _tag: "Closed"; readonly since: number; readonly calls: number; readonly failures: number }
  | { readonly _tag: "Open"; readonly until: number }
  | { readonly _tag: "HalfOpen"; readonly round: number; readonly running: number; readonly succeeded: number }

/** What a call is told: to pass, and under which round it reports; or to come back later. */
export type Admission =
  | { readonly _tag: "Pass"; readonly round: number | undefined }
  | { readonly _tag: "Refuse"; readonly retryAfterMillis: number }

/** How an admitted call ended. One that was interrupted proves nothing. */
export type Result = "success" | "failure" | "abandoned"

export interface Breaker {
  readonly failureShare: number
  readonly minCalls: number
  readonly windowMillis: number
  readonly openMillis: number
  readonly probes: number
}

/** Settings with their defaults, as numbers. */
export const make = (settings?: Settings): Breaker => ({
  failureShare: settings?.failureShare ?? 0.5,
  minCalls: settings?.minCalls ?? 20,
  windowMillis: Duration.toMillis(settings?.window ?? Duration.seconds(10)),
  openMillis: Duration.toMillis(settings?.openFor ?? Duration.seconds(5)),
  probes: settings?.probes ?? 3
})

/** Closed, with nothing counted. */
export const initial = (nowMillis: number): State => ({ _tag: "Closed", since: nowMillis, calls: 0, failures: 0 })

const pass: Admission = { _tag: "Pass", round: undefined }

/** Whether a call may pass now. */
export const admit = (self: Breaker, state: State, nowMillis: number): readonly [State, Admission] => {
  switch (state._tag) {
    case "Closed":
      return [nowMillis - state.since >= self.windowMillis ? initial(nowMillis) : state, pass]
    case "Open":
      if (nowMillis < state.until) return [state, { _tag: "Refuse", retryAfterMillis: state.until - nowMillis }]
      // The round is named by when it began, so that a probe of an earlier round cannot decide this one.
      return [
        { _tag: "HalfOpen", round: nowMillis, running: 1, succeeded: 0 },
        { _tag: "Pass", round: nowMillis }
      ]
    case "HalfOpen":
      return state.running + state.succeeded < self.probes
        ? [
            { ...state, running: state.running + 1 },
            { _tag: "Pass", round: state.round }
          ]
        : [state, { _tag: "Refuse", retryAfterMillis: 0 }]
  }
}

/** The state after an admitted call has ended. */
export const settle = (
  self: Breaker,
  state: State,
  round: number | undefined,
  result: Result,
  nowMillis: number
): State => {
  switch (state._tag) {
    case "Open":
      return state
    case "Closed": {
      if (round !== undefined || result === "abandoned") return state
      const calls = state.calls + 1
      const failures = state.failures + (result === "failure" ? 1 : 0)
      return calls >= self.minCalls && failures / calls >= self.failureShare
        ? { _tag: "Open", until: nowMillis + self.openMillis }
        : { ...state, calls, failures }
    }
    case "HalfOpen": {
      if (round !== state.round) return state
      if (result === "failure") return { _tag: "Open", until: nowMillis + self.openMillis }
      const running = state.running - 1
      if (result === "abandoned") return { ...state, running }
      const succeeded = state.succeeded + 1
      return succeeded >= self.probes ? initial(nowMillis) : { ...state, running, succeeded }
    }
  }
}
