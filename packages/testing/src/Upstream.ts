/**
 * An upstream that answers as a test tells it to, and remembers what it was asked.
 *
 * It is a layer that provides `HttpClient`, so that everything above it runs
 * as it does in production: credentials, deduplication, caching, retries,
 * decoding. Delays run on Effect's `Clock`, and so under `TestClock`. A call nobody
 * scripted is a defect that says what was called and what was scripted.
 *
 * @example
 * import { Endpoint, RestSource } from "@wellspring/rest"
 * import { Upstream } from "@wellspring/testing"
 * import { Effect, Schema } from "effect"
 *
 * const GetTitle = Endpoint.get("GetTitle", {
 *   path: Endpoint.path`titles/${Endpoint.param("id", Schema.String)}`,
 *   success: Schema.Struct({ title: Schema.String })
 * })
 *
 * const test = Effect.gen(function* () {
 *   yield* Upstream.script(GetTitle, Upstream.success({ title: "Up" }))
 *   const api = yield* RestSource.make({ baseUrl: "https://movies.test/" })
 *   const { title } = yield* api.call(GetTitle({ id: "1" })) // "Up"
 *   yield* Upstream.expectCalls(GetTitle, 1)
 * }).pipe(Effect.provide(Upstream.layer))
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type { Endpoint } from "@wellspring/rest/Endpoint"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { matcher } from "./internal/matching.ts"
import { type Received, receive } from "./internal/received.ts"

export type { Received } from "./internal/received.ts"

/** What an upstream does with one call. */
export interface Reply<out A, out E = never> {
  readonly [replyOf]: (endpoint: AnyEndpoint) => Effect.Effect<Answer, unknown>
  /** Never set: what the reply stands for. */
  readonly "~types"?: { readonly value: A; readonly error: E }
}

const replyOf: unique symbol = Symbol.for("@wellspring/testing/Upstream/Reply")

type AnyEndpoint = Pick<
  Endpoint<string, never, unknown, unknown, unknown>,
  "name" | "method" | "template" | "schemas" | "parameters"
>

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

/** What may be said about a reply besides its value. */
export interface ReplyOptions {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** How long the upstream takes, on the Clock. Default none. */
  readonly delay?: Duration.DurationInput | undefined
}

const reply = <A, E>(
  options: ReplyOptions | undefined,
  answer: (endpoint: AnyEndpoint) => Effect.Effect<Answer, unknown>
): Reply<A, E> => ({
  [replyOf]: (endpoint) =>
    options?.delay === undefined ? answer(endpoint) : Effect.delay(answer(endpoint), options.delay)
})

const json = (status: number, value: unknown, options: ReplyOptions | undefined): Answer => ({
  status: options?.status ?? status,
  headers: { ...(value === undefined ? undefined : { "content-type": "application/json" }), ...options?.headers },
  body: value === undefined ? null : JSON.stringify(value)
})

/** A value, written through the endpoint's own schema. Status 200, or 204 for a value without content. */
export const success = <A>(value: A, options?: ReplyOptions): Reply<A> =>
  reply(options, ({ schemas }) =>
    Effect.map(Schema.encodeUnknown(schemas.success)(value), (encoded) =>
      json(encoded === undefined ? 204 : 200, encoded, options)
    )
  )

/** One of the endpoint's declared errors, with the status it is declared for. */
export const failure = <E>(error: E, options?: ReplyOptions): Reply<never, E> =>
  reply(options, ({ name, schemas }) => {
    for (const [status, schema] of Object.entries(schemas.errors)) {
      if (!Schema.is(schema)(error)) continue
      return Effect.map(Schema.encodeUnknown(schema)(error), (encoded) => json(Number(status), encoded, options))
    }
    return Effect.die(new Error(`The endpoint ${name} declares no such error: ${String(error)}`))
  })

