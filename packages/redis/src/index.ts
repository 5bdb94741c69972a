export * as Redis from "./Redis.ts"
export * as RedisBackend from "./RedisBackend.ts"
export * as RedisClient from "./RedisClient.ts"
