/** One subject in a process of its own: does what it is told, and says what that took of its CPU and of the wall clock. */
import { subjects } from "./subjects.ts"

export interface Round {
  readonly scenario: "hit" | "miss" | "stale" | "burst"
  readonly kilobytes: number
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
const subject = await make(base)
let serial = 0

const once = ({ kilobytes, scenario }: Round): Promise<unknown> => {
  switch (scenario) {
    case "hit":
      return subject.get(3600, kilobytes, "same")
    case "stale":
      return subject.get(0, kilobytes, "same")
    case "miss":
      return subject.get(3600, kilobytes, `name${serial++}`)
    case "burst":
      return subject.burst(kilobytes)
  }
}

process.on("message", async (round: Round) => {
  const value = await once(round)
  if (round.scenario !== "burst" && (value as { readonly id: string }).id !== "tt0111161")
    throw new Error("Not the document.")
  let left = round.count
  const lane = async () => {
    while (left-- > 0) await once(round)
  }
  const cpu = process.cpuUsage()
  const begun = performance.now()
  await Promise.all(Array.from({ length: round.concurrency }, lane))
  const { user, system } = process.cpuUsage(cpu)
  const wall = ((performance.now() - begun) * 1000) / round.count
  const took: Took = { cpu: (user + system) / round.count, wall }
  process.send?.(took)
})
process.on("disconnect", () => process.exit())
process.send?.("ready")
