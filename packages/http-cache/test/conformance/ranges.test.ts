/** RFC 9111 §3.3, §3.4, RFC 9110 §14: parts of representations. */
import { describe } from "@effect/vitest"
import { date } from "../support.ts"
import { check, table } from "./script.ts"

const whole = {
  headers: { "cache-control": "max-age=60", etag: '"a"', "last-modified": date(-1000), date: date(0) },
  body: "0123456789"
}
const part = (first: number, last: number, extra: Record<string, string> = {}) => ({
  status: 206,
  headers: { "cache-control": "max-age=60", etag: '"a"', "content-range": `bytes ${first}-${last}/10`, ...extra },
  body: "0123456789".slice(first, last + 1)
})

describe("RFC 9110 §14.2: ranges of a whole response", () => {
  const rows: ReadonlyArray<readonly [string, readonly [string, string]]> = [
    ["bytes=2-4", ["234", "bytes 2-4/10"]],
    ["bytes=5-", ["56789", "bytes 5-9/10"]],
    ["bytes=-3", ["789", "bytes 7-9/10"]],
    ["bytes=8-99", ["89", "bytes 8-9/10"]],
    ["bytes=-99", ["0123456789", "bytes 0-9/10"]]
  ]
  table(
    rows,
    (name) => `cuts ${name}`,
    ([text, contentRange]) => [
      { origin: whole, asks: 1 },
      {
        headers: { range: rows.find(([, row]) => row[1] === contentRange)?.[0] ?? "" },
        asks: 0,
        status: 206,
        text,
        fields: { "content-range": contentRange, "content-length": String(text.length), etag: '"a"' }
      }
    ]
  )
  check("answers 416 for what is not there", [
    { origin: whole, asks: 1 },
    { headers: { range: "bytes=10-" }, asks: 0, status: 416, fields: { "content-range": "bytes */10" } }
  ])
  check("leaves several ranges to the origin, and stores no multipart answer", [
    { origin: whole, asks: 1 },
    {
      headers: { range: "bytes=0-1, 4-5" },
      origin: {
        status: 206,
        headers: { "cache-control": "max-age=60", "content-type": "multipart/byteranges; boundary=x" }
      },
      asks: 1,
      status: 206,
      sent: { range: "bytes=0-1, 4-5" }
    },
    { asks: 0, text: "0123456789" }
  ])
  check("§13.1.5: If-Range that matches gives the part, else the whole", [
    { origin: whole, asks: 1 },
    { headers: { range: "bytes=2-4", "if-range": '"a"' }, asks: 0, status: 206, text: "234" },
    { headers: { range: "bytes=2-4", "if-range": '"b"' }, asks: 0, status: 200, text: "0123456789" },
    { headers: { range: "bytes=2-4", "if-range": date(-1000) }, asks: 0, status: 206, text: "234" },
    { headers: { range: "bytes=2-4", "if-range": date(-999) }, asks: 0, status: 200, text: "0123456789" }
  ])
  check("§13.2.2: conditions come before ranges", [
    { origin: whole, asks: 1 },
    { headers: { range: "bytes=2-4", "if-none-match": '"a"' }, asks: 0, status: 304 }
  ])
  check("cuts from a response just validated", [
    { origin: whole, asks: 1 },
    {
      after: 61,
      headers: { range: "bytes=2-4" },
      origin: { status: 304, headers: { etag: '"a"' } },
      asks: 1,
      status: 206,
      text: "234",
      sent: { "if-none-match": '"a"' }
    }
  ])
})

describe("RFC 9111 §3.3: partial responses", () => {
  check("answer requests for what they hold", [
    { headers: { range: "bytes=2-6" }, origin: part(2, 6), asks: 1, status: 206, sent: { range: "bytes=2-6" } },
    {
      headers: { range: "bytes=2-6" },
      asks: 0,
      status: 206,
      text: "23456",
      fields: { "content-range": "bytes 2-6/10" }
    },
    { headers: { range: "bytes=3-4" }, asks: 0, status: 206, text: "34", fields: { "content-range": "bytes 3-4/10" } }
  ])
  check("answer the end when they hold it", [
    { headers: { range: "bytes=-5" }, origin: part(5, 9), asks: 1, status: 206 },
    { headers: { range: "bytes=-5" }, asks: 0, status: 206, text: "56789" },
    { headers: { range: "bytes=7-" }, asks: 0, status: 206, text: "789" }
  ])
  check("answer nothing beyond", [
    { headers: { range: "bytes=2-6" }, origin: part(2, 6), asks: 1 },
    { headers: { range: "bytes=6-7" }, origin: part(6, 7), asks: 1, text: "67" },
    { origin: whole, asks: 1, status: 200, text: "0123456789" }
  ])
  check("are joined when they touch", [
    { headers: { range: "bytes=0-4" }, origin: part(0, 4), asks: 1 },
    { headers: { range: "bytes=4-6" }, origin: part(4, 6), asks: 1 },
    { headers: { range: "bytes=3-5" }, asks: 0, status: 206, text: "345" },
    { headers: { range: "bytes=7-" }, origin: part(7, 9), asks: 1 },
    { asks: 0, status: 200, text: "0123456789", fields: { "content-length": "10", "content-range": undefined } }
  ])
  check("are not joined when the representation has changed", [
    { headers: { range: "bytes=0-4" }, origin: part(0, 4), asks: 1 },
    { headers: { range: "bytes=5-9" }, origin: { ...part(5, 9, { etag: '"b"' }), body: "vwxyz" }, asks: 1 },
    {
      headers: { range: "bytes=0-9" },
      origin: { ...part(0, 9, { etag: '"b"' }), body: "qrstuvwxyz" },
      asks: 1,
      text: "qrstuvwxyz"
    }
  ])
  check("are validated when stale", [
    { headers: { range: "bytes=2-6" }, origin: part(2, 6), asks: 1 },
    {
      after: 61,
      headers: { range: "bytes=2-6" },
      origin: { status: 304, headers: { etag: '"a"' } },
      asks: 1,
      status: 206,
      text: "23456"
    }
  ])
})

