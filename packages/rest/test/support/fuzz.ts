/** Responses that an upstream should not send, and some that it may: made from parts, then cut and flipped. */
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import { FastCheck as fc } from "effect"

/** What a server writes on a connection, piece by piece, and how it ends. */
export interface Script {
  readonly kind: "valid" | "broken"
  readonly pieces: ReadonlyArray<Buffer>
  /** Pieces are written again and again, up to this often, as long as somebody reads. */
  readonly times: number
  readonly end: "keep" | "fin" | "reset" | "hang"
}

const polluting = [
  '{"__proto__":{"polluted":true},"value":1}',
  '{"a":[{"\\u005f_proto__":{"polluted":true}}]}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"__proto__":null,"toString":1,"hasOwnProperty":2,"then":3}',
  '[{"__proto__":[]},{"__proto__":{"__proto__":{"polluted":true}}}]',
  '{"value":{"_tag":"None","_id":"Option","constructor":{"name":"Map","prototype":{}}}}'
]

const odd = [
  "",
  " ",
  "null",
  "NaN",
  "{",
  '{"a":1',
  "[1,]",
  '{"a":1}{"a":2}',
  "1e999",
  "-0",
  '"\\ud800"',
  `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
  `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
  `{"a":"${"constructor".repeat(20_000)}"}`,
  `{${'"k":1,'.repeat(1000)}"k":2}`,
  '\ufeff{"a":1}',
  'data: {"a":1}\n\ndata: [DONE]\n\nid: 1\nretry: x\n:\n\n',
  '{"a":1}\n{"__proto__":{"polluted":true}}\n\n[1\n',
  "<html><body>502 Bad Gateway</body></html>"
]

const text: fc.Arbitrary<string> = fc.oneof(
  fc.json(),
  fc.constantFrom(...polluting),
  fc.constantFrom(...odd),
  fc.string({ unit: "binary", maxLength: 200 })
)

const body: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 8, arbitrary: text.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.constantFrom(10_000, 70_000, 300_000).map((length) => Buffer.alloc(length, "a")) }
)

const encodings: Readonly<Record<string, (plain: Buffer) => Buffer>> = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  "gzip, gzip": (plain) => gzipSync(gzipSync(plain)),
  "gzip, gzip, gzip, gzip, gzip, gzip, gzip": gzipSync,
  identity: (plain) => plain,
  // Says what it is not.
  "x-gzip": (plain) => plain,
  "deflate, br": gzipSync,
  unheard: (plain) => plain
}

const types = [
  "application/json",
  "Application/JSON; charset=utf-8",
  "application/problem+json",
  "application/json; charset=utf-7",
  "text/plain",
  "text/html; charset=iso-8859-1",
  "text/event-stream",
  "application/x-ndjson",
  "application/x-www-form-urlencoded",
  "application/octet-stream",
  "image/png",
  "/",
  'application/json;;;;charset="',
  ""
]

const lines = [
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200",
  "HTTP/1.1 201 ",
  "HTTP/1.0 200 OK",
  "HTTP/1.1 204 No Content",
  "HTTP/1.1 206 Partial Content",
  "HTTP/1.1 304 Not Modified",
  "HTTP/1.1 401 Unauthorized",
  "HTTP/1.1 404 Not Found",
  "HTTP/1.1 429 Too Many",
  "HTTP/1.1 500 Oops\tagain",
  "HTTP/1.1 503 \xff\xfe"
]

const noLines = [
  "HTTP/1.1 99 Low",
  "HTTP/1.1 999 High",
  "HTTP/1.1 -200 OK",
  "HTTP/1.1 2e2 OK",
  "HTTP/2.0 200 OK",
  "HTTP/0.9 200 OK",
  "HTTP/1.1",
  "http/1.1 200 ok",
  "ICY 200 OK",
  "\0\0\0",
  "",
  `HTTP/1.1 200 ${"O".repeat(20_000)}`
]

