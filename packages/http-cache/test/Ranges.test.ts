import { assert, describe, it } from "@effect/vitest"
import * as Combining from "@wellspring/http-cache/Combining"
import type * as Message from "@wellspring/http-cache/Message"
import * as Ranges from "@wellspring/http-cache/Ranges"
import * as FastCheck from "effect/FastCheck"
import { date, entry, request, response } from "./support.ts"

describe("Ranges.parse", () => {
  it("RFC 9110 §14.1.2: reads one range of bytes", () => {
    const read = (text: string) => {
      const asked = Ranges.parse(text)
      return asked === undefined ? undefined : [asked.first, asked.last]
    }
    const end = Number.POSITIVE_INFINITY
    assert.deepStrictEqual(read("bytes=0-4"), [0, 4])
    assert.deepStrictEqual(read("Bytes=5-"), [5, end])
    assert.deepStrictEqual(read("bytes=-5"), [-5, end])
    assert.deepStrictEqual(read("bytes= , 0-4 ,"), [0, 4])
    for (const text of [
      "",
      "bytes",
      "bytes=",
      "bytes=-",
      "bytes=-0",
      "bytes=4-0",
      "bytes=a-b",
      "bytes=1-2-3",
      "bytes=0-1,3-4",
      "items=0-4",
      "bytes=0x1-2",
      `bytes=${"9".repeat(30)}-`
    ])
      assert.isUndefined(read(text), text)
  })
})

describe("Ranges.resolve", () => {
  const resolve = (text: string, size: number) => {
    const asked = Ranges.parse(text)
    const span = asked === undefined ? undefined : Ranges.resolve(asked, size)
    return span === undefined ? undefined : [span.first, span.last]
  }

  it("RFC 9110 §14.1.2: clips to the representation", () => {
    assert.deepStrictEqual(resolve("bytes=0-99", 10), [0, 9])
    assert.deepStrictEqual(resolve("bytes=5-", 10), [5, 9])
    assert.deepStrictEqual(resolve("bytes=-3", 10), [7, 9])
    assert.deepStrictEqual(resolve("bytes=-99", 10), [0, 9])
    assert.isUndefined(resolve("bytes=10-", 10))
    assert.isUndefined(resolve("bytes=-1", 0))
    assert.isUndefined(resolve("bytes=0-", 0))
  })
})

describe("Ranges.missing", () => {
  it("names the one range that would complete a part", () => {
    assert.strictEqual(Ranges.missing({ first: 0, last: 4, size: 10 }), "bytes=5-")
    assert.strictEqual(Ranges.missing({ first: 0, last: 4, size: -1 }), "bytes=5-")
    assert.strictEqual(Ranges.missing({ first: 5, last: 9, size: 10 }), "bytes=0-4")
    assert.isUndefined(Ranges.missing({ first: 5, last: 9, size: -1 }))
    assert.isUndefined(Ranges.missing({ first: 1, last: 8, size: 10 }))
    assert.isUndefined(Ranges.missing({ first: 0, last: 9, size: 10 }))
  })
})

const part = (first: number, last: number, size: number | "*", headers: Message.Fields = {}) =>
  entry({
    request: request({ range: `bytes=${first}-${last}` }),
    response: response(
      { "cache-control": "max-age=60", etag: '"a"', "content-range": `bytes ${first}-${last}/${size}`, ...headers },
      206
    )
  })

describe("Combining.join", () => {
  it("RFC 9110 §15.3.7.3: all parts together are a 200 with its length", () => {
    const joined = Combining.join(
      part(0, 4, 10, { "x-old": "1", "x-both": "old", "content-length": "5" }),
      part(5, 9, 10, { "x-both": "new", "content-length": "5" })
    )
    assert.strictEqual(joined?.status, 200)
    assert.isUndefined(joined?.range)
    assert.strictEqual(joined?.headers["content-length"], "10")
    assert.isUndefined(joined?.headers["content-range"])
    assert.strictEqual(joined?.headers["x-old"], "1")
    assert.strictEqual(joined?.headers["x-both"], "new")
  })

  it("makes a longer part of parts that touch or overlap, and nothing of others", () => {
    const joined = Combining.join(part(0, 4, 20), part(3, 9, 20))
    assert.strictEqual(joined?.status, 206)
    assert.deepStrictEqual(joined?.range, { first: 0, last: 9, size: 20 })
    assert.strictEqual(joined?.headers["content-range"], "bytes 0-9/20")
    assert.isUndefined(Combining.join(part(0, 4, 20), part(6, 9, 20)))
    assert.isUndefined(Combining.join(part(0, 4, 20), part(5, 9, 30)))
    assert.deepStrictEqual(Combining.join(part(5, 9, "*"), part(0, 4, "*"))?.range, { first: 0, last: 9, size: -1 })
  })

  it("RFC 9110 §15.3.7.3: joins only under the same strong validator", () => {
    assert.isUndefined(Combining.join(part(0, 4, 10), part(5, 9, 10, { etag: '"b"' })))
    assert.isUndefined(Combining.join(part(0, 4, 10, { etag: 'W/"a"' }), part(5, 9, 10, { etag: 'W/"a"' })))
    const untagged = part(5, 9, 10, { etag: undefined, "last-modified": date(-60) })
    assert.isUndefined(Combining.join(part(0, 4, 10), untagged))
    assert.strictEqual(Combining.join(part(0, 4, 10), untagged, { sameForSure: true })?.etag, '"a"')
  })

  it("RFC 9110 §15.3.7.3: keeps the fields of a 200 that broke off", () => {
    const broken = { ...entry({ response: response({ "cache-control": "max-age=60", etag: '"a"', "x-both": "old" }) }) }
    const joined = Combining.join(
      { ...broken, range: { first: 0, last: 4, size: 10 } },
      part(5, 9, 10, { "x-both": "new" })
    )
    assert.strictEqual(joined?.headers["x-both"], "old")
    assert.strictEqual(joined?.status, 200)
  })

  it.prop(
    "two touching parts hold the bytes of both",
    [FastCheck.uint8Array({ minLength: 2, maxLength: 40 }), FastCheck.nat(), FastCheck.nat(), FastCheck.boolean()],
    ([bytes, a, b, swap]) => {
      const cut = 1 + (a % (bytes.length - 1))
      const overlap = b % (cut + 1)
      const size = bytes.length
      const left = { range: { first: 0, last: cut - 1, size }, body: bytes.slice(0, cut) }
      const right = { range: { first: cut - overlap, last: size - 1, size }, body: bytes.slice(cut - overlap) }
      const [older, newer] = swap ? [right, left] : [left, right]
      const range = Ranges.join(older.range, newer.range)
      assert.deepStrictEqual(range, { first: 0, last: size - 1, size })
      assert.deepStrictEqual(Ranges.concat(older, newer), bytes)
    }
  )
})
