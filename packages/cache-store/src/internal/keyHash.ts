/**
 * Keys, tags and namespaces as a store sees them: of fixed length, of
 * characters that mean nothing to any protocol, and telling nothing of what a caller wrote.
 */
import { hash } from "node:crypto"

/** 132 bits of SHA-256 as 22 characters of `[A-Za-z0-9_-]`. */
export const keyHash = (text: string): string => hash("sha256", text, "base64url").slice(0, 22)

/** How many hashes are remembered, to spare hot keys the digest. */
const remembered = 4096

/** {@link keyHash} that remembers what it was asked lately. */
export const makeKeyHash = (): ((text: string) => string) => {
  let recent = new Map<string, string>()
  let older = new Map<string, string>()
  return (text) => {
    const known = recent.get(text)
    if (known !== undefined) return known
    const hashed = older.get(text) ?? keyHash(text)
    if (recent.size >= remembered / 2) {
      older = recent
      recent = new Map()
    }
    recent.set(text, hashed)
    return hashed
  }
}

/** A namespace's name in a store: readable at its beginning, and its own by the hash of both names. */
export const namespaceName = (namespace: string, codec: string): string =>
  `${namespace.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)}.${keyHash(JSON.stringify([namespace, codec]))}`
