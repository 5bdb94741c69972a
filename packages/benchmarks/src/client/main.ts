/**
 * A miss, straight to the origin: what each client takes of its process's CPU
 * and how many it gets through, against bare `undici.request`.
 *
 * Each subject has its process and the origin another; rounds are interleaved
 * and the ratio is taken within a round, so that a machine that is busy with
 * something else is so for all. Run alone: `node packages/benchmarks/dist/client/main.js`.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { subjects } from "./subjects.ts"
import type { Round, Took } from "./worker.ts"

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

const round = async (child: ChildProcess, told: Round): Promise<Took> => {
  child.send(told)
  return (await said(child)) as Took
}

/** A line of the table. `cpu` and `throughput` are ratios to `undici.request`. */
export interface Result {
  readonly concurrency: number
  readonly subject: string
  readonly microseconds: number
  readonly cpu: number
  readonly throughput: number
}

const reference = "undici.request"

/** Measures every subject; `rounds` of `count` requests at each concurrency. */
export const measure = async (rounds: number, count: number): Promise<ReadonlyArray<Result>> => {
  const origin = fork(file("origin.js"))
  const children = new Map<string, ChildProcess>()
  try {
    const base = `http://127.0.0.1:${await said(origin)}`
    for (const name of Object.keys(subjects)) {
      const child = fork(file("worker.js"), [name, base])
      children.set(name, child)
      await said(child)
    }
    const results: Array<Result> = []
    for (const concurrency of [1, 16, 64]) {
      const took = new Map<string, Array<Took>>()
      const names = [...children.keys()]
      for (let index = -2; index < rounds; index++) {
        // A different one goes first each time. The first two rounds warm up.
        for (let offset = 0; offset < names.length; offset++) {
          const name = names[(offset + index + 2) % names.length] ?? reference
          const child = children.get(name)
          if (child === undefined) continue
          const one = await round(child, { count, concurrency })
          if (index >= 0) took.set(name, [...(took.get(name) ?? []), one])
        }
      }
      const against = took.get(reference) ?? []
      for (const name of names) {
        const own = took.get(name) ?? []
        const ratios = (of: (one: Took, other: Took) => number) =>
          median(own.flatMap((one, index) => (against[index] === undefined ? [] : [of(one, against[index])])))
        results.push({
          concurrency,
          subject: name,
          microseconds: median(own.map(({ cpu }) => cpu)),
          cpu: ratios((one, other) => one.cpu / other.cpu),
          throughput: ratios((one, other) => other.wall / one.wall)
        })
      }
    }
    return results
  } finally {
    for (const child of children.values()) child.disconnect()
    origin.disconnect()
  }
}

/** Prints the table. */
export const run = async (): Promise<void> => {
  const results = await measure(9, 2000)
  console.log("\nA miss of 1 kB over loopback (µs of CPU each; ratios to undici.request)")
  console.log("  concurrency  subject                       µs     cpu    throughput")
  for (const { concurrency, subject, microseconds, cpu, throughput } of results) {
    const cells = [
      String(concurrency).padStart(11),
      subject.padEnd(28),
      microseconds.toFixed(1).padStart(6),
      cpu.toFixed(2).padStart(6),
      throughput.toFixed(2).padStart(9)
    ]
    console.log(`  ${cells.join("  ")}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run()
