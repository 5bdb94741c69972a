/** One server of a fleet: asks for what it is told over an HTTP cache on the shared Redis, and reports. */
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { HttpCache } from "@wellspring/http-cache"
import { Redis } from "@wellspring/redis"
import { Effect, Exit, Layer, ManagedRuntime } from "effect"

export interface Task {
  readonly urls: ReadonlyArray<string>
  /** Callers of this process, spread over the URLs. */
  readonly callers: number
}

export interface Report {
  readonly failed: number
  readonly bodies: ReadonlyArray<string>
}

const runtime = ManagedRuntime.make(
  HttpCache.layer({ collapse: "6 seconds" }).pipe(
    Layer.provide([
      FetchHttpClient.layer,
      // Callers count in hundreds here, on two cores: what is measured is calls, not speed.
      Redis.layer({ url: process.argv[2] ?? "", timeout: "10 seconds", writeTimeout: "10 seconds" })
    ])
  )
)

const ask = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)

const work = ({ callers, urls }: Task) =>
  Effect.forEach(
    Array.from({ length: callers }, (_, index) => index),
    (index) => Effect.exit(ask(urls[index % urls.length] ?? "")),
    {
      concurrency: "unbounded"
    }
  ).pipe(
    Effect.map((exits): Report => {
      const bodies = exits.filter(Exit.isSuccess).map((exit) => exit.value)
      return { failed: exits.length - bodies.length, bodies: [...new Set(bodies)].sort() }
    })
  )

process.on("message", (task: Task) => {
  void runtime.runPromise(work(task)).then((report) => process.send?.(report))
})

void runtime.runPromise(Effect.void).then(() => process.send?.("ready"))
