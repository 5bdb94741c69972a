/** Fibers that are interrupted just where they happen to make way for others. */
import { Scheduler } from "effect"

/** Holds a fiber at one of its steps until it is released. */
export const heldAt = (step: number) => {
  let steps = 0
  let isDue = false
  let held: (() => void) | undefined
  const scheduler: Scheduler.Scheduler = {
    shouldYield: () => {
      if (steps++ !== step) return false
      isDue = true
      return 0
    },
    scheduleTask: (task, priority) => {
      if (isDue && held === undefined) held = task
      else Scheduler.defaultScheduler.scheduleTask(task, priority)
    }
  }
  const release = () => {
    const task = held
    held = () => {}
    task?.()
  }
  return { scheduler, isHeld: () => held !== undefined, release }
}
