/**
 * A body on its way to one reader, recorded as it passes.
 *
 * Up to its limit it is taken from the origin as fast as it comes, whether or
 * not anybody reads, so that the entry is complete when the caller looks at the
 * status alone. Beyond the limit nothing is kept, and the reader sets the pace.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

type Reader = () => void

export class Recorder<E> {
  private readonly limitBytes: number
  private readonly onSettled: (bytes: Uint8Array | undefined, complete: boolean) => void
  private chunks: Array<Uint8Array | undefined> = []
  private length = 0
  private recording = true
  private ended: Exit.Exit<void, E> | undefined
  private joined: Uint8Array | undefined
  private readers: Array<Reader> = []
  /** How far the reader has asked; beyond the limit the origin may not be further ahead. */
  private wanted = 0
  private pumpWaits: (() => void) | undefined
  private readerLeft = false
  private stop: () => void = () => {}

  /** @param onSettled called once: with the body as far as it came and whether that is all of it, or with nothing when it outgrew the limit */
  constructor(limitBytes: number, onSettled: (bytes: Uint8Array | undefined, complete: boolean) => void) {
    this.limitBytes = limitBytes
    this.onSettled = onSettled
  }

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk)
    this.length += chunk.byteLength
    if (this.recording && this.length > this.limitBytes) {
      this.recording = false
      this.onSettled(undefined, false)
      if (this.readerLeft) this.stop()
    }
    this.wake()
  }

  end(exit: Exit.Exit<void, E>): void {
    if (this.ended !== undefined) return
    this.ended = exit
    if (this.recording) this.onSettled(this.join(), Exit.isSuccess(exit))
    this.wake()
  }

  /** Tells how the origin is stopped when nobody is left to read what is not kept. */
  stoppedBy(stop: () => void): void {
    this.stop = stop
  }

  /** Whether the origin should hold back; `resume` is called when the reader has caught up. */
  holdBack(resume: () => void): boolean {
    if (this.recording || this.wanted >= this.chunks.length) return false
    this.pumpWaits = resume
    return true
  }

  /** The chunk at `index`, `undefined` in it at the end, or nothing yet. Asking is what lets the origin go on. */
  private take(index: number): Exit.Exit<Uint8Array | undefined, E> | undefined {
    if (index >= this.wanted) {
      this.wanted = index + 1
      const resume = this.pumpWaits
      this.pumpWaits = undefined
      resume?.()
    }
    if (index < this.chunks.length) {
      const chunk = this.chunks[index]
      if (!this.recording) this.chunks[index] = undefined
      return chunk === undefined ? Exit.die(new Error("The body was read already.")) : Exit.succeed(chunk)
    }
    if (this.ended === undefined) return undefined
    return Exit.isSuccess(this.ended) ? Exit.succeed(undefined) : Exit.failCause(this.ended.cause)
  }

  private wait(reader: Reader): void {
    this.readers.push(reader)
  }

  private leave(reader: Reader): void {
    this.readers = this.readers.filter((waiting) => waiting !== reader)
  }

  private chunkAt(index: number): Effect.Effect<Uint8Array | undefined, E> {
    return Effect.suspend(
      () =>
        this.take(index) ??
        Effect.async<Uint8Array | undefined, E>((resume) => {
          const reader = () => {
            const exit = this.take(index)
            if (exit === undefined) this.wait(reader)
            else resume(exit)
          }
          this.wait(reader)
          return Effect.sync(() => this.leave(reader))
        })
    )
  }

  /** The body, chunk by chunk. Beyond the limit it can be read once. */
  get stream(): Stream.Stream<Uint8Array, E> {
    return Stream.unfoldChunkEffect(0, (index) =>
      Effect.map(this.chunkAt(index), (chunk) =>
        // What is being kept is nobody's to write to.
        chunk === undefined
          ? Option.none()
          : Option.some([Chunk.of(this.recording ? new Uint8Array(chunk) : chunk), index + 1] as const)
      )
    ).pipe(Stream.ensuring(Effect.sync(() => this.leaveReader())))
  }

  private leaveReader(): void {
    this.readerLeft = true
    if (!this.recording && this.ended === undefined) this.stop()
  }

  /** The whole body. */
  get bytes(): Effect.Effect<Uint8Array, E> {
    return Effect.suspend(() => {
      if (this.joined !== undefined) return Exit.succeed(this.joined)
      const parts: Array<Uint8Array> = []
      return Effect.map(
        Effect.iterate(true, {
          while: (more) => more,
          body: () =>
            Effect.map(this.chunkAt(parts.length), (chunk) => {
              if (chunk !== undefined) parts.push(chunk)
              return chunk !== undefined
            })
        }),
        () => this.keepJoined(parts)
      )
    })
  }

  private join(): Uint8Array {
    return this.keepJoined(this.chunks as Array<Uint8Array>)
  }

  private keepJoined(parts: ReadonlyArray<Uint8Array>): Uint8Array {
    this.joined ??= joinAll(parts)
    return this.joined
  }

  private wake(): void {
    const readers = this.readers
    if (readers.length === 0) return
    this.readers = []
    for (const reader of readers) reader()
  }
}

const joinAll = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
}

/** Fills a recorder from a stream, holding the stream back when the reader sets the pace. */
export const pump = <E>(recorder: Recorder<E>, source: Stream.Stream<Uint8Array, E>): Effect.Effect<void> =>
  Stream.runForEach(source, (chunk) => {
    recorder.push(chunk)
    return Effect.async<void>((resume) => {
      if (!recorder.holdBack(() => resume(Effect.void))) resume(Effect.void)
    })
  }).pipe(
    Effect.exit,
    Effect.map((exit) => recorder.end(exit))
  )
