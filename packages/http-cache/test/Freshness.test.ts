import { assert, describe, it } from "@effect/vitest"
import * as Entry from "@wellspring/http-cache/Entry"
import * as Freshness from "@wellspring/http-cache/Freshness"
import * as FastCheck from "effect/FastCheck"
import { date, entry, freshFor, now, policy, response, stored, storing } from "./support.ts"

const etag = '"v"'
const minutes = 60_000

describe("lifetime", () => {
  const privately = policy({ mode: "private" })

  it("RFC 9111 §4.2.1: s-maxage before max-age before Expires", () => {
    const expires = date(100)
    assert.strictEqual(freshFor({ date: date(0), expires }), 100)
    assert.strictEqual(freshFor({ date: date(0), expires, "cache-control": "max-age=50" }), 50)
    assert.strictEqual(freshFor({ date: date(0), expires, "cache-control": "s-maxage=20, max-age=50" }), 20)
    assert.strictEqual(freshFor({ date: date(0), expires, "cache-control": "max-age=0", etag }), 0)
  })

  it("RFC 9111 §5.2.2.10: s-maxage is for shared caches only", () => {
    const decision = storing({
      policy: privately,
      partition: "p",
      response: response({ "cache-control": "s-maxage=20, max-age=50" })
    })
    assert.isTrue(decision._tag === "Store" && decision.entry.lifetime === 50_000)
  })

  it("RFC 9111 §5.3: Expires counts from Date, and an invalid one has passed", () => {
    assert.strictEqual(freshFor({ date: date(-30), expires: date(70), etag }), 70)
    assert.strictEqual(freshFor({ expires: date(70) }), 70)
    for (const expires of ["0", "-1", "", "Thu, 01 Jan 2099 00:00:00 EST", date(0), date(-1)])
      assert.strictEqual(freshFor({ date: date(0), expires, etag }), 0, expires)
    assert.strictEqual(freshFor({ date: date(0), expires: [date(50), date(50)] }), 50)
    assert.strictEqual(freshFor({ date: date(0), expires: [date(50), date(60)], etag }), 0)
    assert.strictEqual(freshFor({ date: date(0), expires: `${date(50)}, ${date(50)}`, etag }), 0)
  })

  it("RFC 9111 §4.2.2: guesses a tenth of the time since Last-Modified, up to a day", () => {
    assert.strictEqual(freshFor({ date: date(0), "last-modified": date(-1000) }), 100)
    assert.strictEqual(freshFor({ date: date(0), "last-modified": date(-100 * 86_400) }), 86_400)
    assert.strictEqual(freshFor({ date: date(0), "last-modified": date(10), etag }), 0)
    assert.strictEqual(freshFor({ date: date(0), "last-modified": "yesterday" }), 0)
    const half = policy({ heuristic: { fraction: 0.5, atMost: 60 * minutes } })
    assert.strictEqual(freshFor({ date: date(0), "last-modified": date(-1000) }, 200, half), 500)
  })

  it("RFC 9110 §15.1: guesses for the statuses it names, and for others that are public", () => {
    const headers = { date: date(0), "last-modified": date(-1000) }
    for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
      assert.strictEqual(freshFor(headers, status), 100, String(status))
    for (const status of [201, 202, 299, 302, 303, 307, 400, 403, 429, 499, 500, 502, 503, 599]) {
      assert.strictEqual(freshFor(headers, status), -1, String(status))
      assert.strictEqual(freshFor({ ...headers, "cache-control": "public" }, status), 100, String(status))
    }
  })

  it("does not guess where a lifetime was given, even one that makes no sense", () => {
    const headers = { date: date(0), "last-modified": date(-1000) }
    assert.strictEqual(freshFor({ ...headers, expires: "0" }), 0)
    assert.strictEqual(freshFor({ ...headers, "cache-control": "max-age=soon" }), 0)
    assert.strictEqual(freshFor({ ...headers, "cache-control": "max-age=0" }), 0)
  })

  it("RFC 9111 §4.2: responses of any final status with a lifetime are fresh", () => {
    for (let status = 200; status < 600; status++) {
      if (![206, 304, 412, 416].includes(status))
        assert.strictEqual(freshFor({ "cache-control": "max-age=5" }, status), 5, String(status))
    }
  })
})

