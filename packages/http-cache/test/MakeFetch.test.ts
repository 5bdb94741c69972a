import { assert, describe, it } from "@effect/vitest"
import { MakeFetch } from "@wellspring/http-cache"
import { Effect } from "effect"
import * as Origin from "./origin.ts"

const making = (options?: MakeFetch.FetchOptions) =>
  Effect.acquireRelease(
    Effect.sync(() => MakeFetch.make(options)),
    (fetch) => Effect.promise(() => fetch.close())
  )

describe("MakeFetch.make", () => {
  it.scoped("gives real responses from the store, with their URL, and keeps entries between calls", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.setHeader("content-type", "application/json")
        response.setHeader("set-cookie", ["a=1", "b=2"])
        response.end('{"n":1}')
      })
      const fetch = yield* making()
      const first = yield* Effect.promise(() => fetch(`${origin.url}/a#fragment`))
      assert.instanceOf(first, Response)
      assert.deepStrictEqual(yield* Effect.promise(() => first.json()), { n: 1 })
      assert.deepStrictEqual(first.headers.getSetCookie(), ["a=1", "b=2"])
      const second = yield* Effect.promise(() => fetch(new URL(`${origin.url}/a`)))
      assert.strictEqual(second.url, `${origin.url}/a`)
      assert.strictEqual(second.clone().url, `${origin.url}/a`)
      assert.strictEqual(second.status, 200)
      assert.strictEqual(second.statusText, "OK")
      assert.isTrue(second.ok)
      assert.deepStrictEqual(second.headers.getSetCookie(), [])
      assert.strictEqual(second.headers.get("content-type"), "application/json")
      assert.match(second.headers.get("cache-status") ?? "", /;hit/)
      assert.deepStrictEqual(yield* Effect.promise(() => second.json()), { n: 1 })
      assert.strictEqual(origin.asked.length, 1)
    })
  )

  it.scoped("fails a call whose inner function answers with anything but a response", () =>
    Effect.gen(function* () {
      for (const answer of [undefined, null, {}, "text", Promise.resolve(undefined), Promise.resolve({})]) {
        const fetch = yield* making({ fetch: () => answer as Promise<Response> })
        const failure = yield* Effect.flip(Effect.tryPromise(() => fetch("http://origin.test/a")))
        assert.instanceOf(failure.error, TypeError)
      }
    })
  )

  it.scoped("sends to the origin what the request says and nothing more", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response) => {
        response.setHeader("etag", '"1"')
        if (request.headers["if-none-match"] === '"1"') response.writeHead(304).end()
        else response.end("body")
      })
      const fetch = yield* making()
      for (let round = 0; round < 2; round++) {
        const response = yield* Effect.promise(() => fetch(`${origin.url}/a`, { headers: { "x-test": "1" } }))
        assert.strictEqual(yield* Effect.promise(() => response.text()), "body")
      }
      assert.strictEqual(origin.asked[1]?.headers["if-none-match"], '"1"')
      for (const { headers } of origin.asked) {
        assert.deepStrictEqual(
          [headers["cache-control"], headers.pragma, headers["x-test"]],
          [undefined, undefined, "1"]
        )
      }
    })
  )

  it.scoped("passes bodies and other options on, and never answers a write from the store", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(`${request.method} ${request.headers["content-type"]} ${request.body}`)
      })
      const seen: Array<RequestInit | undefined> = []
      const fetch = yield* making({
        fetch: (input, init) => {
          seen.push(init)
          return globalThis.fetch(input, init)
        }
      })
      const post = () => fetch(`${origin.url}/a`, { method: "post", body: "hello", keepalive: true })
      for (let round = 0; round < 2; round++) {
        const response = yield* Effect.promise(post)
        assert.strictEqual(yield* Effect.promise(() => response.text()), "POST text/plain;charset=UTF-8 hello")
      }
      assert.strictEqual(origin.asked.length, 2)
      assert.isTrue(seen.every((init) => init?.keepalive === true))
    })
  )

  it.scoped("rejects with the signal's reason, before and during the call", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make(() => {})
      const fetch = yield* making()
      const reason = new Error("enough")
      const early = yield* Effect.promise(() =>
        fetch(origin.url, { signal: AbortSignal.abort(reason) }).catch((e) => e)
      )
      assert.strictEqual(early, reason)
      const controller = new AbortController()
      const pending = fetch(origin.url, { signal: controller.signal }).catch((error) => error)
      while (origin.asked.length === 0) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      controller.abort(reason)
      assert.strictEqual(yield* Effect.promise(() => pending), reason)
    })
  )

  it.scoped("rejects as fetch does when the origin cannot be reached", () =>
    Effect.gen(function* () {
      const fetch = yield* making()
      const error = yield* Effect.promise(() => fetch("http://127.0.0.1:1/").catch((error) => error))
      assert.instanceOf(error, TypeError)
      assert.strictEqual(error.message, "fetch failed")
    })
  )

  it.scoped("rejects with what the inner function throws, rejects, or breaks off with", () =>
    Effect.gen(function* () {
      const thrown = new Error("at once")
      const throwing = yield* making({
        fetch: () => {
          throw thrown
        }
      })
      for (let round = 0; round < 2; round++) {
        const error = yield* Effect.promise(() => throwing("http://origin.test/").catch((error) => error))
        assert.strictEqual(error, thrown)
      }
      const origin = yield* Origin.make((_, response) => {
        response.setHeader("cache-control", "max-age=60")
        response.write("begun")
        setTimeout(() => response.destroy(), 5)
      })
      const fetch = yield* making()
      const response = yield* Effect.promise(() => fetch(origin.url))
      const broken = yield* Effect.promise(() => response.text().catch((error) => error))
      assert.instanceOf(broken, TypeError)
      assert.strictEqual(broken.message, "terminated")
    })
  )

  it.scoped("rejects when the origin is lost and no answer forbade the use of stale ones", () =>
    Effect.gen(function* () {
      let calls = 0
      const lost = new TypeError("lost")
      const fetch = yield* making({
        fetch: async () => {
          if (calls++ > 0) throw lost
          return new Response("nothing said")
        }
      })
      yield* Effect.promise(() => fetch("http://origin.test/").then((response) => response.text()))
      for (const method of ["GET", "POST"]) {
        const error = yield* Effect.promise(() => fetch("http://origin.test/", { method }).catch((error) => error))
        assert.strictEqual(error, lost)
      }
    })
  )

  it.scoped("RFC 9111 §5.2.1.1: does not answer a request with max-age from stale-while-revalidate", () =>
    Effect.gen(function* () {
      let calls = 0
      const headers = { "cache-control": "max-age=0, stale-while-revalidate=60", etag: '"1"' }
      const fetch = yield* making({ fetch: async () => new Response(`${++calls}`, { headers }) })
      const ask = (init?: RequestInit) =>
        Effect.promise(() => fetch("http://origin.test/", init).then((response) => response.text()))
      yield* ask()
      assert.strictEqual(yield* ask({ headers: { "cache-control": "max-age=60" } }), "2")
    })
  )

  it.scoped("follows redirects with every hop cached, or leaves them to the caller", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((request, response) => {
        response.setHeader("cache-control", "max-age=60")
        if (request.url === "/from") response.writeHead(302, { location: "/to" }).end()
        else response.end("there")
      })
      const fetch = yield* making()
      const manual = yield* Effect.promise(() => fetch(`${origin.url}/from`, { redirect: "manual" }))
      assert.strictEqual(manual.status, 302)
      for (let round = 0; round < 2; round++) {
        const followed = yield* Effect.promise(() => fetch(`${origin.url}/from`))
        assert.strictEqual(yield* Effect.promise(() => followed.text()), "there")
        assert.strictEqual(followed.url, `${origin.url}/to`)
        assert.isTrue(followed.redirected)
      }
      assert.deepStrictEqual(
        origin.asked.map(({ url }) => url),
        ["/from", "/to"]
      )
      const refused = yield* Effect.promise(() =>
        fetch(`${origin.url}/from`, { redirect: "error" }).catch((error) => error)
      )
      assert.instanceOf(refused, TypeError)
    })
  )

  it.scoped("honours the cache modes of the Fetch standard", () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make((_, response, index) => {
        response.setHeader("cache-control", "max-age=60")
        response.end(String(index))
      })
      const fetch = yield* making()
      const get = (cache?: RequestCache) =>
        Effect.promise(() => fetch(`${origin.url}/a`, cache === undefined ? {} : { cache }).then((_) => _.text()))
      assert.strictEqual(
        (yield* Effect.promise(() => fetch(`${origin.url}/a`, { cache: "only-if-cached" }))).status,
        504
      )
      assert.strictEqual(yield* get(), "0")
      assert.strictEqual(yield* get("force-cache"), "0")
      assert.strictEqual(yield* get("only-if-cached"), "0")
      assert.strictEqual(yield* get("no-store"), "1")
      assert.strictEqual(yield* get(), "0")
      assert.strictEqual(yield* get("reload"), "2")
      assert.strictEqual(yield* get(), "2")
    })
  )

  it.scoped("refuses calls after it was closed", () =>
    Effect.gen(function* () {
      const fetch = yield* making()
      yield* Effect.promise(() => fetch.close())
      const error = yield* Effect.promise(() => fetch("http://127.0.0.1:1/").catch((error) => error))
      assert.match(error.message, /closed/)
    })
  )
})

type RequestCache = "default" | "no-store" | "reload" | "no-cache" | "force-cache" | "only-if-cached"
