/**
 * Nobody is ever given what an origin made for somebody else: the origin marks
 * every body with whom it was made for, and random programs run over random responses.
 */
import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore, type Codec, type Store } from "@wellspring/cache-store"
import { type CacheOptions, HttpCache } from "@wellspring/http-cache"
import { Clock, Effect, FastCheck as fc, Option } from "effect"

const full = process.env["WELLSPRING_FULL"] === "1"

/** How a principal says who it is. */
const carriers = ["authorization", "cookie", "x-api-key", "x-user-id", "identity"] as const
type Carrier = (typeof carriers)[number]

/** What an origin says of its answers that are made for one principal. It calls none of them public. */
const personal = [
  "max-age=60",
  "max-age=60, stale-while-revalidate=60, stale-if-error=600",
  "private, max-age=60",
  'private="x", max-age=60',
  'private="", max-age=60',
  "no-cache",
  "max-age=1",
  ""
]

interface Step {
  readonly principal: number
  readonly carrier: Carrier
  readonly method: "GET" | "HEAD" | "PUT"
  readonly path: number
  readonly wait: number
  readonly together: boolean
  readonly mode: CacheOptions.Mode
}

const step: fc.Arbitrary<Step> = fc.record({
  principal: fc.integer({ min: 0, max: 3 }),
  carrier: fc.constantFrom(...carriers),
  method: fc.constantFrom("GET", "GET", "GET", "HEAD", "PUT"),
  path: fc.integer({ min: 0, max: 2 }),
  wait: fc.constantFrom(0, 0, 0, 1, 30, 90),
  together: fc.boolean(),
  mode: fc.constantFrom("default", "default", "default", "force-cache", "no-cache", "reload")
})

const program = fc.record({
  mode: fc.constantFrom("shared" as const, "private" as const),
  policies: fc.array(fc.constantFrom(...personal), { minLength: 3, maxLength: 3 }),
  vary: fc.constantFrom("", "authorization", "accept", "cookie"),
  isPublic: fc.boolean(),
  failing: fc.boolean(),
  steps: fc.array(step, { minLength: 4, maxLength: 24 })
})

type Program = typeof program extends fc.Arbitrary<infer A> ? A : never

const nameOf = ({ carrier, principal }: Step) => (principal === 0 ? "anybody" : `${carrier} ${principal}`)

const requestOf = (step: Step): HttpClientRequest.HttpClientRequest => {
  const request = HttpClientRequest.make(step.method)(`http://origin.test/${step.path}`)
  return step.principal === 0 || step.carrier === "identity"
    ? request
    : HttpClientRequest.setHeader(request, step.carrier, `secret of ${step.principal}`)
}

const optionsOf = (step: Step): CacheOptions.CacheOptions => ({
  mode: step.mode,
  identity: step.carrier === "identity" && step.principal !== 0 ? `identity ${step.principal}` : undefined
})

/** A clock that stands until it is moved, at no cost: thousands of programs run over it. */
const standing = () => {
  let at = 0
  const clock: Clock.Clock = Object.assign(Object.create(Clock.make()), { unsafeCurrentTimeMillis: () => at })
  return { clock, wait: (seconds: number) => (at += seconds * 1000) }
}

