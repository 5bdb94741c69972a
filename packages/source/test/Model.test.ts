import { assert, describe, it } from "@effect/vitest"
import { Fiberless, Memo, Operation, Policy, Source } from "@wellspring/source"
import { Cause, Context, Effect, Exit, Schema, Scope } from "effect"
import * as fc from "fast-check"
import { turns } from "./recording.ts"

/**
 * Random interleavings beside a model that knows only what must never happen.
 *
 * Every answer says for whom, of which group and key, and in which call it was
 * made. The test keeps, for each load, when it was made; and for each key of
 * each caller, when it was last cleared, replaced, or left behind by an epoch.
 */
class Viewer extends Context.Tag("test/Viewer")<Viewer, string>() {}

interface Answer {
  readonly operation: number
  readonly viewer: string
  readonly group: string
  readonly key: number
  /** When the call began that made it, or when it was put in place. */
  readonly since: number
}

type Step =
  | { readonly _tag: "load" | "prime" | "replace" | "clear"; readonly who: Who; readonly key: number }
  | { readonly _tag: "many"; readonly who: Who; readonly keys: ReadonlyArray<number> }
  | { readonly _tag: "clearAll"; readonly who: Who }
  | { readonly _tag: "epoch" | "flush" | "close"; readonly operation: number }
  | { readonly _tag: "leave"; readonly which: number }
  | { readonly _tag: "settle"; readonly which: number; readonly how: "answer" | "fail" | "die" }
  | { readonly _tag: "turn" }

interface Who {
  readonly operation: number
  readonly viewer: string
  readonly group: string
  readonly ask: "plain" | "fresh" | "distinct" | "immediate"
}

const operations = 2
const who: fc.Arbitrary<Who> = fc.record({
  // Most steps meet in one place, so that something happens there.
  operation: fc.constantFrom(0, 0, 0, 1),
  viewer: fc.constantFrom("ann", "ann", "ann", "bob"),
  group: fc.constantFrom("en", "en", "en", "fr"),
  ask: fc.oneof(
    { weight: 4, arbitrary: fc.constant("plain" as const) },
    { weight: 1, arbitrary: fc.constantFrom("fresh" as const, "distinct" as const, "immediate" as const) }
  )
})
const key = fc.constantFrom(0, 0, 1, 2)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ _tag: fc.constant("load" as const), who, key }) },
  {
    weight: 3,
    arbitrary: fc.record({ _tag: fc.constant("many" as const), who, keys: fc.array(key, { maxLength: 5 }) })
  },
  {
    weight: 4,
    arbitrary: fc.record({ _tag: fc.constantFrom("prime" as const, "replace" as const, "clear" as const), who, key })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("clearAll" as const), who }) },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constantFrom("epoch" as const, "flush" as const),
      operation: fc.nat(operations - 1)
    })
  },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("leave" as const), which: fc.nat(20) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("settle" as const),
      which: fc.nat(5),
      how: fc.oneof(
        { weight: 5, arbitrary: fc.constant("answer" as const) },
        { weight: 1, arbitrary: fc.constantFrom("fail" as const, "die" as const) }
      )
    })
  },
  { weight: 6, arbitrary: fc.constant({ _tag: "turn" as const }) }
)

const setup = fc.record({
  memo: fc.constantFrom("operation", "none", "bounded"),
  maxBatchSize: fc.constantFrom(1, 2, 100),
  maxConcurrentBatches: fc.constantFrom(1, 2, 100),
  policy: fc.constantFrom(Policy.turn, Policy.immediate, Policy.manual(), Policy.quiet(), Policy.exhausted())
})