const headers = [
  "Cache-Control: max-age=60",
  'Cache-Control: max-age=99999999999999999999, private="',
  "Cache-Control: public, s-maxage=1, stale-while-revalidate=5, stale-if-error=5",
  "Cache-Control: no-store, ,=,;",
  'ETag: "a"',
  "ETag: W/",
  "Last-Modified: Thu, 99 Foo 2020 00:00:00 GMT",
  "Expires: 0",
  "Date: yesterday",
  "Age: -1",
  "Age: 99999999999999999999",
  "Vary: *",
  "Vary: accept, __proto__, x-none",
  "Retry-After: 0",
  "Retry-After: 1e9",
  "Set-Cookie: a=b; Expires=never",
  "Set-Cookie: __proto__=polluted",
  "__proto__: polluted",
  "constructor: polluted",
  "toString: polluted",
  'RateLimit: "x";r=0;t=0',
  "X-RateLimit-Remaining: 5",
  `Link: <x>; rel="${" ".repeat(5000)}next"`,
  "Content-Range: bytes 0-1/2",
  "Content-Type: text/plain",
  "Content-Length: 3",
  "Transfer-Encoding: gzip, chunked",
  "Connection: close",
  "Connection: keep-alive, content-length",
  "Upgrade: websocket",
  "Trailer: x",
  " folded: header",
  "no colon",
  "spa ce: d",
  "X-Null: a\0b",
  "X-Latin: \xe9\xff",
  `X-Long: ${"l".repeat(20_000)}`,
  "X-Bare: a\rb"
]

const interim = [
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n",
  "HTTP/1.1 102 Processing\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  "HTTP/1.1 199 Who Knows\r\nX: y\r\n\r\n"
]

/** A body with a size before each of its chunks. */
const chunked = (plain: Buffer, size: number, fault: number): Buffer => {
  const parts: Array<Buffer> = []
  const length = Math.max(size, Math.ceil(plain.length / 200))
  for (let at = 0; at < plain.length; at += length) {
    const chunk = plain.subarray(at, at + length)
    const said = [chunk.length, chunk.length, chunk.length + 1, chunk.length - 1][fault] ?? chunk.length
    const name = fault === 4 ? "zz" : fault === 5 ? "ffffffffffffffffff" : fault === 6 ? "-1" : said.toString(16)
    parts.push(
      Buffer.from(`${name}${fault === 1 ? ';ext="a";b' : ""}\r\n`),
      chunk,
      Buffer.from(fault === 7 ? "" : "\r\n")
    )
  }
  if (fault !== 8) parts.push(Buffer.from(fault === 9 ? "0\r\nX-Trailer: __proto__\r\n\r\n" : "0\r\n\r\n"))
  return Buffer.concat(parts)
}

type Framing = { readonly kind: "length" | "chunked" | "none" | "both"; readonly by: number }

const framed = ({ by, kind }: Framing, body: Buffer): readonly [ReadonlyArray<string>, Buffer] => {
  switch (kind) {
    case "length": {
      const length = [body.length, body.length + 7, Math.max(0, body.length - 3), -1, "0x10", "", "1, 2", 2 ** 60][by]
      return [[`Content-Length: ${length}`], body]
    }
    case "chunked":
      return [["Transfer-Encoding: chunked"], chunked(body, 1 + by * 37, by)]
    case "both":
      return [["Transfer-Encoding: chunked", `Content-Length: ${body.length}`], chunked(body, 50, by % 3)]
    case "none":
      return [[], body]
  }
}

const good: fc.Arbitrary<Framing> = fc.constantFrom(
  { kind: "length", by: 0 },
  { kind: "length", by: 0 },
  { kind: "chunked", by: 0 },
  { kind: "chunked", by: 9 }
)
const any: fc.Arbitrary<Framing> = fc.record({
  kind: fc.constantFrom("length", "chunked", "none", "both"),
  by: fc.integer({ min: 0, max: 9 })
})

type Mutation =
  | { readonly _tag: "cut"; readonly at: number }
  | { readonly _tag: "flip"; readonly at: ReadonlyArray<readonly [at: number, bits: number]> }
  | { readonly _tag: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly _tag: "repeat"; readonly at: number; readonly length: number }

const share = fc.double({ min: 0, max: 1, noNaN: true })
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ _tag: fc.constant("cut" as const), at: share }),
  fc.record({
    _tag: fc.constant("flip" as const),
    at: fc.array(fc.tuple(share, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 8 })
  }),
  fc.record({ _tag: fc.constant("insert" as const), at: share, bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }) }),
  fc.record({ _tag: fc.constant("repeat" as const), at: share, length: fc.integer({ min: 1, max: 200 }) })
)

