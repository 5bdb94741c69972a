/**
 * A fresh 1 kB answer out of Redis: CPU time of the reading process and throughput, beside a bare GET with JSON.parse.
 *
 * `node dist/redis/main.js` starts a redis-server of its own, and a warm process for each subject; rounds are interleaved.
 */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { connect, createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { keyCount, subjects } from "./subjects.ts"

const modes = [
  { name: "one by one", concurrency: 1, operations: 2_000 },
  { name: "16 at once", concurrency: 16, operations: 8_000 },
  { name: "bursts of 100", concurrency: 100, operations: 10_000 }
] as const

const rounds = 9

interface Figures {
  readonly cpuMicros: number
  readonly wallMicros: number
}

const measure = async (read: (key: number) => Promise<unknown>, mode: (typeof modes)[number]): Promise<Figures> => {
  const { concurrency, operations } = mode
  const cpu = process.cpuUsage()
  const start = performance.now()
  for (let done = 0; done < operations; done += concurrency) {
    await Promise.all(Array.from({ length: concurrency }, (_, index) => read((done + index) % keyCount)))
  }
  const wallMicros = ((performance.now() - start) * 1000) / operations
  const used = process.cpuUsage(cpu)
  return { cpuMicros: (used.user + used.system) / operations, wallMicros }
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const accepts = async (port: number): Promise<void> => {
  for (let attempt = 0; attempt < 250; attempt++) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true))
      socket.on("error", () => resolve(false))
      socket.on("connect", () => socket.destroy())
    })
    if (isUp) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error("redis-server did not start.")
}

const ask = <A>(child: ChildProcess, message: unknown): Promise<A> => {
  const answer = new Promise<A>((resolve, reject) => {
    const ended = () => reject(new Error("The process ended."))
    child.once("exit", ended)
    child.once("message", (value) => {
      child.off("exit", ended)
      resolve(value as A)
    })
  })
  child.send(message as number)
  return answer
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN

/** What each subject is held to: throughput beside the bare GET's, by mode. */
const goals: Readonly<Record<string, ReadonlyArray<number>>> = {
  "Redis store, no fiber": [0.75, 0.75, 1]
}

export const run = async (): Promise<void> => {
  const port = await freePort()
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", ""], {
    stdio: "ignore"
  })
  const children = subjects.map((_, index) => fork(fileURLToPath(import.meta.url), [String(index), String(port)]))
  try {
    await accepts(port)
    for (const child of children) await ask(child, -1)
    for (const [number, mode] of modes.entries()) {
      const figures = subjects.map((): Array<Figures> => [])
      for (let round = 0; round <= rounds; round++) {
        for (let turn = 0; turn < children.length; turn++) {
          const index = (turn + round) % children.length
          const child = children[index]
          if (child === undefined) continue
          const figure = await ask<Figures>(child, number)
          // The first round warms.
          if (round > 0) figures[index]?.push(figure)
        }
      }
      console.log(`\n${mode.name.padEnd(46)} ${"µs CPU".padStart(8)} ${"CPU".padStart(7)} ${"throughput".padStart(11)}`)
      const [reference = []] = figures
      subjects.forEach(({ name }, index) => {
        const own = figures[index] ?? []
        const cpu = median(own.map((figure, at) => figure.cpuMicros / (reference[at]?.cpuMicros ?? Number.NaN)))
        const throughput = median(
          own.map((figure, at) => (reference[at]?.wallMicros ?? Number.NaN) / figure.wallMicros)
        )
        const goal = goals[name]?.[number]
        const verdict =
          goal === undefined ? "" : `  at least ${goal.toFixed(2)}×: ${throughput >= goal ? "held" : "missed"}`
        const micros = median(own.map((figure) => figure.cpuMicros)).toFixed(1)
        console.log(
          `${name.padEnd(46)} ${micros.padStart(8)} ${`${cpu.toFixed(2)}×`.padStart(7)} ${`${throughput.toFixed(2)}×`.padStart(11)}${verdict}`
        )
      })
    }
  } finally {
    for (const child of children) child.kill()
    server.kill("SIGKILL")
  }
}

const serve = async (index: number, port: number): Promise<void> => {
  let read: ((key: number) => Promise<unknown>) | undefined
  process.on("message", async (message: number) => {
    read ??= await subjects[index]?.open(port)
    const mode = modes[message]
    process.send?.(mode === undefined || read === undefined ? "ready" : await measure(read, mode))
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , index, port] = process.argv
  if (index === undefined || port === undefined) await run()
  else await serve(Number(index), Number(port))
}
