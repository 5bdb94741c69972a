/** Responses that can tell when their body is over, whatever client they come from. */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Fiberless from "@wellspring/source/Fiberless"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { Bytes, Coming } from "./undiciResponse.ts"

type Response = HttpClientResponse.HttpClientResponse

export interface Held {
  /** The response to hand on. */
  readonly response: Response
  /** Whether somebody has begun to read it. */
  readonly isRead: boolean
}

const isEmpty = ({ headers, request, status }: Response): boolean =>
  request.method === "HEAD" || status === 204 || status === 304 || headers["content-length"] === "0"

/** Tells, once, of the end of the response's body: read, given up, or broken. Undefined when that is now. */
export const hold = (response: Response, over: (held: Held) => void): Held | undefined => {
  const coming = (response as { readonly [Coming]?: Coming })[Coming]
  if (coming !== undefined) {
    if (coming.isSettled) return undefined
    const held = {
      response,
      get isRead() {
        return coming.mode !== "unread"
      }
    }
    coming.onSettled(() => over(held))
    return held
  }
  return isEmpty(response) ? undefined : new Watched(response, over)
}

/** Ways to read a body, of platform's clients and of ours. */
const reads: ReadonlySet<PropertyKey> = new Set([
  "text",
  "json",
  "arrayBuffer",
  "formData",
  "urlParamsBody",
  Bytes
] satisfies ReadonlyArray<keyof Response | typeof Bytes>)

type Read = Effect.Effect<unknown, unknown>

class Watched implements Held {
  readonly response: Response
  isRead = false
  readonly #over: (held: Held) => void

  constructor(response: Response, over: (held: Held) => void) {
    this.#over = over
    // A view, for a client's response may have more to it than its interface says.
    this.response = new Proxy(response, {
      get: (target, key) => {
        // Getters and methods are its own: they may reach for what is private to it.
        const value: unknown = Reflect.get(target, key, target)
        if (typeof value === "function") return value.bind(target)
        if (key === "stream") return this.#stream(value as Response["stream"])
        return reads.has(key) && value !== undefined ? this.#read(value as Read) : value
      }
    })
  }

  #stream(stream: Response["stream"]): Response["stream"] {
    return Stream.suspend(() => {
      this.isRead = true
      return Stream.ensuring(stream, this.#end)
    })
  }

  #read(read: Read): Read {
    if (Exit.isExit(read)) {
      this.#over(this)
      return read
    }
    if (!Fiberless.isFiberless(read)) {
      return Effect.suspend(() => {
        this.isRead = true
        return Effect.ensuring(read, this.#end)
      })
    }
    return Fiberless.make((context, resume) => {
      this.isRead = true
      const started = read[Fiberless.TypeId](context, (exit) => {
        this.#over(this)
        resume(exit)
      })
      if (typeof started !== "function") {
        this.#over(this)
        return started
      }
      return () => {
        started()
        this.#over(this)
      }
    })
  }

  readonly #end = Effect.sync(() => this.#over(this))
}
