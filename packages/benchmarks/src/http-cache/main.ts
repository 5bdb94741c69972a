/**
 * What a cache costs: hits, revalidations, bursts, misses and memory, beside its
 * peers and beside the least it could cost.
 *
 * Each subject has its process and the origin another; rounds are interleaved,
 * and a ratio is taken within a round. Run alone: `node packages/benchmarks/dist/http-cache/main.js`.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as subjects from "./subjects.ts"
import type { Round } from "./worker.ts"

const file = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url))

const said = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const fail = () => reject(new Error("A benchmark process ended early."))
    child.once("exit", fail)
    child.once("message", (message) => {
      child.off("exit", fail)
      resolve(message)
    })
  })

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

interface Line {
  readonly subject: string
  /** Microseconds of CPU an operation, or bytes an entry. */
  readonly cost: number
  /** Ratio to the first subject, or to the subject's own reference. */
  readonly ratio: number
  /** Origin calls an operation, and how many of them ended in a 304. */
  readonly asked: number
  readonly unmodified: number
}

interface Table {
  readonly title: string
  readonly round: Round
  readonly rounds: number
  /** The subject another one is compared with; the first of the table by default. */
  readonly against?: (subject: string) => string
}

const short = process.env["BENCH_SHORT"] === "1"

/** As many rounds, and as long ones, as a table needs to come to the same ratios again. */
const tables: ReadonlyArray<Table> = [
  ...[1, 10, 100].map(
    (kilobytes): Table => ({
      title: `A fresh hit, ${kilobytes} kB`,
      round: { kind: "hit", kilobytes, count: 100 },
      rounds: 9
    })
  ),
  ...[1, 100].map(
    (kilobytes): Table => ({
      title: `A stale hit that the origin confirms with a 304, ${kilobytes} kB`,
      round: { kind: "revalidation", kilobytes, count: 300 },
      rounds: 9
    })
  ),
  ...[1, 10].map(
    (kilobytes): Table => ({
      title: `A thousand equal requests at once, ${kilobytes} kB (µs for all)`,
      round: { kind: "burst", kilobytes, count: 5 },
      rounds: 9
    })
  ),
  {
    title: "A miss that is stored, 1 kB, 16 at a time (ratio to the same client without a cache)",
    round: { kind: "miss", kilobytes: 1, count: 1600 },
    rounds: 15,
    against: (subject) => subject.replace(", cached", "")
  },
  {
    title: "Memory an entry of 220 bytes takes (bytes)",
    round: { kind: "memory", kilobytes: 0, count: short ? 5_000 : 50_000 },
    rounds: 1
  }
]

const measure = async (table: Table, base: string, origin: ChildProcess): Promise<ReadonlyArray<Line>> => {
  const { kind } = table.round
  const names = Object.keys(subjects[kind])
  const children = new Map<string, ChildProcess>()
  const costs = new Map<string, Array<number>>(names.map((name) => [name, []]))
  const calls = new Map<string, { asked: number; unmodified: number }>()
  try {
    for (const name of names) {
      const child = fork(file("worker.js"), [kind, name, base], {
        execArgv: ["--expose-gc", "--max-old-space-size=4096"]
      })
      children.set(name, child)
      await said(child)
    }
    const warm = kind === "memory" ? 0 : 2
    for (let index = -warm; index < (short ? Math.min(3, table.rounds) : table.rounds); index++) {
      // A different one goes first each time.
      for (let offset = 0; offset < names.length; offset++) {
        const name = names[(offset + index + warm) % names.length] ?? ""
        const child = children.get(name)
        if (child === undefined) continue
        origin.send("count")
        await said(origin)
        child.send(table.round)
        const cost = await said(child)
        origin.send("count")
        const { asked, unmodified } = (await said(origin)) as { asked: number; unmodified: number }
        if (index < 0) continue
        costs.get(name)?.push(cost as number)
        calls.set(name, { asked: asked / table.round.count, unmodified: unmodified / table.round.count })
      }
    }
  } finally {
    for (const child of children.values()) child.disconnect()
  }
  return names.map((subject) => {
    const own = costs.get(subject) ?? []
    const against = costs.get(table.against?.(subject) ?? names[0] ?? "") ?? []
    const ratio = median(own.map((cost, index) => cost / (against[index] ?? Number.NaN)))
    return { subject, cost: median(own), ratio, ...(calls.get(subject) ?? { asked: 0, unmodified: 0 }) }
  })
}

/** Prints the tables. */
export const run = async (): Promise<void> => {
  const wanted = process.env["BENCH_ONLY"]
  const origin = fork(file("origin.js"), ["serve"])
  try {
    const base = `http://127.0.0.1:${await said(origin)}`
    for (const table of tables) {
      if (wanted !== undefined && !table.title.includes(wanted)) continue
      console.log(`\n${table.title}`)
      console.log(
        `  ${"".padEnd(36)}${"cost".padStart(10)}${"ratio".padStart(10)}${"calls".padStart(8)}${"304s".padStart(8)}`
      )
      for (const { asked, cost, ratio, subject, unmodified } of await measure(table, base, origin)) {
        const cells = [
          cost.toFixed(cost < 100 ? 2 : 0).padStart(10),
          ratio.toFixed(ratio < 0.1 ? 4 : 2).padStart(10),
          asked.toFixed(2).padStart(8),
          unmodified.toFixed(2).padStart(8)
        ]
        console.log(`  ${subject.padEnd(36)}${cells.join("")}`)
      }
    }
  } finally {
    origin.disconnect()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run()
