/** A typed store over one namespace of a backend. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type { CacheBackend, CacheStoreError } from "../CacheBackend.ts"
import type { Codec } from "../Codec.ts"
import * as Invalidation from "../Invalidation.ts"
import * as Store from "../Store.ts"
import * as Envelope from "./envelope.ts"
import * as Far from "./far.ts"
import * as Fiberless from "./fiberless.ts"
import { InvalidationLog, ofKey, ofTag } from "./invalidationLog.ts"
import { makeKeyHash } from "./keyHash.ts"
import { Leases } from "./leases.ts"
import { type Link, type Links, lost } from "./link.ts"
import { Reads } from "./reads.ts"
import { Suspects } from "./suspects.ts"

const nothing: Exit.Exit<Option.Option<never>> = Exit.succeed(Option.none())
const yes: Exit.Exit<boolean> = Exit.succeed(true)
const no: Exit.Exit<boolean> = Exit.succeed(false)

/** More do not fit an entry. */
const maxTags = 255

export interface RemoteStoreOptions {
  readonly maxEntryBytes: number
  readonly maxPendingWrites: number
  readonly compressMinBytes: number
  /** Tells the other processes, if the backend can carry it. */
  readonly announce: (invalidation: Invalidation.Invalidation) => Effect.Effect<void, CacheStoreError>
}

export interface RemoteStore<in out A> extends Far.Far<A> {
  /** Another process invalidated something here. */
  readonly hear: (invalidation: Invalidation.Invalidation) => void
}

/** One backend of those that share a namespace's keys. */
interface Part<A> {
  readonly link: Link
  readonly backend: CacheBackend
  readonly reads: Reads<Far.Found<A>>
  readonly suspects: Suspects
  readonly clear: Effect.Effect<void, CacheStoreError>
}

