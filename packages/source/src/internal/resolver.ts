/**
 * Runs a `RequestResolver` as the resolver of a source.
 *
 * Effect answers a request by completing a Deferred that it finds, by request,
 * in a map. A Deferred for each of ten thousand requests costs more than all
 * the rest, so the entries here only look like having one: what completes it
 * is seen by the entry, which answers its key.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import type * as MutableRef from "effect/MutableRef"
import * as Request from "effect/Request"
import type * as RequestResolver from "effect/RequestResolver"
import type { Batch } from "./batch.ts"
import type { Answer, Definition } from "./definition.ts"
import type { Entry } from "./entry.ts"

type AnyRequest = Request.Request<unknown, unknown>
type AnyResolver = RequestResolver.RequestResolver<AnyRequest>

/** Where Effect looks for the entry of a request that is being completed. */
const currentRequestMap = globalValue(Symbol.for("effect/FiberRef/currentRequestMap"), () =>
  FiberRef.unsafeMake(new Map<AnyRequest, Request.Entry<AnyRequest>>())
)

const template = {
  deferred: Deferred.unsafeMake<unknown, unknown>(FiberId.none),
  entry: Request.makeEntry<AnyRequest>({
    request: Request.of<AnyRequest>()({}),
    result: Deferred.unsafeMake<unknown, unknown>(FiberId.none),
    listeners: undefined as never,
    ownerId: FiberId.none,
    state: { completed: false }
  })
}

type Pending = { readonly _tag: "Pending"; readonly joiners: Array<(effect: Effect.Effect<unknown, unknown>) => void> }
type Done = { readonly _tag: "Done"; readonly effect: Effect.Effect<unknown, unknown> }

/** A request on its way to a resolver; also the state that says whether it is completed. */
class Posted {
  completed = false
  readonly request: AnyRequest
  private readonly complete: (exit: Answer) => void
  private current: Pending | Done | undefined = undefined
  private heard: Heard | undefined = undefined

  constructor(request: AnyRequest, complete: (exit: Answer) => void) {
    this.request = request
    this.complete = complete
  }

  get state(): this {
    return this
  }

  get ownerId(): FiberId.FiberId {
    return FiberId.none
  }

  get listeners(): Heard {
    this.heard ??= new Heard()
    return this.heard
  }

  /** What may pass for the Deferred of this request: all of a Deferred but its state, which is watched. */
  get result(): Deferred.Deferred<unknown, unknown> {
    const posted = this
    const state = {
      get current() {
        posted.current ??= { _tag: "Pending", joiners: [] }
        return posted.current
      },
      set current(next: Pending | Done) {
        posted.current = next
        if (next._tag === "Done") posted.done(next.effect)
      }
    }
    return Object.create(template.deferred, { state: { value: state as MutableRef.MutableRef<Pending | Done> } })
  }

  private done(effect: Effect.Effect<unknown, unknown>): void {
    if (Exit.isExit(effect)) this.complete(effect)
    else Effect.runCallback(effect, { onExit: this.complete })
  }
}

Object.setPrototypeOf(Posted.prototype, template.entry)

/** Who waits for a request: somebody, until nobody does. */
class Heard implements Request.Listeners {
  count = 1
  interrupted = false
  readonly observers = new Set<(count: number) => void>()
  addObserver(f: (count: number) => void): void {
    this.observers.add(f)
  }
  removeObserver(f: (count: number) => void): void {
    this.observers.delete(f)
  }
  increment(): void {
    this.change(1)
  }
  decrement(): void {
    this.change(-1)
  }
  private change(by: number): void {
    this.count += by
    for (const observer of this.observers) observer(this.count)
  }
}

/** Answers a batch of requests through the entries above. */
const post = (resolver: AnyResolver, batch: Batch): Effect.Effect<void> => {
  const posted = new Map<AnyRequest, Request.Entry<AnyRequest>>()
  const byEntry = new Map<Entry, Posted>()
  const entries: Array<Request.Entry<AnyRequest>> = []
  for (const entry of batch.entries) {
    const original = entry.key as AnyRequest
    // A request that must not be merged may be there twice, and is told apart by being another object.
    const request = posted.has(original) ? new Proxy(original, {}) : original
    const one = new Posted(request, (exit) => batch.complete(entry, exit))
    const asEntry = one as unknown as Request.Entry<AnyRequest>
    posted.set(request, asEntry)
    byEntry.set(entry, one)
    entries.push(asEntry)
  }
  batch.onAbandon = (entry) => byEntry.get(entry)?.listeners.decrement()
  return Effect.zipRight(FiberRef.set(currentRequestMap, posted), resolver.runAll([entries]))
}

/** Answers a batch of requests the documented way. Slower, and true of any Effect 3. */
const request = (resolver: AnyResolver, batch: Batch): Effect.Effect<void> =>
  Effect.forEach(
    batch.entries,
    (entry) =>
      Effect.map(Effect.exit(Effect.request(entry.key as AnyRequest, resolver)), (exit) => batch.complete(entry, exit)),
    { batching: true, concurrency: "unbounded", discard: true }
  )

/** Whether this Effect completes an entry the way that {@link Posted} sees. */
const isSeen = (): boolean => {
  let seen = false
  const probe = Request.of<AnyRequest>()({})
  const posted = new Posted(probe, () => {
    seen = true
  })
  const map = new Map([[probe, posted as unknown as Request.Entry<AnyRequest>]])
  try {
    Effect.runSync(Effect.locally(Request.succeed(probe, undefined), currentRequestMap, map))
  } catch {
    return false
  }
  return seen
}

let way: typeof post | undefined

export const resolveWith =
  (resolver: AnyResolver): Definition["resolve"] =>
  (_keys, _view, batch) => {
    way ??= isSeen() ? post : request
    return way(resolver, batch)
  }
