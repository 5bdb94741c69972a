/**
 * Nobody is ever handed what an upstream made for somebody else: it marks every
 * answer with whom it was made for, and random programs run with everything on
 * that shares answers between callers.
 */
import { HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as CacheStore from "@wellspring/cache-store/CacheStore"
import * as CacheOptions from "@wellspring/http-cache/CacheOptions"
import * as HttpCache from "@wellspring/http-cache/HttpCache"
import { Endpoint, RestSource } from "@wellspring/rest"
import * as Operation from "@wellspring/source/Operation"
import { Clock, Context, Effect, Fiber, FastCheck as fc, Layer, Option, Schema } from "effect"
import { json, soon, stub } from "./support/stub.ts"

const isFull = process.env["WELLSPRING_FULL"] !== undefined

class Viewer extends Context.Tag("Viewer")<Viewer, { readonly name: string }>() {}

/** How callers say who they are. What is common to them all: `prepare`, or the base, asks a service of the caller's. */
const carriers = [
  "x-tenant",
  "authorization",
  "cookie",
  "x-api-key",
  "query",
  "path of the base",
  "host of the base"
] as const
type Carrier = (typeof carriers)[number]

const baseOf = (carrier: Carrier) =>
  Effect.map(Viewer, ({ name }) =>
    carrier === "path of the base"
      ? `https://api.test/${name}/`
      : carrier === "host of the base"
        ? `https://${name}.test/`
        : "https://api.test/"
  )

const identify = (request: HttpClientRequest.HttpClientRequest, carrier: Carrier, name: string) => {
  switch (carrier) {
    case "query":
      return HttpClientRequest.setUrlParam(request, "token", name)
    case "authorization":
      return HttpClientRequest.bearerToken(request, name)
    case "cookie":
      return HttpClientRequest.setHeader(request, "Cookie", `s=${name}`)
    case "x-tenant":
    case "x-api-key":
      return HttpClientRequest.setHeader(request, carrier.toUpperCase(), name)
    default:
      return request
  }
}

/** Whom the upstream takes a request to be from. */
const principal = ({ headers, url }: HttpClientRequest.HttpClientRequest): string => {
  const { hostname, pathname, searchParams } = new URL(url)
  return (
    headers["x-tenant"] ??
    headers["x-api-key"] ??
    headers["authorization"]?.slice("Bearer ".length) ??
    headers["cookie"]?.slice("s=".length) ??
    searchParams.get("token") ??
    (hostname === "api.test" ? pathname.split("/")[1] : hostname.split(".")[0]) ??
    ""
  )
}

const Value = Schema.Struct({ id: Schema.String, mark: Schema.String })
const path = Endpoint.path`x/${Endpoint.param("id", Schema.String)}`
const Get = Endpoint.get("Get", { path, success: Value })
const Kept = Endpoint.get("Kept", { path, success: Value, dedupe: "until-invalidated" })
const Named = Endpoint.get("Named", { path, success: Value, key: () => "one for all" })
const Search = Endpoint.post("Search", {
  path: "search",
  body: Schema.String,
  success: Value,
  dedupe: "during-lifetime"
})
const Put = Endpoint.put("Put", { path, success: Schema.Void })
const List = Endpoint.get("List", {
  path: "list",
  query: Schema.Struct({ ids: Schema.Array(Schema.String) }),
  arrays: "comma",
  success: Schema.Array(Value)
})

const kinds = ["get", "full", "kept", "named", "search", "batched", "put"] as const
type Kind = (typeof kinds)[number]

interface Step {
  readonly viewer: number
  readonly id: string
  readonly kind: Kind
  readonly operation: number
  readonly mode: CacheOptions.Mode
  readonly next: "go on" | "wait" | "leave" | "epoch" | "later" | "much later"
}

const step: fc.Arbitrary<Step> = fc.record({
  viewer: fc.nat({ max: 4 }),
  // What is at "everybody" is the same for everybody, and said to be.
  id: fc.constantFrom("1", "1", "1", "1", "2", "everybody"),
  kind: fc.constantFrom(...kinds),
  operation: fc.constantFrom(0, 0, 0, 1),
  mode: fc.constantFrom(
    "default",
    "default",
    "default",
    "default",
    "default",
    "default",
    "force-cache",
    "no-cache",
    "reload",
    "no-store"
  ),
  next: fc.constantFrom(
    "go on",
    "go on",
    "go on",
    "go on",
    "go on",
    "wait",
    "wait",
    "leave",
    "epoch",
    "later",
    "much later"
  )
})

const program = fc.record({
  principals: fc.integer({ min: 2, max: 5 }),
  carrier: fc.constantFrom(...carriers),
  cache: fc.constantFrom("none" as const, "shared" as const, "private" as const),
  control: fc.constantFrom("", "max-age=60", "private, max-age=60", "max-age=1, stale-while-revalidate=60", "no-cache"),
  vary: fc.constantFrom("", "authorization", "cookie", "x-tenant, x-api-key", "accept"),
  isSlow: fc.boolean(),
  steps: fc.array(step, { minLength: 6, maxLength: 16, size: "max" })
})
type Program = typeof program extends fc.Arbitrary<infer A> ? A : never

/** A clock that stands until it is moved, at no cost. */
const standing = () => {
  let at = 0
  const clock: Clock.Clock = Object.assign(Object.create(Clock.make()), { unsafeCurrentTimeMillis: () => at })
  return { clock, pass: (seconds: number) => (at += seconds * 1000) }
}

interface Seen {
  readonly kind: Kind
  readonly viewer: string
  readonly marks: ReadonlyArray<string>
}

/** Who was handed what. Without isolation, what tells callers apart is declared to say nothing about them. */
const run = (given: Program, isIsolated: boolean): Effect.Effect<ReadonlyArray<Seen>> => {
  const time = standing()
  const origin = stub((request) => {
    if (request.method === "PUT") return soon(new Response(null, { status: 204 }))
    const { pathname, searchParams } = new URL(request.url)
    const mark = (id: string) => ({ id, mark: id === "everybody" ? id : principal(request) })
    const id = pathname.split("/").pop() ?? ""
    const ids = searchParams.get("ids")?.split(",")
    const control = id === "everybody" ? "public, max-age=60" : given.control
    const headers = {
      ...(control === "" ? undefined : { "cache-control": control }),
      ...(given.vary === "" ? undefined : { vary: given.vary }),
      etag: `"${principal(request)}"`
    }
    if (request.headers["if-none-match"] === headers.etag) return soon(new Response(null, { status: 304, headers }))
    return soon(json(ids === undefined ? mark(id) : ids.map(mark), { headers }))
  })
  const oneForAll: HttpCache.Options = isIsolated ? {} : { partition: () => Effect.succeed(Option.some("one")) }
  const client =
    given.cache === "none"
      ? origin.layer
      : HttpCache.layer({ mode: given.cache, ...oneForAll }).pipe(
          Layer.provide([origin.layer, CacheStore.layerMemory({ maxBytes: 1_000_000, maxEntries: 1000 })])
        )
  return Effect.gen(function* () {
    const api = yield* RestSource.make({
      baseUrl: baseOf(given.carrier),
      allowedOrigins: viewers.map(({ name }) => `https://${name}.test`).concat("https://api.test"),
      prepare: (request) => {
        const prepared = Effect.map(Viewer, ({ name }) => identify(request, given.carrier, name))
        return given.isSlow ? Effect.zipLeft(prepared, Effect.yieldNow()) : prepared
      },
      ...(isIsolated
        ? undefined
        : { neutral: { headers: ["x-tenant", "authorization", "cookie", "x-api-key"], query: ["token"] } })
    })
    const batched = Endpoint.batched("Batched", {
      endpoint: List,
      through: api,
      key: Schema.String,
      input: (ids) => ({ ids }),
      rows: (rows) => rows,
      by: (row) => row.id
    })
    const operations = [yield* Operation.make(), yield* Operation.make()]
    const seen: Array<Seen> = []
    type Called = Effect.Effect<typeof Value.Type | undefined, unknown, Viewer | Operation.Operation>
    const call = ({ id, kind, mode }: Step): Called => {
      const options = { cache: { mode } }
      switch (kind) {
        case "get":
          return api.call(Get({ id }), options)
        case "full":
          return Effect.map(api.callFull(Get({ id })), ({ value }) => value)
        case "kept":
          return api.call(Kept({ id }), mode === "default" ? undefined : options)
        case "named":
          return api.call(Named({ id }))
        case "search":
          return api.call(Search({ body: id }))
        case "batched":
          return batched.load(id)
        case "put":
          return Effect.as(api.call(Put({ id })), undefined)
      }
    }
    const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    for (const step of given.steps) {
      const viewer = viewers[step.viewer % given.principals] ?? assert.fail()
      const operation = operations[step.operation] ?? assert.fail()
      const fiber = yield* Effect.fork(
        call(step).pipe(
          Effect.tap((value) => {
            if (value !== undefined) seen.push({ kind: step.kind, viewer: viewer.name, marks: [value.mark] })
          }),
          Effect.provideService(Viewer, viewer),
          Effect.provideService(Operation.Operation, operation)
        )
      )
      fibers.push(fiber)
      if (step.next === "wait") yield* Fiber.await(fiber)
      else if (step.next === "leave") yield* Effect.zipRight(Effect.yieldNow(), Fiber.interrupt(fiber))
      else if (step.next === "epoch") Operation.beginEpoch(operation)
      else if (step.next !== "go on") {
        yield* Fiber.await(fiber)
        time.pass(step.next === "later" ? 2 : 90)
      }
    }
    yield* Effect.forEach(fibers, Fiber.await)
    return seen
  }).pipe(Effect.orDie, Effect.scoped, Effect.provide(client), Effect.withClock(time.clock))
}

const viewers = ["alice", "bob", "carol", "dave", "eve"].map((name) => ({ name }))

const leaks = (seen: ReadonlyArray<Seen>) =>
  seen.filter(({ marks, viewer }) => marks.some((mark) => mark !== viewer && mark !== "everybody"))

const Mine = Endpoint.get("Mine", { path: "mine", success: Schema.Number })

const cached = ({ layer }: ReturnType<typeof stub>) =>
  HttpCache.layer().pipe(Layer.provide([layer, CacheStore.layerMemory({ maxBytes: 1_000_000 })]))

describe("callers of one source", () => {
  it.effect(
    "are never handed each other's answers, however they say who they are and whatever is shared",
    () =>
      Effect.gen(function* () {
        const seed = Math.trunc(Math.random() * 2 ** 31)
        let handed = 0
        const programs = fc.sample(program, { numRuns: isFull ? 10_000 : 100, seed })
        for (const given of programs) {
          const seen = yield* run(given, true)
          handed += seen.length
          assert.deepStrictEqual(leaks(seen), [], `seed ${seed}: ${JSON.stringify(given)}`)
        }
        if (isFull) process.stdout.write(`seed ${seed}: ${programs.length} programs, ${handed} answers, 0 leaks\n`)
        // Most steps are answered: what nobody is handed cannot be wrong.
        assert.isAbove(handed, programs.length * 3)
      }),
    { timeout: isFull ? 1_800_000 : 60_000 }
  )

  it.live("have answers of their own where the base is theirs, though a key names them all alike", () => {
    const { calls, layer } = stub((request) => soon(json({ id: "1", mark: principal(request) })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: baseOf("path of the base") })
      const marks = yield* Effect.forEach(
        viewers,
        (viewer) => Effect.map(Effect.provideService(api.call(Named({ id: "1" })), Viewer, viewer), ({ mark }) => mark),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        marks,
        viewers.map(({ name }) => name)
      )
      assert.strictEqual(calls.length, viewers.length)
    }).pipe(Operation.scoped, Effect.provide(layer))
  })

  it.live("have answers of their own where each call's options say whom it speaks for", () => {
    const below = stub((_, call) => soon(json(call, { headers: { "cache-control": "private, max-age=60" } })))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: "https://api.test/" })
      const as = (identity: string) => api.call(Mine(), { cache: { identity } })
      const seen = yield* Effect.all([as("a"), as("b"), as("a")], { concurrency: "unbounded" })
      assert.deepStrictEqual(seen, [1, 2, 1])
    }).pipe(Operation.scoped, Effect.provide(cached(below)))
  })

  it.live(
    "have answers of their own where they say whom they speak for, and `prepare` sets what is the same for all",
    () => {
      const below = stub((_, call) => soon(json(call, { headers: { "cache-control": "private, max-age=60" } })))
      return Effect.gen(function* () {
        const api = yield* RestSource.make({
          baseUrl: "https://api.test/",
          prepare: HttpClientRequest.setHeader("x-app", "web")
        })
        const as = (identity: string) => CacheOptions.with(api.call(Mine()), { identity })
        assert.deepStrictEqual(yield* Effect.forEach(["a", "b", "a", "b"], as), [1, 2, 1, 2])
        // An endpoint that leaves the identity open leaves what was said.
        const open = (identity: string) =>
          CacheOptions.with(api.call(Mine(), { cache: { identity: undefined } }), { identity })
        assert.deepStrictEqual(yield* Effect.forEach(["a", "b"], open), [1, 2])
      }).pipe(Effect.provide(cached(below)))
    }
  )

  it.effect("would be seen to be, had nothing told them apart: in every way to call, and in many of the programs", () =>
    Effect.gen(function* () {
      const quick = {
        principals: 2,
        carrier: "x-api-key",
        cache: "none",
        control: "",
        vary: "",
        isSlow: false
      } as const
      const step = { id: "1", operation: 0, mode: "default", next: "go on" } as const
      for (const kind of kinds) {
        const steps = [0, 1].map((viewer): Step => ({ ...step, kind, viewer }))
        assert.strictEqual(leaks(yield* run({ ...quick, steps }, false)).length, kind === "put" ? 0 : 1, kind)
      }
      let leaking = 0
      for (const given of fc.sample(program, { numRuns: 60, seed: 7 })) {
        if (leaks(yield* run(given, false)).length > 0) leaking++
      }
      assert.isAbove(leaking, 10)
    })
  )
})
