import { assert, describe, it } from "@effect/vitest"
import * as Invalidation from "@wellspring/http-cache/Invalidation"
import type * as Message from "@wellspring/http-cache/Message"
import * as Plan from "@wellspring/http-cache/Plan"
import { policy, request } from "./support.ts"

const p = policy()
const targets = (method: string, status: number, headers: Message.Fields = {}) =>
  Invalidation.targets(p, Plan.of(p, request({}, method)), { status, headers })

describe("Invalidation.targets", () => {
  it("RFC 9111 §4.4: a write that succeeds ends its target's entries, one that fails does not", () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "FOO", "post"]) {
      for (const status of [200, 201, 204, 301, 303, 399])
        assert.deepStrictEqual(targets(method, status), ["http://origin.test/a"], `${method} ${status}`)
      for (const status of [100, 400, 404, 409, 500, 503]) assert.deepStrictEqual(targets(method, status), [])
    }
  })

  it("RFC 9110 §9.2.1: safe methods end nothing", () => {
    for (const method of ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"])
      assert.deepStrictEqual(targets(method, 200, { location: "/b" }), [], method)
  })

  it("RFC 9111 §4.4: reaches Location and Content-Location, on the same origin only", () => {
    assert.deepStrictEqual(targets("POST", 201, { location: "b?x#y", "content-location": "/c" }), [
      "http://origin.test/a",
      "http://origin.test/b?x",
      "http://origin.test/c"
    ])
    for (const location of [
      "http://other.test/b",
      "https://origin.test/b",
      "http://origin.test:8080/b",
      "//other.test/b",
      "http://user@origin.test/b",
      "http://[",
      "mailto:a@b"
    ])
      assert.deepStrictEqual(targets("POST", 201, { location }), ["http://origin.test/a"], location)
    assert.deepStrictEqual(targets("POST", 201, { location: "HTTP://ORIGIN.test:80/b" }).at(1), "http://origin.test/b")
  })
})

describe("Invalidation.outdates", () => {
  const outdates = (status: number, method = "GET") => Invalidation.outdates(Plan.of(p, request({}, method)), status)

  it("takes every decision of the origin for news, and no failure", () => {
    for (const status of [200, 204, 301, 302, 401, 403, 404, 410, 451]) assert.isTrue(outdates(status), String(status))
    for (const status of [103, 304, 408, 412, 416, 429, 500, 502, 503, 599])
      assert.isFalse(outdates(status), String(status))
    assert.isFalse(outdates(200, "HEAD"))
    assert.isFalse(outdates(200, "POST"))
  })
})
