import { assert, describe, it } from "@effect/vitest"
import { Endpoint, Path, RestError, RestSource } from "@wellspring/rest"
import { Effect, FastCheck as fc, Schema } from "effect"
import { json, stub } from "./support/stub.ts"

const base = "https://api.test/v1/"
const GetMovie = Endpoint.get("GetMovie", {
  path: Endpoint.path`movies/${Endpoint.param("id", Schema.String)}/credits`,
  query: Schema.Struct({ page: Schema.optional(Schema.String) })
})

/** Values made of what has opened holes elsewhere, beside arbitrary text. */
const dangerous = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ..."./\\?#@:;%&=+ \t\n\r\0",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "%5c",
        "%00",
        "%252e",
        "//",
        "http://evil.test",
        "evil.test",
        "\u3002",
        "\uff0f",
        "\ud800",
        "a",
        "1",
        "é",
        "~",
        "é"
      ),
      fc.string({ unit: "binary", maxLength: 3 })
    ),
    { maxLength: 8 }
  )
  .map((parts) => parts.join(""))

const runs = process.env["WELLSPRING_FULL"] === undefined ? 1_000 : 100_000

describe("Path", () => {
  it.prop(
    "keeps every parameter in its segment of its origin, or refuses it",
    [dangerous],
    ([id]) => {
      const { calls, layer } = stub(() => json({}))
      const call = Effect.flatMap(RestSource.make({ baseUrl: base }), (api) => api.call(GetMovie({ id, page: id })))
      const exit = Effect.runSyncExit(Effect.provide(call, layer).pipe(Effect.either))
      const [sent] = calls
      if (sent === undefined)
        return exit._tag === "Success" && exit.value._tag === "Left" && RestError.isRestError(exit.value.left)
      const url = new URL(sent.slice(4))
      return (
        url.origin === "https://api.test" &&
        url.pathname.split("/").length === 5 &&
        url.pathname.startsWith("/v1/movies/") &&
        url.pathname.endsWith("/credits") &&
        url.hash === "" &&
        [...url.searchParams.keys()].join() === "page"
      )
    },
    { fastCheck: { numRuns: runs } }
  )

  it.effect.each([
    "",
    ".",
    "..",
    "../admin",
    "a/b",
    "a\\b",
    "%2e%2e",
    "%2E.",
    "..%2f",
    "%252e%252e",
    "a%00",
    "\n",
    "//evil.test",
    "http://evil.test",
    "..;",
    "\ud800"
  ])("refuses %j by the name of its parameter", (id) => {
    const { calls, layer } = stub(() => json({}))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: base })
      const error = yield* Effect.flip(api.call(GetMovie({ id })))
      assert.instanceOf(error, RestError.RestParameterError)
      assert.propertyVal(error, "parameter", "id")
      assert.deepStrictEqual(calls, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect.each([
    ["tt0111161", "tt0111161"],
    ["a b", "a%20b"],
    ["1?x=1", "1%3Fx%3D1"],
    ["1#x", "1%23x"],
    ["50%", "50%25"],
    ["a:b@c", "a%3Ab%40c"],
    ["été", "%C3%A9t%C3%A9"]
  ] as const)("encodes %j as %j", ([id, encoded]) => {
    const { calls, layer } = stub(() => json({}))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: base })
      yield* Effect.ignore(api.call(GetMovie({ id })))
      assert.deepStrictEqual(calls, [`GET https://api.test/v1/movies/${encoded}/credits`])
    }).pipe(Effect.provide(layer))
  })

  it.effect.each([
    // [base, path, URL]: what a browser makes of a link.
    ["https://api.test", "movies", "https://api.test/movies"],
    ["https://api.test/v1", "movies", "https://api.test/movies"],
    ["https://api.test/v1/", "movies", "https://api.test/v1/movies"],
    ["https://api.test/v1/", "/movies", "https://api.test/movies"],
    ["https://api.test/v1/", "./urn:x:1", "https://api.test/v1/urn:x:1"],
    ["https://api.test/v1/", "/urn:x:1", "https://api.test/urn:x:1"],
    ["https://api.test/v1/", "../v2/movies", "https://api.test/v2/movies"],
    ["https://api.test/v1/", "movies?lang=en", "https://api.test/v1/movies?lang=en"],
    ["https://api.test/v1/", "https://api.test/v3/x", "https://api.test/v3/x"]
  ] as const)("resolves against %s the path %s to %s", ([baseUrl, path, url]) => {
    const { calls, layer } = stub(() => json({}))
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl })
      yield* api.call(Endpoint.get("Get", { path })())
      assert.deepStrictEqual(calls, [`GET ${url}`])
    }).pipe(Effect.provide(layer))
  })

  it.effect("leaves the base's origin only for origins that are allowed", () => {
    const { calls, layer } = stub(() => json({}))
    const Elsewhere = Endpoint.get("Elsewhere", { path: "https://images.test/poster" })
    return Effect.gen(function* () {
      const closed = yield* RestSource.make({ baseUrl: base })
      assert.instanceOf(yield* Effect.flip(closed.call(Elsewhere())), RestError.RestOriginError)
      const open = yield* RestSource.make({ baseUrl: base, allowedOrigins: ["https://images.test"] })
      yield* open.call(Elsewhere())
      assert.deepStrictEqual(calls, ["GET https://images.test/poster"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("fills any number of segments with an array, each held to its place", () => {
    const { calls, layer } = stub(() => json({}))
    const GetFile = Endpoint.get("GetFile", { path: Endpoint.path`files/${Endpoint.segments("path", Schema.String)}` })
    return Effect.gen(function* () {
      const api = yield* RestSource.make({ baseUrl: base })
      yield* api.call(GetFile({ path: ["docs", "a b.md"] }))
      assert.deepStrictEqual(calls, ["GET https://api.test/v1/files/docs/a%20b.md"])
      assert.instanceOf(yield* Effect.flip(api.call(GetFile({ path: ["docs", ".."] }))), RestError.RestParameterError)
    }).pipe(Effect.provide(layer))
  })

  it("throws for a template that is malformed, where it is written", () => {
    assert.throws(() => Path.literal("a%2"), "not an encoded character")
    assert.throws(() => Path.literal("mailto:x"), "begins with a scheme")
    assert.throws(() => Endpoint.path`a?b=${Endpoint.param("b", Schema.String)}`, "in its query")
    assert.throws(
      () => Endpoint.path`${Endpoint.param("b", Schema.String)}/${Endpoint.param("b", Schema.String)}`,
      "one name"
    )
  })
})
