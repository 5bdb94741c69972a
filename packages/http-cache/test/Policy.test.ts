import { assert, describe, it } from "@effect/vitest"
import * as Plan from "@wellspring/http-cache/Plan"
import * as FastCheck from "effect/FastCheck"
import { policy, request } from "./support.ts"

const credentials = (name: string, options: Parameters<typeof policy>[0] = {}) =>
  Plan.of(policy(options), request({ [name.toLowerCase()]: "x" })).credentials

describe("identity headers", () => {
  it("are those that carry credentials, and those whose names say so", () => {
    assert.strictEqual(credentials("Authorization"), 1)
    for (const name of [
      "Proxy-Authorization",
      "Cookie",
      "X-API-Key",
      "api-key",
      "apikey",
      "x-apikey",
      "api_key",
      "X-Auth-Token",
      "X-Access-Token",
      "Private-Token",
      "Job-Token",
      "X-Vault-Token",
      "X-Amz-Security-Token",
      "X-Goog-Api-Key",
      "Ocp-Apim-Subscription-Key",
      "X-Functions-Key",
      "X-RapidAPI-Key",
      "X-Shopify-Access-Token",
      "DD-API-KEY",
      "DD-APPLICATION-KEY",
      "X-Auth-Key",
      "X-Auth-Email",
      "X-Client-Secret",
      "X-Session-Id",
      "X-JWT-Assertion",
      "X-Forwarded-User",
      "X-Remote-User",
      "X-User-Id",
      "X-Authorization",
      "Impersonate-Token",
      "Remote-User",
      "X-MS-Client-Principal-Id",
      "X-Client-Cert",
      "X-SSL-Client-DN",
      "X-Forwarded-Client-Cert",
      "X-Authenticated-Userid",
      "X-Consumer-Username",
      "X-Appwrite-Key",
      "X-Api-User",
      "X-Telegram-Init-Data",
      "X-Tenant-Id",
      "X-Account",
      "X-Org-Id",
      "X-Customer-Id",
      "Stripe-Account",
      "X-Client-Id",
      "X-App-Id",
      "DPoP"
    ])
      assert.strictEqual(credentials(name), 2, name)
  })

  it("are no fields that every request has, or that say nothing of the caller", () => {
    for (const name of [
      "Accept",
      "Accept-Encoding",
      "Accept-Language",
      "User-Agent",
      "Host",
      "Origin",
      "Referer",
      "Range",
      "If-None-Match",
      "Cache-Control",
      "Content-Type",
      "Traceparent",
      "B3",
      "X-Request-Id",
      "X-Correlation-Id",
      "Idempotency-Key",
      "Sec-Fetch-Mode",
      "Sec-WebSocket-Key",
      "Authority",
      "X-Author",
      "Tokenizer"
    ])
      assert.strictEqual(credentials(name), 0, name)
  })

  it("may be added to, and excused, but for those that always are", () => {
    assert.strictEqual(credentials("X-Tenant", { identityHeaders: ["X-TENANT"] }), 2)
    assert.strictEqual(credentials("Accept", { identityHeaders: ["accept"] }), 2)
    assert.strictEqual(credentials("X-Page-Token", { anonymousHeaders: ["X-Page-Token"] }), 0)
    for (const name of ["authorization", "proxy-authorization", "cookie"])
      assert.notStrictEqual(credentials(name, { anonymousHeaders: [name] }), 0, name)
    assert.strictEqual(credentials("authorization", { identityHeaders: ["authorization"] }), 1)
  })

  it.prop(
    "are known again after any number of other names",
    [FastCheck.array(FastCheck.string(), { minLength: 50 })],
    ([names]) => {
      const p = policy({ identityHeaders: ["x-mine"] })
      for (const name of names) for (let i = 0; i < 100; i++) p.classify(`${name}${i}`)
      return p.classify("x-mine") === p.classify("cookie") && p.classify("accept") !== p.classify("cookie")
    }
  )
})
