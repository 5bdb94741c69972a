import { assert, describe, it } from "@effect/vitest"
import type * as Message from "@wellspring/http-cache/Message"
import * as Vary from "@wellspring/http-cache/Vary"
import * as FastCheck from "effect/FastCheck"
import { policy } from "./support.ts"

const p = policy()
const matches = (
  vary: string | ReadonlyArray<string>,
  stored: Message.Fields,
  presented: Message.Fields,
  with_ = p
) => {
  const prepared = Vary.of(with_, stored, { vary })
  return prepared !== undefined && Vary.matches(with_, prepared, presented)
}

describe("Vary", () => {
  it("RFC 9111 §4.1: every nominated field must match, absent only absent", () => {
    assert.isTrue(matches("foo", { foo: "1" }, { foo: "1", bar: "2" }))
    assert.isFalse(matches("foo", { foo: "1" }, { foo: "2" }))
    assert.isFalse(matches("foo", { foo: "1" }, {}))
    assert.isFalse(matches("foo", {}, { foo: "1" }))
    assert.isFalse(matches("foo", {}, { foo: "" }))
    assert.isTrue(matches("foo", {}, {}))
    assert.isTrue(matches("foo, BAR", { foo: "1", bar: "2" }, { bar: "2", foo: "1" }))
    assert.isFalse(matches(["foo", "bar"], { foo: "1", bar: "2" }, { foo: "1", bar: "3" }))
    assert.isFalse(matches("foo, bar, baz", { foo: "1", bar: "2" }, { foo: "1", bar: "2", baz: "" }))
  })

  it("RFC 9111 §4.1: spaces around members and the lines they came in do not matter", () => {
    assert.isTrue(matches("foo", { foo: "1,2" }, { foo: "1 ,\t2 ," }))
    assert.isTrue(matches("accept", { accept: ["a", "b"] }, { accept: "a, b" }))
    assert.isFalse(matches("foo", { foo: '"1,2"' }, { foo: '"1, 2"' }))
    assert.isFalse(matches("foo", { foo: "1, 2" }, { foo: "2, 1" }))
    assert.isFalse(matches("foo", { foo: "a" }, { foo: "A" }))
  })

  it("reads nothing into names that objects have by nature", () => {
    assert.isTrue(matches("constructor", {}, {}))
    assert.isTrue(matches("__proto__, toString", {}, {}))
    assert.isFalse(matches("constructor", {}, { constructor: "1" }))
  })

  it("keeps in clear only values of fields that hold no secret", () => {
    const prepared = Vary.of(p, { accept: "a", cookie: "sid=1", "x-any": "2" }, { vary: "accept, cookie, x-any" })
    assert.deepStrictEqual(
      prepared?.map(({ name, value }) => [name, value]),
      [
        ["accept", "a"],
        ["cookie", "#5:sid=1"],
        ["x-any", "#1:2"]
      ]
    )
  })

  it("matches nothing when there are too many names", () => {
    assert.isUndefined(Vary.of(p, {}, { vary: Array.from({ length: 65 }, (_, i) => `x-${i}`).join() }))
  })

  it.prop(
    "a request matches what it brought itself",
    [
      FastCheck.dictionary(FastCheck.constantFrom("a", "b", "accept", "cookie"), FastCheck.string()),
      FastCheck.subarray(["a", "b", "accept", "cookie", "d"])
    ],
    ([headers, names]) => matches(names.join(", "), headers, headers)
  )
})

describe("Vary on Accept-Language", () => {
  const meaning = policy({ normalizeLanguage: true })
  const same = (stored: string, presented: string, language?: string) => {
    const prepared = Vary.of(
      meaning,
      { "accept-language": stored },
      { vary: "Accept-Language", ...(language && { "content-language": language }) }
    )
    return prepared !== undefined && Vary.matches(meaning, prepared, { "accept-language": presented })
  }

  it("RFC 9110 §12.5.4: case, order and spelling of weights do not matter, when asked to look", () => {
    assert.isTrue(same("en", "EN"))
    assert.isTrue(same("en, de", "de,en"))
    assert.isTrue(same("en;q=0.5, de", "de;q=1.0, en; q=0.50"))
    assert.isFalse(same("en, de", "en, de;q=0.5"))
    assert.isFalse(same("en;q=x", "en"))
    assert.isFalse(matches("accept-language", { "accept-language": "en" }, { "accept-language": "EN" }))
  })

  it("finds a response in a language that nobody else is preferred to", () => {
    assert.isTrue(same("en, de", "fr;q=0.5, de", "de"))
    assert.isTrue(same("en, de", "fr, de", "de"))
    assert.isTrue(same("de-AT", "de", "de-AT"))
    assert.isFalse(same("en, de", "fr, de;q=0.5", "de"))
    assert.isFalse(same("en, de", "fr", "de"))
    assert.isFalse(same("de", "de;q=0", "de"))
    assert.isFalse(same("de", "fr", "de, fr"))
  })

  it("compares a value of 64 kB as it stands", () => {
    const long = "en, ".repeat(16_384)
    assert.isTrue(same(`${long}de`, `${long}de`))
    assert.isFalse(same(`${long}de`, `${long}DE`))
    assert.isFalse(same("de", `${long}de`, "de"))
  })
})
