/** Real servers on free loopback ports, for as long as a scope lasts. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Clock, Effect, Schedule } from "effect"

/** Processes take their time whatever a test's clock says. */
const liveClock = Clock.make()

const onPath = (program: string): boolean => {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`])
    return true
  } catch {
    return false
  }
}

/**
 * Whether the suites that need `redis-server` can run. Where they can not, a run of the
 * tests says so in one line, and in CI fails, so that they are never left out unseen.
 */
export const canRun = (): boolean => {
  if (onPath("redis-server")) return true
  const line =
    "Not run: the suites of @wellspring/redis against a real server. Install redis-server: apt-get install redis-server"
  if (process.env["CI"]) throw new Error(line)
  it.skip("needs redis-server on PATH", () => {})
  try {
    // The files of one run have one parent process: the first of them says it.
    writeFileSync(join(tmpdir(), `wellspring-redis-${process.ppid}`), "", { flag: "wx" })
    process.stderr.write(`${line}\n`)
  } catch {
    // Another file has said it.
  }
  return false
}

export const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const accepts = (port: number): Effect.Effect<void, Error> =>
  Effect.async((resume) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy()
      resume(Effect.void)
    })
    socket.on("error", (error) => resume(Effect.fail(error)))
  })

export interface ServerProcess {
  readonly port: number
  /** Ends it as a crash would. */
  readonly kill: Effect.Effect<void>
  /** Stops and continues it by its own process id. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** Starts it again on its port, after a kill. */
  readonly start: Effect.Effect<void>
}

const ended = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

/** Whether a signal has stopped every thread of a process; where the system does not tell, it is taken to have. */
const hasStopped = ({ pid }: ChildProcess): boolean => {
  const threads = `/proc/${pid}/task`
  if (!existsSync(threads)) return true
  return readdirSync(threads).every((thread) => /\) T /.test(readFileSync(`${threads}/${thread}/stat`, "utf8")))
}

/** A server program with its arguments for a port and a directory of its own. */
const make = (program: string, args: (port: number, directory: string) => ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const directory = mkdtempSync(join(tmpdir(), "wellspring-test-"))
    let child: ChildProcess | undefined
    const start = Effect.sync(() => {
      child = spawn(program, [...args(port, directory)], { stdio: "ignore" })
    }).pipe(
      Effect.zipRight(
        accepts(port).pipe(Effect.retry(Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(250))))
      ),
      Effect.orDie,
      Effect.withClock(liveClock)
    )
    const signal = (name: NodeJS.Signals) => Effect.sync(() => void child?.kill(name))
    const freeze = Effect.zipRight(
      signal("SIGSTOP"),
      Effect.sync(() => child === undefined || hasStopped(child)).pipe(
        Effect.repeat({ until: (stopped) => stopped, schedule: Schedule.spaced("5 millis") }),
        Effect.withClock(liveClock)
      )
    )
    const kill = Effect.suspend(() =>
      child === undefined ? Effect.void : Effect.zipRight(signal("SIGKILL"), ended(child))
    )
    yield* Effect.acquireRelease(start, () =>
      Effect.zipRight(
        Effect.zipRight(signal("SIGCONT"), kill),
        Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
      )
    )
    const server: ServerProcess = { port, kill, freeze: Effect.asVoid(freeze), thaw: signal("SIGCONT"), start }
    return server
  })

export const redisServer = (...more: ReadonlyArray<string>) =>
  make("redis-server", (port, directory) => [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    directory,
    "--save",
    "",
    "--appendonly",
    "no",
    ...more
  ])
