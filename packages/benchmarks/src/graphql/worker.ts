/** One subject in a process of its own. Told how many, it answers that many queries and says what they took. */
import { subjects } from "./subjects.ts"

/** Microseconds of CPU for one query, and its latencies in milliseconds. */
export interface Took {
  readonly cpu: number
  readonly latencies: ReadonlyArray<number>
}

const [, , name = "", base = "", cold = ""] = process.argv
const make = subjects[name]
if (make === undefined) throw new Error(`There is no subject "${name}".`)
const ask = await make(base, cold === "cold")

const first = JSON.stringify(await ask())
if (
  !first.includes(`"id":"m99","title":"Movie 99","director":{"id":"d19","name":"Director d19"},"detail":{"rating":9.3`)
) {
  throw new Error(`${name} answered something else: ${first.slice(-300)}`)
}

process.on("message", async (count: number) => {
  const latencies: Array<number> = []
  const cpu = process.cpuUsage()
  for (let index = 0; index < count; index++) {
    const begun = performance.now()
    await ask()
    latencies.push(performance.now() - begun)
  }
  const { user, system } = process.cpuUsage(cpu)
  const took: Took = { cpu: (user + system) / count, latencies }
  process.send?.(took)
})
process.on("disconnect", () => process.exit())
process.send?.("ready")
