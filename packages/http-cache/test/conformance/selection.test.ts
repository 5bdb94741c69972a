/** RFC 9111 §4.1: variants, and who may be shown which. */
import { describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { date } from "../support.ts"
import { check, table } from "./script.ts"

const varying = (vary: string | ReadonlyArray<string>) => ({ "cache-control": "max-age=60", vary })

describe("RFC 9111 §4.1: Vary", () => {
  check("reuses for the same, and for nothing else", [
    { headers: { foo: "1" }, origin: { headers: varying("Foo") }, asks: 1 },
    { headers: { foo: "1" }, asks: 0, bodyOf: 0 },
    { headers: { foo: "2" }, origin: { headers: varying("Foo") }, asks: 1 },
    { origin: { headers: varying("Foo") }, asks: 1, fields: { "cache-status": /fwd=vary-miss/ } },
    { headers: { foo: "1" }, asks: 0, bodyOf: 0 },
    { headers: { foo: "2" }, asks: 0, bodyOf: 2 },
    { asks: 0, bodyOf: 3 }
  ])
  check("fields it does not name do not matter", [
    { headers: { foo: "1", other: "2" }, origin: { headers: varying("Foo") }, asks: 1 },
    { headers: { foo: "1", other: "3" }, asks: 0 }
  ])
  check("every field it names matters, in one line or several", [
    { headers: { foo: "1", bar: "2", baz: "3" }, origin: { headers: varying(["Foo, Bar", "baz"]) }, asks: 1 },
    { headers: { baz: "3", bar: "2", foo: "1" }, asks: 0 },
    { headers: { foo: "1", bar: "2", baz: "4" }, origin: { headers: varying("Foo, Bar, Baz") }, asks: 1 },
    { headers: { foo: "1", bar: "2" }, asks: 1 }
  ])
  table(
    ["*", "*, *", ", *", "*, Foo", "Foo, *"].map((value) => [value, value] as const),
    (name) => `nothing matches Vary: ${name}`,
    (value) => [
      { headers: { foo: "1" }, origin: { headers: varying(value) }, asks: 1 },
      { headers: { foo: "1" }, asks: 1 }
    ]
  )
  check("nothing matches * in a line of its own", [
    { origin: { headers: varying(["Foo", "*"]) }, asks: 1 },
    { asks: 1 }
  ])
  check("spaces in lists do not matter", [
    { headers: { foo: "1,2" }, origin: { headers: varying("foo") }, asks: 1 },
    { headers: { foo: "1,   2" }, asks: 0 }
  ])
  check("chooses the most recent of those that match, by Date", [
    { headers: { foo: "1" }, origin: { headers: { ...varying("foo"), date: date(0) } }, asks: 1 },
    { headers: { foo: "1" }, cache: "reload", origin: { headers: { ...varying("foo, bar"), date: date(0) } }, asks: 1 },
    { headers: { foo: "1" }, asks: 0, bodyOf: 1 }
  ])
  check("asks whether one of its variants would do", [
    { headers: { foo: "1" }, origin: { headers: { ...varying("foo"), etag: '"1"' } }, asks: 1 },
    {
      headers: { foo: "2" },
      origin: { headers: { ...varying("foo"), etag: '"2"' } },
      asks: 1,
      sent: { "if-none-match": '"1"' }
    },
    {
      headers: { foo: "3" },
      origin: { status: 304, headers: { etag: '"1"' } },
      asks: 1,
      status: 200,
      bodyOf: 0,
      sent: { "if-none-match": '"1", "2"' }
    },
    { headers: { foo: "3" }, asks: 0, bodyOf: 0 },
    { headers: { foo: "1" }, asks: 0, bodyOf: 0 },
    { headers: { foo: "2" }, asks: 0, bodyOf: 1 }
  ])
  const meaning = { normalizeLanguage: true }
  check("Accept-Language may be compared by what it means", {
    options: meaning,
    steps: [
      { headers: { "accept-language": "en, de" }, origin: { headers: varying("Accept-Language") }, asks: 1 },
      { headers: { "accept-language": "DE,EN" }, asks: 0 },
      { headers: { "accept-language": "de, en;q=0.5" }, asks: 1 }
    ]
  })
  check("Content-Language tells what an answer is good for", {
    options: meaning,
    steps: [
      {
        headers: { "accept-language": "en, de" },
        origin: { headers: { ...varying("Accept-Language"), "content-language": "de" } },
        asks: 1
      },
      { headers: { "accept-language": "fr, de" }, asks: 0 },
      { headers: { "accept-language": "fr, de;q=0.5" }, asks: 1 }
    ]
  })
})

describe("RFC 9111 §3.5: credentials", () => {
  const alice = { authorization: "Bearer alice" }
  const bob = { authorization: "Bearer bob" }
  const fresh = { "cache-control": "max-age=60" }
  check("keeps an answer to one caller's credentials for the same credentials", {
    only: "shared",
    steps: [
      { headers: alice, origin: { headers: fresh }, asks: 1 },
      { headers: bob, origin: { headers: fresh }, asks: 1 },
      { origin: { headers: { "cache-control": "no-store" } }, asks: 1 },
      { headers: alice, asks: 0, bodyOf: 0 },
      { headers: bob, asks: 0, bodyOf: 1 }
    ]
  })
  table(
    ["public, max-age=60", "must-revalidate, max-age=60", "s-maxage=60"].map((value) => [value, value] as const),
    (name) => `shares an answer to Authorization when told: ${name}`,
    (value) => ({
      only: "shared",
      steps: [
        { headers: alice, origin: { headers: { "cache-control": value } }, asks: 1 },
        { headers: bob, asks: 0, bodyOf: 0 },
        { asks: 0, bodyOf: 0 }
      ]
    })
  )
  table(
    ["cookie", "x-api-key", "x-auth-token", "proxy-authorization"].map((value) => [value, value] as const),
    (name) => `takes ${name} for credentials`,
    (name) => ({
      only: "shared",
      steps: [
        { headers: { [name]: "a" }, origin: { headers: { "cache-control": "s-maxage=60, must-revalidate" } }, asks: 1 },
        { headers: { [name]: "b" }, origin: { headers: { "cache-control": "max-age=60, public" } }, asks: 1 },
        { headers: { [name]: "a" }, asks: 0, bodyOf: 1 },
        { headers: { [name]: "c" }, asks: 0, bodyOf: 1 }
      ]
    })
  )
  check("does not show callers with credentials what nobody was told", {
    only: "shared",
    steps: [
      { origin: { headers: fresh }, asks: 1 },
      { headers: alice, origin: { headers: fresh }, asks: 1 },
      { asks: 0, bodyOf: 0 },
      { headers: alice, asks: 0, bodyOf: 1 }
    ]
  })
  check("keeps partitions apart in a private cache, whatever the response permits", {
    only: "shared",
    options: { mode: "private" },
    steps: [
      { headers: alice, origin: { headers: { "cache-control": "public, max-age=60" } }, asks: 1 },
      { headers: bob, origin: { headers: { "cache-control": "private, max-age=60" } }, asks: 1 },
      { headers: alice, asks: 0, bodyOf: 0 },
      { headers: bob, asks: 0, bodyOf: 1 },
      { origin: { headers: { "cache-control": "private, max-age=60" } }, asks: 1 },
      { asks: 1 }
    ]
  })
  check("keeps an answer for its partition when no field says who asked", {
    only: "shared",
    options: { partition: (request) => Effect.succeed(Option.fromNullable(request.headers["x-line"])) },
    steps: [
      { headers: { "x-line": "alice" }, origin: { headers: fresh }, asks: 1 },
      { headers: { "x-line": "bob" }, origin: { headers: fresh }, asks: 1 },
      { asks: 1 },
      { headers: { "x-line": "alice" }, asks: 0, bodyOf: 0 },
      {
        headers: { "x-line": "bob" },
        origin: { headers: { "cache-control": "public, max-age=600" } },
        after: 60,
        asks: 1
      },
      { headers: { "x-line": "alice" }, asks: 0, bodyOf: 4 },
      { asks: 0, bodyOf: 4 }
    ]
  })
  check("Vary on a credential does not make it anybody's", {
    only: "shared",
    steps: [
      { headers: alice, origin: { headers: { "cache-control": "max-age=60", vary: "Authorization" } }, asks: 1 },
      { headers: bob, origin: { headers: { "cache-control": "public, max-age=60", vary: "Authorization" } }, asks: 1 },
      { headers: alice, asks: 0, bodyOf: 0 },
      { headers: bob, asks: 0, bodyOf: 1 },
      { headers: { authorization: "Bearer carol" }, asks: 1 }
    ]
  })
})

describe("RFC 9213: targeted fields", () => {
  const both = (targeted: string | ReadonlyArray<string>, cacheControl: string) => ({
    "cdn-cache-control": targeted,
    "cache-control": cacheControl
  })
  const reused: ReadonlyArray<readonly [string, Record<string, string | ReadonlyArray<string>>]> = [
    ["max-age", { "cdn-cache-control": "max-age=60" }],
    ["over no-store", both("max-age=60", "no-store")],
    ["over max-age=0", both("max-age=60", "max-age=0")],
    ["over Expires", { ...both("max-age=60", "max-age=0"), date: date(0), expires: date(-60) }],
    ["with strangers and parameters", both("max-age=60;a=b, foo=?0", "max-age=0")],
    ["not when it is no dictionary", both("max-age=0,", "max-age=60")],
    ["not when its names are in capitals", both("MAX-AGE=0", "max-age=60")],
    ["not when it is empty", both("", "max-age=60")]
  ]
  table(
    reused,
    (name) => `counts in shared caches: ${name}`,
    (headers) => ({
      only: "shared",
      steps: [
        { origin: { headers }, asks: 1 },
        { after: 3, asks: 0 }
      ]
    })
  )
  const refused: ReadonlyArray<readonly [string, Record<string, string | ReadonlyArray<string>>]> = [
    ["no-store", both("no-store", "max-age=60")],
    ["private", both("private, max-age=60", "public, max-age=60")],
    ["no-cache", both("no-cache", "max-age=60")],
    ["max-age=0", both("max-age=0", "max-age=60")],
    ["max-age less Age", { ...both("max-age=60", "max-age=600"), age: "60" }],
    ["max-age of the wrong type", both('max-age="60"', "max-age=60")],
    ["over two lines", both(["max-age=60", "no-store"], "max-age=60")]
  ]
  table(
    refused,
    (name) => `forbids in shared caches: ${name}`,
    (headers) => ({
      only: "shared",
      steps: [
        { origin: { headers }, asks: 1 },
        { after: 3, asks: 1 }
      ]
    })
  )
  check("does not count in private caches", {
    only: "private",
    steps: [
      { origin: { headers: both("no-store", "max-age=60") }, asks: 1 },
      { asks: 0 },
      { path: "/b", origin: { headers: both("max-age=60", "no-store") }, asks: 1 },
      { path: "/b", asks: 1 }
    ]
  })
  check("may have another name", {
    only: "shared",
    options: { targetedFields: ["My-Cache-Control", "CDN-Cache-Control"] },
    steps: [
      { origin: { headers: { ...both("max-age=60", "no-store"), "my-cache-control": "max-age=2" } }, asks: 1 },
      { after: 3, asks: 1 }
    ]
  })
})
