/** RFC 9111 §3, §5.2.2: what is stored, without what, and for whom. */
import { describe } from "@effect/vitest"
import { date } from "../support.ts"
import { check, table } from "./script.ts"

const fresh = { "cache-control": "max-age=60" }

describe("RFC 9111 §5.2.2: response directives", () => {
  table(
    ["no-store", "NO-STORE", "no-store, max-age=60", 'max-age=60, no-store=""', "max-age=60; no-store"].map(
      (value) => [value, value] as const
    ),
    (name) => `§5.2.2.5: does not store: ${name}`,
    (value) => [
      { origin: { headers: { "cache-control": value, etag: '"a"' } }, asks: 1 },
      { asks: 1, bodyOf: 1, sent: { "if-none-match": undefined } }
    ]
  )
  check("§5.2.2.3: stores a no-store response it was told to understand, and does", [
    { origin: { headers: { "cache-control": "max-age=60, no-store, must-understand" } }, asks: 1 },
    { asks: 0 }
  ])
  check("§5.2.2.3: does not store what it was told to understand and does not", [
    { origin: { status: 299, headers: { "cache-control": "max-age=60, must-understand" } }, asks: 1 },
    { asks: 1 }
  ])
  check("§5.2.2.4: validates a no-cache response every time", [
    { origin: { headers: { "cache-control": "no-cache, max-age=60", etag: '"a"' } }, asks: 1 },
    {
      origin: { status: 304, headers: { etag: '"a"' } },
      asks: 1,
      status: 200,
      bodyOf: 0,
      sent: { "if-none-match": '"a"' }
    }
  ])
  check("§5.2.2.4: reuses a response without the fields no-cache names, and gives those of the validation", [
    {
      origin: { headers: { "cache-control": 'max-age=60, no-cache="x-a"', "x-a": "1", etag: '"a"' } },
      asks: 1,
      fields: { "x-a": "1" }
    },
    { asks: 0, fields: { "x-a": undefined } },
    { after: 61, origin: { status: 304, headers: { etag: '"a"', "x-a": "2" } }, asks: 1, fields: { "x-a": "2" } },
    { asks: 0, fields: { "x-a": undefined } }
  ])
  table(
    [
      "private",
      "private, max-age=60",
      'max-age=60, private=""',
      'max-age=60, private=" x-a"',
      "max-age=60, private=x-a"
    ].map((value) => [value, value] as const),
    (name) => `§5.2.2.7: shares no private response: ${name}`,
    (value) => ({
      only: "shared",
      steps: [{ origin: { headers: { "cache-control": `${value}, max-age=60` } }, asks: 1 }, { asks: 1 }]
    })
  )
  check("§5.2.2.7: a private cache keeps private responses", {
    only: "private",
    steps: [{ origin: { headers: { "cache-control": "private, max-age=60" } }, asks: 1 }, { asks: 0 }]
  })
  check("§5.2.2.7: shares a response without the fields private names", {
    only: "shared",
    steps: [
      {
        origin: { headers: { "cache-control": 'max-age=60, private="x-a"', "x-a": "1", "x-b": "1" } },
        asks: 1,
        fields: { "x-a": "1" }
      },
      { asks: 0, fields: { "x-a": undefined, "x-b": "1" } }
    ]
  })
  check("§5.2.2.2: must-revalidate is no obstacle while fresh", [
    { origin: { headers: { "cache-control": "must-revalidate, max-age=60" } }, asks: 1 },
    { asks: 0 }
  ])
})

describe("RFC 9111 §3: what else decides", () => {
  check("§5.2.1.5: stores nothing for a request that forbids it", [
    { headers: { "cache-control": "no-store" }, origin: { headers: fresh }, asks: 1 },
    { asks: 1 }
  ])
  check("keeps a response without a lifetime for validation", [
    { origin: { headers: { etag: '"a"' } }, asks: 1 },
    { origin: { status: 304, headers: { etag: '"a"' } }, asks: 1, bodyOf: 0, sent: { "if-none-match": '"a"' } }
  ])
  check("RFC 9110 §9.3.3: answers GET from a POST's answer that says it is the target's representation", {
    steps: [
      { method: "POST", body: "x", origin: { headers: { ...fresh, "content-location": "/a" } }, asks: 1 },
      { asks: 0, bodyOf: 0 }
    ]
  })
  check("RFC 9110 §9.3.3: does not, when it says less", [
    { method: "POST", body: "x", origin: { headers: fresh }, asks: 1 },
    { asks: 1 },
    { method: "POST", path: "/b", body: "x", origin: { headers: { ...fresh, "content-location": "/c" } }, asks: 1 },
    { path: "/b", asks: 1 },
    { path: "/c", asks: 1 }
  ])
  check("does not store answers to other methods", [
    { method: "OPTIONS", origin: { headers: fresh }, asks: 1 },
    { method: "OPTIONS", origin: { headers: fresh }, asks: 1 },
    { asks: 1 }
  ])
  check("different queries are different resources", [
    { path: "/a?x=1", origin: { headers: fresh }, asks: 1 },
    { path: "/a?x=2", asks: 1 },
    { path: "/a?x=1", asks: 0, bodyOf: 0 },
    { path: "/a?x=1#fragment", asks: 0, bodyOf: 0 }
  ])
})