const run = (settings: Parameters<typeof prepare>[0], steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const { advance, open, source } = prepare(settings)
    const scopes = yield* Effect.replicateEffect(Scope.make(), operations)
    const services = yield* Effect.forEach(scopes, (scope) => Scope.extend(Operation.make(), scope))
    const contextOf = ({ operation, viewer }: Who): Context.Context<Operation.Operation | Viewer | Id> =>
      Context.make(Viewer, viewer).pipe(
        Context.add(Operation.Operation, services[operation] as Operation.Service),
        Context.add(Id, operation)
      )
    /** The least that an answer may be as old as, by caller, group and key. */
    const floors = new Map<string, number>()
    const place = ({ group, operation, viewer }: Who, key: number) => `${operation} ${viewer} ${group} ${key}`
    const waiting: Array<{ leave: () => void; left: boolean; ended: boolean }> = []
    const problems: Array<string> = []

    const check = (who: Who, key: number, began: number, floor: number, exit: Exit.Exit<Answer, string>) => {
      if (Exit.isFailure(exit)) {
        if (Cause.isInterruptedOnly(exit.cause)) problems.push("interrupted without cause")
        return
      }
      const { value } = exit
      if (value.key !== key || value.group !== who.group || value.viewer !== who.viewer)
        problems.push("another's answer")
      if (value.operation !== who.operation && settings.memo !== "bounded") problems.push("another operation's answer")
      if (value.since < floor) problems.push(`an answer from before ${floor}: ${value.since}`)
      if (who.ask === "fresh" && value.since < began) problems.push("an answer older than a fresh load")
    }

    const ask = (who: Who) => {
      const grouped = source.of(who.group)
      if (who.ask === "plain") return grouped
      return grouped.with(who.ask === "immediate" ? { policy: Policy.immediate } : { [who.ask]: true })
    }

    const wait = <A, E>(
      who: Who,
      load: Fiberless.Fiberless<A, E, Operation.Operation | Viewer | Id>,
      check: (exit: Exit.Exit<A, E>) => void
    ) => {
      const caller = { leave: () => {}, left: false, ended: false }
      const end = (exit: Exit.Exit<A, E>) => {
        if (caller.ended) problems.push("answered twice")
        if (caller.left) problems.push("answered after leaving")
        caller.ended = true
        check(exit)
      }
      const started = Fiberless.start(load, contextOf(who), end)
      if (typeof started !== "function") end(started)
      else {
        caller.leave = () => {
          caller.left = true
          started()
        }
        waiting.push(caller)
      }
    }

    const change = (who: Who, effect: Effect.Effect<void, never, Operation.Operation | Viewer | Id>) =>
      Effect.provide(effect, contextOf(who))

    for (const step of steps) {
      const now = advance()
      switch (step._tag) {
        case "load": {
          const floor = floors.get(place(step.who, step.key)) ?? 0
          wait(step.who, ask(step.who).load(step.key), (exit) => check(step.who, step.key, now, floor, exit))
          break
        }
        case "many": {
          const seen = step.keys.map((key) => floors.get(place(step.who, key)) ?? 0)
          wait(step.who, ask(step.who).loadEithers(step.keys), (exit) => {
            if (Exit.isFailure(exit)) return
            if (exit.value.length !== step.keys.length) problems.push("not an answer for every key")
            exit.value.forEach((answer, i) => {
              const exit = answer._tag === "Right" ? Exit.succeed(answer.right) : Exit.fail(answer.left)
              check(step.who, step.keys[i] ?? -1, now, seen[i] ?? 0, exit)
            })
          })
          break
        }
        case "prime":
        case "replace": {
          const { group, operation, viewer } = step.who
          const value = { operation, viewer, group, key: step.key, since: now }
          yield* change(step.who, source.of(group)[step._tag](step.key, value))
          if (step._tag === "replace") floors.set(place(step.who, step.key), now)
          break
        }
        case "clear":
          yield* change(step.who, source.of(step.who.group).clear(step.key))
          floors.set(place(step.who, step.key), now)
          break
        case "clearAll":
          yield* change(step.who, source.of(step.who.group).clearAll)
          for (let key = 0; key <= 3; key++) floors.set(place(step.who, key), now)
          break
        case "epoch":
          Operation.beginEpoch(services[step.operation] as Operation.Service)
          for (const viewer of ["ann", "bob"]) {
            for (const group of ["en", "fr"]) {
              for (let key = 0; key <= 3; key++) {
                floors.set(place({ operation: step.operation, viewer, group, ask: "plain" }, key), now)
              }
            }
          }
          break
        case "flush":
          Operation.flushNow(services[step.operation] as Operation.Service)
          break
        case "leave": {
          const caller = waiting[step.which]
          if (caller !== undefined && !caller.ended) caller.leave()
          break
        }
        case "settle": {
          const call = [...open][step.which % Math.max(1, open.size)]
          call?.(step.how)
          yield* turns(1)
          break
        }
        case "turn":
          yield* turns(1)
      }
    }
    // Whoever still waits is answered once every call has been, or interrupted when the Operation ends.
    for (let i = 0; i < 30; i++) {
      for (const service of services) Operation.flushNow(service)
      for (const settle of [...open]) settle("answer")
      yield* turns(1)
    }
    if (waiting.some(({ ended, left }) => !ended && !left)) problems.push("somebody waits for ever")
    yield* Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void))
    if (open.size > 0) problems.push("a call goes on after the end")
    assert.deepStrictEqual(problems, [])
  })

class Id extends Context.Tag("test/Id")<Id, number>() {}

const prepare = (settings: {
  readonly memo: string
  readonly maxBatchSize: number
  readonly maxConcurrentBatches: number
  readonly policy: Policy.Policy
}) => {
  let now = 0
  const open = new Set<(how: "answer" | "fail" | "die") => void>()
  const memo =
    settings.memo === "bounded"
      ? Memo.bounded({ timeToLive: "1 hour", capacity: 3, sharing: Memo.by(Viewer, (viewer) => viewer) })
      : settings.memo === "none"
        ? Memo.none
        : Memo.operation
  const source = Source.make("Model", {
    key: Schema.Number,
    group: Schema.String,
    success: Schema.Any as Schema.Schema<Answer>,
    failure: Schema.String,
    memo: memo as Memo.Memo<Answer, Viewer>,
    maxBatchSize: settings.maxBatchSize,
    maxConcurrentBatches: settings.maxConcurrentBatches,
    policy: settings.policy,
    resolve: (keys, { group }) =>
      Effect.flatMap(Effect.all([Viewer, Id]), ([viewer, operation]) => {
        const since = now
        return Effect.async<ReadonlyArray<Answer>, string>((resume) => {
          const settle = (how: "answer" | "fail" | "die") => {
            open.delete(settle)
            if (how === "fail") resume(Effect.fail("failed"))
            else if (how === "die") resume(Effect.die("died"))
            else resume(Effect.succeed(keys.map((key) => ({ operation, viewer, group, key, since }))))
          }
          open.add(settle)
          return Effect.sync(() => {
            open.delete(settle)
          })
        })
      })
  })
  return { advance: () => ++now, open, source }
}

describe("any interleaving of loads, primes, clears, epochs, interruptions and answers", () => {
  it.live(
    "gives nobody an answer of another group, key, epoch, set of services or Operation, and ends every wait",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(setup, fc.array(step, { maxLength: 60, size: "max" }), (settings, steps) =>
            Effect.runPromise(run(settings, steps))
          ),
          { numRuns: process.env["WELLSPRING_FULL"] ? 10_000 : 200 }
        )
      ),
    600_000
  )
})
