import { assert, describe, it } from "@effect/vitest"
import * as Entry from "@wellspring/http-cache/Entry"
import * as Freshness from "@wellspring/http-cache/Freshness"
import type * as Message from "@wellspring/http-cache/Message"
import * as Plan from "@wellspring/http-cache/Plan"
import * as Validation from "@wellspring/http-cache/Validation"
import { date, entry, now, policy, request, response, stored } from "./support.ts"

const p = policy()
const etag = '"a"'
const lm = date(-1000)

const sent = (entries: ReadonlyArray<Entry.Entry>, headers: Message.Fields = {}, wishes?: Plan.Wishes) => {
  const r = request(headers)
  return Validation.requestHeaders(Plan.of(p, r, wishes), r.headers, { _tag: "Validate", entries })
}

describe("Validation.requestHeaders", () => {
  it("RFC 9111 §4.3.1: sends what validators the entry has", () => {
    const cc = { "cache-control": "max-age=1" }
    assert.deepStrictEqual(sent([stored({ ...cc, etag })], { accept: "x" }), { accept: "x", "if-none-match": etag })
    assert.deepStrictEqual(sent([stored({ ...cc, "last-modified": lm })]), { "if-modified-since": lm })
    assert.deepStrictEqual(sent([stored({ ...cc, etag, "last-modified": lm })]), {
      "if-none-match": etag,
      "if-modified-since": lm
    })
    assert.deepStrictEqual(sent([stored({ ...cc, etag: "abc" })]), { "if-none-match": "abc" })
    assert.deepStrictEqual(sent([stored({ ...cc, etag: 'W/"a"' })]), { "if-none-match": 'W/"a"' })
  })

  it("RFC 9111 §4.3.1: sends the tags of several candidates, and no date", () => {
    const variants = ['"1"', '"2"'].map((tag) =>
      stored({ "cache-control": "max-age=1", etag: tag, "last-modified": lm })
    )
    assert.deepStrictEqual(sent(variants), { "if-none-match": '"1", "2"' })
  })

  it("RFC 9111 §4.3.2: keeps the caller's tags beside ours, and puts our date for the caller's", () => {
    const e = stored({ "cache-control": "max-age=1", etag, "last-modified": lm })
    assert.strictEqual(sent([e], { "if-none-match": '"x", "y"' })["if-none-match"], '"x", "y", "a"')
    assert.strictEqual(sent([e], { "if-none-match": '"a"' })["if-none-match"], '"a"')
    assert.strictEqual(sent([e], { "if-none-match": "*" })["if-none-match"], '"a"')
    assert.deepStrictEqual(sent([e], { "if-modified-since": date(-5) }), {
      "if-none-match": etag,
      "if-modified-since": lm
    })
    const untagged = stored({ "cache-control": "max-age=1", "last-modified": lm })
    assert.deepStrictEqual(sent([untagged], { "if-none-match": '"x"' }), { "if-none-match": '"x"' })
    const undated = stored({ "cache-control": "max-age=1", etag })
    assert.deepStrictEqual(sent([undated], { "if-modified-since": lm }), { "if-none-match": etag })
  })

  it("RFC 9110 §13.1.5: asks for missing bytes only of the same representation", () => {
    const e = entry({
      request: request({ range: "bytes=0-4" }),
      response: response({ "cache-control": "max-age=60", etag, "content-range": "bytes 0-4/10" }, 206)
    })
    const r = request({ accept: "x" })
    const question = { _tag: "Complete", entry: e, range: "bytes=5-" } as const
    assert.deepStrictEqual(Validation.requestHeaders(Plan.of(p, r), r.headers, question), {
      accept: "x",
      range: "bytes=5-",
      "if-range": etag
    })
  })

  it("tells caches further on about the cache mode, unless the caller has", () => {
    const headers = (mode: Plan.CacheMode, given: Message.Fields = {}) => {
      const r = request(given)
      return Validation.requestHeaders(Plan.of(p, r, { mode }), r.headers, Validation.plain)
    }
    assert.deepStrictEqual(headers("default"), {})
    assert.deepStrictEqual(headers("force-cache"), {})
    assert.deepStrictEqual(headers("reload"), { "cache-control": "no-cache", pragma: "no-cache" })
    assert.deepStrictEqual(headers("no-store"), { "cache-control": "no-cache", pragma: "no-cache" })
    assert.deepStrictEqual(headers("no-cache"), { "cache-control": "max-age=0" })
    assert.deepStrictEqual(headers("reload", { "cache-control": "max-age=5" }), { "cache-control": "max-age=5" })
  })
})

