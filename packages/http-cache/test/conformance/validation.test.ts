/** RFC 9111 §4.3, §4.4: validation, updates, invalidation. */
import { describe } from "@effect/vitest"
import { date } from "../support.ts"
import { check, type Step, table } from "./script.ts"

const fresh = { "cache-control": "max-age=60" }
const brief = { "cache-control": "max-age=2" }
const lm = date(-1000)

describe("RFC 9111 §4.3.1: validating what is stale", () => {
  check("by a strong tag", [
    { origin: { headers: { ...brief, etag: '"a"' } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { ...fresh, etag: '"a"' } },
      asks: 1,
      status: 200,
      bodyOf: 0,
      sent: { "if-none-match": '"a"' }
    },
    { after: 50, asks: 0, bodyOf: 0 }
  ])
  check("by a weak tag", [
    { origin: { headers: { ...brief, etag: 'W/"a"' } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { ...fresh, etag: 'W/"a"' } },
      asks: 1,
      status: 200,
      bodyOf: 0,
      sent: { "if-none-match": 'W/"a"' }
    },
    { asks: 0, bodyOf: 0 }
  ])
  check("by a tag somebody forgot to quote", [
    { origin: { headers: { ...brief, etag: "a" } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { etag: "a" } },
      asks: 1,
      status: 200,
      bodyOf: 0,
      sent: { "if-none-match": "a" }
    }
  ])
  check("by date", [
    { origin: { headers: { ...brief, "last-modified": lm } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: fresh },
      asks: 1,
      status: 200,
      bodyOf: 0,
      sent: { "if-modified-since": lm, "if-none-match": undefined }
    },
    { asks: 0, bodyOf: 0 }
  ])
  check("by date, which the 304 puts right", [
    { origin: { headers: { ...brief, "last-modified": lm } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { ...fresh, "last-modified": date(-997) } },
      asks: 1,
      status: 200,
      bodyOf: 0,
      fields: { "last-modified": date(-997) }
    },
    { asks: 0, bodyOf: 0 }
  ])
  check("by both", [
    { origin: { headers: { ...brief, etag: '"a"', "last-modified": lm } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { etag: '"a"' } },
      asks: 1,
      bodyOf: 0,
      sent: { "if-modified-since": lm, "if-none-match": '"a"' }
    }
  ])
  check("adds nothing a caller did not say", [
    { origin: { headers: { ...brief, etag: '"a"' } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { etag: '"a"' } },
      asks: 1,
      sent: { "cache-control": undefined, pragma: undefined }
    }
  ])
  check("takes a new response for what it is", [
    { origin: { headers: { ...brief, etag: '"a"' } }, asks: 1 },
    { after: 3, origin: { headers: { ...fresh, etag: '"b"' } }, asks: 1, bodyOf: 1 },
    { asks: 0, bodyOf: 1 }
  ])
  check("§4.3.4: asks again when a 304 is about something else", [
    { origin: { headers: { ...brief, etag: '"a"' } }, asks: 1 },
    { after: 3, origin: { status: 304, headers: { etag: '"b"' } }, asks: 2 }
  ])
})

