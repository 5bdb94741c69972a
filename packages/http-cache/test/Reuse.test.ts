import { assert, describe, it } from "@effect/vitest"
import type * as Message from "@wellspring/http-cache/Message"
import * as Plan from "@wellspring/http-cache/Plan"
import * as Reuse from "@wellspring/http-cache/Reuse"
import { date, entry, lookup, now, outcome, policy, request, response, stored } from "./support.ts"

const etag = '"a"'
const given = (cacheControl: string, extra: Message.Fields = {}) =>
  stored({ "cache-control": cacheControl, etag, ...extra })
const asking = (cacheControl: string) => request({ "cache-control": cacheControl })

describe("Plan.of", () => {
  const planned = (headers: Message.Fields = {}, method = "GET", wishes: Plan.Wishes = {}, target?: string) => {
    const plan = Plan.of(policy(), request(headers, method, target), wishes)
    return plan._tag === "Lookup" ? "Lookup" : `${plan._tag}:${plan.reason}`
  }

  it("looks up GET and HEAD, and sends everything else on", () => {
    assert.strictEqual(planned(), "Lookup")
    assert.strictEqual(planned({}, "HEAD"), "Lookup")
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "M-SEARCH", "get"])
      assert.strictEqual(planned({}, method), "Forward:method", method)
    assert.strictEqual(planned({}, "POST", { bodyKeyed: true }), "Lookup")
  })

  it("sends on what only an origin can answer", () => {
    assert.strictEqual(planned({ "if-match": etag }), "Forward:request")
    assert.strictEqual(planned({ "if-unmodified-since": date(0) }), "Forward:request")
    assert.strictEqual(planned({ range: "bytes=0-1, 4-5" }), "Forward:request")
    assert.strictEqual(planned({ range: "items=0-1" }), "Forward:request")
    assert.strictEqual(planned({ range: "bytes=0-1" }), "Lookup")
    assert.strictEqual(planned({ range: "bytes=0-1, 4-5" }, "HEAD"), "Lookup")
  })

  it("keeps away from URLs it has no key for", () => {
    assert.strictEqual(planned({}, "GET", {}, "http://user:pass@origin.test/"), "Forward:bypass")
    assert.strictEqual(planned({}, "GET", {}, "data:,x"), "Forward:bypass")
  })

  it("follows the cache modes of the Fetch standard", () => {
    assert.strictEqual(planned({}, "GET", { mode: "no-store" }), "Forward:bypass")
    assert.strictEqual(planned({}, "GET", { mode: "reload" }), "Forward:request")
    for (const mode of ["default", "no-cache", "force-cache", "only-if-cached"] as const)
      assert.strictEqual(planned({}, "GET", { mode }), "Lookup", mode)
    assert.strictEqual(planned({}, "POST", { mode: "only-if-cached" }), "Unavailable:method")
    assert.strictEqual(planned({ "cache-control": "only-if-cached" }, "POST"), "Unavailable:method")
  })

  it("knows which requests say who is asking", () => {
    const credentials = (headers: Message.Fields) => Plan.of(policy(), request(headers)).credentials
    assert.strictEqual(credentials({ accept: "x" }), 0)
    assert.strictEqual(credentials({ authorization: "x" }), 1)
    assert.strictEqual(credentials({ cookie: "x" }), 2)
    assert.strictEqual(credentials({ authorization: "x", "x-api-key": "y" }), 3)
  })
})