/** Runs a program; answers with what anybody was given that was made for another. */
const leaks = (given: Program, options: HttpCache.Options) => {
  const time = standing()
  return Effect.gen(function* () {
    let calls = 0
    // Whom a call is for is known by what reaches the origin; an identity that is in no field, by what the test sets.
    let outOfBand = "anybody"
    const origin = HttpClient.make((request) =>
      Effect.sync(() => {
        const carrier = carriers.find((name) => name in request.headers)
        const path = Number(request.url.slice(-1))
        const who = carrier === undefined ? outOfBand : `${carrier} ${String(request.headers[carrier]).slice(-1)}`
        const control = given.policies[path] ?? ""
        // A fixed date, as an origin would write it.
        // @effect-diagnostics-next-line globalDateInEffect:off
        const headers: Record<string, string> = { etag: `"${who}"`, date: new Date(0).toUTCString() }
        if (control !== "") headers["cache-control"] = control
        if (given.vary !== "") headers["vary"] = given.vary
        if (given.isPublic && path === 2) headers["cache-control"] = "public, max-age=60"
        const mark = given.isPublic && path === 2 ? "everybody" : who
        if (given.failing && calls++ % 5 === 4)
          return HttpClientResponse.fromWeb(request, new Response(null, { status: 503 }))
        if (request.headers["if-none-match"] === headers["etag"])
          return HttpClientResponse.fromWeb(request, new Response(null, { status: 304, headers }))
        headers["content-length"] = String(mark.length)
        return HttpClientResponse.fromWeb(request, new Response(request.method === "HEAD" ? null : mark, { headers }))
      })
    )
    const cache = yield* HttpCache.make(origin, { mode: given.mode, ...options })
    const found: Array<string> = []
    const run = (step: Step) =>
      Effect.gen(function* () {
        outOfBand = step.carrier === "identity" ? nameOf(step) : "anybody"
        const response = yield* cache.execute(requestOf(step), optionsOf(step))
        const text = yield* response.text
        if (text !== "" && text !== nameOf(step) && text !== "everybody" && text !== "anybody")
          found.push(`${nameOf(step)} got ${text}`)
      }).pipe(Effect.ignore)
    for (const [index, step] of given.steps.entries()) {
      time.wait(step.wait)
      const next = given.steps[index + 1]
      if (step.together && next !== undefined && step.carrier !== "identity" && next.carrier !== "identity")
        yield* Effect.all([run(step), run(next)], { concurrency: "unbounded" })
      else yield* run(step)
    }
    return found
  }).pipe(Effect.scoped, Effect.provide(CacheStore.layerMemory()), Effect.withClock(time.clock))
}

describe("HttpCache, several principals", () => {
  it.effect(
    "gives nobody what was made for another",
    () =>
      Effect.gen(function* () {
        const seed = Math.trunc(Math.random() * 2 ** 31)
        for (const given of fc.sample(program, { numRuns: full ? 10_000 : 300, seed })) {
          const found = yield* leaks(given, {})
          assert.deepStrictEqual(found, [], `seed ${seed}: ${JSON.stringify(given)}`)
        }
      }),
    { timeout: full ? 600_000 : 30_000 }
  )

  it.effect("is checked by an oracle that sees a cache without isolation leak", () =>
    Effect.gen(function* () {
      const programs = fc.sample(program, { numRuns: 100, seed: 7 })
      const everybodyIsOne: HttpCache.Options = { mode: "private", partition: () => Effect.succeed(Option.some("one")) }
      let leaking = 0
      for (const given of programs) {
        const found = yield* leaks({ ...given, mode: "private" }, everybodyIsOne)
        if (found.length > 0) leaking++
      }
      assert.isAbove(leaking, 10)
    })
  )

  it.effect("keeps no credentials in clear, neither in keys nor in entries", () =>
    Effect.gen(function* () {
      const opened: Array<unknown> = []
      const spyOn = <A>(direct: Store.Direct<A>, codec: Codec.Codec<A>): Store.Direct<A> => ({
        ...direct,
        set: (key, value, ...rest) => {
          opened.push(key, Buffer.from(codec.encode(value)).toString("latin1"), rest)
          return direct.set(key, value, ...rest)
        }
      })
      const origin = HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(
            request,
            new Response("body", {
              headers: { "cache-control": "max-age=60", vary: "authorization, cookie, x-api-key" }
            })
          )
        )
      )
      yield* Effect.gen(function* () {
        const service = yield* CacheStore.CacheStore
        const watched: typeof service = {
          ...service,
          open: (namespace, codec) =>
            Effect.map(service.open(namespace, codec), (store) => ({
              ...store,
              ...(store.direct && { direct: spyOn(store.direct, codec) })
            }))
        }
        const cache = yield* Effect.provideService(HttpCache.make(origin), CacheStore.CacheStore, watched)
        const headers = { authorization: "Bearer CANARY-1", cookie: "sid=CANARY-2", "x-api-key": "CANARY-3" }
        const request = HttpClientRequest.get("http://origin.test/", { headers })
        yield* Effect.flatMap(cache.execute(request, { identity: "CANARY-4" }), ({ text }) => text)
      }).pipe(Effect.scoped, Effect.provide(CacheStore.layerMemory()))
      assert.isAbove(opened.length, 0)
      assert.notInclude(JSON.stringify(opened), "CANARY")
    })
  )
})
