import { assert, describe, it } from "@effect/vitest"
import * as CacheStatus from "@wellspring/http-cache/CacheStatus"
import * as FastCheck from "effect/FastCheck"
import { isInnerList, parseList, Token } from "structured-headers"

describe("CacheStatus.serialize", () => {
  it("RFC 9211 §2: writes what happened", () => {
    assert.strictEqual(CacheStatus.serialize("w", { hit: true, ttl: 10.9 }), "w;hit;ttl=10")
    assert.strictEqual(CacheStatus.serialize("w", { hit: true, fwd: "stale", ttl: -3 }), "w;hit;ttl=-3")
    assert.strictEqual(
      CacheStatus.serialize("w", {
        fwd: "uri-miss",
        fwdStatus: 304,
        stored: true,
        collapsed: true,
        key: 'a"b',
        detail: "ü\ud800"
      }),
      'w;fwd=uri-miss;fwd-status=304;stored;collapsed;key="a\\"b";detail="%C3%BC%EF%BF%BD"'
    )
    assert.strictEqual(CacheStatus.serialize("w", { ttl: Number.POSITIVE_INFINITY }), "w;ttl=999999999999")
  })

  it("RFC 9211 §2: adds itself after the caches nearer to the origin", () => {
    assert.strictEqual(CacheStatus.append(undefined, "w;hit"), "w;hit")
    assert.strictEqual(CacheStatus.append(" ", "w;hit"), "w;hit")
    assert.strictEqual(CacheStatus.append("a;hit", "w;hit"), "a;hit, w;hit")
    assert.strictEqual(CacheStatus.append(["a;hit", "b"], "w;hit"), "a;hit, b, w;hit")
  })

  it("names itself with a token where it can, otherwise with a string", () => {
    assert.strictEqual(CacheStatus.identify("wellspring"), "wellspring")
    assert.strictEqual(CacheStatus.identify("my cache"), '"my cache"')
    assert.strictEqual(CacheStatus.identify("1"), '"1"')
  })

  it.prop(
    "can be parsed as a Structured Field, whatever the name and the key",
    [FastCheck.string({ unit: "binary" }), FastCheck.string({ unit: "binary" }), FastCheck.double()],
    ([name, key, ttl]) => {
      const text = CacheStatus.serialize(CacheStatus.identify(name), {
        hit: true,
        key,
        ttl: Number.isNaN(ttl) ? undefined : ttl
      })
      const [member] = parseList(text)
      assert.isDefined(member)
      if (member === undefined || isInnerList(member)) return
      assert.isTrue(typeof member[0] === "string" || member[0] instanceof Token)
      assert.strictEqual(member[1].get("hit"), true)
    }
  )
})
