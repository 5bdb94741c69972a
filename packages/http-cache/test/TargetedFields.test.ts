import { assert, describe, it } from "@effect/vitest"
import * as CacheControl from "@wellspring/http-cache/CacheControl"
import * as TargetedFields from "@wellspring/http-cache/TargetedFields"

const cdn = ["cdn-cache-control"]
const read = (value: string | ReadonlyArray<string>) => TargetedFields.read({ "cdn-cache-control": value }, cdn)

describe("TargetedFields.read", () => {
  it("RFC 9213 §2.1: reads a dictionary of directives", () => {
    const directives = read('max-age=60, must-revalidate, private="x-a, x-b", ext=1;p=2')
    assert.strictEqual(directives?.maxAge, 60)
    assert.strictEqual(directives?.flags, CacheControl.MUST_REVALIDATE)
    assert.deepStrictEqual(directives?.privateFields, ["x-a", "x-b"])
    assert.strictEqual(read(["max-age=60", "no-store"])?.flags, CacheControl.NO_STORE)
    assert.strictEqual(read("max-age=60;ignored=1")?.maxAge, 60)
  })

  it("RFC 9213 §2.1: ignores a field that is empty or not a dictionary", () => {
    for (const value of [
      "",
      "  ",
      "MAX-AGE=60",
      "max-age=60,",
      "max-age=60 no-store",
      '"max-age"',
      "max-age=",
      "max-age=&"
    ])
      assert.isUndefined(read(value), value)
    assert.isUndefined(TargetedFields.read({}, cdn))
  })

  it("reads values of the wrong type in their most restrictive sense", () => {
    for (const value of [
      'max-age="60"',
      "max-age",
      "max-age=60.5",
      "max-age=60.0",
      "max-age=-60",
      "max-age=?0",
      "max-age=(60)",
      "max-age=a"
    ])
      assert.strictEqual(read(value)?.maxAge, 0, value)
    for (const value of ["private=?0", "private=1", "private=a", 'private=("a")', 'private=""', 'private=" a"'])
      assert.strictEqual(read(value)?.flags, CacheControl.PRIVATE, value)
    assert.strictEqual(read("public=1")?.flags, 0)
    assert.strictEqual(read("no-store=?0")?.flags, CacheControl.NO_STORE)
  })

  it("stores nothing by a field of thousands of directives, and does not read it", () => {
    const hostile = Array.from({ length: 9_000 }, (_, index) => `k${index}`).join(", ")
    const directives = read(`max-age=60, ${hostile}`)
    assert.strictEqual(directives?.flags, CacheControl.NO_STORE)
    assert.strictEqual(directives?.maxAge, -1)
    const many = Array.from({ length: 1_024 }, (_, index) => `k${index}`).join(", ")
    assert.strictEqual(read(`max-age=60, ${many}`)?.maxAge, 60)
  })

  it("RFC 9213 §2.2: takes the first of the targets that is there and valid", () => {
    const headers = { "my-cache-control": "MAX-AGE=1", "cdn-cache-control": "max-age=2" }
    assert.strictEqual(TargetedFields.read(headers, ["my-cache-control", "cdn-cache-control"])?.maxAge, 2)
    const both = { "my-cache-control": "max-age=1", "cdn-cache-control": "max-age=2" }
    assert.strictEqual(TargetedFields.read(both, ["my-cache-control", "cdn-cache-control"])?.maxAge, 1)
  })
})