describe("RFC 9111 §3.1: which fields are stored", () => {
  const ordinary = [
    "Test-Header",
    "X-Test-Header",
    "Content-Foo",
    "X-Content-Foo",
    "Content-Disposition",
    "Content-Language",
    "Content-Location",
    "Content-MD5",
    "Content-Security-Policy",
    "Content-Type",
    "Clear-Site-Data",
    "Link",
    "Server",
    "X-Frame-Options",
    "X-XSS-Protection"
  ]
  table(
    ordinary.map((name) => [name, name] as const),
    (name) => `keeps ${name}`,
    (name) => [
      { origin: { headers: { ...fresh, [name]: "text/plain" } }, asks: 1, fields: { [name]: "text/plain" } },
      { asks: 0, fields: { [name]: "text/plain" } }
    ]
  )
  table(
    [
      "Keep-Alive",
      "Proxy-Authenticate",
      "Proxy-Authentication-Info",
      "Proxy-Authorization",
      "Proxy-Connection",
      "TE"
    ].map((name) => [name, name] as const),
    (name) => `leaves out ${name}`,
    (name) => [
      { origin: { headers: { ...fresh, [name]: "x" } }, asks: 1 },
      { asks: 0, fields: { [name]: undefined } }
    ]
  )
  check("leaves out what Connection lists", [
    { origin: { headers: { ...fresh, connection: "close, A, b", a: "1", b: "2", c: "3" } }, asks: 1 },
    { asks: 0, fields: { a: undefined, b: undefined, c: "3", connection: undefined } }
  ])
  check("withholds cookies from others", {
    only: "shared",
    steps: [
      {
        origin: { headers: { ...fresh, "set-cookie": ["a=1", "b=2"] } },
        asks: 1,
        fields: { "set-cookie": "a=1, b=2" }
      },
      { asks: 0, fields: { "set-cookie": undefined } }
    ]
  })
  check("replays cookies to others when told to", {
    only: "shared",
    options: { setCookie: "keep" },
    steps: [
      { origin: { headers: { ...fresh, "set-cookie": ["a=1", "b=2"] } }, asks: 1 },
      { asks: 0, fields: { "set-cookie": "a=1, b=2" } }
    ]
  })
  check("keeps cookies for whoever got them", {
    only: "private",
    steps: [
      { origin: { headers: { ...fresh, "set-cookie": "a=1" } }, asks: 1 },
      { asks: 0, fields: { "set-cookie": "a=1" } }
    ]
  })
})

describe("RFC 9211: Cache-Status", () => {
  check("says what happened", [
    {
      origin: { headers: { "cache-control": "max-age=60", etag: '"a"' } },
      asks: 1,
      fields: { "cache-status": /^wellspring;fwd=uri-miss\b.*;stored/ }
    },
    { after: 10, asks: 0, fields: { "cache-status": /^wellspring;hit;ttl=50\b/ } },
    {
      after: 60,
      origin: { status: 304, headers: { etag: '"a"', date: date(70) } },
      asks: 1,
      fields: { "cache-status": /^wellspring;fwd=stale;fwd-status=304\b/ }
    },
    {
      headers: { "cache-control": "no-cache" },
      origin: { headers: { "cache-control": "no-store" } },
      asks: 1,
      fields: { "cache-status": /fwd=request/ }
    },
    { method: "POST", body: "x", asks: 1, fields: { "cache-status": /fwd=method/ } },
    { cache: "no-store", asks: 1, fields: { "cache-status": /fwd=bypass/ } }
  ])
  check("stands behind what caches nearer to the origin said", [
    {
      origin: { headers: { ...fresh, "cache-status": "cdn;hit" } },
      asks: 1,
      fields: { "cache-status": /^cdn;hit, wellspring;fwd=uri-miss/ }
    },
    { asks: 0, fields: { "cache-status": /^cdn;hit, wellspring;hit/ } }
  ])
})