describe("lifetimes of the policy", () => {
  const given = { date: date(0), "cache-control": "max-age=100" }

  it("atMost shortens", () => {
    const p = policy({ lifetimes: { atMost: 10_000 } })
    assert.strictEqual(freshFor(given, 200, p), 10)
    assert.strictEqual(freshFor({ "cache-control": "max-age=5" }, 200, p), 5)
  })

  it("atLeast lengthens, unless the response must not be used stale", () => {
    const p = policy({ lifetimes: { atLeast: 200_000 } })
    assert.strictEqual(freshFor(given, 200, p), 200)
    for (const directive of ["must-revalidate", "proxy-revalidate", "s-maxage=100", "no-cache"])
      assert.strictEqual(freshFor({ "cache-control": `max-age=100, ${directive}`, etag }, 200, p), 100, directive)
    for (const directive of ["no-store", "private"])
      assert.strictEqual(freshFor({ "cache-control": `max-age=100, ${directive}` }, 200, p), -1, directive)
  })

  it("count from arrival, however old the response was by then", () => {
    const old = { date: date(-500), age: "500", "cache-control": "max-age=1000" }
    assert.strictEqual(freshFor(old, 200, policy({ lifetimes: { atMost: 10_000 } })), 10)
    assert.strictEqual(freshFor(old, 200, policy({ lifetimes: { atLeast: 700_000 } })), 700)
    assert.strictEqual(freshFor(old, 200, policy({ lifetimes: { assumeFresh: 20_000 } })), 20)
    assert.strictEqual(freshFor({ age: "500" }, 200, policy({ lifetimes: { whenMissing: 20_000 } })), 20)
    assert.strictEqual(freshFor(old, 200), 500)
  })

  it("whenMissing takes the place of a guess", () => {
    const p = policy({ lifetimes: { whenMissing: 30_000 } })
    assert.strictEqual(freshFor({}, 200, p), 30)
    assert.strictEqual(freshFor({ date: date(0), "last-modified": date(-10_000) }, 200, p), 30)
    assert.strictEqual(freshFor(given, 200, p), 100)
    assert.strictEqual(freshFor({}, 500, p), -1)
    assert.strictEqual(freshFor({}, 302, p), -1)
  })

  it("assumeFresh overrides what the response says of its lifetime, and nothing else", () => {
    const p = policy({ lifetimes: { assumeFresh: 30_000 } })
    for (const value of ["max-age=0", "no-cache", "max-age=100", "foo"])
      assert.strictEqual(freshFor({ "cache-control": value }, 200, p), 30, value)
    assert.strictEqual(freshFor({ "cache-control": "no-store" }, 200, p), -1)
    assert.strictEqual(freshFor({ "cache-control": "private" }, 200, p), -1)
    assert.strictEqual(freshFor({ vary: "*" }, 200, p), -1)
    assert.strictEqual(freshFor({}, 500, p), -1)
    assert.strictEqual(freshFor({ "last-modified": date(-1000), date: date(0) }, 404, p), 100)
  })
})

