/** Endpoints from `HttpApi` descriptions: one definition for a server, its generated client and a data source. */
import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type * as Types from "effect/Types"
import type * as Endpoint from "./Endpoint.ts"
import * as Internal from "./internal/httpApi.ts"
import type { RestSource } from "./RestSource.ts"

type Given<A> = [A] extends [never] ? {} : A
type Under<K extends string, A> = [A] extends [never] ? {} : { readonly [_ in K]: A }

/** The endpoint that one of an `HttpApi` stands for; `Shared` are the errors of its group and api. */
export type FromEndpoint<T, Shared = never> =
  T extends HttpApiEndpoint.HttpApiEndpoint<
    infer Name,
    infer Method,
    infer Path,
    infer UrlParams,
    infer Payload,
    infer Headers,
    infer Success,
    infer Failure,
    infer _R,
    infer _RE
  >
    ? Endpoint.Endpoint<
        Name,
        Types.Simplify<
          Given<Path> &
            Given<UrlParams> &
            Under<"headers", Headers> &
            (Method extends "GET" | "HEAD" | "OPTIONS" ? Given<Payload> : Under<"body", Payload>)
        >,
        Success,
        Failure | Shared,
        RestSource
      >
    : never

/** The endpoints of a group, by name. */
export type FromGroup<T, Shared = never> =
  T extends HttpApiGroup.HttpApiGroup<infer _Id, infer Endpoints, infer Failure, infer _R, infer _Top>
    ? {
        readonly [Name in Endpoints["name"]]: FromEndpoint<
          Extract<Endpoints, { readonly name: Name }>,
          Failure | Shared
        >
      }
    : never

type Placed<T, Shared> =
  T extends HttpApiGroup.HttpApiGroup<infer Id, infer _Endpoints, infer _Failure, infer _R, infer Top>
    ? [Top] extends [true]
      ? FromGroup<T, Shared>
      : { readonly [_ in Id]: FromGroup<T, Shared> }
    : never

/** The endpoints of an api: by name for groups at its top level, by group and name for the others. */
export type FromApi<T> =
  T extends HttpApi.HttpApi<infer _Id, infer Groups, infer Failure, infer _R>
    ? Types.Simplify<Types.UnionToIntersection<Placed<Groups, Failure>>>
    : never

/** What {@link fromApi} makes of a description. */
export type From<T> = T extends { readonly groups: unknown }
  ? FromApi<T>
  : T extends { readonly endpoints: unknown }
    ? FromGroup<T>
    : FromEndpoint<T>

/**
 * Endpoints from an `HttpApi`, one of its groups, or one `HttpApiEndpoint`.
 *
 * Paths are meant below the base URL, as `HttpApiClient` has them: `/movies`
 * with the base `https://host/v1/` is `https://host/v1/movies`. Path, query and
 * payload of methods without a body are given side by side, others' payload as `body`.
 *
 * @param policy what all of the endpoints have in common
 *
 * @example
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "@effect/platform"
 * import { RestSource } from "@wellspring/rest"
 * import { Schema } from "effect"
 *
 * const Movie = Schema.Struct({ id: Schema.String, title: Schema.String })
 * const byId = HttpApiEndpoint.get("byId")`/movies/${HttpApiSchema.param("id", Schema.String)}`.addSuccess(Movie)
 * const Api = HttpApi.make("movies").add(HttpApiGroup.make("movies").add(byId))
 *
 * const { movies } = RestSource.fromApi(Api)
 * const movie = movies.byId({ id: "tt0111161" })
 */
export const fromApi = <
  const T extends HttpApi.HttpApi.Any | HttpApiGroup.HttpApiGroup.Any | HttpApiEndpoint.HttpApiEndpoint.Any
>(
  described: T,
  policy: Endpoint.Policy = {}
): From<T> => {
  if ("groups" in described)
    return Internal.api(described as unknown as HttpApi.HttpApi.AnyWithProps, policy) as From<T>
  if ("endpoints" in described) {
    return Internal.group(described as unknown as HttpApiGroup.HttpApiGroup.AnyWithProps, [], policy) as From<T>
  }
  return Internal.endpoint(described as unknown as HttpApiEndpoint.HttpApiEndpoint.AnyWithProps, [], policy) as From<T>
}