describe("Reuse.decide", () => {
  it("RFC 9111 §4.2: reuses what is fresh, validates what is not", () => {
    assert.strictEqual(outcome([given("max-age=60")], { after: 59 }), "Hit")
    assert.strictEqual(outcome([given("max-age=60")], { after: 60 }), "Validate:stale")
    assert.strictEqual(outcome([stored({ "cache-control": "max-age=60" })], { after: 60 }), "Miss:stale")
    assert.strictEqual(outcome([]), "Miss:uri-miss")
    assert.strictEqual(
      outcome([given("max-age=60", { vary: "foo" })], { request: request({ foo: "1" }) }),
      "Miss:vary-miss"
    )
  })

  it("RFC 9111 §5.2.2: no-cache always validates; must-revalidate does not until stale", () => {
    assert.strictEqual(outcome([given("no-cache, max-age=60")]), "Validate:stale")
    assert.strictEqual(outcome([given("must-revalidate, max-age=60")]), "Hit")
    assert.strictEqual(outcome([given("must-revalidate, max-age=60")], { after: 61 }), "Validate:stale")
    assert.strictEqual(outcome([given('no-cache="x", max-age=60')]), "Hit")
  })

  it("RFC 9111 §5.2.1: observes what the request asks", () => {
    const e = [given("max-age=60")]
    const table: ReadonlyArray<readonly [string, number, string]> = [
      ["max-age=10", 10, "Hit"],
      ["max-age=10", 11, "Validate:request"],
      ["max-age=0", 1, "Validate:request"],
      ["max-age=x", 1, "Validate:request"],
      ["min-fresh=30", 30, "Hit"],
      ["min-fresh=30", 31, "Validate:request"],
      ["min-fresh=x", 0, "Validate:request"],
      ["max-stale=10", 70, "Stale"],
      ["max-stale=10", 71, "Validate:stale"],
      ["max-stale", 7000, "Stale"],
      ["max-stale=x", 61, "Validate:stale"],
      ["max-stale, max-age=65", 65, "Stale"],
      ["max-stale, max-age=65", 66, "Validate:request"],
      ["max-stale, min-fresh=1", 61, "Validate:stale"],
      ["no-cache", 0, "Validate:request"],
      ["No-Cache=x", 0, "Validate:request"],
      ["no-store", 0, "Hit"],
      ["only-if-cached", 59, "Hit"],
      ["only-if-cached", 60, "Unavailable"],
      ["only-if-cached, max-stale", 60, "Stale"],
      ["only-if-cached, no-cache", 0, "Unavailable"],
      ["no-transform, foo", 0, "Hit"]
    ]
    for (const [value, after, expected] of table)
      assert.strictEqual(outcome(e, { request: asking(value), after }), expected, `${value} after ${after}`)
    assert.strictEqual(outcome([], { request: asking("only-if-cached") }), "Unavailable")
  })

  it("RFC 9111 §4.2.4: max-stale reaches no further than the response permits", () => {
    for (const value of ["must-revalidate, max-age=60", "proxy-revalidate, max-age=60", "s-maxage=60"])
      assert.strictEqual(outcome([given(value)], { request: asking("max-stale"), after: 61 }), "Validate:stale", value)
    const own = entry({
      policy: policy({ mode: "private" }),
      partition: "a",
      response: response({ "cache-control": "proxy-revalidate, max-age=60" })
    })
    assert.strictEqual(outcome([own], { request: asking("max-stale"), after: 61 }), "Stale")
  })

  it("RFC 9111 §5.4: Pragma counts where there is no Cache-Control", () => {
    const e = [given("max-age=60")]
    assert.strictEqual(outcome(e, { request: request({ pragma: "No-Cache" }) }), "Validate:request")
    assert.strictEqual(outcome(e, { request: request({ pragma: "x, no-cache" }) }), "Validate:request")
    assert.strictEqual(outcome(e, { request: request({ pragma: "no-cache", "cache-control": "max-age=60" }) }), "Hit")
    assert.strictEqual(outcome(e, { request: request({ pragma: "foo" }) }), "Hit")
    assert.strictEqual(outcome([given("max-age=60", { pragma: "no-cache" })]), "Hit")
  })

  it("RFC 5861 §3: serves stale while it revalidates, within the window", () => {
    const e = [given("max-age=60, stale-while-revalidate=30")]
    assert.strictEqual(outcome(e, { after: 89 }), "Stale:revalidate")
    assert.strictEqual(outcome(e, { after: 90 }), "Validate:stale")
    assert.strictEqual(outcome(e, { after: 61, request: asking("no-cache") }), "Validate:request")
    assert.strictEqual(outcome(e, { after: 61, request: asking("max-age=60") }), "Validate:request")
    assert.strictEqual(
      outcome([given("max-age=60, stale-while-revalidate=30, must-revalidate")], { after: 61 }),
      "Validate:stale"
    )
  })

  it("RFC 8246: a request's max-age does not revalidate what is immutable and fresh; its no-cache does", () => {
    const e = [given("max-age=60, immutable")]
    assert.strictEqual(outcome(e, { after: 1, request: asking("max-age=0") }), "Hit")
    assert.strictEqual(outcome(e, { after: 1, request: asking("no-cache") }), "Validate:request")
    assert.strictEqual(outcome(e, { after: 60 }), "Validate:stale")
    assert.strictEqual(outcome(e, { after: 61, request: asking("max-age=0") }), "Validate:request")
  })

  it("follows the cache modes of the Fetch standard", () => {
    const e = [given("max-age=60, must-revalidate")]
    assert.strictEqual(outcome(e, { wishes: { mode: "no-cache" } }), "Validate:request")
    assert.strictEqual(outcome(e, { wishes: { mode: "force-cache" }, after: 61 }), "Stale")
    assert.strictEqual(outcome(e, { wishes: { mode: "only-if-cached" }, after: 61 }), "Stale")
    assert.strictEqual(outcome([], { wishes: { mode: "force-cache" } }), "Miss:uri-miss")
    assert.strictEqual(outcome([], { wishes: { mode: "only-if-cached" } }), "Unavailable")
  })

  it("does not trust an entry from the future", () => {
    const e = [given("max-age=60, stale-while-revalidate=60")]
    assert.strictEqual(outcome(e, { after: -3600 }), "Validate:stale")
    assert.strictEqual(outcome(e, { after: -3600, request: asking("max-stale") }), "Validate:stale")
  })

  const part = (range: string, extra: Message.Fields = {}) =>
    entry({
      request: request({ range: "bytes=0-4" }),
      response: response({ "cache-control": "max-age=60", etag, "content-range": range, ...extra }, 206)
    })

  it("RFC 9111 §3.3: a part answers requests for what it holds", () => {
    const e = [part("bytes 2-6/10")]
    const range = (value: string) => outcome(e, { request: request({ range: value }) })
    assert.strictEqual(range("bytes=2-6"), "Hit")
    assert.strictEqual(range("bytes=3-4"), "Hit")
    assert.strictEqual(range("bytes=1-4"), "Miss:partial")
    assert.strictEqual(range("bytes=3-"), "Miss:partial")
    assert.strictEqual(range("bytes=-2"), "Miss:partial")
    assert.strictEqual(outcome([part("bytes 5-9/10")], { request: request({ range: "bytes=-2" }) }), "Hit")
    assert.strictEqual(outcome(e, { request: request({}, "HEAD") }), "Miss:partial")
  })

  it("RFC 9111 §3.4: a part is completed where its validator allows", () => {
    assert.strictEqual(outcome([part("bytes 0-4/10")]), "Complete:bytes=5-")
    assert.strictEqual(outcome([part("bytes 0-4/*")]), "Complete:bytes=5-")
    assert.strictEqual(outcome([part("bytes 5-9/10")]), "Complete:bytes=0-4")
    assert.strictEqual(outcome([part("bytes 2-6/10")]), "Miss:partial")
    assert.strictEqual(outcome([part("bytes 0-4/10", { etag: 'W/"a"' })]), "Miss:partial")
    assert.strictEqual(outcome([part("bytes 0-4/10")], { policy: policy({ completePartials: false }) }), "Miss:partial")
    assert.strictEqual(
      outcome([part("bytes 0-4/10")], { request: request({ "if-none-match": '"x"' }) }),
      "Miss:partial"
    )
  })

  it("cuts no ranges from bodies whose coding was undone", () => {
    const decoded = entry({ response: { ...response({ "cache-control": "max-age=60" }), decoded: true } })
    assert.strictEqual(outcome([decoded], { request: request({ range: "bytes=0-1" }) }), "Miss:partial")
    assert.strictEqual(outcome([decoded]), "Hit")
  })
})

