/**
 * Scripted exchanges through `makeFetch` with an origin on loopback: what is
 * asked, what the origin would answer, and what has to come of it.
 */
import * as http from "node:http"
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { MakeFetch } from "@wellspring/http-cache"
import { Clock, type Duration, Effect } from "effect"
import { now } from "../support.ts"

/** One call, the origin's answer should it be asked, and what must hold. */
export interface Step {
  /** Seconds that pass before it; negative when the clock is set back. */
  readonly after?: number
  /** @default "GET" */
  readonly method?: string
  /** @default "/a" */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly cache?: NonNullable<Parameters<MakeFetch.CachingFetch>[1]>["cache"]
  readonly body?: string
  /** What the origin answers; `"disconnect"` breaks the connection instead. */
  readonly origin?:
    | "disconnect"
    | {
        readonly status?: number
        readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>>
        /** @default "#" and the number of the step */
        readonly body?: string
      }
  /** How often the origin is asked, answers made behind a response included. */
  readonly asks: number
  readonly status?: number
  readonly text?: string
  /** The step whose body the caller gets. */
  readonly bodyOf?: number
  /** Fields of the response; `undefined` for those that must not be there. */
  readonly fields?: Readonly<Record<string, string | RegExp | undefined>>
  /** Fields that reach the origin; `undefined` for those that must not. */
  readonly sent?: Readonly<Record<string, string | undefined>>
  /** What the origin is asked last. */
  readonly sentMethod?: string
}

export interface Script {
  readonly steps: ReadonlyArray<Step>
  /** @default both */
  readonly only?: "shared" | "private"
  readonly options?: MakeFetch.FetchOptions
}

/** What one script's origin has been asked, and what it does about it. */
interface Stage {
  readonly asked: Array<http.IncomingMessage>
  readonly answer: (response: http.ServerResponse) => void
}

// One server for a file, a directory on it for every script.
const stages = new Map<string, Stage>()
const server = http.createServer((request, response) => {
  request.resume().on("end", () => {
    const stage = stages.get(request.url?.split("/")[1] ?? "")
    if (stage === undefined) return void response.writeHead(404).end()
    stage.asked.push(request)
    stage.answer(response)
  })
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const port = (): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** The same header on the stage of its script: paths begin with its directory. */
const placed = (stage: string, name: string, value: string | ReadonlyArray<string>): string | Array<string> =>
  typeof value !== "string"
    ? [...value]
    : /location$/i.test(name) && value.startsWith("/")
      ? `/${stage}${value}`
      : value

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Lets work behind responses reach the origin: some turns of the event loop, more while too little has. */
const settle = async (isEnough: () => boolean) => {
  for (let i = 0; i < 4 || (i < 2000 && !isEnough()); i++) await turn()
}

/** A clock that is set, to any time and without waiting; `TestClock` takes its time between settings. */
class SetClock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  private readonly real = Clock.make()
  time = now
  readonly currentTimeMillis = Effect.sync(() => this.time)
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())
  unsafeCurrentTimeMillis = () => this.time
  unsafeCurrentTimeNanos = () => BigInt(this.time) * 1_000_000n
  sleep = (duration: Duration.Duration) => this.real.sleep(duration)
}

const play = async (script: Script, mode: "shared" | "private") => {
  const clock = new SetClock()
  let step: Step = { asks: 0 }
  let body = ""
  const directory = String(stages.size)
  const asked: Array<http.IncomingMessage> = []
  stages.set(directory, {
    asked,
    answer: (response) => {
      const { origin = {} } = step
      if (origin === "disconnect") return void response.destroy()
      response.sendDate = false
      const status = origin.status ?? 200
      for (const [name, value] of Object.entries(origin.headers ?? {}))
        response.setHeader(name, placed(directory, name, value))
      response.writeHead(status)
      response.end(status === 304 || status === 204 ? undefined : (origin.body ?? body))
    }
  })
  const base = `http://127.0.0.1:${port()}/${directory}`
  const fetch = MakeFetch.make({
    clock,
    mode,
    redirect: "manual",
    ...(mode === "private" && { partition: "me" }),
    ...script.options
  })
  try {
    for (const [index, current] of script.steps.entries()) {
      const note = (what: string) => `step ${index}: ${what}`
      step = current
      body = `#${index}`
      clock.time += (current.after ?? 0) * 1000
      const before = asked.length
      const response = await fetch(base + (current.path ?? "/a"), {
        method: current.method ?? "GET",
        ...(current.headers && { headers: current.headers }),
        ...(current.cache && { cache: current.cache }),
        ...(current.body !== undefined && { body: current.body })
      })
      const text = await response.text()
      await settle(() => asked.length - before >= current.asks)
      assert.strictEqual(asked.length - before, current.asks, note("times the origin was asked"))
      if (current.status !== undefined) assert.strictEqual(response.status, current.status, note("status"))
      if (current.text !== undefined) assert.strictEqual(text, current.text, note("body"))
      if (current.bodyOf !== undefined) assert.strictEqual(text, `#${current.bodyOf}`, note("body"))
      for (const [name, value] of Object.entries(current.fields ?? {})) {
        const actual = response.headers.get(name)
        if (value instanceof RegExp) assert.match(actual ?? "", value, note(name))
        else assert.strictEqual(actual, value ?? null, note(name))
      }
      const last = asked.at(-1)
      for (const [name, value] of Object.entries(current.sent ?? {}))
        assert.strictEqual(last?.headers[name], value, note(`request field ${name}`))
      if (current.sentMethod !== undefined) assert.strictEqual(last?.method, current.sentMethod, note("method"))
    }
  } finally {
    await fetch.close()
  }
}

/** A test for each mode a script speaks of. */
export const check = (title: string, script: Script | ReadonlyArray<Step>) => {
  const whole: Script = "steps" in script ? script : { steps: script }
  for (const mode of whole.only === undefined ? (["shared", "private"] as const) : [whole.only])
    it(`${title} (${mode})`, () => play(whole, mode))
}

/** Tests with the names of the given rows. */
export const table = <Row>(
  rows: ReadonlyArray<readonly [name: string, row: Row]>,
  title: (name: string) => string,
  script: (row: Row) => Script | ReadonlyArray<Step>
) => {
  for (const [name, row] of rows) check(title(name), script(row))
}
