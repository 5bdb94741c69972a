/** A store in trouble costs a miss, never a failure; and what it holds is not believed. */
import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { CacheStore, type Codec, type Invalidation, Store } from "@wellspring/cache-store"
import { HttpCache } from "@wellspring/http-cache"
import { Effect, FastCheck as fc, Layer, Option, Queue } from "effect"
import * as Origin from "./origin.ts"

/** A store that lives elsewhere, for all this process can see: everything goes through bytes. */
const remote = (hooks: { readonly read?: (bytes: Uint8Array) => Uint8Array | undefined } = {}) => {
  const held = new Map<string, Uint8Array>()
  const leases = new Map<string, string>()
  let serial = 0
  const open = <A>(namespace: string, codec: Codec.Codec<A>): Effect.Effect<Store.Store<A>> =>
    Effect.sync(() => {
      const read = (key: string): Option.Option<A> => {
        const bytes = held.get(key)
        const seen = bytes === undefined ? undefined : hooks.read === undefined ? bytes : hooks.read(bytes)
        if (seen === undefined) return Option.none()
        try {
          return codec.decode(seen)
        } catch {
          return Option.none()
        }
      }
      const remove = (key: string) => {
        held.delete(key)
        leases.delete(key)
      }
      const store: Store.Store<A> = {
        namespace,
        get: (key) =>
          Effect.zipRight(
            Effect.yieldNow(),
            Effect.sync(() => read(key))
          ),
        getMany: (keys) => Effect.sync(() => keys.map(read)),
        peek: () => undefined,
        set: (key, value, { lease }) =>
          Effect.sync(() => {
            if (lease !== undefined && leases.get(key) !== lease.token) return false
            leases.delete(key)
            held.set(key, codec.encode(value))
            return true
          }),
        remove: (key) => Effect.sync(() => remove(key)),
        removeTagged: () => Effect.void,
        removePrefix: () => Effect.void,
        clear: Effect.sync(() => held.clear()),
        resize: () => {},
        position: () => 0,
        acquire: (key) =>
          Effect.sync(() => {
            if (leases.has(key)) return Store.Taken()
            const token = String(++serial)
            leases.set(key, token)
            return Store.Granted({ key, token })
          }),
        release: ({ key, token }) => Effect.sync(() => void (leases.get(key) === token && leases.delete(key))),
        subscribe: Effect.map(Queue.unbounded<Invalidation.Invalidation>(), (queue) => queue)
      }
      return store
    })
  const usage = Effect.succeed({ bytes: 0, entries: held.size, maxBytes: 0, maxEntries: 0 })
  return { held, leases, service: CacheStore.CacheStore.of({ open, usage }) }
}

const over = (service: typeof CacheStore.CacheStore.Service, options?: HttpCache.Options) =>
  HttpCache.layer(options).pipe(Layer.provide([FetchHttpClient.layer, Layer.succeed(CacheStore.CacheStore, service)]))

const get = (url: string) =>
  Effect.flatMap(HttpClient.execute(HttpClientRequest.get(url)), (response) =>
    Effect.map(response.text, (text) => `${Option.getOrThrow(HttpCache.outcomeOf(response)).outcome} ${text}`)
  )

const fresh = (text: string) =>
  Origin.make((_, response) => {
    response.setHeader("cache-control", "max-age=60")
    response.setHeader("etag", '"1"')
    response.end(text)
  })

describe("HttpCache over a store elsewhere", () => {
  it.scoped("answers from it, in this process and in others", () =>
    Effect.gen(function* () {
      const origin = yield* fresh("größe")
      const { leases, service } = remote()
      assert.strictEqual(yield* get(origin.url).pipe(Effect.provide(over(service))), "miss größe")
      assert.strictEqual(yield* get(origin.url).pipe(Effect.provide(over(service))), "hit größe")
      assert.strictEqual(origin.asked.length, 1)
      assert.strictEqual(leases.size, 0)
    })
  )

  it.live("makes one origin call for four processes that want the same", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        setTimeout(() => response.end("body"), 50)
      })
      const { leases, service } = remote()
      const one = Effect.forEach(Array.from({ length: 50 }), () => get(origin.url), { concurrency: "unbounded" }).pipe(
        Effect.provide(over(service))
      )
      const answers = (yield* Effect.all([one, one, one, one], { concurrency: "unbounded" })).flat()
      assert.deepStrictEqual([...new Set(answers.map((answer) => answer.split(" ")[1]))], ["body"])
      assert.strictEqual(origin.asked.length, 1)
      assert.strictEqual(leases.size, 0)
    }).pipe(Effect.scoped)
  )

  it.scoped("takes whatever has been done to an entry for a miss", () =>
    Effect.gen(function* () {
      const origin = yield* fresh("the body of the response")
      let mutate = (bytes: Uint8Array) => bytes
      const { service } = remote({ read: (bytes) => mutate(bytes) })
      const layer = over(service)
      const mutations = fc.sample(
        fc.tuple(fc.constantFrom("cut", "junk", "number", "type"), fc.nat(), fc.uint8Array({ maxLength: 40 })),
        { numRuns: process.env["WELLSPRING_FULL"] === "1" ? 10_000 : 150, seed: 1 }
      )
      yield* Effect.gen(function* () {
        yield* get(origin.url)
        for (const [kind, at, junk] of mutations) {
          mutate = (bytes) => {
            if (kind === "cut") return bytes.subarray(0, at % bytes.byteLength)
            if (kind === "junk") return junk
            const text = Buffer.from(bytes).toString("latin1")
            const changed =
              kind === "number"
                ? text.replace(/"freshUntil":[0-9.]+/, '"freshUntil":"x"')
                : text.replace(/"headers":\{/, '"headers":[')
            return Buffer.from(changed, "latin1")
          }
          const answer = yield* get(origin.url)
          assert.match(answer, /^(miss|collapsed) the body of the response$/)
          mutate = (bytes) => bytes
        }
      }).pipe(Effect.provide(layer))
    })
  )
})