describe("RFC 9111 §4.3.2: conditions of the caller", () => {
  const answered = (
    stored: Record<string, string>,
    asked: Record<string, string>,
    status: number
  ): ReadonlyArray<Step> => [
    { origin: { headers: { ...fresh, date: date(0), ...stored } }, asks: 1 },
    { headers: asked, asks: 0, status, ...(status === 304 ? { text: "" } : { bodyOf: 0 }) }
  ]
  const rows: ReadonlyArray<readonly [string, readonly [Record<string, string>, Record<string, string>, number]]> = [
    ["a strong tag that matches", [{ etag: '"a"' }, { "if-none-match": '"a"' }, 304]],
    ["a weak tag that matches", [{ etag: 'W/"a"' }, { "if-none-match": 'W/"a"' }, 304]],
    ["weak against strong", [{ etag: '"a"' }, { "if-none-match": 'W/"a"' }, 304]],
    ["one tag of several", [{ etag: '"a"' }, { "if-none-match": '"x", "a"' }, 304]],
    ["any tag", [{ etag: '"a"' }, { "if-none-match": "*" }, 304]],
    ["a tag that does not match", [{ etag: '"a"' }, { "if-none-match": '"b"' }, 200]],
    ["the date it has", [{ "last-modified": lm }, { "if-modified-since": lm }, 304]],
    ["a later date", [{ "last-modified": lm }, { "if-modified-since": date(-500) }, 304]],
    ["an earlier date", [{ "last-modified": lm }, { "if-modified-since": date(-1001) }, 200]],
    ["no Last-Modified, its Date", [{}, { "if-modified-since": date(0) }, 304]],
    ["a date as of RFC 850", [{ "last-modified": lm }, { "if-modified-since": "Monday, 05-Jan-26 12:00:00 GMT" }, 304]],
    [
      "a tag that does not match and a date that does",
      [{ etag: '"a"', "last-modified": lm }, { "if-none-match": '"b"', "if-modified-since": lm }, 200]
    ],
    [
      "a tag that matches and a date that does not",
      [{ etag: '"a"', "last-modified": lm }, { "if-none-match": '"a"', "if-modified-since": date(-5000) }, 304]
    ]
  ]
  table(
    rows,
    (name) => `answers from a fresh response: ${name}`,
    (row) => answered(...row)
  )

  check("a 304 made here has what a cache needs", [
    {
      origin: {
        headers: { ...fresh, etag: '"a"', date: date(0), vary: "foo", "content-type": "text/plain", "x-a": "1" }
      },
      asks: 1
    },
    {
      after: 5,
      headers: { "if-none-match": '"a"' },
      asks: 0,
      status: 304,
      fields: {
        etag: '"a"',
        date: date(0),
        vary: "foo",
        "cache-control": "max-age=60",
        age: "5",
        "content-length": undefined,
        "content-type": undefined
      }
    }
  ])
  check("forwards them, and the answer, when it has nothing", [
    {
      headers: { "if-none-match": '"x"' },
      origin: { status: 304, headers: { etag: '"x"' } },
      asks: 1,
      status: 304,
      sent: { "if-none-match": '"x"', "cache-control": undefined, pragma: undefined }
    },
    { asks: 1, status: 200 }
  ])
  check("stores the whole answer to a conditional request", [
    { headers: { "if-none-match": '"x"' }, origin: { headers: { ...fresh, etag: '"a"' } }, asks: 1, status: 200 },
    { asks: 0, bodyOf: 0 }
  ])
  check("joins its own tag to theirs, and knows whose the 304 is", [
    { origin: { headers: { ...brief, etag: '"a"' } }, asks: 1 },
    {
      after: 3,
      headers: { "if-none-match": '"x"' },
      origin: { status: 304, headers: { etag: '"x"' } },
      asks: 1,
      status: 304,
      sent: { "if-none-match": '"x", "a"' }
    },
    {
      headers: { "if-none-match": '"x"' },
      origin: { status: 304, headers: { ...fresh, etag: '"a"' } },
      asks: 1,
      status: 200,
      bodyOf: 0
    },
    { headers: { "if-none-match": '"a"' }, asks: 0, status: 304 }
  ])
  check("lets only the origin judge If-Match", [
    { origin: { headers: { ...fresh, etag: '"a"' } }, asks: 1 },
    { headers: { "if-match": '"b"' }, origin: { status: 412, headers: fresh }, asks: 1, status: 412 },
    { asks: 0, bodyOf: 0 }
  ])
})

describe("RFC 9111 §3.2: what a 304 changes", () => {
  const changed = (name: string, value: string, after: string | undefined): ReadonlyArray<Step> => [
    { origin: { headers: { ...brief, etag: '"a"', [name]: "old" } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { ...fresh, etag: '"a"', [name]: value } },
      asks: 1,
      status: 200,
      bodyOf: 0,
      fields: { [name]: after }
    },
    { asks: 0, fields: { [name]: after } }
  ]
  table(
    [
      "Test-Header",
      "X-Test-Header",
      "Content-Foo",
      "X-Content-Foo",
      "Content-Type",
      "Content-Language",
      "Content-Location",
      "Content-MD5",
      "X-Frame-Options"
    ].map((name) => [name, name] as const),
    (name) => `replaces ${name}`,
    (name) => changed(name, "new", "new")
  )
  check("keeps what it does not have", [
    { origin: { headers: { ...brief, etag: '"a"', "x-a": "1" } }, asks: 1 },
    { after: 3, origin: { status: 304, headers: { etag: '"a"' } }, asks: 1, fields: { "x-a": "1" } }
  ])
  check("leaves the length of the body", [
    { origin: { headers: { ...brief, etag: '"a"', "content-length": "2" } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { ...fresh, etag: '"a"' } },
      asks: 1,
      bodyOf: 0,
      fields: { "content-length": "2" }
    }
  ])
  check("counts lifetime and age anew", [
    { origin: { headers: { ...brief, etag: '"a"', date: date(0) } }, asks: 1 },
    {
      after: 10,
      origin: { status: 304, headers: { ...fresh, etag: '"a"', date: date(10) } },
      asks: 1,
      fields: { date: date(10) }
    },
    { after: 59, asks: 0, fields: { age: "59", date: date(10) } },
    { after: 1, origin: { status: 304, headers: { etag: '"a"', expires: date(0) } }, asks: 1 }
  ])
  check("gives cookies of a 304 to its caller", {
    only: "shared",
    steps: [
      { origin: { headers: { ...brief, etag: '"a"' } }, asks: 1 },
      {
        after: 3,
        origin: { status: 304, headers: { ...fresh, etag: '"a"', "set-cookie": "a=1" } },
        asks: 1,
        bodyOf: 0,
        fields: { "set-cookie": "a=1" }
      },
      { asks: 0, fields: { "set-cookie": undefined } }
    ]
  })
  check("is what a later Vary says", [
    { headers: { foo: "1" }, origin: { headers: { ...brief, etag: '"a"' } }, asks: 1 },
    {
      after: 3,
      headers: { foo: "1" },
      origin: { status: 304, headers: { ...fresh, etag: '"a"', vary: "foo" } },
      asks: 1
    },
    { headers: { foo: "1" }, asks: 0, bodyOf: 0 },
    { headers: { foo: "2" }, asks: 1, bodyOf: 3 }
  ])
  check("forgets what the origin no longer lets it keep", [
    { origin: { headers: { ...brief, etag: '"a"' } }, asks: 1 },
    {
      after: 3,
      origin: { status: 304, headers: { "cache-control": "no-store", etag: '"a"' } },
      asks: 1,
      status: 200,
      bodyOf: 0
    },
    { asks: 1, sent: { "if-none-match": undefined } }
  ])
})

