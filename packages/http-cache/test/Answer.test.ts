import { assert, describe, it } from "@effect/vitest"
import * as Answer from "@wellspring/http-cache/Answer"
import type * as Entry from "@wellspring/http-cache/Entry"
import type * as Message from "@wellspring/http-cache/Message"
import { date, entry, lookup, policy, request, response, stored } from "./support.ts"

const full = { "cache-control": "max-age=600", "content-type": "text/plain", "content-length": "10" }

const answer = (e: Entry.Entry, headers: Message.Fields, method = "GET", options = {}) => {
  const r = request(headers, method)
  return Answer.of(lookup(policy(options), r), r.headers, e, 10)
}

const tag = (e: Entry.Entry, headers: Message.Fields, method = "GET") => answer(e, headers, method)._tag

describe("Answer.of", () => {
  it("RFC 9110 §13.1.2: answers If-None-Match by weak comparison", () => {
    const strong = stored({ ...full, etag: '"a"' })
    const weak = stored({ ...full, etag: 'W/"a"' })
    for (const e of [strong, weak]) {
      assert.strictEqual(tag(e, { "if-none-match": '"a"' }), "NotModified")
      assert.strictEqual(tag(e, { "if-none-match": 'W/"a"' }), "NotModified")
      assert.strictEqual(tag(e, { "if-none-match": '"x", W/"a" , "y"' }), "NotModified")
      assert.strictEqual(tag(e, { "if-none-match": ['"x"', '"a"'] }), "NotModified")
      assert.strictEqual(tag(e, { "if-none-match": "*" }), "NotModified")
      assert.strictEqual(tag(e, { "if-none-match": '"b"' }), "Whole")
      assert.strictEqual(tag(e, { "if-none-match": "a" }), "Whole")
      assert.strictEqual(tag(e, { "if-none-match": '"A"' }), "Whole")
    }
    assert.strictEqual(tag(stored(full), { "if-none-match": '""' }), "Whole")
    assert.strictEqual(tag(stored({ ...full, etag: '"a,b"' }), { "if-none-match": '"x","a,b"' }), "NotModified")
    assert.strictEqual(tag(stored({ ...full, etag: '"caf\xe9"' }), { "if-none-match": '"caf\xe9"' }), "NotModified")
    assert.strictEqual(tag(stored({ ...full, etag: "abc" }), { "if-none-match": "abc" }), "NotModified")
  })

  it("RFC 9110 §13.1.3, RFC 9111 §4.3.2: answers If-Modified-Since by Last-Modified, else by Date", () => {
    const dated = stored({ ...full, "last-modified": date(-100) })
    assert.strictEqual(tag(dated, { "if-modified-since": date(-100) }), "NotModified")
    assert.strictEqual(tag(dated, { "if-modified-since": date(-50) }), "NotModified")
    assert.strictEqual(tag(dated, { "if-modified-since": date(-101) }), "Whole")
    assert.strictEqual(tag(dated, { "if-modified-since": "Monday, 05-Jan-26 12:00:00 GMT" }), "NotModified")
    assert.strictEqual(tag(dated, { "if-modified-since": "recently" }), "Whole")
    assert.strictEqual(tag(stored(full), { "if-modified-since": date(0) }), "NotModified")
    assert.strictEqual(tag(stored(full), { "if-modified-since": date(-1) }), "Whole")
  })

  it("RFC 9110 §13.2.2: If-None-Match has the last word", () => {
    const e = stored({ ...full, etag: '"a"', "last-modified": date(-100) })
    assert.strictEqual(tag(e, { "if-none-match": '"b"', "if-modified-since": date(0) }), "Whole")
    assert.strictEqual(tag(e, { "if-none-match": '"a"', "if-modified-since": date(-500) }), "NotModified")
  })

  it("RFC 9110 §13.2.1: conditions are for successes", () => {
    assert.strictEqual(tag(stored({ ...full, etag: '"a"' }, 404), { "if-none-match": '"a"' }), "Whole")
  })

  it("RFC 9110 §14.2: cuts a range from a whole response", () => {
    const e = stored({ ...full, etag: '"a"' })
    assert.deepStrictEqual(answer(e, { range: "bytes=2-4" }), { _tag: "Part", span: { first: 2, last: 4 }, size: 10 })
    assert.deepStrictEqual(answer(e, { range: "bytes=-4" }), { _tag: "Part", span: { first: 6, last: 9 }, size: 10 })
    assert.deepStrictEqual(answer(e, { range: "bytes=10-" }), { _tag: "Unsatisfiable", size: 10 })
    assert.strictEqual(tag(e, { range: "bytes=2-4" }, "HEAD"), "Whole")
    assert.strictEqual(tag(stored(full, 404), { range: "bytes=2-4" }), "Whole")
    assert.strictEqual(tag(e, { range: "bytes=2-4", "if-none-match": '"a"' }), "NotModified")
  })

  it("RFC 9110 §13.1.5: If-Range wants a strong match, or the whole", () => {
    const e = stored({ ...full, etag: '"a"', "last-modified": date(-100) })
    const ranged = (validator: string) => tag(e, { range: "bytes=2-4", "if-range": validator })
    assert.strictEqual(ranged('"a"'), "Part")
    assert.strictEqual(ranged('"b"'), "Whole")
    assert.strictEqual(ranged('W/"a"'), "Whole")
    assert.strictEqual(ranged(date(-100)), "Part")
    assert.strictEqual(ranged(date(-99)), "Whole")
    assert.strictEqual(ranged("x"), "Whole")
    const weak = stored({ ...full, etag: 'W/"a"' })
    assert.strictEqual(tag(weak, { range: "bytes=2-4", "if-range": 'W/"a"' }), "Whole")
    const justNow = stored({ ...full, "last-modified": date(0) })
    assert.strictEqual(tag(justNow, { range: "bytes=2-4", "if-range": date(0) }), "Whole")
  })

  it("RFC 9111 §3.3: answers from a part within its bounds", () => {
    const e = entry({
      request: request({ range: "bytes=4-9" }),
      response: response({ ...full, "content-range": "bytes 4-9/20", "content-length": "6" }, 206)
    })
    assert.deepStrictEqual(answer(e, { range: "bytes=5-6" }), { _tag: "Part", span: { first: 5, last: 6 }, size: 20 })
  })
})

