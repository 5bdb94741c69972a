import type { PublicError } from "../PublicError.ts"

const byTag: Readonly<Record<string, PublicError>> = {
  TimeoutException: { code: "UPSTREAM_TIMEOUT" },
  NoSuchElementException: { code: "NOT_FOUND" }
}

const httpClientErrorId = Symbol.for("@effect/platform/HttpClientError")

/** @effect/platform's client errors, read by shape: this package imports no HTTP. */
const ofHttpClient = (error: object): PublicError => {
  const status = "response" in error ? (error.response as { readonly status?: unknown } | undefined)?.status : undefined
  if (typeof status !== "number" || status >= 500) return { code: "UPSTREAM_UNAVAILABLE" }
  if (status === 404 || status === 410) return { code: "NOT_FOUND" }
  if (status === 429) return { code: "RATE_LIMITED" }
  return { code: "BAD_UPSTREAM_RESPONSE" }
}

/** What is shown of errors of Effect's own packages, which carry no annotation. */
export const knownError = (error: object): PublicError | undefined => {
  if (httpClientErrorId in error) return ofHttpClient(error)
  return "_tag" in error && typeof error._tag === "string" && Object.hasOwn(byTag, error._tag)
    ? byTag[error._tag]
    : undefined
}
