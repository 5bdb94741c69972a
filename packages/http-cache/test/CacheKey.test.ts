import { assert, describe, it } from "@effect/vitest"
import * as CacheKey from "@wellspring/http-cache/CacheKey"
import * as FastCheck from "effect/FastCheck"
import { policy } from "./support.ts"

describe("CacheKey.canonical", () => {
  it("RFC 3986 §6.2: gives equivalent URLs one key", () => {
    const table: ReadonlyArray<readonly [string, string]> = [
      ["http://a.test", "http://a.test/"],
      ["HTTP://A.test:80/x#y", "http://a.test/x"],
      ["https://a.test:443/x", "https://a.test/x"],
      ["http://a.test:443/x", "http://a.test:443/x"],
      ["http://a.test:08080/x", "http://a.test:8080/x"],
      ["http://a.test:/x", "http://a.test/x"],
      ["http://a.test/b/../c/./d", "http://a.test/c/d"],
      ["http://a.test/b/%2e%2E/c", "http://a.test/c"],
      ["http://a.test\\b", "http://a.test/b"],
      ["http://a.test/%7euser/%41%2d%5f", "http://a.test/~user/A-_"],
      ["http://a.test/%2f%c3%bc", "http://a.test/%2F%C3%BC"],
      ["http://a.test/ü b", "http://a.test/%C3%BC%20b"],
      ["http://a.test/?q='x'", "http://a.test/?q=%27x%27"],
      ["http://a.test/?", "http://a.test/?"],
      ["http://a.test/%zz%", "http://a.test/%zz%"],
      ["http://127.1/", "http://127.0.0.1/"],
      ["http://0x7f.0.0.1/", "http://127.0.0.1/"],
      ["http://2130706433/", "http://127.0.0.1/"],
      ["http://127.0.0.01/", "http://127.0.0.1/"],
      ["http://[::1]:80/", "http://[::1]/"],
      ["http://ü.test/", "http://xn--tda.test/"],
      [" http://a.test/\n", "http://a.test/"]
    ]
    for (const [url, key] of table) assert.strictEqual(CacheKey.canonical(url), key, url)
  })

  it("keeps different resources apart", () => {
    for (const [left, right] of [
      ["http://a.test/x", "https://a.test/x"],
      ["http://a.test/x", "http://a.test/X"],
      ["http://a.test/x", "http://a.test/x/"],
      ["http://a.test/x", "http://a.test/x?"],
      ["http://a.test/a%2Fb", "http://a.test/a/b"],
      ["http://a.test/?a=1&b=2", "http://a.test/?b=2&a=1"],
      ["http://a.test/?a=%2B", "http://a.test/?a=+"],
      ["http://a.test/", "http://a.test./"]
    ] as const) {
      assert.notStrictEqual(CacheKey.canonical(left), CacheKey.canonical(right), left)
    }
  })

  it("gives no key to what cannot be cached", () => {
    for (const url of [
      "",
      "/x",
      "a.test/x",
      "ftp://a.test/x",
      "data:,x",
      "http://",
      "http:///",
      "http://user@a.test/",
      "http://user:secret@a.test/",
      "http://a.test:99999/",
      "http://1.2.3.4.5/",
      "http://300.1.1.1/"
    ]) {
      const key = CacheKey.canonical(url)
      assert.strictEqual(key === "" || url === "http:///", true, url)
    }
  })

  const normalized = (url: string): string => {
    try {
      const parsed = new URL(url)
      if (!/^https?:$/.test(parsed.protocol) || parsed.username !== "" || parsed.password !== "") return ""
      parsed.hash = ""
      const href = parsed.href.replace(/#$/, "")
      if (/%(?![0-9a-fA-F]{2})/.test(href)) return href
      return href.replace(/%[0-9a-fA-F]{2}/g, (triplet) => {
        const char = String.fromCharCode(Number.parseInt(triplet.slice(1), 16))
        return /[A-Za-z0-9\-._~]/.test(char) ? char : triplet.toUpperCase()
      })
    } catch {
      return ""
    }
  }

  const runs = process.env["WELLSPRING_FULL"] ? 200_000 : 10_000
  const piece = FastCheck.constantFrom(
    ...["a", "b.test", "127.0.0.1", "1", "0", "256", "07", "xn--tda", "example", "localhost", "ü", "K", "-", "_"],
    ...[".", "..", "/", "//", "\\", "?", "#", ":", "@", "%", "%2e", "%2E", "%41", "%c3%bc", "%7E", "%zz", "%2", "80"],
    ...["443", "8080", "00", "'", '"', "<", "{", "|", "^", "`", " ", "\t", "\n", "+", "&", "=", ";", "[", "]", "A", "~"]
  )
  const anyUrl = FastCheck.tuple(
    FastCheck.constantFrom(
      "http://",
      "https://",
      "HTTP://",
      "http:/",
      "https:",
      "ftp://",
      "http://a.test",
      "https://a.test:8443/"
    ),
    FastCheck.array(piece, { maxLength: 10 })
  ).map(([scheme, pieces]) => scheme + pieces.join(""))

  it("equals what the WHATWG URL standard makes of any URL", () => {
    FastCheck.assert(
      FastCheck.property(anyUrl, (url) => {
        assert.strictEqual(CacheKey.canonical(url), normalized(url), url)
      }),
      { numRuns: runs }
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.webUrl({ withFragments: true, withQueryParameters: true }), (url) => {
        assert.strictEqual(CacheKey.canonical(url), normalized(url), url)
      }),
      { numRuns: runs / 10 }
    )
  }, 120_000)

  it("leaves the encoding of a URL alone in which a percent sign begins nothing", () => {
    const url = "https://a.test/%%41a"
    assert.strictEqual(CacheKey.canonical(url), url)
    assert.strictEqual(CacheKey.canonical("https://a.test/%Aa"), "https://a.test/%AA")
  })

  it.prop("is its own key, but for percent-encoding that hides dots", [anyUrl], ([url]) => {
    const key = CacheKey.canonical(url)
    assert.strictEqual(CacheKey.canonical(key), key)
  })
})

describe("CacheKey.of", () => {
  const key = (url: string, options: Parameters<typeof policy>[0]) => CacheKey.of(policy(options), url)

  it("sorts parameters by name and keeps the values of one name in order", () => {
    assert.strictEqual(key("http://a.test/?b=2&a=2&a=1&c", { sortQuery: true }), "http://a.test/?a=2&a=1&b=2&c")
  })

  it("leaves ignored parameters out, however they are encoded", () => {
    const options = { ignoredParameters: ["utm_source", "x y"] }
    assert.strictEqual(key("http://a.test/?utm_source=1&a=1&utm%5Fsource&x+y=3", options), "http://a.test/?a=1")
    assert.strictEqual(key("http://a.test/?utm_source=1", options), "http://a.test/")
  })
})
