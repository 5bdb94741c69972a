/**
 * Random exchanges against an oracle that knows what the fields mean because it
 * wrote them: it parses nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Answer from "@wellspring/http-cache/Answer"
import type * as Entry from "@wellspring/http-cache/Entry"
import * as Freshness from "@wellspring/http-cache/Freshness"
import * as Invalidation from "@wellspring/http-cache/Invalidation"
import type * as Message from "@wellspring/http-cache/Message"
import * as Plan from "@wellspring/http-cache/Plan"
import * as Reuse from "@wellspring/http-cache/Reuse"
import * as Selection from "@wellspring/http-cache/Selection"
import * as Storing from "@wellspring/http-cache/Storing"
import * as Validation from "@wellspring/http-cache/Validation"
import * as FastCheck from "effect/FastCheck"
import { date, now, policy } from "./support.ts"

const runs = process.env["WELLSPRING_FULL"] ? 100_000 : 20_000

/** A piece of `Cache-Control` and what it means, whoever else writes something beside it. */
interface Piece {
  readonly text: string
  readonly noStore?: true
  readonly private?: true
  readonly public?: true
  /** Makes answers to `Authorization` shareable (RFC 9111 §3.5). */
  readonly opens?: true
  readonly privateFields?: ReadonlyArray<string>
  /** Nothing may be fresh for longer than this many seconds. */
  readonly atMost?: number
  readonly mayOverrideNoStore?: true
}

const pieces: ReadonlyArray<Piece> = [
  { text: "max-age=60", atMost: 60 },
  { text: 'max-age="30"', atMost: 30 },
  { text: "max-age=99999999999", atMost: 2_147_483_648 },
  { text: "max-age=x", atMost: 0 },
  { text: "max-age", atMost: 0 },
  { text: "max-age=1.5", atMost: 0 },
  { text: "s-maxage=40", opens: true },
  { text: "public", public: true },
  { text: "must-revalidate", opens: true },
  { text: "proxy-revalidate" },
  { text: "immutable" },
  { text: "stale-while-revalidate=10" },
  { text: "stale-if-error=10" },
  { text: "no-transform" },
  { text: "no-cache" },
  { text: "no-cache=x-secret" },
  { text: 'no-cache="x-secret"' },
  { text: "no-store", noStore: true },
  { text: "no-store=1", noStore: true },
  { text: "no-store;x", noStore: true },
  { text: "x no-store", noStore: true },
  { text: "must-understand", mayOverrideNoStore: true },
  { text: "private", private: true },
  { text: "private=", private: true },
  { text: 'private=""', private: true },
  { text: 'private=" x-secret"', private: true },
  { text: "private=x-secret", private: true },
  { text: "private ; x", private: true },
  { text: 'private="x-secret"', privateFields: ["x-secret"] },
  { text: 'private="set-cookie, x-other"', privateFields: ["set-cookie", "x-other"] },
  { text: 'ext="no-store, private, max-age=1"' },
  { text: "ext=public" },
  { text: "" },
  { text: '@;""' }
]

/** A targeted field: replaces the pieces above for shared caches when it is valid. */
const targeted: ReadonlyArray<{ readonly text: string; readonly means: Piece | undefined }> = [
  { text: "max-age=20", means: { text: "", atMost: 20 } },
  { text: "no-store", means: { text: "", noStore: true } },
  { text: "private", means: { text: "", private: true } },
  { text: "public, max-age=20", means: { text: "", public: true, atMost: 20 } },
  { text: 'max-age="20"', means: { text: "", atMost: 0 } },
  { text: "MAX-AGE=20", means: undefined },
  { text: "", means: undefined },
  { text: "max-age=20,", means: undefined }
]

const maybe = <A>(arbitrary: FastCheck.Arbitrary<A>) => FastCheck.option(arbitrary, { nil: undefined, freq: 1 })
const oneOf = <A>(...values: ReadonlyArray<A>) => FastCheck.constantFrom(...values)

