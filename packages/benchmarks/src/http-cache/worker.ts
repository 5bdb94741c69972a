/** One subject in a process of its own, told what to do and saying what it took. */
import * as subjects from "./subjects.ts"

/** What one round is. */
export interface Round {
  readonly kind: "hit" | "revalidation" | "burst" | "miss" | "memory"
  readonly kilobytes: number
  readonly count: number
}

const [, , kind = "", name = "", base = ""] = process.argv
const make = Object.entries(subjects).find(([known]) => known === kind)?.[1][name]
if (make === undefined) throw new Error(`There is no subject "${name}" in "${kind}".`)
const get = await make()

// Time goes on when a case says so, for every subject alike.
const real = Date.now
let ahead = 0
Date.now = () => real() + ahead

let serial = 0

/** A hit may take less than what measuring it takes: it is repeated for at least so long. */
const shortestMillis = 50

/** How many operations a round came to. */
const rounds: Record<Round["kind"], (kilobytes: number, count: number) => Promise<number>> = {
  hit: async (kilobytes, count) => {
    const url = `${base}/${kilobytes}?hit`
    const begun = performance.now()
    let done = 0
    while (performance.now() - begun < shortestMillis) {
      for (let index = 0; index < count; index++) {
        const answer = get(url)
        if (answer instanceof Promise) await answer
      }
      done += count
    }
    return done
  },
  revalidation: async (kilobytes, count) => {
    const url = `${base}/${kilobytes}?stale`
    for (let index = 0; index < count; index++) {
      ahead += 61_000
      await get(url)
    }
    return count
  },
  burst: async (kilobytes, count) => {
    for (let index = 0; index < count; index++) {
      const url = `${base}/${kilobytes}?burst=${serial++}`
      await Promise.all(Array.from({ length: 1000 }, () => get(url)))
    }
    return count
  },
  miss: async (kilobytes, count) => {
    for (let index = 0; index < count; index += 16) {
      await Promise.all(Array.from({ length: 16 }, () => get(`${base}/${kilobytes}?miss=${serial++}`)))
    }
    return count
  },
  memory: async (kilobytes, count) => {
    for (let index = 0; index < count; index += 16) {
      await Promise.all(
        Array.from({ length: 16 }, () => get(`${base}/${kilobytes}?memory=${String(serial++).padStart(12, "0")}`))
      )
    }
    return count
  }
}

const held = (): number => {
  for (let round = 0; round < 3; round++) globalThis.gc?.()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

process.on("message", async ({ count, kilobytes, kind }: Round) => {
  if (kind === "memory") {
    await rounds.memory(kilobytes, 256)
    const before = held()
    await rounds.memory(kilobytes, count)
    process.send?.((held() - before) / count)
    return
  }
  const cpu = process.cpuUsage()
  const done = await rounds[kind](kilobytes, count)
  const { system, user } = process.cpuUsage(cpu)
  process.send?.((user + system) / done)
})
process.on("disconnect", () => process.exit())
process.send?.("ready")
