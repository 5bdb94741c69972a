/** Invalidations on their way to other processes: a JSON array of texts, the sender first. */
import { randomUUID } from "node:crypto"
import * as Invalidation from "../Invalidation.ts"

export interface Message {
  readonly instance: string
  /** The namespace as the backend has it. */
  readonly name: string
  readonly invalidation: (namespace: string) => Invalidation.Invalidation
}

/** Names this process, so that it does not heed itself. */
export const makeInstance = (): string => randomUUID()

export const encode = (instance: string, name: string, invalidation: Invalidation.Invalidation): Uint8Array =>
  new TextEncoder().encode(JSON.stringify([instance, name, invalidation._tag, subject(invalidation)]))

export const decode = (bytes: Uint8Array): Message | undefined => {
  const fields = parse(bytes)
  const [instance, name, tag, text] = fields
  if (instance === undefined || name === undefined || tag === undefined || text === undefined) return undefined
  return { instance, name, invalidation: (namespace) => revive(namespace, tag, text) }
}

const subject = (invalidation: Invalidation.Invalidation): string =>
  Invalidation.match(invalidation, {
    Key: ({ key }) => key,
    Tag: ({ tag }) => tag,
    Prefix: ({ prefix }) => prefix,
    All: () => ""
  })

/** What a later version may tell is taken for everything. */
const revive = (namespace: string, tag: string, text: string): Invalidation.Invalidation => {
  if (tag === "Key") return Invalidation.Key({ namespace, key: text })
  if (tag === "Tag") return Invalidation.Tag({ namespace, tag: text })
  if (tag === "Prefix") return Invalidation.Prefix({ namespace, prefix: text })
  return Invalidation.All({ namespace })
}

const parse = (bytes: Uint8Array): ReadonlyArray<string> => {
  try {
    const fields: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return Array.isArray(fields) && fields.every((field) => typeof field === "string") ? fields : []
  } catch {
    return []
  }
}
