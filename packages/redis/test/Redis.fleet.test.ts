import { type ChildProcess, fork } from "node:child_process"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Report, Task } from "./support/fleetWorker.ts"
import { canRun, redisServer } from "./support/servers.ts"

const isFull = process.env["WELLSPRING_FULL"] !== undefined

/** Counts what it is asked, and answers after a while with something that differs each time. */
const origin = (maxAge: number) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly calls: Map<string, number>; readonly close: () => void }>(
      (resume) => {
        const calls = new Map<string, number>()
        const server = createServer((request, response) => {
          const path = request.url ?? ""
          const count = (calls.get(path) ?? 0) + 1
          calls.set(path, count)
          // The first answer for such a path never comes: whoever waits for it is going to be killed.
          if (path.startsWith("/hang") && count === 1) return
          setTimeout(() => {
            response.setHeader("Cache-Control", `public, max-age=${maxAge}`)
            response.end(`${path} ${count}`)
          }, 300)
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          const close = () => {
            server.closeAllConnections()
            server.close()
          }
          resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, calls, close }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )

const message = <A>(child: ChildProcess) =>
  Effect.async<A>((resume) => {
    child.once("message", (value) => resume(Effect.succeed(value as A)))
  })

const worker = (redis: number) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const child = fork(
        fileURLToPath(new URL("./support/fleetWorker.ts", import.meta.url)),
        [`redis://127.0.0.1:${redis}`],
        { execArgv: ["--conditions=@wellspring/dev", "--import", "tsx"], stdio: ["ignore", "ignore", "inherit", "ipc"] }
      )
      yield* message(child)
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const give = (child: ChildProcess, task: Task) => {
  const report = message<Report>(child)
  return Effect.zipRight(
    Effect.sync(() => child.send(task)),
    report
  )
}

if (canRun()) {
  describe("a fleet of processes that share a Redis", { timeout: 90_000 }, () => {
    it.scopedLive("makes one origin call per key and lifetime, however many ask at once", () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        // Long enough for all of them to ask within it, on a machine that is busy with other tests.
        const lifetime = isFull ? 8 : 60
        const upstream = yield* origin(lifetime)
        const workers = yield* Effect.all(
          Array.from({ length: 4 }, () => worker(redis.port)),
          { concurrency: 4 }
        )
        const urls = Array.from({ length: isFull ? 50 : 5 }, (_, index) => `${upstream.url}/movies/${index}`)
        const waves = isFull ? 3 : 1
        for (let wave = 1; wave <= waves; wave++) {
          const reports = yield* Effect.forEach(
            workers,
            (child) => give(child, { urls, callers: isFull ? 250 : 100 }),
            {
              concurrency: "unbounded"
            }
          )
          assert.deepStrictEqual(
            reports.map(({ failed }) => failed),
            [0, 0, 0, 0]
          )
          for (const { bodies } of reports) assert.deepStrictEqual(bodies, reports[0]?.bodies)
          assert.deepStrictEqual([...new Set(upstream.calls.values())], [wave])
          if (wave < waves) yield* Effect.sleep(lifetime * 1000 + 1200)
        }
      })
    )

    it.scopedLive("goes on when the process that makes the call is killed", () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        const upstream = yield* origin(60)
        const [holder, ...others] = yield* Effect.all(
          Array.from({ length: 3 }, () => worker(redis.port)),
          {
            concurrency: 3
          }
        )
        const urls = [`${upstream.url}/hang`]
        holder?.send({ urls, callers: 10 })
        // Its lease ends well before the others have waited long enough to go by themselves.
        yield* Effect.sleep("4 seconds")
        assert.deepStrictEqual([...upstream.calls.values()], [1])
        holder?.kill("SIGKILL")
        const reports = yield* Effect.forEach(others, (child) => give(child, { urls, callers: 100 }), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          reports.map(({ failed }) => failed),
          [0, 0]
        )
        assert.isAtMost(upstream.calls.get("/hang") ?? 0, 2)
      })
    )
  })
}