/** Any response: JSON of a value, or text or bytes as they are. Not checked against the endpoint. */
export const response = (status: number, body?: unknown, options?: Omit<ReplyOptions, "status">): Reply<never> =>
  reply(options, () => {
    const isRaw = typeof body === "string" || body instanceof Uint8Array
    return Effect.succeed(isRaw ? { status, headers: options?.headers ?? {}, body } : json(status, body, options))
  })

/** The `cause` of the `RequestError` that {@link broken} makes. */
export class ConnectionBroken extends Schema.TaggedError<ConnectionBroken>()("ConnectionBroken", {}) {
  override get message(): string {
    return "The scripted upstream broke the connection."
  }
}

/** The connection breaks before an answer. */
export const broken = (options?: Pick<ReplyOptions, "delay">): Reply<never> =>
  reply(options, () => Effect.fail(new ConnectionBroken()))

/** No answer ever comes. */
export const silent: Reply<never> = reply(undefined, () => Effect.never)

/** How one endpoint is answered. */
export type Script<A, E> = Reply<A, E> | ((received: Received, call: number) => Reply<A, E>)

interface Scripted {
  readonly endpoint: AnyEndpoint
  readonly match: ReturnType<typeof matcher>
  script: Script<unknown, unknown>
  left: number
  calls: number
}

/** A call that nobody scripted, or more calls than were scripted. */
export class UnexpectedCall extends Schema.TaggedError<UnexpectedCall>()("UnexpectedCall", {
  call: Schema.String,
  scripted: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const known = this.scripted.length === 0 ? "Nothing is scripted." : `Scripted are:\n  ${this.scripted.join("\n  ")}`
    return `The upstream did not expect ${this.call}. ${known}`
  }
}

/** What a test expected of the upstream and did not find. */
export class UnmetExpectation extends Schema.TaggedError<UnmetExpectation>()("UnmetExpectation", {
  problem: Schema.String,
  calls: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const made = this.calls.length === 0 ? "No call was made." : `Calls made:\n  ${this.calls.join("\n  ")}`
    return `${this.problem} ${made}`
  }
}

export interface Service {
  readonly script: <I, A, E, R>(
    endpoint: Endpoint<string, I, A, E, R>,
    script: Script<NoInfer<A>, NoInfer<E>>,
    options?: { readonly times?: number | undefined }
  ) => Effect.Effect<void>
  /** Every call so far, in the order in which they came, unexpected ones included. */
  readonly calls: Effect.Effect<ReadonlyArray<Received>>
  /** Calls of one endpoint. */
  readonly callsTo: (endpoint: AnyEndpoint) => Effect.Effect<ReadonlyArray<Received>>
  /** Forgets calls and scripts. */
  readonly reset: Effect.Effect<void>
  readonly verify: Effect.Effect<void>
}

/** The scripted upstream that a test talks to; the code under test sees only `HttpClient`. */
export class Upstream extends Context.Tag("@wellspring/testing/Upstream")<Upstream, Service>() {}

const describe = (received: Received): string => `${received.method} ${received.url}`

