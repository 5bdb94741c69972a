/**
 * A response body between the socket and its readers.
 *
 * The beginning is kept without being asked for, so that the small body that
 * arrives with its headers is complete before anyone looks. Beyond that the
 * socket is left unread until somebody reads: either whole, any number of
 * times, or once as a stream.
 */
import { type Coding, Decoding, decodeNow } from "./undiciDecoding.ts"
import { BodyTooLarge, ConnectionLost, type EncodingRefused, type ExchangeFailure } from "./undiciErrors.ts"

/** What is kept of a body nobody reads yet. */
const prefetchBytes = 65_536
/** Longest body that is decoded on this thread, before and after. */
const decodeNowBytes = { encoded: 16_384, decoded: 262_144 }
/** Chunks shorter than this are copied together: a hostile peer sends one byte in each. */
const smallChunkBytes = 512
const gatherBytes = 16_384

/** The side towards the socket. */
export interface Source {
  /** When bytes or headers last came. */
  readonly receivedAt: number
  /** More is wanted. Never called inside {@link Body.push}. */
  readonly resume: () => void
  /** The rest is not wanted. */
  readonly abort: (failure: ExchangeFailure) => void
}

export interface BodyOptions {
  readonly source: Source
  readonly codings: ReadonlyArray<Coding>
  /** As declared by the response, when what comes is what was declared. */
  readonly length: number | undefined
  readonly maxBodyBytes: number
  readonly maxStreamBytes: number
}

/** More chunks, the end, or why there is none. */
export type Pulled = ReadonlyArray<Buffer> | "end" | ExchangeFailure

interface Reader {
  readonly limitBytes: number
  readonly resume: (result: Buffer | ExchangeFailure) => void
}

const empty = Buffer.alloc(0)

export const isFailure = (result: Pulled | Buffer): result is ExchangeFailure =>
  typeof result === "object" && "_tag" in result

const takenAsStream = () =>
  new ConnectionLost({ phase: "body", cause: new TypeError("The body has been taken as a stream.") })

/** Chunks in order, the short ones copied together. */
class Chunks {
  #chunks: Array<Buffer> = []
  #gathered: Buffer | undefined
  #used = 0
  size = 0

  add(chunk: Buffer): void {
    this.size += chunk.length
    if (chunk.length >= smallChunkBytes || this.size === chunk.length) {
      this.#flush()
      this.#chunks.push(chunk)
      return
    }
    if (this.#gathered === undefined || this.#gathered.length - this.#used < chunk.length) {
      this.#flush()
      this.#gathered = Buffer.allocUnsafeSlow(gatherBytes)
    }
    chunk.copy(this.#gathered, this.#used)
    this.#used += chunk.length
  }

  take(): ReadonlyArray<Buffer> {
    this.#flush()
    const chunks = this.#chunks
    this.#chunks = []
    this.size = 0
    return chunks
  }

  /** All of it, without taking it. */
  get whole(): Buffer {
    this.#flush()
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks, this.size)]
    return this.#chunks[0] ?? empty
  }

  #flush(): void {
    if (this.#gathered !== undefined) this.#chunks.push(this.#gathered.subarray(0, this.#used))
    this.#gathered = undefined
    this.#used = 0
  }
}

export class Body {
  readonly #options: BodyOptions
  readonly #chunks = new Chunks()
  /** Decoded bytes so far, handed out or not. */
  #size = 0
  #state: "open" | "ended" | ExchangeFailure = "open"
  #mode: "unread" | "whole" | "stream" = "unread"
  #limitBytes = Number.POSITIVE_INFINITY
  #readers: Set<Reader> | undefined
  #pull: ((pulled: Pulled) => void) | undefined
  #onSettled: Array<() => void> | undefined
  /** Whether what gives us chunks, socket or decoder, waits for a reader. */
  #paused = false
  /** Encoded bytes, until it is known whether they are few. */
  #encoded: Array<Buffer> | undefined
  #encodedSize = 0
  #decoding: Decoding | undefined

  constructor(options: BodyOptions) {
    this.#options = options
    if (options.codings.length > 0) this.#encoded = []
  }

  /** Whether every byte is here, or will not come. */
  get isSettled(): boolean {
    return this.#state !== "open"
  }

  /** Tells, once, when it has settled. */
  onSettled(f: () => void): void {
    this.#onSettled ??= []
    this.#onSettled.push(f)
  }

  /** When the socket last gave something, decoded since or not. */
  get receivedAt(): number {
    return this.#options.source.receivedAt
  }

  get mode(): "unread" | "whole" | "stream" {
    return this.#mode
  }

  // Towards the socket

