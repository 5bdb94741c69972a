/** RFC 9111 §4.2.4, §5.2.1, RFC 5861, RFC 8246: what requests ask, and what is served stale. */
import { describe } from "@effect/vitest"
import { date } from "../support.ts"
import { check, table } from "./script.ts"

const answer = (cacheControl: string) => ({ headers: { "cache-control": cacheControl, etag: '"a"' } })
const asking = (cacheControl: string) => ({ "cache-control": cacheControl })
const same = { status: 304, headers: { etag: '"a"' } }

describe("RFC 9111 §5.2.1: request directives", () => {
  const rows: ReadonlyArray<readonly [string, readonly [string, number, number]]> = [
    ["max-age that is not reached", ["max-age=10", 9, 0]],
    ["max-age that is passed", ["max-age=10", 11, 1]],
    ["max-age=0", ["max-age=0", 1, 1]],
    ["min-fresh that is left", ["min-fresh=20", 39, 0]],
    ["min-fresh that is not left", ["min-fresh=20", 41, 1]],
    ["max-stale that is not reached", ["max-stale=10", 69, 0]],
    ["max-stale that is passed", ["max-stale=10", 71, 1]],
    ["max-stale without bound", ["max-stale", 6000, 0]],
    ["no-cache", ["no-cache", 0, 1]],
    ["no-store does not forbid what is stored already", ["no-store", 0, 0]],
    ["only-if-cached", ["only-if-cached", 1, 0]]
  ]
  table(
    rows,
    (name) => name,
    ([directive, after, asks]) => [
      { origin: answer("max-age=60"), asks: 1 },
      { after, headers: asking(directive), origin: same, asks, status: 200, bodyOf: 0 }
    ]
  )
  check("§5.2.1.7: only-if-cached ends in 504 when nothing is stored, or only what is stale", [
    { headers: asking("only-if-cached"), asks: 0, status: 504 },
    { origin: answer("max-age=60"), asks: 1 },
    { after: 61, headers: asking("only-if-cached"), asks: 0, status: 504 }
  ])
  check("§5.4: Pragma counts without Cache-Control only", [
    { origin: answer("max-age=60"), asks: 1 },
    {
      headers: { pragma: "no-cache" },
      origin: same,
      asks: 1,
      bodyOf: 0,
      sent: { "if-none-match": '"a"', pragma: "no-cache" }
    },
    { headers: { pragma: "no-cache", "cache-control": "max-age=60" }, asks: 0 },
    { headers: { pragma: "foo" }, asks: 0 }
  ])
  check("max-stale reaches no response that forbids it", [
    { origin: answer("max-age=60, must-revalidate"), asks: 1 },
    { after: 61, headers: asking("max-stale"), origin: same, asks: 1 }
  ])
})

describe("Fetch: cache modes", () => {
  check("no-store passes the cache both ways", [
    { origin: answer("max-age=60"), asks: 1 },
    { cache: "no-store", origin: answer("max-age=60"), asks: 1, bodyOf: 1, sent: { "if-none-match": undefined } },
    { asks: 0, bodyOf: 0 }
  ])
  check("reload asks the origin for everything, and stores it", [
    { origin: answer("max-age=60"), asks: 1 },
    {
      cache: "reload",
      origin: answer("max-age=60"),
      asks: 1,
      bodyOf: 1,
      sent: { "if-none-match": undefined, "cache-control": "no-cache" }
    },
    { asks: 0, bodyOf: 1 }
  ])
  check("no-cache validates what is fresh", [
    { origin: answer("max-age=60"), asks: 1 },
    {
      cache: "no-cache",
      origin: same,
      asks: 1,
      status: 200,
      bodyOf: 0,
      sent: { "if-none-match": '"a"', "cache-control": "max-age=0" }
    }
  ])
  check("force-cache takes what is stale, and else asks", [
    { origin: answer("max-age=60"), asks: 1 },
    { after: 61, cache: "force-cache", asks: 0, bodyOf: 0 },
    { path: "/b", cache: "force-cache", origin: answer("max-age=60"), asks: 1 },
    { path: "/b", asks: 0 }
  ])
  check("only-if-cached takes what is stale, and never asks", [
    { cache: "only-if-cached", asks: 0, status: 504 },
    { origin: answer("max-age=60"), asks: 1 },
    { after: 61, cache: "only-if-cached", asks: 0, bodyOf: 1 }
  ])
})

describe("RFC 9111 §4.2.4: a lost origin", () => {
  check("is no reason not to answer", [
    { origin: answer("max-age=60"), asks: 1 },
    { after: 61, origin: "disconnect", asks: 1, status: 200, bodyOf: 0, fields: { age: "61" } }
  ])
  table(
    ["must-revalidate", "no-cache"].map((value) => [value, value] as const),
    (name) => `is a 504 where ${name} forbids stale answers`,
    (directive) => [
      { origin: answer(`${directive}, max-age=60`), asks: 1 },
      { after: 61, origin: "disconnect", asks: 1, status: 504 }
    ]
  )
  table(
    ["proxy-revalidate, max-age=60", "s-maxage=60"].map((value) => [value, value] as const),
    (name) => `is a 504 in a shared cache where ${name} forbids stale answers`,
    (value) => ({
      only: "shared",
      steps: [
        { origin: answer(value), asks: 1 },
        { after: 61, origin: "disconnect", asks: 1, status: 504 }
      ]
    })
  )
  check("is a 504 without a validator as well", [
    { origin: { headers: { "cache-control": "must-revalidate, max-age=60" } }, asks: 1 },
    { after: 61, origin: "disconnect", asks: 1, status: 504 }
  ])
  check("may be bridged by what was stale on arrival", [
    { origin: { headers: { "cache-control": "max-age=60", age: "100" } }, asks: 1 },
    { headers: asking("max-stale=60"), asks: 0, bodyOf: 0 },
    { origin: "disconnect", asks: 1, bodyOf: 0 }
  ])
  check("is none of proxy-revalidate's business in a private cache", {
    only: "private",
    steps: [
      { origin: answer("proxy-revalidate, max-age=60"), asks: 1 },
      { after: 61, origin: "disconnect", asks: 1, status: 200, bodyOf: 0 }
    ]
  })
  check("a failure is an answer all the same", [
    { origin: answer("max-age=60"), asks: 1 },
    { after: 61, origin: { status: 503 }, asks: 1, status: 503 },
    { origin: same, asks: 1, status: 200, bodyOf: 0 }
  ])
})

