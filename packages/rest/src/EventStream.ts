/**
 * Server-sent events and line-delimited JSON, from bytes.
 */

import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Stream from "effect/Stream"

/** One event of a `text/event-stream`. */
export interface Event<out A = string> {
  /** The event's type; `message` when the upstream names none. */
  readonly event: string
  readonly data: A
  /** The last id given, by this event or one before it: what to send as `Last-Event-ID` when connecting again. */
  readonly id: string
  /** Milliseconds to wait before connecting again, when the event says so. */
  readonly retry: number | undefined
}

/** A line grew longer than allowed. */
export class LineTooLong {
  readonly _tag = "LineTooLong"
  readonly limitBytes: number
  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }
}

/**
 * Splits bytes of UTF-8 into lines, ended by LF, CRLF or CR wherever the pieces are cut. A last line without an end is a line.
 *
 * @param maxLineBytes a line longer than this fails, since it would have to be held in memory
 */
export const lines =
  (maxLineBytes: number) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<string, E | LineTooLong, R> =>
    Stream.suspend(() => {
      const decoder = new TextDecoder()
      let rest = ""
      let endedInCr = false
      const take = (text: string): Array<string> => {
        let fresh = endedInCr && text.startsWith("\n") ? text.slice(1) : text
        endedInCr = text === "" ? endedInCr : text.endsWith("\r")
        fresh = rest + fresh
        const parts = fresh.split(/\r\n|\n|\r/)
        rest = parts.pop() ?? ""
        return parts
      }
      const loop: Channel.Channel<
        Chunk.Chunk<string>,
        Chunk.Chunk<Uint8Array>,
        E | LineTooLong,
        E,
        unknown,
        unknown
      > = Channel.readWithCause({
        onInput: (chunk: Chunk.Chunk<Uint8Array>) => {
          const found: Array<string> = []
          for (const bytes of chunk) found.push(...take(decoder.decode(bytes, { stream: true })))
          if (rest.length > maxLineBytes || found.some((line) => line.length > maxLineBytes)) {
            return Channel.fail(new LineTooLong(maxLineBytes))
          }
          return found.length === 0 ? loop : Channel.zipRight(Channel.write(Chunk.unsafeFromArray(found)), loop)
        },
        onFailure: Channel.failCause,
        onDone: () => {
          const found = take(decoder.decode())
          if (rest !== "") found.push(rest)
          return found.length === 0 ? Channel.void : Channel.write(Chunk.unsafeFromArray(found))
        }
      })
      return Stream.fromChannel(Channel.pipeTo(Stream.toChannel(self), loop))
    })

/**
 * Reads the events of lines, by the [HTML standard][1]: comments are skipped,
 * several `data` fields are joined by line breaks, and an event without data, or cut off before its
 * blank line, is none.
 *
 * [1]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export const events = <E, R>(self: Stream.Stream<string, E, R>): Stream.Stream<Event, E, R> =>
  Stream.suspend(() => {
    let event = ""
    let data: Array<string> = []
    let id = ""
    let retry: number | undefined
    let isFirst = true
    const take = (raw: string): Event | undefined => {
      const line = isFirst && raw.charCodeAt(0) === 0xfeff ? raw.slice(1) : raw
      isFirst = false
      if (line === "") {
        const whole = data.length === 0 ? undefined : { event: event || "message", data: data.join("\n"), id, retry }
        event = ""
        data = []
        retry = undefined
        return whole
      }
      const colon = line.indexOf(":")
      const name = colon === -1 ? line : line.slice(0, colon)
      const text = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1)
      if (name === "event") event = text
      else if (name === "data") data.push(text)
      else if (name === "id" && !text.includes("\0")) id = text
      else if (name === "retry" && /^\d+$/.test(text)) retry = Number(text)
      return undefined
    }
    return Stream.mapConcat(self, (line) => {
      const whole = take(line)
      return whole === undefined ? [] : [whole]
    })
  })
