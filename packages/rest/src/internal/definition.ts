/** What an endpoint is once its options have been read; types that users see are in `Endpoint.ts`. */
import type * as Context from "effect/Context"
import type * as Schema from "effect/Schema"
import type * as Body from "../Body.ts"
import type * as Endpoint from "../Endpoint.ts"
import type * as Path from "../Path.ts"
import type * as Query from "../Query.ts"
import type { Decoder } from "./decode.ts"

export interface Definition {
  readonly name: string
  readonly method: string
  readonly path: Path.Path<unknown>
  readonly template: string
  readonly query: Query.Query<unknown> | undefined
  readonly headers: Query.Query<unknown> | undefined
  readonly body: Body.Body<unknown> | undefined
  readonly success: Decoder
  /** As they were given, for whoever has to write answers: a scripted upstream. */
  readonly schemas: {
    readonly success: Schema.Schema.AnyNoContext
    readonly errors: Readonly<Record<number, Schema.Schema.AnyNoContext>>
  }
  readonly errors: ReadonlyMap<number, ErrorDecoder>
  readonly failure: { readonly when: (answer: unknown) => boolean; readonly error: ErrorDecoder } | undefined
  readonly policy: Endpoint.Policy
  readonly key: ((input: unknown) => string) | undefined
  readonly tags: ReadonlyArray<string> | ((input: unknown) => ReadonlyArray<string>) | undefined
  readonly idempotent: boolean
  readonly safe: boolean
  readonly source: Context.Tag<unknown, unknown>
}

/** An error's decoder, with the value of the `_tag` it expects where it has one. */
export interface ErrorDecoder {
  readonly decode: Decoder
  readonly tag: string | undefined
}
