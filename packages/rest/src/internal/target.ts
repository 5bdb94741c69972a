/** Where a request goes: the path resolved against the base, and proof that it went nowhere else. */
import type * as Path from "../Path.ts"

/** A base URL, taken apart once. */
export interface Base {
  readonly url: URL
  readonly origin: string
  /** Up to and with the last slash of its path. */
  readonly folder: string
}

const bases = new Map<string, Base>()

/** A base URL. Throws a TypeError when it is not an http(s) URL. */
export const base = (input: string | URL): Base => {
  const text = typeof input === "string" ? input : input.href
  const seen = bases.get(text)
  if (seen !== undefined) return seen
  const url = new URL(text)
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError("The base URL must be http or https.")
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("The base URL must not hold a user or password: set the authorization header in prepare.")
  }
  const made = { url, origin: url.origin, folder: new URL(".", url).href }
  if (bases.size >= 1000) bases.clear()
  bases.set(text, made)
  return made
}

/** What a filled template turned out to be. */
export type Target = { readonly href: string } | { readonly origin: string } | { readonly reshaped: true }

// Text of these characters is the same before and after a URL parser, and none of them ends a segment unseen.
const canonical = /^[A-Za-z0-9_~\-./?=&]*$/

const segmentsOf = (url: URL): number => url.pathname.split("/").length

/** The URL of a filled template, asserted to have the origin, the segments and the query that the template gives it. */
export const resolve = (
  path: Path.Path<unknown>,
  values: unknown,
  filled: string,
  query: string,
  base: Base,
  isAllowed: (origin: string) => boolean
): Target => {
  if (path.plain && canonical.test(filled)) return { href: append(base.folder + filled, query) }
  const start = path.plain ? base.folder : base.url
  const url = path.plain ? new URL(base.folder + filled) : new URL(filled, start)
  const model = path.plain ? new URL(base.folder + path.model(values)) : new URL(path.model(values), start)
  if (
    url.origin !== model.origin ||
    segmentsOf(url) !== segmentsOf(model) ||
    url.search !== model.search ||
    url.hash !== model.hash ||
    url.username !== "" ||
    url.password !== ""
  ) {
    return { reshaped: true }
  }
  if (url.origin !== base.origin && !isAllowed(url.origin)) return { origin: url.host }
  return { href: append(url.href, query) }
}

/** The URL of a link that the upstream gave: resolved against the base, and held to the allowed origins. */
export const locate = (location: string, base: Base, isAllowed: (origin: string) => boolean): Target => {
  if (!URL.canParse(location, base.url.href)) return { origin: "an invalid URL" }
  const url = new URL(location, base.url)
  if (url.protocol !== "http:" && url.protocol !== "https:") return { origin: url.protocol }
  if (url.origin !== base.origin && !isAllowed(url.origin)) return { origin: url.host }
  url.username = ""
  url.password = ""
  url.hash = ""
  return { href: url.href }
}

const append = (href: string, query: string): string =>
  query === "" ? href : `${href}${href.includes("?") ? "&" : "?"}${query}`

/** A URL for a log: no user info, no query values, no fragment. */
export const redact = (href: string): string => {
  if (!URL.canParse(href)) return "invalid URL"
  const url = new URL(href)
  url.username = ""
  url.password = ""
  url.hash = ""
  for (const name of new Set(url.searchParams.keys())) {
    const count = url.searchParams.getAll(name).length
    url.searchParams.delete(name)
    for (let index = 0; index < count; index++) url.searchParams.append(name, "REDACTED")
  }
  return url.href
}