describe("RFC 9111 §3.4: completing", () => {
  check("asks for the rest of the same representation", [
    { headers: { range: "bytes=0-4" }, origin: part(0, 4), asks: 1 },
    {
      origin: part(5, 9),
      asks: 1,
      status: 200,
      text: "0123456789",
      sent: { range: "bytes=5-", "if-range": '"a"' },
      fields: { "content-length": "10", "content-range": undefined }
    },
    { asks: 0, status: 200, text: "0123456789" }
  ])
  check("asks for the beginning", [
    { headers: { range: "bytes=-5" }, origin: part(5, 9), asks: 1 },
    { origin: part(0, 4), asks: 1, status: 200, text: "0123456789", sent: { range: "bytes=0-4" } }
  ])
  check("takes the whole when the origin gives that", [
    { headers: { range: "bytes=0-4" }, origin: part(0, 4), asks: 1 },
    { origin: { ...whole, body: "another one" }, asks: 1, status: 200, text: "another one" },
    { asks: 0, text: "another one" }
  ])
  check("asks for everything without a strong validator", [
    { headers: { range: "bytes=0-4" }, origin: part(0, 4, { etag: 'W/"a"' }), asks: 1 },
    { origin: whole, asks: 1, status: 200, sent: { range: undefined, "if-range": undefined } }
  ])
  check("asks for everything when told to", {
    options: { completePartials: false },
    steps: [
      { headers: { range: "bytes=0-4" }, origin: part(0, 4), asks: 1 },
      { origin: whole, asks: 1, status: 200, sent: { range: undefined } }
    ]
  })
})

describe("RFC 9111 §3.4: completing what has changed", () => {
  const begun = { headers: { range: "bytes=0-4" }, origin: part(0, 4), asks: 1 }
  check("asks for everything after a 416", [
    begun,
    {
      origin: { status: 416, headers: { "content-range": "bytes */3" } },
      asks: 2,
      status: 416,
      sent: { range: undefined }
    }
  ])
  check("asks for everything when the rest is of another representation", [
    begun,
    { origin: part(5, 9, { etag: '"b"' }), asks: 2, sent: { range: undefined, "if-range": undefined } }
  ])
  check("asks for everything when the rest is not all of it", [
    begun,
    { origin: part(5, 7), asks: 2, sent: { range: undefined } }
  ])
  check("completes a part of unknown size", [
    {
      headers: { range: "bytes=0-4" },
      origin: { ...part(0, 4), headers: { ...part(0, 4).headers, "content-range": "bytes 0-4/*" } },
      asks: 1
    },
    { origin: part(5, 9), asks: 1, status: 200, text: "0123456789", sent: { range: "bytes=5-" } }
  ])
  check("serves what it has when the origin is lost, and no more", [
    begun,
    { after: 61, headers: { range: "bytes=1-2" }, origin: "disconnect", asks: 1, status: 206, text: "12" }
  ])
})

describe("validators of parts", () => {
  const lm = { etag: "", "last-modified": date(-1000), date: date(0) }
  const dated = (first: number, last: number) => {
    const { etag: _, ...headers } = part(first, last, lm).headers
    return { ...part(first, last), headers }
  }
  check("RFC 9110 §13.1.5: a part is no answer to If-Range that does not match", [
    { headers: { range: "bytes=0-4" }, origin: part(0, 4), asks: 1 },
    { headers: { range: "bytes=0-4", "if-range": '"a"' }, asks: 0, status: 206 },
    {
      headers: { range: "bytes=0-4", "if-range": '"b"' },
      origin: whole,
      asks: 1,
      status: 200,
      sent: { "if-range": '"b"', range: "bytes=0-4" }
    }
  ])
  check("RFC 9110 §8.8.2.2: a date that is old enough will do", [
    { headers: { range: "bytes=0-4" }, origin: dated(0, 4), asks: 1 },
    {
      origin: dated(5, 9),
      asks: 1,
      status: 200,
      text: "0123456789",
      sent: { range: "bytes=5-", "if-range": date(-1000) }
    }
  ])
})

describe("short parts", () => {
  const short = { ...part(4, 9), body: "45678" }
  check("are not kept", [
    { headers: { range: "bytes=4-9" }, origin: short, asks: 1 },
    { headers: { range: "bytes=4-9" }, origin: part(4, 9), asks: 1, text: "456789" }
  ])
  check("answer the same range again when the policy takes them", {
    options: { shortRanges: true },
    steps: [
      { headers: { range: "bytes=-5" }, origin: short, asks: 1 },
      { headers: { range: "bytes=-5" }, asks: 0, status: 206, text: "45678" },
      { headers: { range: "bytes=6-8" }, asks: 0, status: 206, text: "678" }
    ]
  })
})