describe("RFC 5861: stale on purpose", () => {
  check("§3: stale-while-revalidate answers at once, and asks behind the answer, once", [
    { origin: answer("max-age=60, stale-while-revalidate=60"), asks: 1 },
    {
      after: 61,
      origin: answer("max-age=60, stale-while-revalidate=60"),
      asks: 1,
      bodyOf: 0,
      sent: { "if-none-match": '"a"' }
    },
    { asks: 0, bodyOf: 1 }
  ])
  check("§3: the window ends", [
    { origin: answer("max-age=60, stale-while-revalidate=30"), asks: 1 },
    { after: 90, origin: answer("max-age=60"), asks: 1, bodyOf: 1 }
  ])
  check("§3: a caller's conditions are not the revalidation's", [
    { origin: answer("max-age=60, stale-while-revalidate=60"), asks: 1 },
    {
      after: 61,
      headers: { "if-none-match": '"a"' },
      origin: answer("max-age=60"),
      asks: 1,
      status: 304,
      sent: { "if-none-match": '"a"' }
    },
    { asks: 0, bodyOf: 1 }
  ])
  table(
    [500, 502, 503, 504].map((status) => [String(status), status] as const),
    (name) => `§4: stale-if-error answers for a ${name}`,
    (status) => [
      { origin: answer("max-age=60, stale-if-error=60"), asks: 1 },
      { after: 61, origin: { status }, asks: 1, status: 200, bodyOf: 0 },
      { after: 60, origin: { status }, asks: 1, status }
    ]
  )
  table(
    [400, 401, 403, 404, 410, 429].map((status) => [String(status), status] as const),
    (name) => `§4: stale-if-error is not for a ${name}`,
    (status) => [
      { origin: answer("max-age=60, stale-if-error=60"), asks: 1 },
      { after: 61, origin: { status }, asks: 1, status }
    ]
  )
  table(
    [401, 403, 404, 410].map((status) => [String(status), status] as const),
    (name) => `§4: nothing stale comes back after a ${name}`,
    (status) => [
      { origin: answer("max-age=60, stale-if-error=600"), asks: 1 },
      { after: 61, origin: { status }, asks: 1, status },
      { origin: { status: 503 }, asks: 1, status: 503 }
    ]
  )
  check("§4: a request may ask for it", [
    { origin: answer("max-age=60"), asks: 1 },
    { after: 61, headers: asking("stale-if-error=60"), origin: { status: 503 }, asks: 1, status: 200, bodyOf: 0 }
  ])
})

describe("RFC 5861 §3: what is asked behind an answer", () => {
  check("is the whole, whatever part the caller was given", [
    { origin: { ...answer("max-age=60, stale-while-revalidate=60"), body: "0123456789" }, asks: 1 },
    {
      after: 61,
      headers: { range: "bytes=2-4" },
      origin: { ...answer("max-age=60"), body: "abcdefghij" },
      asks: 1,
      status: 206,
      text: "234",
      sent: { range: undefined, "if-none-match": '"a"' }
    },
    { asks: 0, text: "abcdefghij" }
  ])
  check("may fail without anybody noticing", [
    { origin: answer("max-age=60, stale-while-revalidate=60"), asks: 1 },
    { after: 61, origin: "disconnect", asks: 1, status: 200, bodyOf: 0 },
    { origin: { status: 500 }, asks: 1, status: 200, bodyOf: 0 },
    { origin: same, asks: 1, status: 200, bodyOf: 0 },
    { asks: 0, bodyOf: 0 }
  ])
  check("is not asked on behalf of a caller who wants no such answer", [
    { origin: answer("max-age=60, stale-while-revalidate=60"), asks: 1 },
    { after: 61, headers: asking("max-age=30"), origin: same, asks: 1, status: 200, bodyOf: 0 }
  ])
})

describe("RFC 8246: immutable", () => {
  check("is not validated for max-age=0 while fresh", [
    { origin: answer("max-age=60, immutable"), asks: 1 },
    { headers: asking("max-age=0"), asks: 0, bodyOf: 0 },
    { headers: asking("no-cache"), origin: same, asks: 1, bodyOf: 0 },
    { after: 61, origin: same, asks: 1, bodyOf: 0 }
  ])
})

describe("a clock that is set back", () => {
  check("does not make a response young again", [
    { origin: { headers: { "cache-control": "max-age=60", date: date(0), etag: '"a"' } }, asks: 1 },
    { after: -3600, origin: same, asks: 1, status: 200, bodyOf: 0 }
  ])
})
