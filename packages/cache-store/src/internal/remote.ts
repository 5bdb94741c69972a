/** A service of typed stores over one backend. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CacheBackend } from "../CacheBackend.ts"
import type { Service } from "../CacheStore.ts"
import type { Codec } from "../Codec.ts"
import * as Invalidation from "../Invalidation.ts"
import type { Store } from "../Store.ts"
import { namespaceName } from "./keyHash.ts"
import { Link } from "./link.ts"
import * as Message from "./message.ts"
import * as RemoteStore from "./remoteStore.ts"

export interface RemoteOptions {
  /** How long a caller waits for the store: a read not answered by then is a miss. Default 50 milliseconds. */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * How long a write may take. It goes on in the background when its caller waits no longer (see `timeout`);
   * after this time it is given up, and has no effect later. Default 500 milliseconds.
   */
  readonly writeTimeout?: Duration.DurationInput | undefined
  /** Writes under way at once; more are given up. Default 256. */
  readonly maxPendingWrites?: number | undefined
  /** Bodies longer than this are not stored, in bytes before compression. Default 8 MiB. */
  readonly maxEntryBytes?: number | undefined
  /** Compresses bodies of at least so many bytes. Costs time on every read of them. Default: never. */
  readonly compressMinBytes?: number | undefined
  /** The store is left alone after so many failures in a row, or when half of the last 20 commands failed. Default 5. */
  readonly maxFailures?: number | undefined
  /** How often a store that is left alone is tried. Default 1 second, varied by a quarter so that servers do not do it at once. */
  readonly probeInterval?: Duration.DurationInput | undefined
}

const reconnectPause = Duration.millis(500)

/** Several backends, each with the keys that `pick` gives it by number. */
export interface Backends {
  readonly backends: readonly [CacheBackend, ...ReadonlyArray<CacheBackend>]
  readonly pick: (key: string) => number
}

export const make = (
  { backends, pick }: Backends,
  options: RemoteOptions = {}
): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const scope = yield* Effect.scope
    const runtime = yield* Effect.runtime<never>()
    const runFork = Runtime.runFork(runtime)
    const limits = {
      readTimeoutMillis: Duration.toMillis(options.timeout ?? "50 millis"),
      writeTimeoutMillis: Duration.toMillis(options.writeTimeout ?? "500 millis"),
      failures: options.maxFailures ?? 5,
      probeMillis: Duration.toMillis(options.probeInterval ?? "1 second")
    }
    const fork = (effect: Effect.Effect<unknown>) => void runFork(effect, { scope })
    const observe = <A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void) => {
      const fiber = runFork(effect, { scope })
      fiber.addObserver(done)
      return () => void runFork(Fiber.interrupt(fiber))
    }
    const [first, ...others] = backends
    const makeLink = (backend: CacheBackend) => new Link(backend, clock, limits, fork, observe)
    const firstLink = makeLink(first)
    const links = { first: firstLink, all: [firstLink, ...others.map(makeLink)], pick }
    const { channel } = first
    const instance = Message.makeInstance()
    const stores = new Map<string, RemoteStore.RemoteStore<never>>()

    const announcing = (name: string) => (invalidation: Invalidation.Invalidation) =>
      channel === undefined ? Effect.void : channel.publish(Message.encode(instance, name, invalidation))

    /** Others are heard, or cannot be for now. */
    const settled = yield* Deferred.make<void>()
    const hear = (bytes: Uint8Array) => {
      // The first message says no more than that the others are heard, from now on.
      if (bytes.byteLength === 0) {
        Deferred.unsafeDone(settled, Exit.void)
        suspectAll()
        return
      }
      const message = Message.decode(bytes)
      if (message === undefined || message.instance === instance) return
      const store = stores.get(message.name)
      if (store !== undefined) store.hear(message.invalidation(store.namespace))
    }
    const suspectAll = () => {
      for (const store of stores.values()) store.hear(Invalidation.All({ namespace: store.namespace }))
    }
    if (channel !== undefined) {
      const listen = Stream.runForEach(channel.subscribe, (bytes) => Effect.sync(() => hear(bytes)))
      // What was published while nobody listened is lost: what was heard before is suspect then.
      const once = Effect.ensuring(
        Effect.ignore(listen),
        Effect.zipRight(Effect.sync(suspectAll), Deferred.succeed(settled, undefined))
      )
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(once, Effect.sleep(reconnectPause))))
      yield* Effect.timeoutOption(Deferred.await(settled), Duration.millis(limits.readTimeoutMillis))
    }

    return {
      open: <A>(namespace: string, codec: Codec<A>): Effect.Effect<Store<A>> =>
        Effect.sync(() => {
          const name = namespaceName(namespace, codec.name)
          const opened = stores.get(name) as unknown as Store<A> | undefined
          if (opened !== undefined) return opened
          const store = RemoteStore.make(links, name, namespace, codec, {
            maxEntryBytes: options.maxEntryBytes ?? 8 * 1024 * 1024,
            maxPendingWrites: options.maxPendingWrites ?? 256,
            compressMinBytes: options.compressMinBytes ?? Number.POSITIVE_INFINITY,
            announce: announcing(name)
          })
          stores.set(name, store as unknown as RemoteStore.RemoteStore<never>)
          return store
        }),
      // What the backend holds is not of this process.
      usage: Exit.succeed({ bytes: 0, entries: 0, maxBytes: 0, maxEntries: 0 })
    }
  })
