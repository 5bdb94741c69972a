/**
 * One subject in a process of its own. Told `{ count, concurrency }`, it does
 * that many and says what they took of its CPU and of the wall clock.
 */
import { subjects } from "./subjects.ts"

export interface Round {
  readonly count: number
  readonly concurrency: number
}

/** Microseconds for one. */
export interface Took {
  readonly cpu: number
  readonly wall: number
}

const [, , name = "", base = ""] = process.argv
const make = subjects[name]
if (make === undefined) throw new Error(`There is no subject "${name}".`)
const fetch = await make(base)

const check = (value: unknown) => {
  if (typeof value !== "object" || value === null || !("id" in value) || value.id !== "tt0111161") {
    throw new Error(`${name} got something else.`)
  }
}

process.on("message", async ({ count, concurrency }: Round) => {
  let left = count
  const lane = async () => {
    while (left-- > 0) check(await fetch())
  }
  const cpu = process.cpuUsage()
  const begun = performance.now()
  await Promise.all(Array.from({ length: concurrency }, lane))
  const { user, system } = process.cpuUsage(cpu)
  const took: Took = { cpu: (user + system) / count, wall: ((performance.now() - begun) * 1000) / count }
  process.send?.(took)
})
process.on("disconnect", () => process.exit())
process.send?.("ready")
