/**
 * What somebody implements to bring a store of their own: bytes under short
 * keys, which may fail.
 *
 * `CacheStore.fromBackend` makes a `CacheStore` of it, and adds what a caller
 * is promised: an envelope that proves an entry whole and its own, a bound on
 * every wait, a breaker while the backend is down, one report an episode.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as Fiberless from "./internal/fiberless.ts"

/** The backend could not be reached, or refused the command. */
export class CacheStoreError extends Schema.TaggedError<CacheStoreError>()("CacheStoreError", {
  /** The backend's name, such as `redis`. */
  backend: Schema.String,
  operation: Schema.Literal("connect", "get", "set", "remove", "clear", "acquire", "release", "publish", "subscribe"),
  cause: Schema.Defect
}) {
  override get message() {
    return `The cache store "${this.backend}" could not ${this.operation}; see cause.`
  }
}

export interface BackendSetOptions {
  /** Longer than zero; may be infinite. A backend that counts coarser rounds down, and refuses what would come to nothing. */
  readonly timeToLive: Duration.Duration
  /** Names for `removeTagged`; empty unless the backend has `removeTagged`. */
  readonly tags: ReadonlyArray<string>
  /** How long the write may take. A backend that can sees to it that it has no effect later than that. */
  readonly timeout: Duration.Duration
  /** The token of a lease on `key` that must still be held, checked in one step with the write; the lease ends with it. */
  readonly token?: string | undefined
}

/**
 * A command as most client libraries give it. It costs no fiber, and an
 * interruption does not reach it: what a late answer says is not heard.
 *
 * @example
 * import { CacheBackend } from "@wellspring/cache-store"
 *
 * declare const client: { get: (key: string) => Promise<Uint8Array | undefined> }
 *
 * export const get = (key: string) => CacheBackend.command("mine", "get", () => client.get(key))
 */
export const command = <A>(
  backend: string,
  operation: CacheStoreError["operation"],
  evaluate: () => PromiseLike<A>
): Effect.Effect<A, CacheStoreError> =>
  Fiberless.make<A, CacheStoreError>((_, resume) => {
    const failed = (cause: unknown) => Exit.fail(new CacheStoreError({ backend, operation, cause }))
    try {
      evaluate().then(
        (answer) => resume(Exit.succeed(answer)),
        (cause) => resume(failed(cause))
      )
    } catch (cause) {
      return failed(cause)
    }
    return () => {}
  })

/**
 * Bytes under keys. Namespaces and keys are non-empty, of `[A-Za-z0-9_.-]`,
 * and together at most 200 characters long; they hold nothing that a caller wrote.
 * Every effect is interruptible, and an interrupted or failed write has no late effect.
 */
export interface CacheBackend {
  /** For spans, reports and errors. */
  readonly name: string
  readonly get: (namespace: string, key: string) => Effect.Effect<Option.Option<Uint8Array>, CacheStoreError>
  /** As many answers as keys, in their order; keys are distinct, and at least one. */
  readonly getMany: (
    namespace: string,
    keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Option.Option<Uint8Array>>, CacheStoreError>
  /** Whether it was kept: `false` when the lease was lost, or the value is more than the backend takes. */
  readonly set: (
    namespace: string,
    key: string,
    value: Uint8Array,
    options: BackendSetOptions
  ) => Effect.Effect<boolean, CacheStoreError>
  /** Forgets one key, and voids its lease. */
  readonly remove: (namespace: string, key: string) => Effect.Effect<void, CacheStoreError>
  /** Forgets a namespace, and no other one. */
  readonly clear: (namespace: string) => Effect.Effect<void, CacheStoreError>
  /** Forgets what was set with a tag. Without it, removing a tag clears the namespace. */
  readonly removeTagged?: (namespace: string, tag: string) => Effect.Effect<void, CacheStoreError>
  /** Leases that hold across processes. Without them every process makes its own value. */
  readonly leases?: {
    /** A token for the caller, or `None` while another holds the lease. */
    readonly acquire: (
      namespace: string,
      key: string,
      timeToLive: Duration.Duration
    ) => Effect.Effect<Option.Option<string>, CacheStoreError>
    readonly release: (namespace: string, key: string, token: string) => Effect.Effect<void, CacheStoreError>
  }
  /** Carries messages to the other processes that share the backend, so that they drop what they keep of it. */
  readonly channel?: {
    readonly publish: (message: Uint8Array) => Effect.Effect<void, CacheStoreError>
    /**
     * What others publish. Begins with an empty message once it is heard, and fails when
     * the connection is lost: whoever listens starts it again, and treats what it keeps as suspect.
     */
    readonly subscribe: Stream.Stream<Uint8Array, CacheStoreError>
  }
  /** Drops connections that may be dead and makes new ones; called when commands are not answered in time. */
  readonly reset?: Effect.Effect<void>
}