describe("age", () => {
  const aged = (age: string | ReadonlyArray<string>) =>
    entry({ response: response({ age, "cache-control": "max-age=10000", etag }) }).initialAge / 1000

  it("RFC 9111 §5.1: takes the first member of Age, if it is digits", () => {
    assert.strictEqual(aged("100"), 100)
    assert.strictEqual(aged("0100"), 100)
    assert.strictEqual(aged(" 100 "), 100)
    assert.strictEqual(aged("100, 200"), 100)
    assert.strictEqual(aged(["100", "200"]), 100)
    assert.strictEqual(aged("0, 200"), 0)
    for (const age of ["-100", "100.0", "1e2", "abc", "100 abc", "abc, 100", "100;a=b", "", ", 100", '"100"'])
      assert.strictEqual(aged(age), 0, age)
    assert.strictEqual(aged("99999999999999999999"), 2_147_483_648)
  })

  it("RFC 9111 §4.2.3: corrects for time in transit and for what Date tells", () => {
    const times = { requestTime: now - 3000, responseTime: now }
    const arrived = (headers: Record<string, string>) =>
      Freshness.initialAge(headers, times, Freshness.dateOf(headers, now))
    assert.strictEqual(arrived({ date: date(0) }), 3000)
    assert.strictEqual(arrived({ date: date(0), age: "10" }), 13_000)
    assert.strictEqual(arrived({ date: date(-60), age: "10" }), 60_000)
    assert.strictEqual(arrived({ date: date(60) }), 3000)
    assert.strictEqual(arrived({}), 3000)
    assert.strictEqual(arrived({ date: "then" }), 3000)
  })

  it("grows in the store, in whole seconds", () => {
    const e = stored({ age: "5", "cache-control": "max-age=10" })
    assert.strictEqual(Freshness.ageSeconds(e, now), 5)
    assert.strictEqual(Freshness.ageSeconds(e, now + 999), 5)
    assert.strictEqual(Freshness.ageSeconds(e, now + 4999), 9)
    assert.isTrue(Freshness.isFresh(e, now + 4999))
    assert.isFalse(Freshness.isFresh(e, now + 5000))
    assert.strictEqual(Freshness.secondsLeft(e, now + 4999), 0)
    assert.strictEqual(Freshness.secondsLeft(e, now + 7000), -2)
  })

  it("does not trust an entry from the future: the clock was set back", () => {
    const e = stored({ "cache-control": "max-age=1000" })
    assert.isTrue(Freshness.isFresh(e, now - 500))
    assert.isFalse(Freshness.isFresh(e, now - 60_000))
    assert.strictEqual(Freshness.ageSeconds(e, now - 60_000), 0)
  })

  it.prop(
    "is fresh for exactly the lifetimes longer than the age",
    [FastCheck.nat(10_000), FastCheck.nat(10_000), FastCheck.nat(20_000_000)],
    ([lifetime, age, later]) => {
      const e = stored({ age: String(age), "cache-control": `max-age=${lifetime}`, etag })
      return Freshness.isFresh(e, now + later) === lifetime * 1000 > age * 1000 + later
    }
  )
})

describe("Freshness.keepUntil", () => {
  it("keeps what may be validated or served stale for a while longer", () => {
    const p = policy({ staleWhenDisconnected: false })
    const until = (headers: Record<string, string>, with_ = p) =>
      (Freshness.keepUntil(with_, stored(headers), 1_000_000) - now) / 1000
    assert.strictEqual(until({ "cache-control": "max-age=10" }), 10)
    assert.strictEqual(until({ "cache-control": "max-age=10, stale-while-revalidate=20" }), 30)
    assert.strictEqual(until({ "cache-control": "max-age=10", etag }), 1010)
    assert.strictEqual(until({ "cache-control": "max-age=10" }, policy()), 1010)
    assert.strictEqual(until({ "cache-control": "max-age=10, must-revalidate" }, policy()), 1010)
  })

  it("says of a stale window whether it was allowed", () => {
    const windows = (value: string) => {
      const e = stored({ "cache-control": value })
      return [e.staleWhileRevalidateUntil, e.staleIfErrorUntil].map((until) => (until - e.freshUntil) / 1000)
    }
    assert.deepStrictEqual(windows("max-age=10, stale-while-revalidate=5, stale-if-error=7"), [5, 7])
    assert.deepStrictEqual(windows("max-age=10, stale-while-revalidate=5, must-revalidate"), [0, 0])
    assert.deepStrictEqual(windows("s-maxage=10, stale-while-revalidate=5"), [0, 0])
    assert.isTrue(Entry.has(stored({ "cache-control": "s-maxage=10" }), Entry.NEVER_STALE))
  })
})