const make = Effect.sync(() => {
  let scripts: Array<Scripted> = []
  let calls: Array<Received> = []
  let unexpected: Array<Received> = []

  const answer = (request: HttpClientRequest.HttpClientRequest, received: Received) =>
    Effect.suspend(() => {
      const matches = scripts.filter((one) => one.match(received) !== undefined)
      // The latest script of an endpoint counts, as long as it has answers left.
      const one = matches.findLast(({ left }) => left > 0)
      if (one === undefined) {
        calls.push(received)
        unexpected.push(received)
        const scripted = scripts.map(
          ({ endpoint, left }) =>
            `${endpoint.name}: ${endpoint.method} ${endpoint.template}${left > 0 ? "" : " (used up)"}`
        )
        return Effect.die(new UnexpectedCall({ call: describe(received), scripted }))
      }
      const known: Received = { ...received, endpoint: one.endpoint.name, parameters: one.match(received) ?? {} }
      calls.push(known)
      one.left--
      one.calls++
      const reply = typeof one.script === "function" ? one.script(known, one.calls) : one.script
      return reply[replyOf](one.endpoint).pipe(
        Effect.mapError((cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })),
        Effect.map(({ body, headers, status }) =>
          HttpClientResponse.fromWeb(
            request,
            new Response(
              status === 204 || status === 205 || status === 304 || request.method === "HEAD" ? null : body,
              { status, headers }
            )
          )
        )
      )
    })

  const client = HttpClient.make((request, url) =>
    Effect.flatMap(receive(request, url), (received) => answer(request, received))
  )

  const unmet = (problem: string) => Effect.fail(new UnmetExpectation({ problem, calls: calls.map(describe) }))

  const service: Service = {
    script: (endpoint, script, options) =>
      Effect.sync(() => {
        scripts.push({
          endpoint,
          match: matcher(endpoint),
          script: script as Script<unknown, unknown>,
          left: options?.times ?? Number.POSITIVE_INFINITY,
          calls: 0
        })
      }),
    calls: Effect.sync(() => [...calls]),
    callsTo: (endpoint) =>
      Effect.sync(() => {
        const match = matcher(endpoint)
        return calls.filter((call) => match(call) !== undefined)
      }),
    reset: Effect.sync(() => {
      scripts = []
      calls = []
      unexpected = []
    }),
    verify: Effect.suspend(() => {
      const [first] = unexpected
      if (first !== undefined) return unmet(`The upstream did not expect ${describe(first)}.`)
      const left = scripts.find(({ left }) => left !== Number.POSITIVE_INFINITY && left > 0)
      return left === undefined
        ? Effect.void
        : unmet(`${left.endpoint.name} was to be called ${left.left} more time${left.left === 1 ? "" : "s"}.`)
    }).pipe(Effect.orDie)
  }
  return Context.make(Upstream, service).pipe(Context.add(HttpClient.HttpClient, client))
})

/** A scripted upstream, and the `HttpClient` that talks to it. Nothing is sent anywhere. */
export const layer: Layer.Layer<Upstream | HttpClient.HttpClient> = Layer.effectContext(make)

/**
 * Answers an endpoint from now on, or the given number of times. A later script of the same endpoint comes before an earlier one.
 *
 * @param script a reply, or a function of what was received and of how many calls it has answered
 */
export const script = <I, A, E, R>(
  endpoint: Endpoint<string, I, A, E, R>,
  script: Script<NoInfer<A>, NoInfer<E>>,
  options?: { readonly times?: number | undefined }
): Effect.Effect<void, never, Upstream> =>
  Effect.flatMap(Upstream, (upstream) => upstream.script(endpoint, script, options))

/** Calls of one endpoint, in the order in which they came. */
export const callsTo = (endpoint: AnyEndpoint): Effect.Effect<ReadonlyArray<Received>, never, Upstream> =>
  Effect.flatMap(Upstream, (upstream) => upstream.callsTo(endpoint))

/** Every call so far. */
export const calls: Effect.Effect<ReadonlyArray<Received>, never, Upstream> = Effect.flatMap(
  Upstream,
  (upstream) => upstream.calls
)

/** Dies unless the endpoint was called as often as this. Zero asserts that it was not. */
export const expectCalls = (endpoint: AnyEndpoint, count: number): Effect.Effect<void, never, Upstream> =>
  Effect.flatMap(Upstream, (upstream) =>
    Effect.flatMap(Effect.all([upstream.callsTo(endpoint), upstream.calls]), ([to, all]) =>
      to.length === count
        ? Effect.void
        : Effect.die(
            new UnmetExpectation({
              problem: `${endpoint.name} was to be called ${count} time${count === 1 ? "" : "s"}, and was ${to.length}.`,
              calls: all.map(describe)
            })
          )
    )
  )

/** Dies when a call was unexpected, or a script with a number of times is not used up. */
export const verify: Effect.Effect<void, never, Upstream> = Effect.flatMap(Upstream, (upstream) => upstream.verify)

/** Forgets calls and scripts. */
export const reset: Effect.Effect<void, never, Upstream> = Effect.flatMap(Upstream, (upstream) => upstream.reset)