const vouch = (
  previous: ReadonlyArray<Entry.Entry>,
  headers: Message.Fields,
  options: { readonly request?: Message.RequestHead; readonly after?: number } = {}
) => {
  const r = options.request ?? request()
  const at = now + (options.after ?? 100) * 1000
  return Validation.onNotModified(
    p,
    Plan.of(p, r),
    r,
    { status: 304, headers },
    { requestTime: at, responseTime: at },
    previous
  )
}

const freshened = (...args: Parameters<typeof vouch>) => {
  const result = vouch(...args)
  if (result._tag !== "Freshened") throw new Error(result._tag)
  return result
}

describe("Validation.onNotModified", () => {
  const e = stored({ "cache-control": "max-age=60", etag, "x-old": "1", "content-length": "10", "content-type": "a/b" })

  it("RFC 9111 §4.3.4: starts the lifetime anew", () => {
    const { entry: updated } = freshened([e], { etag, date: date(100) })
    assert.strictEqual(updated?.freshUntil, now + 160_000)
    assert.strictEqual(updated?.headers["date"], date(100))
    assert.strictEqual(freshened([e], { etag, date: date(100), age: "20" }).entry?.freshUntil, now + 140_000)
    assert.strictEqual(freshened([e], { etag }).entry?.headers["date"], date(100))
  })

  it("RFC 9111 §3.2: replaces fields, but those that describe the bytes", () => {
    const { entry: updated } = freshened([e], {
      etag,
      "cache-control": "max-age=600",
      "x-new": ["1", "2"],
      "content-type": "c/d",
      "content-length": "0",
      "content-encoding": "br",
      "content-range": "bytes 0-0/1",
      connection: "x-hop",
      "x-hop": "1",
      "transfer-encoding": "chunked"
    })
    assert.deepStrictEqual(
      { ...updated?.headers },
      {
        date: date(100),
        etag,
        "cache-control": "max-age=600",
        "x-old": "1",
        "x-new": ["1", "2"],
        "content-length": "10",
        "content-type": "c/d"
      }
    )
    assert.strictEqual(updated?.lifetime, 600_000)
  })

  it("RFC 9111 §4.3.4: does not take a 304 for a response it is not about", () => {
    assert.strictEqual(vouch([e], { etag: '"b"' })._tag, "AskAgain")
    const weak = stored({ "cache-control": "max-age=60", etag: 'W/"a"' })
    assert.strictEqual(vouch([weak], { etag })._tag, "AskAgain")
    assert.strictEqual(vouch([weak], { etag: 'W/"a"' })._tag, "Freshened")
    assert.strictEqual(vouch([e], { etag: 'W/"a"' })._tag, "Freshened")
    const dated = stored({ "cache-control": "max-age=60", "last-modified": lm })
    assert.strictEqual(vouch([dated], { "last-modified": lm })._tag, "Freshened")
    assert.strictEqual(vouch([dated], { "last-modified": date(-1) })._tag, "Freshened")
    assert.strictEqual(vouch([dated], {})._tag, "Freshened")
    assert.strictEqual(vouch([dated], { etag, "last-modified": lm })._tag, "Freshened")
    assert.strictEqual(vouch([dated], { etag })._tag, "AskAgain")
  })

  it("RFC 9111 §4.3.4: takes a strong tag for the weak one it was before a compression, if the date agrees", () => {
    const weak = { "cache-control": "max-age=60", etag: `W/${etag}`, "last-modified": lm, date: date(0) }
    const { entry: updated, headers } = freshened([stored(weak)], { etag, "last-modified": lm, date: date(100) })
    assert.strictEqual(updated?.freshUntil, now + 160_000)
    // The bytes at hand are not those the strong tag names.
    assert.strictEqual(updated?.etag, `W/${etag}`)
    assert.strictEqual(headers["etag"], `W/${etag}`)
    assert.strictEqual(vouch([stored(weak)], { etag })._tag, "AskAgain")
    assert.strictEqual(vouch([stored(weak)], { etag, "last-modified": date(-1) })._tag, "AskAgain")
    assert.strictEqual(vouch([stored(weak)], { etag: '"b"', "last-modified": lm })._tag, "AskAgain")
    const young = stored({ ...weak, "last-modified": date(0) })
    assert.strictEqual(vouch([young], { etag, "last-modified": date(0) })._tag, "AskAgain")
  })

  it("RFC 9111 §4.3.4: of several candidates takes the one the 304 names", () => {
    const [one, two] = ['"1"', '"2"'].map((tag) => stored({ "cache-control": "max-age=60", etag: tag, vary: "foo" }))
    if (one === undefined || two === undefined) return
    const asking = request({ foo: "3" })
    assert.strictEqual(freshened([one, two], { etag: '"2"' }, { request: asking }).previous, two)
    assert.strictEqual(freshened([one, two], { etag: '"2"' }, { request: asking }).entry?.vary[0]?.value, "#1:3")
    assert.isTrue(freshened([one, two], { etag: '"2"' }, { request: asking }).isAnother)
    assert.isFalse(freshened([e], { etag }).isAnother)
    assert.strictEqual(vouch([one, two], {})._tag, "AskAgain")
  })

  it("tells whether the caller's copy is meant", () => {
    const asking = request({ "if-none-match": '"x"' })
    assert.strictEqual(vouch([e], { etag: '"x"' }, { request: asking })._tag, "PassOn")
    assert.strictEqual(vouch([e], { etag }, { request: asking })._tag, "Freshened")
    assert.strictEqual(vouch([e], { etag: '"y"' }, { request: asking })._tag, "AskAgain")
    assert.strictEqual(vouch([e], {}, { request: asking })._tag, "AskAgain")
    assert.strictEqual(vouch([e], {}, { request: request({ "if-none-match": etag }) })._tag, "Freshened")
    const untagged = stored({ "cache-control": "max-age=60", "last-modified": lm })
    assert.strictEqual(vouch([untagged], {}, { request: asking })._tag, "PassOn")
    assert.strictEqual(vouch([], {}, { request: asking })._tag, "PassOn")
  })

  it("keeps nothing once the origin forbids it, and still vouches for the answer", () => {
    for (const cacheControl of ["no-store", "private"]) {
      const result = freshened([e], { etag, "cache-control": cacheControl })
      assert.isUndefined(result.entry)
      assert.strictEqual(result.headers["x-old"], "1")
    }
    assert.isUndefined(freshened([e], { etag, vary: "*" }).entry)
  })

  it("leaves the entry as it was for a request that must not be stored", () => {
    const result = freshened([e], { etag, "x-new": "1" }, { request: request({ "cache-control": "no-store" }) })
    assert.strictEqual(result.entry, e)
    assert.strictEqual(result.headers["x-new"], "1")
  })

  it("gives the caller of a 304 its cookies, and keeps them from others", () => {
    const result = freshened([e], { etag, "set-cookie": "a=1" })
    assert.strictEqual(result.headers["set-cookie"], "a=1")
    assert.isUndefined(result.entry?.headers["set-cookie"])
  })
})