  /** Takes bytes as they came. False: no more until {@link Source.resume}. */
  push(chunk: Buffer): boolean {
    if (this.#state !== "open") return true
    if (this.#decoding !== undefined) return this.#decoding.write(chunk)
    if (this.#encoded === undefined) return this.#add(chunk)
    this.#encoded.push(chunk)
    this.#encodedSize += chunk.length
    return this.#encodedSize <= decodeNowBytes.encoded || this.#decode(this.#encoded)
  }

  /** The last byte has come. */
  end(): void {
    if (this.#state !== "open") return
    if (this.#decoding !== undefined) this.#decoding.end()
    else if (this.#encoded === undefined || this.#encodedSize === 0) this.#finish()
    else this.#endEncoded(this.#encoded)
  }

  /** No more will come. Harmless once the body has ended. */
  fail(failure: ExchangeFailure): void {
    if (this.#state !== "open") return
    this.#state = failure
    this.#encoded = undefined
    this.#decoding?.close()
    // What a stream has not handed out yet, it still does.
    if (this.#mode !== "stream") this.#chunks.take()
    this.#settle()
    for (const told of this.#onSettled ?? []) told()
  }

  // Towards the readers

  /** The whole body if it is here, bytes that nobody may change; or why it is not. */
  get whole(): Buffer | ExchangeFailure | undefined {
    if (this.#state === "open") return undefined
    if (this.#mode === "stream") return takenAsStream()
    return this.#state === "ended" ? this.#chunks.whole : this.#state
  }

  /** Reads to the end. The function returned leaves; the last reader to leave aborts the exchange. */
  collect(limitBytes: number, resume: Reader["resume"]): () => void {
    const reader: Reader = { limitBytes, resume }
    this.#readers ??= new Set()
    this.#readers.add(reader)
    if (this.#mode === "stream") this.#settle()
    else {
      this.#limitBytes = this.#mode === "whole" ? Math.max(this.#limitBytes, limitBytes) : limitBytes
      this.#mode = "whole"
      const declared = this.#options.length ?? 0
      if (Math.max(this.#size, declared) > this.#limitBytes) this.#tooLarge()
      else this.#demand()
    }
    return () => {
      if (this.#readers?.delete(reader) && this.#readers.size === 0 && this.#mode === "whole") this.abort()
    }
  }

  /** Takes an unread body as a stream, whose chunks are handed out once. */
  open(): boolean {
    if (this.#mode !== "unread") return false
    this.#mode = "stream"
    this.#limitBytes = this.#options.maxStreamBytes
    return true
  }

  /** The next chunks of a body taken as a stream. The function returned leaves. */
  pull(resume: (pulled: Pulled) => void): () => void {
    this.#pull = resume
    if (this.#chunks.size > 0 || this.#state !== "open") this.#settle()
    else this.#demand()
    return () => {
      this.#pull = undefined
    }
  }

  /** Nobody reads any more. The exchange is over, and its connection with it, unless all has come. */
  abort(): void {
    this.#abort(new ConnectionLost({ phase: "body", cause: new Error("The reader has left.") }))
  }

  #abort(failure: ExchangeFailure): void {
    if (this.#state !== "open") return
    this.fail(failure)
    this.#options.source.abort(failure)
  }

  #add(chunk: Buffer): boolean {
    this.#size += chunk.length
    if (this.#size > this.#limitBytes) {
      this.#tooLarge()
      return true
    }
    this.#chunks.add(chunk)
    if (this.#mode === "whole") return true
    if (this.#pull !== undefined) this.#settle()
    if (this.#chunks.size < prefetchBytes) return true
    this.#paused = true
    return false
  }

  #demand(): void {
    if (!this.#paused || this.#state !== "open") return
    this.#paused = false
    if (this.#decoding === undefined) this.#options.source.resume()
    else this.#decoding.resume()
  }

  #endEncoded(encoded: ReadonlyArray<Buffer>): void {
    const decoded = this.#decodeNow(encoded)
    if (decoded === undefined) {
      this.#decode(encoded)
      this.#decoding?.end()
    } else {
      this.#add(decoded)
      this.#finish()
    }
  }

  #decodeNow(encoded: ReadonlyArray<Buffer>): Buffer | undefined {
    try {
      return decodeNow(Buffer.concat(encoded), this.#options.codings, decodeNowBytes.decoded)
    } catch {
      // Corrupt: the streams say how, and hand out what comes before.
      return undefined
    }
  }

  #decode(encoded: ReadonlyArray<Buffer>): boolean {
    this.#encoded = undefined
    const { codings, maxBodyBytes, source } = this.#options
    const decoding = new Decoding(codings, encoded[0]?.[0], maxBodyBytes, {
      onChunk: (chunk) => this.#state !== "open" || this.#add(chunk),
      onDrain: () => source.resume(),
      onEnd: () => this.#finish(),
      onFailure: (failure: EncodingRefused) => this.#abort(failure)
    })
    this.#decoding = decoding
    let goOn = true
    for (const chunk of encoded) goOn = decoding.write(chunk)
    return goOn
  }

  #finish(): void {
    if (this.#state !== "open") return
    this.#state = "ended"
    this.#settle()
    for (const told of this.#onSettled ?? []) told()
  }

  #tooLarge(): void {
    // Not inside the parser that gave us the byte too many.
    queueMicrotask(() => this.#abort(new BodyTooLarge({ limitBytes: this.#limitBytes })))
    this.#chunks.take()
  }

  /** Answers whoever waits, in a microtask: not inside the parser, nor before the caller knows how to leave. */
  #settle(): void {
    if (this.#pull !== undefined) queueMicrotask(() => this.#answerPull())
    if (this.#readers !== undefined && this.#readers.size > 0) queueMicrotask(() => this.#answerReaders())
  }

  #answerPull(): void {
    const pull = this.#pull
    if (pull === undefined) return
    if (this.#chunks.size > 0) {
      this.#pull = undefined
      pull(this.#chunks.take())
    } else if (this.#state !== "open") {
      this.#pull = undefined
      pull(this.#state === "ended" ? "end" : this.#state)
    } else this.#demand()
  }

  #answerReaders(): void {
    const whole = this.#mode === "stream" ? takenAsStream() : this.whole
    if (whole === undefined || this.#readers === undefined) return
    const readers = [...this.#readers]
    this.#readers.clear()
    for (const { limitBytes, resume } of readers) {
      resume(!isFailure(whole) && whole.length > limitBytes ? new BodyTooLarge({ limitBytes }) : whole)
    }
  }
}