describe("RFC 9111 §4.3.5: HEAD", () => {
  check("is answered from a stored GET", [
    { origin: { headers: { ...fresh, "x-a": "1" } }, asks: 1 },
    { method: "HEAD", asks: 0, text: "", fields: { "x-a": "1" } }
  ])
  check("is sent on when nothing is stored, and its answer serves no GET", [
    { method: "HEAD", origin: { headers: fresh }, asks: 1, sentMethod: "HEAD" },
    { origin: { headers: fresh }, asks: 1 }
  ])
  check("updates what it is about", [
    { origin: { headers: { ...brief, etag: '"a"', "x-a": "1", "x-b": "1" } }, asks: 1 },
    { after: 3, method: "HEAD", origin: { headers: { ...fresh, etag: '"a"', "x-b": "2" } }, asks: 1 },
    { after: 3, asks: 0, bodyOf: 0, fields: { "x-a": "1", "x-b": "2" } }
  ])
  check("makes stale what has changed", [
    { origin: { headers: { ...fresh, etag: '"a"' } }, asks: 1 },
    {
      method: "HEAD",
      headers: { "cache-control": "no-cache" },
      origin: { headers: { ...fresh, etag: '"b"' } },
      asks: 1
    },
    { origin: { headers: { ...fresh, etag: '"b"' } }, asks: 1, bodyOf: 2 }
  ])
  check("makes stale what is gone", [
    { origin: { headers: { ...fresh, etag: '"a"' } }, asks: 1 },
    { method: "HEAD", headers: { "cache-control": "no-cache" }, origin: { status: 410 }, asks: 1 },
    { origin: { headers: { ...fresh, etag: '"b"' } }, asks: 1, bodyOf: 2 }
  ])
})

describe("RFC 9111 §4.4: invalidation", () => {
  table(
    ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"].map((method) => [method, method] as const),
    (name) => `a ${name} that succeeds ends what is stored`,
    (method) => [
      { origin: { headers: fresh }, asks: 1 },
      { method, body: "x", asks: 1 },
      { asks: 1, bodyOf: 2 }
    ]
  )
  table(
    [400, 404, 500, 503].map((status) => [String(status), status] as const),
    (name) => `a write that fails with ${name} ends nothing`,
    (status) => [
      { origin: { headers: fresh }, asks: 1 },
      { method: "POST", body: "x", origin: { status }, asks: 1 },
      { asks: 0, bodyOf: 0 }
    ]
  )
  check("reaches every variant", [
    { headers: { foo: "1" }, origin: { headers: { ...fresh, vary: "foo" } }, asks: 1 },
    { headers: { foo: "2" }, origin: { headers: { ...fresh, vary: "foo" } }, asks: 1 },
    { method: "POST", body: "x", asks: 1 },
    { headers: { foo: "1" }, asks: 1 },
    { headers: { foo: "2" }, asks: 1 }
  ])
  check("reaches every partition", {
    only: "shared",
    steps: [
      { headers: { authorization: "a" }, origin: { headers: fresh }, asks: 1 },
      { headers: { authorization: "b" }, method: "POST", body: "x", asks: 1 },
      { headers: { authorization: "a" }, asks: 1 }
    ]
  })
  table(
    ["location", "content-location"].map((name) => [name, name] as const),
    (name) => `reaches ${name}, on the same origin only`,
    (name) => [
      { path: "/b", origin: { headers: fresh }, asks: 1 },
      { path: "/c", origin: { headers: fresh }, asks: 1 },
      { method: "POST", body: "x", origin: { status: 201, headers: { [name]: "/b" } }, asks: 1 },
      { path: "/b", origin: { headers: fresh }, asks: 1 },
      { method: "POST", body: "x", origin: { status: 201, headers: { [name]: "http://other.test/c" } }, asks: 1 },
      { path: "/c", asks: 0, bodyOf: 1 }
    ]
  )
  check("safe methods end nothing", [
    { origin: { headers: fresh }, asks: 1 },
    { method: "OPTIONS", asks: 1 },
    { asks: 0 }
  ])
})
