/** Who asks. */
import { GraphqlRequest } from "@wellspring/graphql"
import { Context, Effect } from "effect"

export class Viewer extends Context.Tag("atlas/Viewer")<Viewer, { readonly token: string }>() {}

/** The viewer of the request at hand, by its `Authorization` header; without one, nobody in particular. */
export const ofRequest = Effect.map(GraphqlRequest.GraphqlRequest, (request) =>
  Context.make(Viewer, { token: (request.header("authorization") ?? "").replace(/^Bearer /i, "") })
)