describe("Answer.headers", () => {
  const e = stored({ ...full, etag: '"a"', "last-modified": date(-100), "content-location": "/a", vary: "accept" })

  it("RFC 9110 §15.4.5: a 304 carries what a cache needs, and nothing about a body", () => {
    const headers = Answer.headers({ _tag: "NotModified" }, e.headers)
    assert.sameMembers(Object.keys(headers), [
      "date",
      "cache-control",
      "etag",
      "last-modified",
      "content-location",
      "vary"
    ])
  })

  it("RFC 9110 §15.3.7: a 206 says which bytes it has", () => {
    const part = { _tag: "Part", span: { first: 2, last: 4 }, size: 10 } as const
    const headers = Answer.headers(part, e.headers)
    assert.strictEqual(headers["content-range"], "bytes 2-4/10")
    assert.strictEqual(headers["content-length"], "3")
    assert.strictEqual(headers["etag"], '"a"')
    assert.strictEqual(Answer.headers({ ...part, size: -1 }, e.headers)["content-range"], "bytes 2-4/*")
    assert.strictEqual(Answer.status(part, e), 206)
  })

  it("RFC 9110 §15.5.17: a 416 says how much there is", () => {
    const headers = Answer.headers({ _tag: "Unsatisfiable", size: 10 }, e.headers)
    assert.strictEqual(headers["content-range"], "bytes */10")
    assert.strictEqual(headers["content-length"], "0")
    assert.isUndefined(headers["content-type"])
  })
})
