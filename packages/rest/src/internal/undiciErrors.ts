/**
 * Why an exchange ended badly: the `cause` of the client's `RequestError` or `ResponseError`.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * How far an exchange had come.
 *
 * - `connect`: waiting for a connection (a free one, DNS, TCP, TLS); nothing has been sent
 * - `headers`: the request is on its way, the final response's headers are not complete
 * - `body`: reading the body
 */
export const Phase = Schema.Literal("connect", "headers", "body")
export type Phase = typeof Phase.Type

/** The peer took longer than allowed. `total` is the limit on the exchange as a whole. */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  phase: Schema.Literal("connect", "headers", "body", "total"),
  limit: Schema.DurationFromSelf
}) {
  override get message() {
    const limit = Duration.format(this.limit)
    return {
      connect: `No connection within ${limit}.`,
      headers: `No response headers within ${limit}.`,
      body: `No more of the body within ${limit}.`,
      total: `The exchange took longer than ${limit}.`
    }[this.phase]
  }
}

/** The connection could not be made, or broke, or what came over it was not HTTP; see `cause`. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  phase: Phase,
  cause: Schema.Defect
}) {
  override get message() {
    return {
      connect: "Could not connect; see cause.",
      headers: "The connection failed before the response; see cause.",
      body: "The connection failed before the end of the body; see cause."
    }[this.phase]
  }
}

/** The body, decoded, is longer than the caller accepts. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  limitBytes: Schema.Number
}) {
  override get message() {
    return `The body is longer than ${this.limitBytes} bytes; raise maxBodyBytes or read it as a stream.`
  }
}

/** The response's headers are longer than the client accepts. */
export class HeadersTooLarge extends Schema.TaggedError<HeadersTooLarge>()("HeadersTooLarge", {
  limitBytes: Schema.Number
}) {
  override get message() {
    return `The response's headers are longer than ${this.limitBytes} bytes; raise maxHeaderBytes.`
  }
}

/** The body is encoded more often than the client will decode, or its coding is corrupt. */
export class EncodingRefused extends Schema.TaggedError<EncodingRefused>()("EncodingRefused", {
  reason: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message() {
    return `The body could not be decoded: ${this.reason}.`
  }
}

/** The request was not sent, or not to its end: a header no HTTP message may have, or a body that failed. */
export class RequestRefused extends Schema.TaggedError<RequestRefused>()("RequestRefused", {
  reason: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message() {
    return `The request was refused: ${this.reason}.`
  }
}

export type ExchangeFailure =
  | DeadlineExceeded
  | ConnectionLost
  | BodyTooLarge
  | HeadersTooLarge
  | EncodingRefused
  | RequestRefused

/** The failure undici's error stands for. Its class is not compared: another copy of undici has other classes. */
export const fromUndici = (phase: Phase, error: unknown, maxHeaderBytes: number): ExchangeFailure => {
  const code = error instanceof Error && "code" in error ? error.code : undefined
  switch (code) {
    case "UND_ERR_HEADERS_OVERFLOW":
      return new HeadersTooLarge({ limitBytes: maxHeaderBytes })
    case "UND_ERR_INVALID_ARG":
    case "UND_ERR_NOT_SUPPORTED":
    case "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH":
      return new RequestRefused({ reason: error instanceof Error ? error.message : "invalid", cause: error })
    default:
      return new ConnectionLost({ phase, cause: error })
  }
}
