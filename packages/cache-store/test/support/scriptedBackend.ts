/** A backend in this process, whose health and content a test decides. */
import { CacheBackend } from "@wellspring/cache-store"
import { Clock, Duration, Effect, Option, Queue, Stream } from "effect"

export type Health = "well" | "silent" | "failing" | "full"

interface Entry {
  readonly bytes: Uint8Array
  readonly tags: ReadonlyArray<string>
}

export interface ScriptedOptions {
  readonly leases?: boolean
  readonly tags?: boolean
}

/** What several stores share, as processes share a server. */
export class Server {
  readonly entries = new Map<string, Entry>()
  readonly leases = new Map<string, { readonly token: string; readonly until: number }>()
  readonly listeners = new Set<Queue.Queue<Uint8Array>>()
  readonly commands: Array<string> = []
  health: Health = "well"
  private serial = 0

  /** How many commands of one kind it has been given. */
  count(operation: string): number {
    return this.commands.filter((command) => command === operation).length
  }

  nextToken(): string {
    return String(++this.serial)
  }
}

const name = (namespace: string, key: string) => `${namespace}/${key}`

export const make = (server: Server, options: ScriptedOptions = {}): CacheBackend.CacheBackend => {
  const { leases = true, tags = true } = options
  const command = <A>(operation: CacheBackend.CacheStoreError["operation"], work: () => A) =>
    Effect.suspend((): Effect.Effect<A, CacheBackend.CacheStoreError> => {
      server.commands.push(operation)
      if (server.health === "silent") return Effect.never
      const isWrite = operation !== "get"
      if (server.health === "failing" || (server.health === "full" && isWrite)) {
        const cause = new Error(server.health)
        return Effect.fail(new CacheBackend.CacheStoreError({ backend: "scripted", operation, cause }))
      }
      return Effect.sync(work)
    })
  const voidLeases = (prefix: string) => {
    for (const key of server.leases.keys()) if (key.startsWith(prefix)) server.leases.delete(key)
  }
  return {
    name: "scripted",
    get: (namespace, key) =>
      command("get", () => Option.map(Option.fromNullable(server.entries.get(name(namespace, key))), (_) => _.bytes)),
    getMany: (namespace, keys) =>
      command("get", () =>
        keys.map((key) => Option.map(Option.fromNullable(server.entries.get(name(namespace, key))), (_) => _.bytes))
      ),
    set: (namespace, key, bytes, { tags, token }) =>
      command("set", () => {
        const at = name(namespace, key)
        if (token !== undefined) {
          if (server.leases.get(at)?.token !== token) return false
          server.leases.delete(at)
        }
        server.entries.set(at, { bytes, tags })
        return true
      }),
    remove: (namespace, key) =>
      command("remove", () => {
        server.entries.delete(name(namespace, key))
        server.leases.delete(name(namespace, key))
      }),
    clear: (namespace) =>
      command("clear", () => {
        voidLeases(`${namespace}/`)
        for (const key of server.entries.keys()) if (key.startsWith(`${namespace}/`)) server.entries.delete(key)
      }),
    ...(tags
      ? {
          removeTagged: (namespace: string, tag: string) =>
            command("clear", () => {
              voidLeases(`${namespace}/`)
              for (const [key, entry] of server.entries) {
                if (key.startsWith(`${namespace}/`) && entry.tags.includes(tag)) server.entries.delete(key)
              }
            })
        }
      : {}),
    ...(leases
      ? {
          leases: {
            acquire: (namespace: string, key: string, timeToLive: Duration.Duration) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) =>
                command("acquire", () => {
                  const at = name(namespace, key)
                  const held = server.leases.get(at)
                  if (held !== undefined && held.until > now) return Option.none()
                  const token = server.nextToken()
                  server.leases.set(at, { token, until: now + Duration.toMillis(timeToLive) })
                  return Option.some(token)
                })
              ),
            release: (namespace: string, key: string, token: string) =>
              command("release", () => {
                if (server.leases.get(name(namespace, key))?.token === token) server.leases.delete(name(namespace, key))
              })
          }
        }
      : {}),
    channel: {
      publish: (message) =>
        command("publish", () => {
          for (const queue of server.listeners) queue.unsafeOffer(message)
        }),
      subscribe: Stream.unwrapScoped(
        Effect.gen(function* () {
          const queue = yield* Effect.acquireRelease(Queue.unbounded<Uint8Array>(), (queue) =>
            Effect.sync(() => server.listeners.delete(queue))
          )
          server.listeners.add(queue)
          yield* Queue.offer(queue, new Uint8Array())
          return Stream.fromQueue(queue)
        })
      )
    }
  }
}
