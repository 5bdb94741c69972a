import { assert, describe, it } from "@effect/vitest"
import type * as Entry from "@wellspring/http-cache/Entry"
import type * as Message from "@wellspring/http-cache/Message"
import * as Selection from "@wellspring/http-cache/Selection"
import { date, entry, lookup, policy, request, response, url } from "./support.ts"

const p = policy()
const fresh = { "cache-control": "max-age=600", etag: '"a"' }

/** An entry that varies on `foo`, brought by a request that had it as given. */
const variant = (foo: string | undefined, extra: Message.Fields = {}) =>
  entry({
    request: request(foo === undefined ? {} : { foo }),
    response: response({ ...fresh, vary: "foo", ...extra })
  })

const select = (entries: ReadonlyArray<Entry.Entry>, headers: Message.Fields = {}, method = "GET") => {
  const r = request(headers, method)
  return Selection.select(p, lookup(p, r), r.headers, entries)
}

describe("Selection.select", () => {
  it("RFC 9111 §4.1: chooses the variant that matches", () => {
    const [one, two, none] = [variant("1"), variant("2"), variant(undefined)]
    assert.strictEqual(select([one, two, none], { foo: "2" }), two)
    assert.strictEqual(select([one, two, none], { foo: "1" }), one)
    assert.strictEqual(select([one, two, none]), none)
    assert.isUndefined(select([one, two, none], { foo: "3" }))
    assert.isUndefined(select([]))
  })

  it("RFC 9111 §4: of several that match, chooses the most recent by Date, not the last stored", () => {
    const older = variant("1", { date: date(-20), vary: "foo, bar" })
    const newer = variant("1", { date: date(-10) })
    assert.strictEqual(select([newer, older], { foo: "1" }), newer)
    assert.strictEqual(select([older, newer], { foo: "1" }), newer)
  })

  it("RFC 9111 §4.1: prefers a variant to a response that omits Vary", () => {
    const plain = entry({ response: response({ ...fresh, date: date(-5) }) })
    const varied = variant("1", { date: date(-10) })
    assert.strictEqual(select([plain, varied], { foo: "1" }), varied)
    assert.strictEqual(select([plain, varied], { foo: "2" }), plain)
    const oversight = entry({ response: response({ ...fresh, date: date(-60) }) })
    assert.isUndefined(select([oversight, varied], { foo: "2" }))
  })

  it("RFC 9111 §3.5: shows a shared response to credentials only if it permits that", () => {
    const of = (cacheControl: string) => entry({ response: response({ "cache-control": cacheControl }) })
    const authorization = { authorization: "Bearer b" }
    assert.isUndefined(select([of("max-age=60")], authorization))
    assert.isDefined(select([of("max-age=60, must-revalidate")], authorization))
    assert.isDefined(select([of("s-maxage=60")], authorization))
    assert.isDefined(select([of("max-age=60, public")], authorization))
    for (const credentials of [{ cookie: "a=1" }, { "x-api-key": "k" }, { ...authorization, cookie: "a=1" }]) {
      assert.isUndefined(select([of("max-age=60")], credentials))
      assert.isUndefined(select([of("s-maxage=60")], credentials))
      assert.isDefined(select([of("max-age=60, public")], credentials))
    }
    assert.isUndefined(
      select([entry({ response: response({ "cache-control": "max-age=60, public" }, 403) })], authorization)
    )
  })

  it("takes a request for somebody's when told that it is", () => {
    const plain = entry({ response: response({ "cache-control": "max-age=60" }) })
    const open = entry({ response: response({ "cache-control": "max-age=60, public" }) })
    const plan = lookup(p, request(), { identified: true })
    assert.isUndefined(Selection.select(p, plan, {}, [plain]))
    assert.strictEqual(Selection.select(p, plan, {}, [plain, open]), open)
  })

  it("prefers what holds the bytes asked for", () => {
    const part = entry({
      request: request({ range: "bytes=0-4" }),
      response: response({ ...fresh, "content-range": "bytes 0-4/10" }, 206)
    })
    const whole = entry({ response: response({ ...fresh, date: date(-30) }) })
    assert.strictEqual(select([part, whole]), whole)
    assert.strictEqual(select([part, whole], { range: "bytes=2-3" }), part)
    assert.strictEqual(select([part, whole], { range: "bytes=2-7" }), whole)
    assert.strictEqual(select([part], {}, "HEAD"), part)
  })
})

describe("Selection.insert", () => {
  const insert = (entries: ReadonlyArray<Entry.Entry>, added: Entry.Entry, headers: Message.Fields = {}, most = 10) =>
    Selection.insert(p, entries, added, headers, most)

  it("replaces what the request would have been given, and keeps other variants", () => {
    const [one, two, again] = [variant("1"), variant("2"), variant("1")]
    assert.deepStrictEqual(insert([one, two], again, { foo: "1" }), [two, again])
    const plain = entry({ response: response(fresh) })
    assert.deepStrictEqual(insert([plain], one, { foo: "1" }), [one])
    assert.deepStrictEqual(insert([one, two], plain), [one, two, plain])
  })

  it("drops the oldest beyond the bound", () => {
    const [one, two, three] = [variant("1"), variant("2"), variant("3")]
    assert.deepStrictEqual(insert([one, two], three, { foo: "3" }, 2), [two, three])
  })

  it("does not trade the whole for a part of it", () => {
    const whole = entry({ response: response(fresh) })
    const part = (etag: string) =>
      entry({
        request: request({ range: "bytes=0-4" }),
        response: response({ ...fresh, etag, "content-range": "bytes 0-4/10" }, 206)
      })
    assert.deepStrictEqual(insert([whole], part('"a"')), [whole])
    const other = part('"b"')
    assert.deepStrictEqual(insert([whole], other), [other])
  })
})

describe("Selection.candidates", () => {
  it("RFC 9111 §4.3.1: offers variants with strong tags that this caller may see", () => {
    const weak = variant("1", { etag: 'W/"w"' })
    const strong = variant("2")
    const found = (headers: Message.Fields) =>
      Selection.candidates(lookup(p, { method: "GET", url, headers }), [weak, strong])
    assert.deepStrictEqual(found({ foo: "3" }), [strong])
    assert.deepStrictEqual(found({ foo: "3", authorization: "x" }), [])
    assert.deepStrictEqual(found({ foo: "3", "if-none-match": '"x"' }), [])
  })
})