export const make = <A>(
  links: Links,
  remoteNamespace: string,
  namespace: string,
  codec: Codec<A>,
  options: RemoteStoreOptions
): RemoteStore<A> => {
  const { clock, waits } = links.first
  const hash = makeKeyHash()
  const log = new InvalidationLog()
  const leases = new Leases()
  const removing = (invalidation: Invalidation.Invalidation, command: Effect.Effect<void, CacheStoreError>) =>
    Effect.zipRight(command, options.announce(invalidation))
  const listeners: Array<(invalidation: Invalidation.Invalidation) => void> = []
  const invalidations = Effect.runSync(PubSub.unbounded<Invalidation.Invalidation>())
  const timeout = Duration.millis(links.first.options.writeTimeoutMillis)
  let pendingWrites = 0

  const now = () => clock.unsafeCurrentTimeMillis()

  /** Fire and forget: whether a bad entry could be removed matters to nobody who waits. */
  const discard = (link: Link, keyHash: string) => {
    link.foundDamage(namespace)
    link.writes.run(link.backend.remove(remoteNamespace, keyHash), () => {})
  }

  const decode = (link: Link, keyHash: string, bytes: Uint8Array): Far.Found<A> | undefined => {
    const opened = Envelope.open(keyHash, bytes)
    if (opened !== undefined && opened.expiresAt <= now()) {
      // A backend that counts no time keeps it for ever. One with leases does: its next value may be on the way.
      if (link.backend.leases === undefined) link.writes.run(link.backend.remove(remoteNamespace, keyHash), () => {})
      return undefined
    }
    const value = opened === undefined ? Option.none() : decoded(codec, opened.body)
    if (opened !== undefined && Option.isSome(value))
      return { value: value.value, expiresAt: opened.expiresAt, tags: opened.tags }
    discard(link, keyHash)
    return undefined
  }

  const parts = links.all.map((link): Part<A> => {
    const { backend } = link
    const clear = removing(Invalidation.All({ namespace }), backend.clear(remoteNamespace))
    const reads = new Reads<Far.Found<A>>(link, remoteNamespace, (keyHash, bytes) => decode(link, keyHash, bytes))
    return { link, backend, reads, clear, suspects: new Suspects(link, clear) }
  })
  const [firstPart] = parts
  if (firstPart === undefined) throw new Error("A cache store needs a backend.")
  const partOf = (keyHash: string): Part<A> =>
    parts.length === 1 ? firstPart : (parts[links.pick(keyHash)] ?? firstPart)

  const find = (key: string, done: (found: Far.Found<A> | undefined) => void): (() => void) | undefined => {
    const keyHash = hash(key)
    const { link, reads, suspects } = partOf(keyHash)
    // There is no point in asking: nobody would answer, or the answer would not be believed.
    if (link.reads.isOpen() || suspects.has(keyHash)) return undefined
    return reads.join(keyHash, (found) => done(suspects.has(keyHash) ? undefined : found))
  }

  const lookup = (
    keys: ReadonlyArray<string>,
    done: (found: ReadonlyArray<Far.Found<A> | undefined>) => void
  ): (() => void) => {
    const found = new Array<Far.Found<A> | undefined>(keys.length).fill(undefined)
    const leaves: Array<() => void> = []
    let left = keys.length
    const settle = () => {
      if (--left === 0) done(found)
    }
    // One more than there are keys, so that keys answered at once do not end it before it has begun.
    left++
    keys.forEach((key, index) => {
      const leave = find(key, (answer) => {
        found[index] = answer
        settle()
      })
      if (leave === undefined) settle()
      else leaves.push(leave)
    })
    settle()
    return () => {
      for (const leave of leaves) leave()
    }
  }

  const isInvalidatedSince = (position: number, key: string, tags: ReadonlyArray<string> = []): boolean =>
    log.hasSince(position, ofKey(key)) || tags.some((tag) => log.hasSince(position, ofTag(tag)))

  /** The backend's token of a lease that is good as far as this process knows; `undefined` without a lease. */
  const heldToken = (
    key: string,
    { lease, tags }: Store.SetOptions,
    { backend }: Part<A>
  ): string | undefined | Far.Outcome => {
    if (lease === undefined) return undefined
    const parsed = Token.parse(lease.token)
    if (parsed === undefined) return "refused"
    if (parsed.kind === "shared") return isInvalidatedSince(parsed.position, key, tags) ? "refused" : parsed.token
    const held = leases.end(key, parsed.token, now())
    if (held === undefined || isInvalidatedSince(held.position, key, tags)) return "refused"
    // Granted in an outage: nobody can tell what others have invalidated meanwhile.
    return backend.leases === undefined ? undefined : "lost"
  }

  const write = (key: string, value: A, set: Store.SetOptions, done: (outcome: Far.Outcome) => void): void => {
    const keyHash = hash(key)
    const part = partOf(keyHash)
    const { link, backend, suspects } = part
    const isOld = set.since !== undefined && isInvalidatedSince(set.since, key, set.tags)
    const token = isOld ? "refused" : heldToken(key, set, part)
    if (token === "refused" || token === "lost") {
      done(token)
      return
    }
    const timeToLive = Duration.decode(set.timeToLive)
    const millis = Duration.toMillis(timeToLive)
    const body = millis > 0 && !link.writes.isOpen() ? encoded(codec, value) : undefined
    const tags = set.tags === undefined ? [] : [...new Set(set.tags)].map(hash)
    if (body === undefined || body.byteLength > options.maxEntryBytes || tags.length > maxTags) {
      done("lost")
      return
    }
    if (pendingWrites >= options.maxPendingWrites) {
      link.droppedWrite()
      done("lost")
      return
    }
    const begun = log.now()
    pendingWrites++
    const send = (sealed: Uint8Array) => {
      if (isInvalidatedSince(begun, key, set.tags) || link.writes.isOpen()) {
        pendingWrites--
        done(link.writes.isOpen() ? "lost" : "refused")
        return
      }
      const kept = backend.removeTagged === undefined ? [] : tags
      const options = { timeToLive, timeout, tags: kept, token }
      link.writes.run(backend.set(remoteNamespace, keyHash, sealed, options), (answer) => {
        pendingWrites--
        if (answer !== lost) {
          done(answer ? "kept" : "refused")
          return
        }
        // It may have been written all the same: what is there is not believed until it was removed.
        suspects.remove(keyHash, backend.remove(remoteNamespace, keyHash))
        done("lost")
      })
    }
    const label = { keyHash, expiresAt: now() + millis, tags }
    if (body.byteLength < options.compressMinBytes) send(Envelope.seal(label, body))
    else Envelope.sealDeflated(label, body, send)
  }

  /** Waits for what goes on in the background, as long as for a read. */
  const waiting = (begin: (done: () => void) => void): Effect.Effect<void> =>
    Fiberless.make((_, resume) => {
      const wait = waits.add(() => resume(Exit.void))
      begin(() => {
        if (wait.expire === undefined) return
        wait.expire = undefined
        queueMicrotask(() => resume(Exit.void))
      })
      return () => {
        wait.expire = undefined
      }
    })

  const tell = (invalidation: Invalidation.Invalidation) => void invalidations.unsafeOffer(invalidation)

  /** Everything of the namespace, by whichever name it was asked. */
  const clearing = (invalidation: Invalidation.Invalidation): Effect.Effect<void> =>
    waiting((done) => {
      log.addAll()
      leases.voidAll()
      tell(invalidation)
      const one = countdown(parts.length, done)
      for (const part of parts) part.suspects.removeAll(part.clear, one)
    })

  const hear = (invalidation: Invalidation.Invalidation) => {
    if (invalidation._tag === "Key") log.add(ofKey(invalidation.key))
    else if (invalidation._tag === "Tag") log.add(ofTag(invalidation.tag))
    else log.addAll()
    for (const listener of listeners) listener(invalidation)
    tell(invalidation)
  }

  const acquire = (key: string, timeToLive: Duration.Duration): Effect.Effect<Store.Lease> => {
    /** Among the callers of this process: the store has no leases, or is in trouble. */
    const acquireHere = (): Store.Lease => {
      const at = now()
      const token = leases.acquire(key, log.now(), at, at + Duration.toMillis(timeToLive))
      return token === undefined ? Store.Taken() : Store.Granted({ key, token: Token.own(token) })
    }
    const keyHash = hash(key)
    const { backend, link } = partOf(keyHash)
    const shared = backend.leases
    if (shared === undefined) return Effect.sync(acquireHere)
    return Fiberless.make((_, resume) => {
      if (link.writes.isOpen()) return Exit.succeed(acquireHere())
      const position = log.now()
      const answer = (lease: Store.Lease) => {
        if (wait.expire === undefined) return
        wait.expire = undefined
        resume(Exit.succeed(lease))
      }
      const wait = waits.add(() => resume(Exit.succeed(acquireHere())))
      let left = false
      link.writes.run(shared.acquire(remoteNamespace, keyHash, timeToLive), (answered) => {
        if (answered === lost) return queueMicrotask(() => answer(acquireHere()))
        if (Option.isNone(answered)) return queueMicrotask(() => answer(Store.Taken()))
        if (!left && wait.expire !== undefined) {
          const token = Token.shared(position, answered.value)
          return queueMicrotask(() => answer(Store.Granted({ key, token })))
        }
        // Nobody waits for it any more.
        link.writes.run(shared.release(remoteNamespace, keyHash, answered.value), () => {})
      })
      return () => {
        left = true
        wait.expire = undefined
      }
    })
  }

  return {
    namespace,
    hear,
    [Far.TypeId]: {
      bound: (expire) => {
        const wait = waits.add(expire)
        return () => {
          wait.expire = undefined
        }
      },
      lookup,
      write,
      onForeign: (listener) => void listeners.push(listener)
    },
    peek: () => undefined,
    resize: () => {},
    position: () => log.now(),
    get: (key) =>
      Fiberless.make((_, resume) => {
        const leave = find(key, (found) =>
          resume(found === undefined ? nothing : Exit.succeed(Option.some(found.value)))
        )
        return leave ?? nothing
      }),
    getMany: (keys) =>
      Fiberless.make((_, resume) => {
        let answered: ReadonlyArray<Option.Option<A>> | undefined
        let returned = false
        const leave = lookup(keys, (found) => {
          answered = found.map((entry) => (entry === undefined ? Option.none() : Option.some(entry.value)))
          if (returned) resume(Exit.succeed(answered))
        })
        returned = true
        return answered === undefined ? leave : Exit.succeed(answered)
      }),
    set: (key, value, set) =>
      Fiberless.make((_, resume) => {
        let outcome: Exit.Exit<boolean> | undefined
        let returned = false
        const wait = waits.add(() => resume(no))
        write(key, value, set, (written) => {
          outcome = written === "kept" ? yes : no
          if (wait.expire === undefined) return
          wait.expire = undefined
          if (returned) resume(outcome)
        })
        returned = true
        if (outcome !== undefined) return outcome
        return () => {
          wait.expire = undefined
        }
      }),
    remove: (key) =>
      waiting((done) => {
        const invalidation = Invalidation.Key({ namespace, key })
        log.add(ofKey(key))
        leases.void(key)
        tell(invalidation)
        const keyHash = hash(key)
        const { backend, suspects } = partOf(keyHash)
        suspects.remove(keyHash, removing(invalidation, backend.remove(remoteNamespace, keyHash)), done)
      }),
    removeTagged: (tag) => {
      const invalidation = Invalidation.Tag({ namespace, tag })
      const tagHash = hash(tag)
      if (parts.some(({ backend }) => backend.removeTagged === undefined)) return clearing(invalidation)
      return waiting((done) => {
        log.add(ofTag(tag))
        tell(invalidation)
        const one = countdown(parts.length, done)
        for (const { backend, clear, suspects } of parts) {
          const command = backend.removeTagged?.(remoteNamespace, tagHash)
          suspects.removeAll(command === undefined ? clear : removing(invalidation, command), one)
        }
      })
    },
    removePrefix: (prefix) => clearing(Invalidation.Prefix({ namespace, prefix })),
    clear: clearing(Invalidation.All({ namespace })),
    acquire: (key, { timeToLive }) => acquire(key, Duration.decode(timeToLive)),
    release: (lease) =>
      waiting((done) => {
        const parsed = Token.parse(lease.token)
        if (parsed?.kind === "own") leases.end(lease.key, parsed.token, now())
        const { backend, link } = partOf(hash(lease.key))
        if (parsed?.kind !== "shared" || backend.leases === undefined) {
          done()
          return
        }
        link.writes.run(backend.leases.release(remoteNamespace, hash(lease.key), parsed.token), () => done())
      }),
    subscribe: PubSub.subscribe(invalidations)
  }
}

/** A lease's token says who granted it, and for the backend's where this process's history stood. */
const Token = {
  own: (token: string) => `own:${token}`,
  shared: (position: number, token: string) => `shared:${position}:${token}`,
  parse: (
    token: string
  ):
    | { readonly kind: "own"; readonly token: string }
    | { readonly kind: "shared"; readonly position: number; readonly token: string }
    | undefined => {
    if (token.startsWith("own:")) return { kind: "own", token: token.slice(4) }
    const end = token.indexOf(":", 7)
    if (!token.startsWith("shared:") || end < 0) return undefined
    return { kind: "shared", position: Number(token.slice(7, end)), token: token.slice(end + 1) }
  }
}

/** Calls `done` when it has been called so many times. */
const countdown = (times: number, done: () => void): (() => void) => {
  let left = times
  return () => {
    if (--left === 0) done()
  }
}

const decoded = <A>(codec: Codec<A>, body: Uint8Array): Option.Option<A> => {
  try {
    return codec.decode(body)
  } catch {
    return Option.none()
  }
}

const encoded = <A>(codec: Codec<A>, value: A): Uint8Array | undefined => {
  try {
    return codec.encode(value)
  } catch {
    return undefined
  }
}
