/**
 * Real exchanges, recorded once and replayed in tests.
 *
 * Record against the real upstream, write the exchanges to a file as JSON, and
 * replay them from there: nothing is sent any more. Credentials are left out of
 * what is recorded; look through a recording before you commit it all the same.
 *
 * @example
 * import { FetchHttpClient } from "@effect/platform"
 * import { Recording } from "@wellspring/testing"
 * import { Effect, Layer } from "effect"
 *
 * declare const program: Effect.Effect<void>
 *
 * const recorded = Effect.gen(function* () {
 *   yield* program
 *   return yield* Recording.encode(yield* Recording.exchanges) // text for a file
 * }).pipe(Effect.provide(Recording.layerRecord().pipe(Layer.provide(FetchHttpClient.layer))))
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { type Received, receive } from "./internal/received.ts"
import { UnexpectedCall } from "./Upstream.ts"

const Fields = Schema.Record({ key: Schema.String, value: Schema.String })

/** A request and the answer it was given. Bodies that are not text are base64. */
export const Exchange = Schema.Struct({
  method: Schema.String,
  url: Schema.String,
  /** What was sent, as JSON or text; undefined without a body, and for bodies of other kinds. */
  sent: Schema.optional(Schema.Unknown),
  status: Schema.Int,
  headers: Fields,
  body: Schema.String,
  encoding: Schema.Literal("text", "base64")
})
export type Exchange = typeof Exchange.Type

const Exchanges = Schema.parseJson(Schema.Array(Exchange), { space: 2 })

/** Exchanges as JSON text. */
export const encode = (exchanges: ReadonlyArray<Exchange>): Effect.Effect<string, ParseResult.ParseError> =>
  Schema.encode(Exchanges)(exchanges)

/** Exchanges from JSON text. */
export const decode = (text: string): Effect.Effect<ReadonlyArray<Exchange>, ParseResult.ParseError> =>
  Schema.decode(Exchanges)(text)

/** What has been recorded. */
export class Recorder extends Context.Tag("@wellspring/testing/Recorder")<
  Recorder,
  { readonly exchanges: Effect.Effect<ReadonlyArray<Exchange>> }
>() {}

/** What has been recorded so far. */
export const exchanges: Effect.Effect<ReadonlyArray<Exchange>, never, Recorder> = Effect.flatMap(
  Recorder,
  (recorder) => recorder.exchanges
)

export interface Options {
  /** Query parameters whose value is a credential: recorded and compared as `REDACTED`. */
  readonly secretParameters?: ReadonlyArray<string> | undefined
}

const credentials = ["set-cookie", "authorization", "www-authenticate", "proxy-authenticate"]
const transport = ["content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive"]
const left = new Set([...credentials, ...transport])

const redact = (url: string, secret: ReadonlyArray<string>): string => {
  const parsed = new URL(url)
  for (const name of secret) if (parsed.searchParams.has(name)) parsed.searchParams.set(name, "REDACTED")
  return parsed.href
}

const sentOf = ({ body }: Received): unknown =>
  body === undefined || body instanceof Uint8Array || body instanceof FormData ? undefined : body

const isText = (type: string | undefined): boolean =>
  type === undefined || /json|text|xml|javascript|urlencoded/i.test(type)

/** Passes calls on to the `HttpClient` below, and records them with their answers. */
export const layerRecord = (
  options: Options = {}
): Layer.Layer<Recorder | HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effectContext(
    Effect.map(HttpClient.HttpClient, (below) => {
      const recorded: Array<Exchange> = []
      const client = HttpClient.make((request, url) =>
        Effect.gen(function* () {
          const received = yield* receive(request, url)
          const response = yield* below.execute(request)
          const bytes = Buffer.from(yield* response.arrayBuffer)
          const encoding = isText(response.headers["content-type"]) ? "text" : "base64"
          const headers = Object.fromEntries(Object.entries(response.headers).filter(([name]) => !left.has(name)))
          recorded.push({
            method: request.method,
            url: redact(url.href, options.secretParameters ?? []),
            sent: sentOf(received),
            status: response.status,
            headers,
            body: bytes.toString(encoding === "text" ? "utf8" : "base64"),
            encoding
          })
          return HttpClientResponse.fromWeb(request, rebuilt(request.method, response.status, headers, bytes))
        })
      )
      return Context.make(Recorder, { exchanges: Effect.sync(() => [...recorded]) }).pipe(
        Context.add(HttpClient.HttpClient, client)
      )
    })
  )

const rebuilt = (
  method: string,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array
): Response =>
  new Response(method === "HEAD" || status === 204 || status === 205 || status === 304 ? null : body, {
    status,
    headers
  })

/**
 * Answers from a recording: the first exchange not yet replayed with the same
 * method, URL and body. When all of them have been replayed, the last one again. A call that was
 * not recorded is a defect that says so.
 */
export const layerReplay = (
  recording: ReadonlyArray<Exchange>,
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient> =>
  Layer.sync(HttpClient.HttpClient, () => {
    const replayed = new Set<Exchange>()
    return HttpClient.make((request, url) =>
      Effect.flatMap(receive(request, url), (received) => {
        const called = redact(url.href, options.secretParameters ?? [])
        const sent = JSON.stringify(sentOf(received))
        const fits = recording.filter(
          (one) => one.method === request.method && one.url === called && JSON.stringify(one.sent) === sent
        )
        const exchange = fits.find((one) => !replayed.has(one)) ?? fits.at(-1)
        if (exchange === undefined) {
          const scripted = recording.map(({ method, url }) => `${method} ${url}`)
          return Effect.die(new UnexpectedCall({ call: `${request.method} ${called}`, scripted }))
        }
        replayed.add(exchange)
        const body = Buffer.from(exchange.body, exchange.encoding === "text" ? "utf8" : "base64")
        return Effect.succeed(
          HttpClientResponse.fromWeb(request, rebuilt(request.method, exchange.status, exchange.headers, body))
        )
      })
    )
  })
