/** RFC 9111 §4.2: what is fresh, for how long, and how old it says it is. */
import { describe } from "@effect/vitest"
import { date } from "../support.ts"
import { check, type Step, table } from "./script.ts"

/** A response with these fields answers again after `seconds`, or does not. */
const again = (
  headers: Readonly<Record<string, string | ReadonlyArray<string>>>,
  reused: boolean,
  seconds = 3
): ReadonlyArray<Step> => [
  { origin: { headers }, asks: 1, bodyOf: 0 },
  { after: seconds, asks: reused ? 0 : 1, bodyOf: reused ? 0 : 1 }
]

describe("RFC 9111 §4.2.1: lifetime", () => {
  const reusable: ReadonlyArray<readonly [string, Record<string, string | ReadonlyArray<string>>]> = [
    ["max-age", { "cache-control": "max-age=60" }],
    ["max-age in capitals", { "Cache-Control": "MAX-AGE=60" }],
    ["max-age with leading zeros", { "cache-control": "max-age=0060" }],
    ["max-age in quotes", { "cache-control": 'max-age="60"' }],
    ["max-age of 2³¹ - 1", { "cache-control": "max-age=2147483647" }],
    ["max-age of 2³¹", { "cache-control": "max-age=2147483648" }],
    ["max-age beyond 2³¹", { "cache-control": "max-age=99999999999" }],
    ["max-age among strangers", { "cache-control": 'foo, bar="a, max-age=0", max-age=60, baz=1' }],
    ["max-age in the second of two lines", { "cache-control": ["public", "max-age=60"] }],
    ["max-age over an Expires that has passed", { "cache-control": "max-age=60", date: date(0), expires: date(-60) }],
    ["max-age over an Expires that is none", { "cache-control": "max-age=60", expires: "0" }],
    ["max-age less an Age that is smaller", { "cache-control": "max-age=60", age: "50" }],
    ["max-age and an Age that is none", { "cache-control": "max-age=60", age: "abc" }],
    ["max-age and a negative Age", { "cache-control": "max-age=60", age: "-100" }],
    ["max-age and an Age with a fraction", { "cache-control": "max-age=60", age: "100.0" }],
    ["max-age and an Age with a parameter", { "cache-control": "max-age=60", age: "100;a=b" }],
    ["max-age and a list whose first Age is small", { "cache-control": "max-age=60", age: "0, 100" }],
    ["Expires", { date: date(0), expires: date(60) }],
    ["Expires without Date", { expires: date(60) }],
    ["Expires as of RFC 850", { date: date(0), expires: "Monday, 05-Jan-26 12:01:00 GMT" }],
    ["Expires as of asctime", { date: date(0), expires: "Mon Jan  5 12:01:00 2026" }],
    ["Expires in lower case", { date: date(0), expires: date(60).toLowerCase() }],
    ["Expires less a Date in the future", { date: date(100), expires: date(160) }],
    ["Last-Modified long ago", { date: date(0), "last-modified": date(-1000) }],
    ["Pragma is no response field", { "cache-control": "max-age=60", pragma: "no-cache" }],
    ["Warning means nothing", { "cache-control": "max-age=60", warning: '110 - "stale"' }]
  ]
  table(
    reusable,
    (name) => `reuses: ${name}`,
    (headers) => again(headers, true)
  )

  const unusable: ReadonlyArray<readonly [string, Record<string, string | ReadonlyArray<string>>]> = [
    ["nothing to go by", {}],
    ["max-age=0", { "cache-control": "max-age=0" }],
    ["max-age=0 beside a good Expires", { "cache-control": "max-age=0", date: date(0), expires: date(60) }],
    ["max-age that has passed", { "cache-control": "max-age=2" }],
    ["max-age of exactly its age", { "cache-control": "max-age=3" }],
    ["negative max-age", { "cache-control": "max-age=-60" }],
    ["max-age with a letter", { "cache-control": "max-age=a60" }],
    ["max-age with a letter behind", { "cache-control": "max-age=60a" }],
    ["max-age in single quotes", { "cache-control": "max-age='60'" }],
    ["max-age with a fraction", { "cache-control": "max-age=60.0" }],
    ["max-age inside a quoted string", { "cache-control": 'foo="max-age=60"' }],
    ["max-age with a space before the equals sign", { "cache-control": "max-age =60" }],
    ["two lifetimes, one of which has passed", { "cache-control": "max-age=60, max-age=1" }],
    ["max-age less a greater Age", { "cache-control": "max-age=60", age: "100" }],
    ["max-age and an Age beyond 2³¹", { "cache-control": "max-age=60", age: "99999999999" }],
    ["max-age and a list whose first Age is great", { "cache-control": "max-age=60", age: "100, 0" }],
    ["max-age and an old Date", { "cache-control": "max-age=60", date: date(-100) }],
    ["Expires that has passed", { date: date(0), expires: date(2) }],
    ["Expires less an old Date", { date: date(-3600), expires: date(60), age: "3660" }],
    ["Expires that is its Date", { date: date(0), expires: date(0) }],
    ["Expires: 0", { date: date(0), expires: "0", "last-modified": date(-10_000) }],
    ["Expires with another zone", { date: date(0), expires: date(60).replace("GMT", "UTC") }],
    ["Expires with a two-digit year in the wrong form", { date: date(0), expires: "Mon, 05 Jan 27 12:00:00 GMT" }],
    ["Expires without a comma", { date: date(0), expires: date(60).replace(",", "") }],
    ["Expires with two spaces", { date: date(0), expires: date(60).replace(" ", "  ") }],
    ["Expires twice", { date: date(0), expires: [date(60), date(90)] }],
    ["Last-Modified just now", { date: date(0), "last-modified": date(-10) }]
  ]
  table(
    unusable,
    (name) => `does not reuse: ${name}`,
    (headers) => again(headers, false)
  )

  check("a shared cache prefers s-maxage", {
    only: "shared",
    steps: again({ "cache-control": "s-maxage=60, max-age=1" }, true)
  })
  check("a shared cache prefers a shorter s-maxage", {
    only: "shared",
    steps: again({ "cache-control": "max-age=60, s-maxage=1" }, false)
  })
  check("a private cache knows no s-maxage", {
    only: "private",
    steps: again({ "cache-control": "s-maxage=60, max-age=1" }, false)
  })
})

