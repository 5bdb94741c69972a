// CacheStoreContract registers tests, so it is imported by its own path, inside a test file.
export * as Recording from "./Recording.ts"
export * as Upstream from "./Upstream.ts"
