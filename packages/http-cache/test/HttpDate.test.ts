import { assert, describe, it } from "@effect/vitest"
import * as HttpDate from "@wellspring/http-cache/HttpDate"
import * as FastCheck from "effect/FastCheck"

const now = Date.UTC(2026, 0, 5)
const instant = 784_111_777_000

describe("HttpDate.parse", () => {
  it("RFC 9110 §5.6.7: reads the three forms", () => {
    for (const text of [
      "Sun, 06 Nov 1994 08:49:37 GMT",
      "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994",
      "sUN, 06 nOV 1994 08:49:37 gmt",
      "SUNDAY, 06-NOV-94 08:49:37 GMT",
      "sun nov  6 08:49:37 1994"
    ]) {
      assert.strictEqual(HttpDate.parse(text, now), instant, text)
    }
    assert.strictEqual(HttpDate.parse("Tue Nov 16 08:49:37 1993", now), Date.UTC(1993, 10, 16, 8, 49, 37))
  })

  it("RFC 9111 §4.2: takes nothing else for a date", () => {
    for (const text of [
      "",
      "0",
      "-1",
      "now",
      "1994-11-06T08:49:37Z",
      "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 06 Nov 1994 08:49:37 EST",
      "Sun, 06 Nov 1994 08:49:37 +0000",
      "Sun, 06 Nov 1994 08:49:37",
      "Sun 06 Nov 1994 08:49:37 GMT",
      "Sun,  06 Nov 1994 08:49:37 GMT",
      "Sun, 06  Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 94 08:49:37 GMT",
      "Sun, 6 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 8:49:37 GMT",
      "Sun, 06 Nov 1994 08:49 GMT",
      "Sun, 06 Nov 1994 08.49.37 GMT",
      "Sun, 06-Nov-1994 08:49:37 GMT",
      "Sun, 06-Nov-94 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:37 GMT",
      "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sun, 31 Nov 1994 08:49:37 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Xyz, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nop 1994 08:49:37 GMT",
      " Sun, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMT ",
      "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
      "Sun Nov 6 08:49:37 1994",
      "Sun Nov 06 08:49:37 94"
    ]) {
      assert.isNaN(HttpDate.parse(text, now), text)
    }
  })

  it("takes a two-digit year more than 50 years ahead for one of the past century", () => {
    const year = (text: string, at = now) =>
      new Date(HttpDate.parse(`Sunday, 06-Nov-${text} 08:49:37 GMT`, at)).getUTCFullYear()
    assert.strictEqual(year("26"), 2026)
    assert.strictEqual(year("75"), 2075)
    assert.strictEqual(year("77"), 1977)
    assert.strictEqual(year("99"), 1999)
    assert.strictEqual(year("00"), 2000)
    assert.strictEqual(year("10", Date.UTC(2090, 0, 1)), 2110)
    assert.strictEqual(year("10", Date.UTC(1999, 0, 1)), 2010)
  })

  it("counts leap days and leap seconds", () => {
    assert.strictEqual(HttpDate.parse("Thu, 29 Feb 2024 00:00:00 GMT", now), Date.UTC(2024, 1, 29))
    assert.isNaN(HttpDate.parse("Sat, 29 Feb 2025 00:00:00 GMT", now))
    assert.isNaN(HttpDate.parse("Thu, 29 Feb 1900 00:00:00 GMT", now))
    assert.strictEqual(HttpDate.parse("Tue, 29 Feb 2000 00:00:00 GMT", now), Date.UTC(2000, 1, 29))
    assert.strictEqual(HttpDate.parse("Sat, 31 Dec 2016 23:59:60 GMT", now), Date.UTC(2017, 0, 1))
    assert.strictEqual(HttpDate.parse("Mon, 01 Jan 0001 00:00:00 GMT", now), -62_135_596_800_000)
  })

  it.prop(
    "reads back what it writes, to the second",
    [FastCheck.integer({ min: -62_135_596_800, max: 253_402_300_799 })],
    ([seconds]) => HttpDate.parse(HttpDate.format(seconds * 1000), now) === seconds * 1000
  )

  it.prop(
    "gives a number or NaN for any text",
    [FastCheck.string({ maxLength: 40 })],
    ([text]) => typeof HttpDate.parse(text, now) === "number"
  )
})