describe("RFC 9110 §15: statuses", () => {
  const statuses = [
    200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 404, 405, 410, 414, 451, 499, 500, 501, 502, 503, 504, 599
  ]
  table(
    statuses.map((status) => [String(status), status] as const),
    (name) => `reuses a ${name} with a lifetime, for that long`,
    (status) => [
      { origin: { status, headers: { "cache-control": "max-age=10" } }, asks: 1, status },
      { after: 9, asks: 0, status },
      { after: 1, asks: 1, status: 200 }
    ]
  )
  table(
    [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501].map((status) => [String(status), status] as const),
    (name) => `guesses a lifetime for a ${name}`,
    (status) => [
      { origin: { status, headers: { date: date(0), "last-modified": date(-1000) } }, asks: 1 },
      { after: 3, asks: 0, status }
    ]
  )
  table(
    [201, 202, 299, 302, 303, 307, 400, 403, 499, 500, 502, 503, 504, 599].map(
      (status) => [String(status), status] as const
    ),
    (name) => `guesses none for a ${name}, unless it is public`,
    (status) => [
      { origin: { status, headers: { date: date(0), "last-modified": date(-1000) } }, asks: 1 },
      {
        after: 1,
        origin: { status, headers: { date: date(1), "last-modified": date(-1000), "cache-control": "public" } },
        asks: 1
      },
      { after: 3, asks: 0, status }
    ]
  )
})

describe("RFC 9111 §4.2.3, §5.1: age", () => {
  check("a stored response tells its age, and keeps its Date", [
    { origin: { headers: { "cache-control": "max-age=60", date: date(0) } }, asks: 1, fields: { age: undefined } },
    { after: 5, asks: 0, fields: { age: "5", date: date(0) } },
    { after: 5, asks: 0, fields: { age: "10", date: date(0) } }
  ])
  check("the age it had on arrival counts", [
    { origin: { headers: { "cache-control": "max-age=60", date: date(0), age: "20" } }, asks: 1 },
    { after: 5, asks: 0, fields: { age: "25" } }
  ])
  check("the time since Date counts when it is more", [
    { origin: { headers: { "cache-control": "max-age=60", date: date(-30), age: "20" } }, asks: 1 },
    { after: 5, asks: 0, fields: { age: "35" } }
  ])
  check("a response without Date gets one", [
    { origin: { headers: { "cache-control": "max-age=60" } }, asks: 1 },
    { after: 5, asks: 0, fields: { date: date(0) } }
  ])
})
