/**
 * Undoing `Content-Encoding` ([RFC 9110 §8.4](https://www.rfc-editor.org/rfc/rfc9110#section-8.4)).
 *
 * A short body that is there as a whole is decoded at once, on this thread, if
 * what comes out is short as well. Everything else goes through zlib's streams,
 * with backpressure in both directions, so that memory is bounded whatever the
 * ratio of the two lengths.
 */
import type { Duplex } from "node:stream"
import * as zlib from "node:zlib"
import * as Either from "effect/Either"
import { EncodingRefused } from "./undiciErrors.ts"

/** More codings than this on one body are an attack, not a compression. */
const maxCodings = 5

const isZstdSupported = "createZstdDecompress" in zlib

/** What the client says it understands. */
export const acceptEncoding: string = isZstdSupported ? "gzip, deflate, br, zstd" : "gzip, deflate, br"

type Coding = "gzip" | "deflate" | "br" | "zstd"

const codings: Readonly<Record<string, Coding | "identity">> = {
  __proto__: null as never,
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "br",
  identity: "identity",
  ...(isZstdSupported ? { zstd: "zstd" as const } : {})
}

/**
 * The codings to undo, first to last. Nothing when there are none, or one of
 * them is unknown: the body is then handed out as it came, headers included.
 */
export const plan = (contentEncoding: string): Either.Either<ReadonlyArray<Coding>, EncodingRefused> => {
  const names = contentEncoding.split(",", maxCodings + 1)
  if (names.length > maxCodings) {
    return Either.left(new EncodingRefused({ reason: `it has more than ${maxCodings} codings` }))
  }
  const stages: Array<Coding> = []
  for (const name of names.reverse()) {
    const trimmed = name.trim().toLowerCase()
    if (trimmed === "") continue
    const coding = codings[trimmed]
    if (coding === undefined) return Either.right([])
    if (coding !== "identity") stages.push(coding)
  }
  return Either.right(stages)
}

/** `deflate` is zlib's format by the standard, and bare deflate from some servers: the first byte tells. */
const isZlibFormat = (first: number | undefined): boolean => first === undefined || (first & 0x0f) === 8

/** Decodes a short whole body, unless it is longer than `limitBytes` afterwards: then `undefined`. Throws if it is corrupt. */
export const decodeNow = (body: Buffer, stages: ReadonlyArray<Coding>, limitBytes: number): Buffer | undefined => {
  const options = { maxOutputLength: limitBytes }
  try {
    let decoded = body
    for (const stage of stages) {
      switch (stage) {
        case "gzip":
          decoded = zlib.gunzipSync(decoded, options)
          break
        case "deflate":
          decoded = isZlibFormat(decoded[0])
            ? zlib.inflateSync(decoded, options)
            : zlib.inflateRawSync(decoded, options)
          break
        case "br":
          decoded = zlib.brotliDecompressSync(decoded, options)
          break
        case "zstd":
          return undefined
      }
    }
    return decoded
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const decoder = (stage: Coding, first: number | undefined): Duplex => {
  switch (stage) {
    case "gzip":
      return zlib.createGunzip()
    case "deflate":
      return isZlibFormat(first) ? zlib.createInflate() : zlib.createInflateRaw()
    case "br":
      return zlib.createBrotliDecompress()
    case "zstd": {
      const create = (zlib as { readonly createZstdDecompress?: () => Duplex }).createZstdDecompress
      if (create === undefined) throw new Error("zstd is not supported by this Node")
      return create()
    }
  }
}

/** What a {@link Decoding} reports. Never called inside `write` or `end`. */
export interface Sink {
  readonly onChunk: (chunk: Buffer) => boolean
  readonly onDrain: () => void
  readonly onEnd: () => void
  readonly onFailure: (failure: EncodingRefused) => void
}

/** A chain of decoders. */
export class Decoding {
  readonly #stages: Array<Duplex> = []
  readonly #sink: Sink
  #closed = false

  /**
   * @param first the first byte of the body
   * @param limitBytes how much a coding between the first and the last may give
   */
  constructor(codings: ReadonlyArray<Coding>, first: number | undefined, limitBytes: number, sink: Sink) {
    this.#sink = sink
    codings.forEach((coding, index) => {
      // What a second coding holds is not known before the first is undone; zlib's format is the standard's.
      const stage = decoder(coding, index === 0 ? first : undefined)
      stage.on("error", (cause) => this.#fail(new EncodingRefused({ reason: `corrupt or cut ${coding}`, cause })))
      this.#stages.at(-1)?.pipe(stage)
      this.#stages.push(stage)
      if (index < codings.length - 1) this.#limit(stage, limitBytes)
    })
    this.#stages[0]?.on("drain", () => {
      if (!this.#closed) sink.onDrain()
    })
    const last = this.#last
    last?.on("data", (chunk: Buffer) => {
      if (!this.#closed && !sink.onChunk(chunk)) last.pause()
    })
    last?.on("end", () => {
      if (!this.#closed) sink.onEnd()
    })
  }

  get #last(): Duplex | undefined {
    return this.#stages.at(-1)
  }

  /** Whether more may follow at once; otherwise after `onDrain`. */
  write(chunk: Buffer): boolean {
    return this.#stages[0]?.write(chunk) ?? true
  }

  end(): void {
    this.#stages[0]?.end()
  }

  resume(): void {
    this.#last?.resume()
  }

  close(): void {
    this.#closed = true
    for (const stage of this.#stages) stage.destroy()
  }

  #limit(stage: Duplex, limitBytes: number): void {
    let size = 0
    stage.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size > limitBytes) this.#fail(new EncodingRefused({ reason: `over ${limitBytes} bytes between two codings` }))
    })
  }

  #fail(failure: EncodingRefused): void {
    if (this.#closed) return
    this.close()
    this.#sink.onFailure(failure)
  }
}

export type { Coding }
