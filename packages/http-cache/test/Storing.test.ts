import { assert, describe, it } from "@effect/vitest"
import * as Entry from "@wellspring/http-cache/Entry"
import * as Storing from "@wellspring/http-cache/Storing"
import { date, entry, now, policy, request, response, storing, verdict } from "./support.ts"

const fresh = { "cache-control": "max-age=60" }
const answered = (cacheControl: string, status = 200) => response({ "cache-control": cacheControl }, status)

describe("Storing.decide", () => {
  it("RFC 9111 §3: stores what has a lifetime, may have one guessed, or can be validated", () => {
    assert.strictEqual(verdict({ response: answered("max-age=60") }), "stored")
    assert.strictEqual(verdict({ response: answered("s-maxage=60") }), "stored")
    assert.strictEqual(verdict({ response: response({ expires: date(60) }) }), "stored")
    assert.strictEqual(verdict({ response: response({ "last-modified": date(-600) }) }), "stored")
    assert.strictEqual(verdict({ response: response({ etag: '"a"' }) }), "stored")
    assert.strictEqual(verdict({ response: response({ etag: '"a"', "cache-control": "no-cache" }) }), "stored")
    assert.strictEqual(verdict({ response: response() }), "useless")
    assert.strictEqual(verdict({ response: answered("max-age=0") }), "useless")
    assert.strictEqual(verdict({ response: answered("no-cache") }), "useless")
    assert.strictEqual(verdict({ response: response({ age: "100", ...fresh }) }), "stored")
    assert.strictEqual(verdict({ response: response({}, 302) }), "lifetime")
    assert.strictEqual(verdict({ response: response({ etag: '"a"' }, 302) }), "lifetime")
  })

  it("RFC 9111 §3: stores no interim response, and none that is no representation", () => {
    for (const status of [100, 102, 103, 199, 304, 412, 416, 600, 999])
      assert.strictEqual(verdict({ response: response(fresh, status) }), "status", String(status))
  })

  it("RFC 9111 §5.2.2.5: obeys no-store, in the response and in the request", () => {
    assert.strictEqual(verdict({ response: answered("No-Store, max-age=60") }), "no-store")
    const noStore = request({ "cache-control": "no-store" })
    assert.strictEqual(verdict({ request: noStore, response: answered("max-age=60") }), "request")
    assert.strictEqual(verdict({ wishes: { mode: "no-store" }, response: answered("max-age=60") }), "request")
  })

  it("RFC 9111 §5.2.2.3: must-understand wins over no-store for statuses it knows, and refuses others", () => {
    assert.strictEqual(verdict({ response: answered("must-understand, no-store, max-age=60") }), "stored")
    assert.strictEqual(verdict({ response: answered("must-understand, no-store, max-age=60", 404) }), "stored")
    assert.strictEqual(verdict({ response: answered("must-understand, max-age=60", 299) }), "must-understand")
    assert.strictEqual(verdict({ response: answered("must-understand=1, no-store, max-age=60") }), "no-store")
  })

  it("RFC 9111 §5.2.2.7: keeps private responses for a partition only", () => {
    assert.strictEqual(verdict({ response: answered("private, max-age=60") }), "private")
    const kept = entry({ response: answered("private, max-age=60"), partition: "alice" })
    assert.strictEqual(kept.scope, "private")
  })

  it("RFC 9111 §5.2.2.7: a shared entry goes without the fields that are private", () => {
    const answer = response({ "cache-control": 'max-age=60, private="x-user"', "x-user": "alice", "x-other": "1" })
    const shared = entry({ response: answer })
    assert.strictEqual(shared.scope, "shared")
    assert.isUndefined(shared.headers["x-user"])
    assert.strictEqual(shared.headers["x-other"], "1")
    const own = entry({ policy: policy({ mode: "private" }), response: answer, partition: "alice" })
    assert.strictEqual(own.headers["x-user"], "alice")
  })

  it("RFC 9111 §5.2.2.4: fields named by no-cache are not kept for reuse", () => {
    const answer = response({ "cache-control": 'max-age=60, no-cache="x-user"', "x-user": "alice" })
    assert.isUndefined(entry({ response: answer }).headers["x-user"])
    assert.isUndefined(
      entry({ response: answer, policy: policy({ mode: "private" }), partition: "a" }).headers["x-user"]
    )
    assert.isFalse(Entry.has(entry({ response: answer }), Entry.ALWAYS_VALIDATE))
  })

  it("RFC 9111 §3.5: shares answers to Authorization only when told to", () => {
    const authorized = request({ authorization: "Bearer a" })
    const share = (cacheControl: string) => verdict({ request: authorized, response: answered(cacheControl) })
    assert.strictEqual(share("max-age=60"), "credentials")
    assert.strictEqual(share("max-age=60, proxy-revalidate"), "credentials")
    assert.strictEqual(share("max-age=60, public"), "stored")
    assert.strictEqual(share("max-age=60, must-revalidate"), "stored")
    assert.strictEqual(share("s-maxage=60"), "stored")
    assert.strictEqual(share("public, private, max-age=60"), "private")
  })

  it("shares answers to other credentials only when they are public", () => {
    for (const name of [
      "cookie",
      "proxy-authorization",
      "x-api-key",
      "API-Key",
      "x-auth-token",
      "private-token",
      "x-mine"
    ]) {
      const identified = request({ [name]: "secret" })
      const p = policy({ identityHeaders: ["X-Mine"] })
      const share = (cacheControl: string, partition?: string) =>
        verdict({ policy: p, request: identified, response: answered(cacheControl), ...(partition && { partition }) })
      assert.strictEqual(share("max-age=60"), "credentials", name)
      assert.strictEqual(share("max-age=60, must-revalidate"), "credentials", name)
      assert.strictEqual(share("s-maxage=60"), "credentials", name)
      assert.strictEqual(share("max-age=60, public"), "stored", name)
      assert.strictEqual(share("max-age=60", "alice"), "stored", name)
    }
  })

  it("keeps the answer to somebody whom no field names for that one, unless it is public", () => {
    assert.strictEqual(entry({ response: answered("max-age=60"), partition: "alice" }).scope, "private")
    assert.strictEqual(entry({ response: answered("s-maxage=60, max-age=60"), partition: "alice" }).scope, "private")
    assert.strictEqual(entry({ response: answered("public, max-age=60"), partition: "alice" }).scope, "shared")
    assert.strictEqual(verdict({ response: answered("max-age=60"), wishes: { identified: true } }), "credentials")
  })

  it("takes no ordinary field for an identity, and lets names be excused", () => {
    for (const name of ["accept", "user-agent", "x-request-id", "traceparent", "content-type", "idempotency-key"])
      assert.strictEqual(verdict({ request: request({ [name]: "x" }), response: response(fresh) }), "stored", name)
    const excusing = policy({ anonymousHeaders: ["x-page-token", "cookie"] })
    assert.strictEqual(
      verdict({ policy: excusing, request: request({ "x-page-token": "x" }), response: response(fresh) }),
      "stored"
    )
    assert.strictEqual(
      verdict({ policy: excusing, request: request({ cookie: "x" }), response: response(fresh) }),
      "credentials"
    )
  })

  it("keeps everything for the partition in a private cache, and shares among the anonymous what may be shared", () => {
    const p = policy({ mode: "private" })
    assert.strictEqual(entry({ policy: p, response: answered("max-age=60, public"), partition: "a" }).scope, "private")
    assert.strictEqual(entry({ policy: p, response: answered("max-age=60") }).scope, "shared")
    assert.strictEqual(verdict({ policy: p, response: answered("max-age=60, private") }), "private")
  })

  it("RFC 9111 §4.1: does not store what varies on everything", () => {
    for (const vary of ["*", "accept, *", ", *", ["accept", "*"], "a b", "@"])
      assert.strictEqual(verdict({ response: response({ ...fresh, vary }) }), "vary", String(vary))
  })

  it("RFC 9111 §3.1: leaves out what belongs to the connection", () => {
    const kept = entry({
      response: response({
        ...fresh,
        connection: "close, X-Hop",
        "x-hop": "1",
        "keep-alive": "timeout=5",
        "proxy-authenticate": "Basic",
        "proxy-authentication-info": "x",
        "proxy-authorization": "x",
        "proxy-connection": "x",
        te: "x",
        "transfer-encoding": "chunked",
        upgrade: "h2c",
        age: "3",
        "x-kept": ["1", "2"],
        link: "<a>; rel=x"
      })
    })
    assert.deepStrictEqual(
      { ...kept.headers },
      { date: date(0), "cache-control": "max-age=60", "x-kept": ["1", "2"], link: "<a>; rel=x" }
    )
  })

  it("RFC 9110 §6.6.1: notes when a response without Date arrived", () => {
    assert.strictEqual(entry({ response: { status: 200, headers: fresh } }).headers["date"], date(0))
  })

  it("withholds cookies from shared entries, unless told to keep them", () => {
    const answer = response({ ...fresh, "set-cookie": ["a=1", "b=2"] })
    assert.isUndefined(entry({ response: answer }).headers["set-cookie"])
    assert.deepStrictEqual(entry({ policy: policy({ setCookie: "keep" }), response: answer }).headers["set-cookie"], [
      "a=1",
      "b=2"
    ])
    const own = entry({ policy: policy({ mode: "private" }), response: answer, partition: "a" })
    assert.deepStrictEqual(own.headers["set-cookie"], ["a=1", "b=2"])
  })

  it("RFC 9110 §9.3.3: keeps a POST's answer that is a representation of its target, with a lifetime", () => {
    const post = request({}, "POST")
    const share = (headers: Record<string, string>, status = 200) =>
      verdict({ request: post, response: response(headers, status) })
    assert.strictEqual(share({ ...fresh, "content-location": "/a" }), "stored")
    assert.strictEqual(share({ ...fresh, "content-location": "http://ORIGIN.test:80/a" }), "stored")
    assert.strictEqual(share({ ...fresh, "content-location": "/b" }), "method")
    assert.strictEqual(share(fresh), "method")
    assert.strictEqual(share({ "content-location": "/a", "last-modified": date(-600) }), "lifetime")
    assert.strictEqual(share({ ...fresh, "content-location": "/a" }, 201), "method")
    for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "QUERY", "get"])
      assert.strictEqual(
        verdict({ request: request({}, method), response: response({ ...fresh, "content-location": "/a" }) }),
        "method",
        method
      )
  })

  it("keeps answers to methods whose key covers the body", () => {
    const p = policy({ bodyKeyedMethods: ["query"] })
    assert.strictEqual(verdict({ policy: p, request: request({}, "QUERY"), response: response(fresh) }), "stored")
    assert.strictEqual(
      verdict({ request: request({}, "POST"), wishes: { bodyKeyed: true }, response: response(fresh) }),
      "stored"
    )
  })

  it("RFC 9111 §3.4: keeps a 206 with one readable range", () => {
    const part = (contentRange: string | undefined, extra = {}) =>
      storing({
        request: request({ range: "bytes=0-4" }),
        response: response({ ...fresh, ...(contentRange && { "content-range": contentRange }), ...extra }, 206)
      })
    const kept = part("bytes 0-4/10")
    assert.deepStrictEqual(kept._tag === "Store" ? kept.entry.range : undefined, { first: 0, last: 4, size: 10 })
    for (const bad of [
      undefined,
      "bytes 4-0/10",
      "bytes 0-10/10",
      "bytes */10",
      "items 0-4/10",
      "bytes 0-4/10, bytes 6-7/10"
    ])
      assert.strictEqual(part(bad)._tag, "Discard", String(bad))
    assert.strictEqual(part(undefined, { "content-type": "multipart/byteranges; boundary=x" })._tag, "Discard")
  })

  it("refuses a shared entry to credentials when it is a refusal itself", () => {
    const e = entry({ response: answered("public, max-age=60", 401) })
    assert.isFalse(Entry.has(e, Entry.OPEN_TO_ALL))
  })

  it("RFC 9213: lets a targeted field decide for shared entries", () => {
    const answer = (targeted: string, cacheControl: string) =>
      response({ "cdn-cache-control": targeted, "cache-control": cacheControl })
    assert.strictEqual(verdict({ response: answer("max-age=60", "no-store") }), "stored")
    assert.strictEqual(verdict({ response: answer("no-store", "max-age=60") }), "no-store")
    assert.strictEqual(verdict({ response: answer("private", "public, max-age=60") }), "private")
    const privately = { policy: policy({ mode: "private" }), partition: "a" }
    assert.strictEqual(verdict({ response: answer("max-age=60", "no-store"), ...privately }), "no-store")
  })
})

