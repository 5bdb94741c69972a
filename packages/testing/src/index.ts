export * as CacheStoreContract from "./CacheStoreContract.ts"
