/**
 * The request fields an origin chose its response by, prepared for comparing
 * ([RFC 9111 §4.1][1]).
 *
 * A field compares equal when its members are the same apart from the spaces
 * around them and the lines they came in; absent matches absent only. Values of
 * fields that may hold secrets are kept as digests.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.1
 */
import { PLAIN } from "./internal/credentials.ts"
import * as Language from "./internal/language.ts"
import * as Message from "./Message.ts"
import type { Policy } from "./Policy.ts"

/** One nominated field and what the request said in it. */
export interface Nominated {
  readonly name: string
  /** How `value` was made. */
  readonly form: "list" | "digest" | "language"
  /** `undefined` when the request did not have the field. */
  readonly value: string | undefined
  /** The field as the request had it, in case the next one has it the same; never for a `digest`. */
  readonly sent: string | undefined
  /** For `language`: what the response is written in, if it says so in one tag. */
  readonly language: string | undefined
}

/** Nominated fields by name in alphabetical order; empty when the response varies on nothing. */
export type Vary = ReadonlyArray<Nominated>

/** Varies on nothing. */
export const none: Vary = []

const mostFields = 64

/**
 * The fields a response nominates, with the values of the request that brought it.
 *
 * `undefined` stands for `*`: nothing will ever match. So do a member that is no
 * field name, and more than 64 names.
 */
export const of = (policy: Policy, request: Message.Fields, response: Message.Fields): Vary | undefined => {
  if (response["vary"] === undefined) return none
  const lines = Message.lines(response, "vary")
  const names = new Set<string>()
  for (const line of lines) {
    for (const member of Message.members(line)) {
      const name = member.toLowerCase()
      if (name === "*" || !Message.isToken(name) || names.size === mostFields) return undefined
      names.add(name)
    }
  }
  return Array.from(names)
    .sort()
    .map((name) => {
      const form = formOf(policy, name)
      const language = form === "language" ? Language.single(Message.line(response, "content-language")) : undefined
      const line = Message.line(request, name)
      return { name, form, value: valueOf(policy, form, line), sent: form === "digest" ? undefined : line, language }
    })
}

/** Whether a request with these fields would have been given the same response. */
export const matches = (policy: Policy, vary: Vary, request: Message.Fields): boolean => {
  for (let i = 0; i < vary.length; i++) {
    const nominated = vary[i] as Nominated
    const line = Message.line(request, nominated.name)
    if (line === nominated.sent && (line !== undefined || nominated.value === undefined)) continue
    if (nominated.value === valueOf(policy, nominated.form, line)) continue
    if (nominated.language !== undefined && line !== undefined && Language.prefers(line, nominated.language)) continue
    return false
  }
  return true
}

const formOf = (policy: Policy, name: string): Nominated["form"] =>
  (policy.classify(name) & PLAIN) === 0
    ? "digest"
    : policy.normalizeLanguage && name === "accept-language"
      ? "language"
      : "list"

const valueOf = (policy: Policy, form: Nominated["form"], line: string | undefined): string | undefined => {
  if (line === undefined) return undefined
  const list = line.includes(",") ? Message.members(line).join(",") : Message.trim(line)
  return form === "digest" ? policy.digest(list) : form === "language" ? Language.normalize(list) : list
}
