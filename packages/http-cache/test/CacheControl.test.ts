import { assert, describe, it } from "@effect/vitest"
import * as CacheControl from "@wellspring/http-cache/CacheControl"
import * as FastCheck from "effect/FastCheck"

const response = (...lines: ReadonlyArray<string>) => CacheControl.parseResponse(lines)
const request = (...lines: ReadonlyArray<string>) => CacheControl.parseRequest(lines)
const has = (directives: { readonly flags: number }, flag: number) => (directives.flags & flag) !== 0

describe("CacheControl.parseResponse", () => {
  it("RFC 9111 §5.2: reads names in any case, with tokens or quoted strings as values", () => {
    const directives = response('Max-AGE=60, S-MaxAge="30", PUBLIC, Must-Revalidate, immutable, foo=bar')
    assert.strictEqual(directives.maxAge, 60)
    assert.strictEqual(directives.sMaxage, 30)
    assert.isTrue(has(directives, CacheControl.PUBLIC))
    assert.isTrue(has(directives, CacheControl.MUST_REVALIDATE))
    assert.isTrue(has(directives, CacheControl.IMMUTABLE))
    assert.isFalse(has(directives, CacheControl.NO_STORE))
  })

  it("RFC 9111 §1.2.2: takes a number of seconds for digits only, 2³¹ for anything larger", () => {
    const table: ReadonlyArray<readonly [string, number]> = [
      ["0", 0],
      ["3600", 3600],
      ["003600", 3600],
      ['"3600"', 3600],
      ["2147483647", 2147483647],
      ["2147483648", 2147483648],
      ["2147483649", 2147483648],
      ["99999999999", 2147483648],
      ["9".repeat(400), 2147483648],
      ["-3600", 0],
      ["+3600", 0],
      ["3600.0", 0],
      ["3.6e3", 0],
      ["0x10", 0],
      ["'3600'", 0],
      ["a3600", 0],
      ["3600a", 0],
      ["3600 ", 3600],
      ["", 0],
      ['""', 0],
      ['" 3600"', 0],
      [" 3600", 0]
    ]
    for (const [value, seconds] of table) assert.strictEqual(response(`max-age=${value}`).maxAge, seconds, value)
    assert.strictEqual(response("max-age").maxAge, 0)
    assert.strictEqual(response("max-age =3600").maxAge, 0)
  })

  it("skips what stands inside quoted strings", () => {
    const directives = response('ext="no-store, max-age=1, \\"private", max-age=60')
    assert.strictEqual(directives.maxAge, 60)
    assert.strictEqual(directives.flags, 0)
  })

  it("RFC 9111 §4.2.1: of values that differ the shorter counts", () => {
    assert.strictEqual(response("max-age=60, max-age=1").maxAge, 1)
    assert.strictEqual(response("max-age=1", "max-age=60").maxAge, 1)
    assert.strictEqual(response("max-age=60, max-age=x").maxAge, 0)
  })

  it("RFC 9111 §5.2.2.4, §5.2.2.7: reads the fields that no-cache and private name", () => {
    const directives = response('no-cache="Set-Cookie, x-a", private="X-B"', 'private="x-c ,, x-d"')
    assert.strictEqual(directives.flags, 0)
    assert.deepStrictEqual(directives.noCacheFields, ["set-cookie", "x-a"])
    assert.deepStrictEqual(directives.privateFields, ["x-b", "x-c", "x-d"])
  })

  it("reads what it cannot parse in its most restrictive sense", () => {
    for (const value of [
      "private",
      "private=",
      'private=""',
      'private=" x"',
      'private="x "',
      'private=","',
      'private="x y"',
      'private="x',
      "private=x",
      "private=true",
      'private="x"y',
      'private="x", private',
      'private, private="x"',
      'private = "x"',
      "private; max-age=60",
      "max-age=60; private",
      "max-age=60 private",
      '"private"',
      'foo="bar, private',
      "=private"
    ]) {
      assert.isTrue(has(response(value), CacheControl.PRIVATE), value)
    }
    for (const value of ["no-store=1", "no-store;", "a;no-store", 'x="y" no-store', 'x="y, no-store, max-age=9']) {
      assert.isTrue(has(response(value), CacheControl.NO_STORE), value)
    }
    assert.isTrue(has(response("no-cache=foo"), CacheControl.NO_CACHE))
  })

  it("allows nothing on the word of a member it cannot parse", () => {
    for (const value of ["public=1", "public;x", "x public", 'x="y, public', "x;public"])
      assert.isFalse(has(response(value), CacheControl.PUBLIC), value)
    assert.strictEqual(response('x="y, max-age=60').maxAge, 0)
    assert.strictEqual(response("x;max-age=60").maxAge, 0)
    assert.strictEqual(response("max-age=60, stale-while-revalidate=x").staleWhileRevalidate, 0)
    assert.isFalse(has(response("immutable=1"), CacheControl.IMMUTABLE))
    assert.isFalse(has(response("must-understand=1"), CacheControl.OVERRIDES_NO_STORE))
  })

  it("makes the same of 64 kB of anything", () => {
    const fill = (piece: string) => piece.repeat(Math.ceil(65_536 / piece.length))
    const quoted = `ext="${fill('\\"')}"`
    for (const hostile of [",", " ", "=", '"', "\\", 'x="', "a=b,", 'private="a",', 'a="\\"', "@;", "0"]
      .map(fill)
      .concat(quoted)) {
      const directives = response(`no-store, ${hostile}`)
      assert.isTrue(has(directives, CacheControl.NO_STORE))
      assert.isAtMost(response(hostile, "max-age=60").maxAge, 60)
    }
    assert.strictEqual(response(`max-age=${fill("9")}`).maxAge, 2_147_483_648)
    assert.strictEqual(response(`private="${fill("a,")}"`).privateFields.length, 32_768)
  })

  it("does not let junk in one member spoil the next", () => {
    assert.strictEqual(response("@@@, max-age=60").maxAge, 60)
    assert.strictEqual(response(",,, ;;;, max-age=60 ,").maxAge, 60)
  })

  it.prop(
    "a directive that forbids is found wherever it stands",
    [
      FastCheck.array(FastCheck.stringMatching(/^[a-z0-9=;@ "-]{0,12}$/), { maxLength: 5 }),
      FastCheck.constantFrom("no-store", "private", "NO-STORE", "Private"),
      FastCheck.nat(5)
    ],
    ([others, directive, at]) => {
      // Inside a quoted string it would rightly not be found.
      const before = others.slice(0, at).map((other) => other.replaceAll('"', ""))
      const flags = response([...before, directive, ...others.slice(at)].join(",")).flags
      return (flags & (CacheControl.NO_STORE | CacheControl.PRIVATE)) !== 0
    }
  )

  it.prop(
    "finds what was written, in any order and case",
    [
      FastCheck.shuffledSubarray([
        "max-age=5",
        "s-maxage=6",
        "public",
        "must-revalidate",
        'ext="a,b"',
        'no-cache="x"',
        "stale-if-error=7"
      ]),
      FastCheck.boolean()
    ],
    ([parts, upper]) => {
      const text = parts.join(upper ? " ,\t" : ",")
      const directives = response(upper ? text.toUpperCase() : text)
      assert.strictEqual(directives.maxAge, parts.includes("max-age=5") ? 5 : -1)
      assert.strictEqual(directives.sMaxage, parts.includes("s-maxage=6") ? 6 : -1)
      assert.strictEqual(directives.staleIfError, parts.includes("stale-if-error=7") ? 7 : -1)
      assert.strictEqual(has(directives, CacheControl.PUBLIC), parts.includes("public"))
      assert.deepStrictEqual(directives.noCacheFields, parts.includes('no-cache="x"') ? ["x"] : [])
    }
  )
})

describe("CacheControl.parseRequest", () => {
  it("RFC 9111 §5.2.1: reads every request directive", () => {
    const directives = request(
      "max-age=10, max-stale=20, min-fresh=30, no-cache, no-store, only-if-cached, stale-if-error=40"
    )
    assert.strictEqual(directives.maxAge, 10)
    assert.strictEqual(directives.maxStale, 20)
    assert.strictEqual(directives.minFresh, 30)
    assert.strictEqual(directives.staleIfError, 40)
    for (const flag of [CacheControl.NO_CACHE, CacheControl.NO_STORE, CacheControl.ONLY_IF_CACHED])
      assert.isTrue(has(directives, flag))
  })

  it("RFC 9111 §5.2.1.2: max-stale without a value takes any age", () => {
    assert.strictEqual(request("max-stale").maxStale, Number.POSITIVE_INFINITY)
    assert.strictEqual(request("max-stale, max-stale=5").maxStale, 5)
    assert.strictEqual(request("max-stale=x").maxStale, 0)
  })

  it("asks for more freshness than there is when min-fresh cannot be read", () => {
    assert.strictEqual(request("min-fresh=x").minFresh, Number.POSITIVE_INFINITY)
    assert.strictEqual(request("min-fresh").minFresh, Number.POSITIVE_INFINITY)
    assert.strictEqual(request("min-fresh=1, min-fresh=9").minFresh, 9)
  })
})
