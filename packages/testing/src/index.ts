export * as CacheStoreContract from "./CacheStoreContract.ts"
export * as Recording from "./Recording.ts"
export * as Upstream from "./Upstream.ts"