const secret = "SECRET"
/** Who asks: what they send, and the partition that makes for them. */
const principals: ReadonlyArray<{ readonly headers: Message.Fields; readonly partition: string | undefined }> = [
  { headers: {}, partition: undefined },
  { headers: { authorization: `Bearer ${secret}-alice` }, partition: "alice" },
  { headers: { authorization: `Bearer ${secret}-bob` }, partition: "bob" },
  { headers: { cookie: `sid=${secret}-carol` }, partition: "carol" },
  { headers: { "x-api-key": `${secret}-dave` }, partition: "dave" },
  { headers: { authorization: `Bearer ${secret}-erin`, cookie: `sid=${secret}-erin` }, partition: "erin" },
  // Somebody the application could not name.
  { headers: { cookie: `sid=${secret}-nobody` }, partition: undefined }
]

const exchange = FastCheck.record({
  who: FastCheck.nat(principals.length - 1),
  method: oneOf("GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "QUERY", "FOO"),
  mode: oneOf<Plan.CacheMode>(
    "default",
    "default",
    "default",
    "no-store",
    "reload",
    "no-cache",
    "force-cache",
    "only-if-cached"
  ),
  asked: FastCheck.record({
    "cache-control": maybe(
      oneOf(
        "no-store",
        "NO-STORE, max-age=0",
        "no-cache",
        "max-age=5",
        "max-stale",
        "min-fresh=5",
        "only-if-cached",
        'x="no-store"',
        ";"
      )
    ),
    pragma: maybe(oneOf("no-cache", "x")),
    range: maybe(oneOf("bytes=0-4", "bytes=-3", "bytes=5-", "bytes=0-1,3-4", "bytes=9-1", "x=1-2", "bytes=99-")),
    "if-none-match": maybe(oneOf('"a"', 'W/"a", "b"', "*", "a", '"', "")),
    "if-modified-since": maybe(oneOf(date(-100), date(100), "junk")),
    "if-range": maybe(oneOf('"a"', date(-100))),
    "if-match": maybe(oneOf('"a"')),
    accept: maybe(oneOf("a", "b, c", "b,c"))
  }),
  status: oneOf(
    103,
    200,
    200,
    200,
    200,
    203,
    204,
    206,
    299,
    301,
    302,
    304,
    401,
    403,
    404,
    410,
    412,
    416,
    500,
    503,
    599
  ),
  pieces: FastCheck.array(oneOf(...pieces), { maxLength: 5 }),
  upper: FastCheck.boolean(),
  apart: FastCheck.boolean(),
  targeted: maybe(oneOf(...targeted)),
  answered: FastCheck.record({
    date: maybe(oneOf(date(0), date(-100), date(100), "junk", "Sunday, 06-Nov-94 08:49:37 GMT")),
    expires: maybe(oneOf(date(50), date(-50), "0", "junk")),
    age: maybe(oneOf("0", "5", "5, 6", "-1", "x", "99999999999", "1.5")),
    etag: maybe(oneOf('"a"', 'W/"a"', '"b"', "a", "")),
    "last-modified": maybe(oneOf(date(-100), date(-100_000), "junk")),
    vary: maybe(
      oneOf("accept", "*", "cookie", "authorization, accept", "x-api-key", "constructor, __proto__", "a b", "")
    ),
    "content-range": maybe(oneOf("bytes 0-4/10", "bytes 5-9/10", "bytes 0-4/*", "bytes 4-1/10", "junk")),
    "content-location": maybe(oneOf("/a", "/b", "http://other.test/a", "http://[")),
    location: maybe(oneOf("/c", "//other.test/", "::")),
    connection: maybe(oneOf("x-other", "close", "")),
    "set-cookie": maybe(FastCheck.constant(["sid=fresh", "b=2"])),
    "x-secret": FastCheck.constant("1"),
    "x-other": FastCheck.constant("1")
  })
})

type Exchange = typeof exchange extends FastCheck.Arbitrary<infer A> ? A : never

const present = (fields: Message.Fields): Message.Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const requestOf = (x: Exchange): Message.RequestHead => ({
  method: x.method,
  url: "http://origin.test/a",
  headers: present({ ...x.asked, ...principals[x.who]?.headers })
})

const responseOf = (x: Exchange): Message.ResponseHead => {
  const texts = x.pieces.map(({ text }) => (x.upper ? text.toUpperCase() : text))
  return {
    status: x.status,
    headers: present({
      ...x.answered,
      "cache-control": texts.length === 0 ? undefined : x.apart ? texts : texts.join(", "),
      "cdn-cache-control": x.targeted?.text
    })
  }
}

/** What is wrong with keeping `entry` after this exchange; nothing, it is to be hoped. */
const objections = (x: Exchange, entry: Entry.Entry): Array<string> => {
  const found: Array<string> = []
  const object = (isWrong: boolean, why: string) => {
    if (isWrong) found.push(why)
  }
  const who = principals[x.who]
  const shared = entry.scope === "shared"
  const means = shared && x.targeted?.means !== undefined ? [x.targeted.means] : x.pieces
  const says = (what: keyof Piece) => means.some((piece) => piece[what] === true)
  const isTargeted = means !== x.pieces
  const asked = x.asked["cache-control"] ?? ""
  object(x.status < 200 || [304, 412, 416].includes(x.status), "status")
  object(x.status === 206 && !/^bytes (0-4|5-9)/.test(x.answered["content-range"] ?? ""), "unreadable range")
  object(/^no-store/i.test(asked) || x.mode === "no-store", "request forbids")
  object(x.method !== "GET" && x.method !== "POST", "method")
  object(
    x.method === "POST" && (x.status !== 200 || x.answered["content-location"] !== "/a"),
    "POST without Content-Location"
  )
  object(says("noStore") && !says("mayOverrideNoStore"), "no-store")
  object(says("mayOverrideNoStore") && [299, 599].includes(x.status), "must-understand")
  object(x.answered.vary === "*" || x.answered.vary === "a b", "Vary")
  if (shared) {
    object(says("private"), "private")
    const names = Object.keys(who?.headers ?? {})
    object(names.some((name) => name !== "authorization") && !says("public"), "credentials")
    object(names.length > 0 && !says("public") && !says("opens"), "Authorization")
    object(entry.headers["set-cookie"] !== undefined, "cookie shared")
    for (const name of means.flatMap((piece) => piece.privateFields ?? []))
      object(entry.headers[name] !== undefined, `private field ${name} shared`)
  } else {
    object(who?.partition === undefined, "private entry of nobody")
  }
  if (
    !isTargeted &&
    x.pieces.some(({ text }) => text === 'no-cache="x-secret"') &&
    !x.pieces.some(({ text }) => text.startsWith("no-cache=x") || text === "no-cache")
  )
    object(entry.headers["x-secret"] !== undefined, "no-cache field kept")
  object(x.answered.connection === "x-other" && entry.headers["x-other"] !== undefined, "hop-by-hop field kept")
  object(entry.headers["connection"] !== undefined || entry.headers["age"] !== undefined, "connection field kept")
  object(
    JSON.stringify(entry.vary.filter(({ name }) => name !== "accept")).includes(`"${secret}`),
    "credentials in clear"
  )
  const limits = means.flatMap(({ atMost }) => (atMost === undefined ? [] : [atMost * 1000]))
  if (!(shared && !isTargeted && x.pieces.some(({ text }) => text === "s-maxage=40")))
    object(entry.lifetime > Math.min(...limits, 2 ** 45), "lives too long")
  object(!(entry.freshUntil <= entry.responseTime + entry.lifetime), "born too young")
  object(entry.staleWhileRevalidateUntil < entry.freshUntil || entry.staleIfErrorUntil < entry.freshUntil, "window")
  return found
}

/** Whether an answer made for `owner` may be shown to `reader`. */
const maySee = (x: Exchange, owner: number, reader: number): boolean => {
  const own = principals[owner]
  const other = principals[reader]
  if (own === undefined || other === undefined) return false
  const isAnonymous = (headers: Message.Fields) => Object.keys(headers).length === 0
  if (owner === reader && (own.partition !== undefined || isAnonymous(own.headers))) return true
  const means = x.targeted?.means === undefined ? x.pieces : [x.targeted.means]
  if (means.some((piece) => piece.private === true)) return false
  if (means.some((piece) => piece.public === true)) return true
  const isOpen = means.some((piece) => piece.opens === true)
  return [own, other].every(
    ({ headers }) => isAnonymous(headers) || (isOpen && Object.keys(headers).join() === "authorization")
  )
}

interface Kept extends Entry.Entry {
  readonly owner: number
  readonly made: Exchange
}

describe("the policy under random exchanges", () => {
  const modes = [policy(), policy({ mode: "private" })]

  it("never stores what must not be stored, for as long as it must not", () => {
    let stored = 0
    FastCheck.assert(
      FastCheck.property(exchange, FastCheck.nat(1), (x, mode) => {
        const p = modes[mode] ?? policy()
        const request = requestOf(x)
        const decision = Storing.decide(p, Plan.of(p, request, { mode: x.mode }), request, responseOf(x), {
          requestTime: now,
          responseTime: now,
          partition: principals[x.who]?.partition
        })
        if (decision._tag === "Discard") return
        stored++
        assert.deepStrictEqual(objections(x, decision.entry), [])
      }),
      { numRuns: runs }
    )
    // The oracle must have had something to judge.
    assert.isAbove(stored, runs / 50)
  }, 120_000)

  it("never crashes, never crosses partitions, in any sequence", () => {
    let served = 0
    let crossed = 0
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(exchange, { minLength: 3, maxLength: 6 }),
        FastCheck.nat(1),
        (sequence, mode) => {
          const p = modes[mode] ?? policy()
          const slots = new Map<string, ReadonlyArray<Kept>>()
          sequence.forEach((x, index) => {
            const at = now + index * 20_000
            const request = requestOf(x)
            const response = responseOf(x)
            const partition = principals[x.who]?.partition
            const plan = Plan.of(p, request, { mode: x.mode })
            const places = [
              ...(Plan.usesShared(p, partition) ? ["shared"] : []),
              ...(partition === undefined ? [] : [`private ${partition}`])
            ]
            const entries = places.flatMap((place) => slots.get(place) ?? [])
            const selected = Selection.select(p, plan, request.headers, entries)
            let question: Validation.Question = Validation.plain
            if (selected !== undefined) {
              served++
              if (selected.owner !== x.who) crossed++
              assert.isTrue(maySee(selected.made, selected.owner, x.who), `${selected.owner} → ${x.who}`)
              Answer.headers(Answer.of(plan, request.headers, selected, 10), selected.headers)
              Reuse.recover(p, plan, selected, { _tag: "Disconnected" }, at)
            }
            if (plan._tag === "Lookup") {
              const decision = Reuse.decide(p, plan, selected, entries.length, at)
              if (selected !== undefined && decision._tag === "Validate")
                question = { _tag: "Validate", entries: [selected] }
              if (selected !== undefined && decision._tag === "Complete")
                question = { _tag: "Complete", entry: selected, range: decision.range }
              if (decision._tag === "Hit") assert.isTrue(Freshness.isFresh(selected ?? assert.fail(), at))
            }
            Validation.requestHeaders(plan, request.headers, question)
            const times = { requestTime: at, responseTime: at }
            if (x.status === 304 && selected !== undefined) {
              const vouched = Validation.onNotModified(p, plan, request, response, times, [selected])
              if (vouched._tag === "Freshened" && vouched.entry !== undefined)
                assert.strictEqual(vouched.entry.scope, selected.scope)
            }
            if (x.method === "HEAD" && selected !== undefined)
              Validation.onHead(p, plan, request, response, times, selected, 10)
            for (const key of Invalidation.targets(p, plan, response)) if (key === plan.key) slots.clear()
            const decision = Storing.decide(p, plan, request, response, { ...times, partition })
            if (decision._tag === "Store") {
              const settled = Storing.settle(p, decision.entry, 10, true)
              if (settled === undefined) return
              const place = settled.scope === "shared" ? "shared" : `private ${partition}`
              const kept: Kept = { ...settled, owner: x.who, made: x }
              slots.set(place, Selection.insert(p, slots.get(place) ?? [], kept, request.headers, 4))
            }
          })
        }
      ),
      { numRuns: runs / 5 }
    )
    assert.isAbove(served, runs / 50)
    assert.isAbove(crossed, 0)
  }, 120_000)
})