describe("Storing.settle", () => {
  const p = policy()
  const settle = (headers: Record<string, string>, bytes: number, complete = true, with_ = p) =>
    Storing.settle(with_, entry({ response: response({ ...fresh, ...headers }) }), bytes, complete)

  it("keeps a response whose body has the length it promised, or promised none", () => {
    assert.isUndefined(settle({ "content-length": "5" }, 5)?.range)
    assert.isDefined(settle({ "content-length": "5" }, 5))
    assert.isDefined(settle({}, 5))
    assert.isDefined(settle({ "content-length": "0" }, 0))
  })

  it("RFC 9111 §3.3: keeps the beginning of one that broke off only under a strong validator", () => {
    assert.isUndefined(settle({ "content-length": "10" }, 5, false))
    assert.isUndefined(settle({ "content-length": "10" }, 5))
    assert.isUndefined(settle({ "content-length": "10", etag: 'W/"a"' }, 5))
    assert.isUndefined(settle({ "content-length": "3", etag: '"a"' }, 5))
    assert.isUndefined(settle({ etag: '"a"' }, 0, false))
    assert.deepStrictEqual(settle({ "content-length": "10", etag: '"a"' }, 5)?.range, { first: 0, last: 4, size: 10 })
    assert.deepStrictEqual(settle({ etag: '"a"' }, 5, false)?.range, { first: 0, last: 4, size: -1 })
  })

  it("keeps a short 206 only if the policy takes them", () => {
    const short = (options: Parameters<typeof policy>[0]) =>
      Storing.settle(
        policy(options),
        entry({
          request: request({ range: "bytes=4-9" }),
          response: response({ ...fresh, "content-range": "bytes 4-9/10" }, 206)
        }),
        5,
        true
      )
    assert.isUndefined(short({}))
    assert.deepStrictEqual(short({ shortRanges: true })?.range, { first: 4, last: 8, size: 10 })
  })

  it("records when the response came", () => {
    const kept = entry({ response: response(fresh) })
    assert.strictEqual(kept.responseTime, now)
    assert.strictEqual(kept.freshUntil, now + 60_000)
  })
})
