/**
 * REST calls: hits, misses, validations and bursts, beside `RESTDataSource` and
 * the limits.
 *
 * Each subject has its process and the origin another; rounds are interleaved
 * and ratios taken within a round. Run alone:
 * `npx tsc -b packages/benchmarks && node packages/benchmarks/dist/rest/main.js`.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
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

interface Scenario extends Round {
  readonly title: string
  readonly subjects: ReadonlyArray<string>
  readonly reference: string
}

const everyone = ["limit", "wellspring", "wellspring, runPromise", "RESTDataSource"]
const direct = ["undici.request", "wellspring", "wellspring, no cache", "RESTDataSource"]

const scenarios = (scale: number): ReadonlyArray<Scenario> => [
  ...[1, 10, 100].map((kilobytes) => ({
    title: `fresh hit, ${kilobytes} kB`,
    scenario: "hit" as const,
    kilobytes,
    count: Math.ceil(40_000 * scale),
    concurrency: 1,
    subjects: everyone,
    reference: "limit"
  })),
  ...[1, 16, 64].map((concurrency) => ({
    title: `miss, 1 kB, concurrency ${concurrency}`,
    scenario: "miss" as const,
    kilobytes: 1,
    count: Math.ceil(2000 * scale),
    concurrency,
    subjects: direct,
    reference: "undici.request"
  })),
  ...[1, 100].map((kilobytes) => ({
    title: `validated by 304, ${kilobytes} kB`,
    scenario: "stale" as const,
    kilobytes,
    count: Math.ceil(1000 * scale),
    concurrency: 1,
    subjects: ["limit", "wellspring", "RESTDataSource"],
    reference: "limit"
  })),
  ...[1, 10].map((kilobytes) => ({
    title: `burst of 1000 equal calls, ${kilobytes} kB`,
    scenario: "burst" as const,
    kilobytes,
    count: Math.ceil(20 * scale),
    concurrency: 1,
    subjects: ["limit", "wellspring", "RESTDataSource"],
    reference: "limit"
  }))
]

/** Prints the table. */
export const run = async (rounds = 7, scale = 1): Promise<void> => {
  const origin = fork(file("origin.js"))
  const children = new Map<string, ChildProcess>()
  try {
    const base = `http://127.0.0.1:${await said(origin)}`
    for (const name of new Set([...everyone, ...direct])) {
      const child = fork(file("worker.js"), [name, base], { execArgv: ["--max-semi-space-size=64"] })
      children.set(name, child)
      await said(child)
    }
    console.log("  µs of CPU each; cpu: ratio to the reference; calls: origin calls each")
    for (const { reference, subjects, title, ...told } of scenarios(scale)) {
      console.log(`\n${title} (against ${reference})`)
      const took = new Map<string, Array<Took>>()
      const calls = new Map<string, number>()
      for (let index = -2; index < rounds; index++) {
        for (let offset = 0; offset < subjects.length; offset++) {
          const name = subjects[(offset + index + 2) % subjects.length] ?? reference
          const child = children.get(name)
          if (child === undefined) continue
          await (await globalThis.fetch(`${base}/count`)).text()
          // What pays for the size of a hit is asked less often: its rounds would last for minutes.
          const isSlow = name === "RESTDataSource" && told.scenario === "hit"
          const count = isSlow ? Math.ceil(told.count / (told.kilobytes * 10)) : told.count
          child.send({ ...told, count })
          const one = (await said(child)) as Took
          calls.set(name, Number(await (await globalThis.fetch(`${base}/count`)).text()) / (count + 1))
          if (index >= 0) took.set(name, [...(took.get(name) ?? []), one])
        }
      }
      const against = took.get(reference) ?? []
      for (const name of subjects) {
        const own = took.get(name) ?? []
        const ratio = (of: (one: Took, other: Took) => number) =>
          median(own.flatMap((one, index) => (against[index] === undefined ? [] : [of(one, against[index])])))
        const cells = [
          name.padEnd(24),
          median(own.map(({ cpu }) => cpu))
            .toFixed(2)
            .padStart(10),
          ratio((one, other) => one.cpu / other.cpu)
            .toFixed(2)
            .padStart(9),
          (calls.get(name) ?? 0).toFixed(3).padStart(7)
        ]
        console.log(`  ${cells.join("  ")}`)
      }
    }
  } finally {
    for (const child of children.values()) child.disconnect()
    origin.disconnect()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , rounds, scale] = process.argv
  await run(rounds === undefined ? undefined : Number(rounds), scale === undefined ? undefined : Number(scale))
}