describe("Validation.onHead", () => {
  const e = stored({ "cache-control": "max-age=60", etag, "last-modified": lm, "x-old": "1" })
  const head = (headers: Message.Fields, status = 200) => {
    const r = request({}, "HEAD")
    const times = { requestTime: now + 50_000, responseTime: now + 50_000 }
    return Validation.onHead(p, Plan.of(p, r), r, { status, headers: { date: date(50), ...headers } }, times, e, 10)
  }

  it("RFC 9111 §4.3.5: updates the stored response it is about", () => {
    const result = head({ etag, "content-length": "10", "cache-control": "max-age=500", "x-new": "1" })
    assert.strictEqual(result._tag, "Updated")
    if (result._tag !== "Updated") return
    assert.strictEqual(result.entry.freshUntil, now + 550_000)
    assert.strictEqual(result.entry.headers["x-new"], "1")
    assert.strictEqual(result.entry.headers["x-old"], "1")
  })

  it("RFC 9111 §4.3.5: makes a stored response stale that is another by now", () => {
    for (const headers of [{ etag: '"b"' }, { "last-modified": date(0) }, { etag, "content-length": "11" }]) {
      const result = head(headers)
      assert.strictEqual(result._tag, "Outdated")
      if (result._tag === "Outdated") assert.isFalse(Freshness.isFresh(result.entry, now + 1))
    }
    assert.strictEqual(head({}, 410)._tag, "Outdated")
    assert.strictEqual(head({}, 404)._tag, "Outdated")
  })

  it("learns nothing from failures and redirects", () => {
    for (const status of [301, 304, 401, 403, 500, 503]) assert.strictEqual(head({}, status)._tag, "Unrelated")
  })

  it("has the entry's scope and bytes stay as they are", () => {
    const result = head({ etag })
    assert.isTrue(
      result._tag === "Updated" && result.entry.scope === e.scope && !Entry.has(result.entry, Entry.DECODED)
    )
  })
})
