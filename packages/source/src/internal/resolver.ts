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
import * as Request from "effect/Request"
import type * as RequestResolver from "effect/RequestResolver"
import type { Batch } from "./batch.ts"
import type { Definition } from "./definition.ts"
import { Entry } from "./entry.ts"

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

/** For an entry that is being completed, and that nobody has awaited. */
const unawaited: Pending = { _tag: "Pending", joiners: [] }

/** An entry of a batch of requests, which is also Effect's entry for the request, its state, and its Deferred. */
export class RequestEntry extends Entry {
  private isCompleting = false
  private awaited: Pending | undefined = undefined
  private heard: Heard | undefined = undefined

  get request(): AnyRequest {
    return this.key as AnyRequest
  }

  get result(): this {
    return this
  }

  get state(): this {
    return this
  }

  get completed(): boolean {
    return this.isCompleting || this.isAnswered
  }

  set completed(completed: boolean) {
    this.isCompleting = completed
  }

  get current(): Pending | Done {
    if (this.isAnswered) return { _tag: "Done", effect: this.exit }
    if (this.awaited === undefined && this.isCompleting) return unawaited
    this.awaited ??= { _tag: "Pending", joiners: [] }
    return this.awaited
  }

  set current(next: Pending | Done) {
    if (next._tag === "Pending") return
    if (Exit.isExit(next.effect)) this.batch?.complete(this, next.effect)
    else Effect.runCallback(next.effect, { onExit: (exit) => this.batch?.complete(this, exit) })
  }

  get ownerId(): FiberId.FiberId {
    return FiberId.none
  }

  get listeners(): Heard {
    this.heard ??= new Heard()
    return this.heard
  }

  /** Nobody waits for the request any more. */
  override abandoned(): void {
    this.heard?.decrement()
  }
}

/** Lends a prototype the marks by which Effect knows its own, and what they do. */
const imitate = (prototype: object, model: object): void => {
  for (const name of Reflect.ownKeys(model)) {
    const mark = Object.getOwnPropertyDescriptor(model, name)
    if (mark !== undefined && !Reflect.has(prototype, name)) Object.defineProperty(prototype, name, mark)
  }
}

imitate(RequestEntry.prototype, template.entry)
imitate(RequestEntry.prototype, template.deferred)

const asEntry = (entry: Entry): Request.Entry<AnyRequest> => entry as unknown as Request.Entry<AnyRequest>

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
  for (const entry of batch.entries) {
    // A request that must not be merged may be there twice, and is told apart by being another object.
    if (posted.has(entry.key as AnyRequest)) entry.key = new Proxy(entry.key as AnyRequest, {})
    posted.set(entry.key as AnyRequest, asEntry(entry))
  }
  const run = resolver.runAll([batch.entries.map(asEntry)])
  return Effect.zipRight(FiberRef.set(currentRequestMap, posted), run)
}

/** Answers a batch of requests the documented way. Slower, and true of any Effect 3. */
const request = (resolver: AnyResolver, batch: Batch): Effect.Effect<void> =>
  Effect.forEach(
    batch.entries,
    (entry) =>
      Effect.map(Effect.exit(Effect.request(entry.key as AnyRequest, resolver)), (exit) => batch.complete(entry, exit)),
    { batching: true, concurrency: "unbounded", discard: true }
  )

/** Whether this Effect completes an entry the way that {@link RequestEntry} sees. */
const isSeen = (): boolean => {
  let seen = false
  const probe = Request.of<AnyRequest>()({})
  const batch = {
    complete: () => {
      seen = true
    }
  }
  const entry = new RequestEntry(probe, probe, batch as unknown as Batch, undefined)
  try {
    Effect.runSync(
      Effect.locally(Request.succeed(probe, undefined), currentRequestMap, new Map([[probe, asEntry(entry)]]))
    )
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
