export * as GraphqlEffect from "./GraphqlEffect.ts"
export * as GraphqlRequest from "./GraphqlRequest.ts"
export * as PublicError from "./PublicError.ts"
export * as Resolver from "./Resolver.ts"