describe("Reuse.recover", () => {
  const recover = (
    cacheControl: string,
    failure: number | "disconnected",
    options: {
      readonly after?: number
      readonly request?: Message.RequestHead
      readonly policy?: Parameters<typeof policy>[0]
      readonly wishes?: Plan.Wishes
    } = {}
  ) => {
    const p = policy(options.policy)
    return Reuse.recover(
      p,
      lookup(p, options.request ?? request(), options.wishes),
      given(cacheControl),
      failure === "disconnected" ? { _tag: "Disconnected" } : { _tag: "Answered", status: failure },
      now + (options.after ?? 61) * 1000
    )
  }

  it("RFC 5861 §4: stale-if-error covers failures of the origin, and no decision of it", () => {
    for (const status of [500, 502, 503, 504])
      assert.strictEqual(recover("max-age=60, stale-if-error=30", status), "serve-stale", String(status))
    for (const status of [400, 401, 403, 404, 410, 429, 501, 505, 200])
      assert.strictEqual(recover("max-age=60, stale-if-error=30", status), "pass-on", String(status))
    assert.strictEqual(recover("max-age=60, stale-if-error=30", 503, { after: 90 }), "pass-on")
    assert.strictEqual(recover("max-age=60, stale-if-error=30", "disconnected"), "serve-stale")
    assert.strictEqual(recover("max-age=60", 503), "pass-on")
    assert.strictEqual(recover("max-age=60, stale-if-error=30, must-revalidate", 503), "pass-on")
  })

  it("RFC 5861 §4: a request may ask for it, as far as the response permits", () => {
    const wanting = request({ "cache-control": "stale-if-error=30" })
    assert.strictEqual(recover("max-age=60", 503, { request: wanting }), "serve-stale")
    assert.strictEqual(recover("max-age=60", 503, { request: wanting, after: 90 }), "pass-on")
    assert.strictEqual(recover("max-age=60, must-revalidate", 503, { request: wanting }), "pass-on")
  })

  it("RFC 9111 §4.2.4: a lost origin permits stale responses that are not forbidden, and else ends in 504", () => {
    assert.strictEqual(recover("max-age=60", "disconnected"), "serve-stale")
    for (const forbidding of ["must-revalidate, max-age=60", "no-cache", "proxy-revalidate, max-age=60", "s-maxage=60"])
      assert.strictEqual(recover(forbidding, "disconnected"), "gateway-timeout", forbidding)
    assert.strictEqual(recover("max-age=60", "disconnected", { policy: { staleWhenDisconnected: false } }), "pass-on")
  })

  it("serves nothing stale to a caller who asked for validation", () => {
    assert.strictEqual(recover("max-age=60", "disconnected", { wishes: { mode: "no-cache" } }), "pass-on")
    assert.strictEqual(recover("max-age=60, stale-if-error=30", 503, { request: asking("no-cache") }), "pass-on")
  })

  it("passes the failure on when nothing is stored", () => {
    const p = policy()
    assert.strictEqual(Reuse.recover(p, lookup(p, request()), undefined, { _tag: "Disconnected" }, now), "pass-on")
  })
})
