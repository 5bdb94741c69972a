/**
 * A GraphQL query of 100 movies, each with a batched director and a cached REST
 * detail of 1 kB: CPU for each query, beside RESTDataSource with DataLoader and
 * beside a limit written by hand, on graphql-js and in Apollo Server's pipeline.
 *
 * `warm`: every detail is fresh in the cache. `cold`: every detail is fetched.
 *
 * Outside production graphql-js checks the type of every value it looks at, which
 * is about a third of the limit's time: `NODE_ENV=production` compares without it.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { subjects } from "./subjects.ts"
import type { Took } from "./worker.ts"

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

const at = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

/** A line of the table. Ratios are of CPU time, taken within each round. */
export interface Result {
  readonly subject: string
  readonly microseconds: number
  /** The limit's CPU over this one's: 1 is the limit. */
  readonly ofLimit: number
  /** RESTDataSource's CPU over this one's. */
  readonly overPeer: number
  readonly p50: number
  readonly p99: number
  readonly callsPerQuery: number
}

const serverOf = (subject: string): string => subject.slice(0, subject.indexOf(":"))

/**
 * The same young generation for every subject, of the size that it has in a server that has run for a while.
 * Left to itself V8 begins with a small one and lets it grow while the first rounds are measured.
 */
const execArgv = ["--min-semi-space-size=16", "--max-semi-space-size=16"]

/** Rounds before the first that counts: until then the compiler still works on what the subjects run. */
const warmUp = 8

/** Measures every subject in turn, `rounds` times `count` queries. */
export const measure = async (heat: "warm" | "cold", rounds: number, count: number): Promise<ReadonlyArray<Result>> => {
  const running: Array<{
    readonly name: string
    readonly child: ChildProcess
    readonly origin: ChildProcess
    took: Array<Took>
  }> = []
  try {
    for (const name of Object.keys(subjects)) {
      const origin = fork(file("origin.js"))
      const child = fork(file("worker.js"), [name, `http://127.0.0.1:${await said(origin)}`, heat], { execArgv })
      running.push({ name, child, origin, took: [] })
      await said(child)
    }
    for (let round = -warmUp; round < rounds; round++) {
      for (let offset = 0; offset < running.length; offset++) {
        // A different one goes first each time.
        const subject = running[(offset + round + warmUp) % running.length]
        if (subject === undefined) continue
        subject.child.send(count)
        const took = (await said(subject.child)) as Took
        if (round >= 0) subject.took.push(took)
      }
    }
    const ratio = (name: string, other: string): number => {
      const [own, theirs] = [name, other].map((wanted) => running.find(({ name }) => name === wanted)?.took ?? [])
      return at(
        (own ?? []).map(({ cpu }, index) => (theirs?.[index]?.cpu ?? Number.NaN) / cpu),
        0.5
      )
    }
    const results: Array<Result> = []
    for (const { name, origin, took } of running) {
      origin.send("calls")
      const calls = Number(await said(origin))
      const latencies = took.flatMap(({ latencies }) => latencies)
      results.push({
        subject: name,
        microseconds: at(
          took.map(({ cpu }) => cpu),
          0.5
        ),
        ofLimit: ratio(name, `${serverOf(name)}: limit`),
        overPeer: ratio(name, `${serverOf(name)}: RESTDataSource + DataLoader`),
        p50: at(latencies, 0.5),
        p99: at(latencies, 0.99),
        callsPerQuery: calls / ((rounds + warmUp) * count + 1)
      })
    }
    return results
  } finally {
    for (const { child, origin } of running) {
      child.disconnect()
      origin.disconnect()
    }
  }
}

/** Prints the tables. */
export const run = async (): Promise<void> => {
  console.log(`\nNODE_ENV is ${process.env["NODE_ENV"] ?? "not set"}.`)
  for (const [heat, rounds, count] of [
    ["warm", 9, 300],
    ["cold", 9, 20]
  ] as const) {
    console.log(`\n100 movies, batched directors, one REST detail each, ${heat} (µs of CPU per query)`)
    console.log(`  ${"subject".padEnd(44)}      µs  of limit  × RESTDataSource   p50 ms   p99 ms  calls/query`)
    for (const { subject, microseconds, ofLimit, overPeer, p50, p99, callsPerQuery } of await measure(
      heat,
      rounds,
      count
    )) {
      const cells = [
        subject.padEnd(44),
        microseconds.toFixed(0).padStart(7),
        ofLimit.toFixed(2).padStart(8),
        overPeer.toFixed(2).padStart(16),
        p50.toFixed(2).padStart(7),
        p99.toFixed(2).padStart(7),
        callsPerQuery.toFixed(2).padStart(11)
      ]
      console.log(`  ${cells.join("  ")}`)
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run()
