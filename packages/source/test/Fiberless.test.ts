import { assert, describe, it } from "@effect/vitest"
import { Fiberless } from "@wellspring/source"
import { Effect, Exit, Fiber, Scheduler } from "effect"

/** Has fibers make way for others once, at one of their steps. */
const yieldingAt = (step: number): Scheduler.Scheduler => {
  let steps = 0
  return {
    shouldYield: () => (steps++ === step ? 0 : false),
    scheduleTask: (task, priority) => Scheduler.defaultScheduler.scheduleTask(task, priority)
  }
}

describe("Fiberless", () => {
  it.effect("loses no answer that comes while its fiber makes way for others", () => {
    const answered = Fiberless.make<string>((_, resume) => {
      queueMicrotask(() => resume(Exit.succeed("answer")))
      return () => {}
    })
    return Effect.gen(function* () {
      assert.strictEqual(yield* answered, "answer")
      // Whichever step the fiber yields at, one of them is that between the question and the wait.
      for (let step = 0; step < 12; step++) {
        assert.strictEqual(yield* Effect.withScheduler(answered, yieldingAt(step)), "answer")
      }
    })
  })

  it.effect("leaves once when its fiber is interrupted, and not when it was answered", () =>
    Effect.gen(function* () {
      let left = 0
      const never = Fiberless.make<string>(() => () => void left++)
      const fiber = yield* Effect.fork(never)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(left, 1)
      yield* Fiberless.make<string>((_, resume) => {
        queueMicrotask(() => resume(Exit.succeed("")))
        return () => void left++
      })
      assert.strictEqual(left, 1)
    })
  )
})