const mutate = (whole: Buffer, mutation: Mutation): Buffer => {
  const place = (at: number) => Math.floor(at * whole.length)
  switch (mutation._tag) {
    case "cut":
      return whole.subarray(0, place(mutation.at))
    case "flip": {
      const flipped = Buffer.from(whole)
      for (const [at, bits] of mutation.at) {
        const index = place(at)
        if (index < flipped.length) flipped[index] = (flipped[index] ?? 0) ^ bits
      }
      return flipped
    }
    case "insert":
    case "repeat": {
      const at = place(mutation.at)
      const more = mutation._tag === "insert" ? Buffer.from(mutation.bytes) : whole.subarray(at, at + mutation.length)
      return Buffer.concat([whole.subarray(0, at), more, whole.subarray(at)])
    }
  }
}

/** Any number of bytes at a time. */
const pieces = (whole: Buffer, cuts: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const at = [0, ...cuts.map((cut) => Math.floor(cut * whole.length)).sort((a, b) => a - b), whole.length]
  return at.slice(1).map((end, index) => whole.subarray(at[index], end))
}

/** One time in `of`. */
const rarely = <A>(of: number, arbitrary: fc.Arbitrary<A>): fc.Arbitrary<A | undefined> =>
  fc.oneof({ weight: of - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

/**
 * Scripts for a server. `locations` are where redirects may lead; nothing else
 * ever is a host that somebody might look up.
 */
export const script = (locations: ReadonlyArray<string>): fc.Arbitrary<Script> => {
  const response = (isValid: boolean) =>
    fc
      .record({
        line: isValid ? fc.constantFrom("HTTP/1.1 200 OK", ...lines) : fc.constantFrom(...lines, ...noLines),
        type: fc.constantFrom(...types),
        headers: isValid ? fc.subarray(headers.slice(0, 17), { maxLength: 3 }) : fc.subarray(headers, { maxLength: 4 }),
        redirect: rarely(
          12,
          fc.tuple(fc.constantFrom(301, 302, 303, 307, 308, 300, 305), fc.constantFrom(...locations))
        ),
        encoding: rarely(3, fc.constantFrom(...Object.keys(encodings))),
        framing: isValid ? good : any,
        body
      })
      .map(({ body, encoding, framing, headers, line, redirect, type }) => {
        const encoded = encoding === undefined ? body : (encodings[encoding]?.(body) ?? body)
        const [framingHeaders, sent] = framed(framing, encoded)
        const status = redirect === undefined ? line : `HTTP/1.1 ${redirect[0]} Elsewhere`
        const location = redirect === undefined ? [] : [`Location: ${redirect[1]}`]
        const coding = encoding === undefined ? [] : [`Content-Encoding: ${encoding}`]
        const head = [status, `Content-Type: ${type}`, ...headers, ...coding, ...location, ...framingHeaders, "", ""]
        return Buffer.concat([Buffer.from(head.join("\r\n"), "latin1"), sent])
      })
  const cuts = fc.array(share, { maxLength: 4 })
  const valid = fc
    .record({ whole: response(true), cuts, isClosed: fc.boolean() })
    .map(({ cuts, isClosed, whole }): Script => {
      return { kind: "valid", pieces: pieces(whole, cuts), times: 1, end: isClosed ? "fin" : "keep" }
    })
  const broken = fc
    .record({
      before: rarely(8, fc.array(fc.constantFrom(...interim), { minLength: 1, maxLength: 4 })),
      whole: response(false),
      mutations: fc.array(mutation, { maxLength: 2 }),
      after: rarely(8, response(true)),
      cuts,
      end: fc.constantFrom<Script["end"]>("keep", "fin", "fin", "fin", "fin", "fin", "fin", "reset", "reset", "reset")
    })
    .map(({ after, before, cuts, end, mutations, whole }): Script => {
      const changed = mutations.reduce(mutate, whole)
      const all = Buffer.concat([Buffer.from(before?.join("") ?? ""), changed, after ?? Buffer.alloc(0)])
      return { kind: "broken", pieces: pieces(all, cuts), times: 1, end }
    })
  /** Without an end: interim responses, headers, chunks, a body, or silence. */
  const endless = fc
    .constantFrom(
      ["", interim[0] ?? ""],
      ["", interim[1] ?? ""],
      ["HTTP/1.1 200 OK\r\n", "X: y\r\n"],
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"],
      ["HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", "["],
      ["HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", "aaaa"],
      ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", ""],
      ["", ""]
    )
    .map(([head = "", piece = ""]): Script => {
      const again = Buffer.from(piece)
      return { kind: "broken", pieces: [Buffer.from(head), again], times: piece === "" ? 1 : 300, end: "hang" }
    })
  return fc.oneof(
    { weight: 45, arbitrary: valid },
    { weight: 52, arbitrary: broken },
    { weight: 3, arbitrary: endless }
  )
}
