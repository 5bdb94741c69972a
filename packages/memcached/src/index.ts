export * as Memcached from "./Memcached.ts"
export * as MemcachedBackend from "./MemcachedBackend.ts"
export * as MemcachedConnection from "./MemcachedConnection.ts"
