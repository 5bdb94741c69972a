/**
 * Who a request speaks for, as a keyed hash of its credentials.
 *
 * The hash tells callers apart and says nothing about them: without the
 * layer's secret nobody can confirm a guess, in a store or anywhere else.
 */
import { createHmac } from "node:crypto"
import * as Message from "../Message.ts"
import { AUTHORIZATION, IDENTITY } from "./credentials.ts"

/** Hashing costs microseconds and callers return: as many as these are remembered. */
const capacity = 1024

export class Identities {
  private readonly secret: Uint8Array
  private readonly known = new Map<string, string>()

  constructor(secret: Uint8Array) {
    this.secret = secret
  }

  /**
   * The partition of a request's credentials, or nothing when it carries none.
   *
   * @param more an identity that is not in the fields
   */
  of(headers: Message.Fields, classify: (name: string) => number, more: string | undefined): string | undefined {
    let carriers: Array<string> | undefined
    for (const name in headers) {
      if ((classify(name) & (AUTHORIZATION | IDENTITY)) === 0) continue
      if (carriers === undefined) carriers = [name]
      else carriers.push(name)
    }
    if (carriers === undefined && more === undefined) return undefined
    let identity = more === undefined ? "" : `${more.length}:${more};`
    for (const name of carriers?.sort() ?? []) {
      const value = Message.line(headers, name) ?? ""
      // Lengths keep one field's end from being taken for another's beginning.
      identity += `${name}:${value.length}:${value};`
    }
    return this.hash(identity)
  }

  /** A keyed hash of any text. */
  hash(text: string): string {
    const known = this.known.get(text)
    if (known !== undefined) return known
    const hash = createHmac("sha256", this.secret).update(text).digest("base64url")
    if (this.known.size >= capacity) {
      for (const oldest of this.known.keys()) {
        this.known.delete(oldest)
        break
      }
    }
    this.known.set(text, hash)
    return hash
  }
}
