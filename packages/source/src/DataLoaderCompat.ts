/**
 * DataLoader's class, for code that was written against it.
 *
 * Takes DataLoader's own arguments and behaves as its version 2.2.3 does, down
 * to the texts of its errors, with one difference: a batch that fails forgets
 * only its own promises, not a value that was primed meanwhile.
 *
 * For new code there is `Source`. For code that expects a DataLoader, a source
 * can be made to look like one: {@link fromSource}.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Fiberless from "./Fiberless.ts"
import { laneOf, type Target } from "./internal/load.ts"
import type { View } from "./internal/view.ts"
import * as Operation from "./Operation.ts"
import type { Source } from "./Source.ts"

/** Given keys, promises a value or an `Error` for each, in their order. */
export type BatchLoadFn<K, V> = (keys: ReadonlyArray<K>) => PromiseLike<ArrayLike<V | Error>>

/** Where promises are remembered: a `Map`, or whatever has these of its methods. */
export interface CacheMap<K, V> {
  // biome-ignore lint/suspicious/noConfusingVoidType: DataLoader's own type says so, and its maps must fit.
  get(key: K): V | void
  set(key: K, value: V): unknown
  delete(key: K): unknown
  clear(): unknown
}

export interface Options<K, V, C = K> {
  /** Whether keys are batched at all. Default true; false is `maxBatchSize: 1`. */
  readonly batch?: boolean
  /** The most keys in one call. Default unbounded. */
  readonly maxBatchSize?: number
  /** Called once for every batch that opens; the callback sends it. Default after all promise jobs. */
  readonly batchScheduleFn?: (callback: () => void) => void
  /** Whether promises are remembered, and equal keys merged. Default true. */
  readonly cache?: boolean
  /** Tells keys apart. Default by themselves. */
  readonly cacheKeyFn?: (key: K) => C
  /** Where promises are remembered. Default a new `Map`; null is `cache: false`. */
  readonly cacheMap?: CacheMap<C, Promise<V>> | null
  /** For tools that watch. Default null. */
  readonly name?: string | null
}

interface Waiting<V> {
  readonly resolve: (value: V | PromiseLike<V>) => void
  readonly reject: (error: unknown) => void
  /** What is remembered of the key, to be forgotten should the batch fail. */
  promise: Promise<V> | undefined
}

interface Batch<K, V> {
  hasDispatched: boolean
  readonly keys: Array<K>
  readonly waiting: Array<Waiting<V>>
  readonly hits: Array<() => void>
}

const constructed =
  "DataLoader must be constructed with a function which accepts Array<key> and returns Promise<Array<value>>, but "

/** DataLoader's class: see {@link Options} for what it takes. */
export class DataLoaderCompat<K, V, C = K> {
  name: string | null
  private readonly batchLoadFn: BatchLoadFn<K, V>
  private readonly maxBatchSize: number
  private readonly batchScheduleFn: (callback: () => void) => void
  private readonly cacheKeyFn: (key: K) => C
  private readonly cacheMap: CacheMap<C, Promise<V>> | null
  private current: Batch<K, V> | undefined = undefined

  constructor(batchLoadFn: BatchLoadFn<K, V>, options?: Options<K, V, C>) {
    if (typeof batchLoadFn !== "function") throw new TypeError(`${constructed}got: ${batchLoadFn}.`)
    this.batchLoadFn = batchLoadFn
    this.maxBatchSize = validMaxBatchSize(options)
    this.batchScheduleFn = validFunction("batchScheduleFn", options?.batchScheduleFn) ?? afterPromiseJobs
    this.cacheKeyFn = validFunction("cacheKeyFn", options?.cacheKeyFn) ?? ((key: K) => key as unknown as C)
    this.cacheMap = validCacheMap(options)
    this.name = options?.name ? options.name : null
  }

  /** A promise of the value for a key. */
  load(key: K): Promise<V> {
    if (key === null || key === undefined) {
      throw new TypeError(`The loader.load() function must be called with a value, but got: ${String(key)}.`)
    }
    const batch = this.open()
    const { cacheMap } = this
    if (cacheMap === null) return this.enqueue(batch, key)
    const cacheKey = this.cacheKeyFn(key)
    const known = cacheMap.get(cacheKey)
    // A hit settles with the batch that is open, as DataLoader has it.
    if (known) return new Promise((resolve) => batch.hits.push(() => resolve(known)))
    const promise = this.enqueue(batch, key)
    cacheMap.set(cacheKey, promise)
    return promise
  }

  /** A promise of the value, or the `Error`, for each of many keys. It is never rejected for the sake of a key. */
  loadMany(keys: ArrayLike<K>): Promise<Array<V | Error>> {
    if (!isArrayLike(keys)) {
      throw new TypeError(`The loader.loadMany() function must be called with Array<key> but got: ${keys as unknown}.`)
    }
    const promises: Array<Promise<V | Error>> = []
    for (let i = 0; i < keys.length; i++) promises.push(this.load(keys[i] as K).catch((error) => error))
    return Promise.all(promises)
  }

  /** Forgets a key. */
  clear(key: K): this {
    this.cacheMap?.delete(this.cacheKeyFn(key))
    return this
  }

  /** Forgets every key. */
  clearAll(): this {
    this.cacheMap?.clear()
    return this
  }

  /** Remembers a value, or an `Error`, for a key of which nothing is remembered. */
  prime(key: K, value: V | PromiseLike<V> | Error): this {
    const { cacheMap } = this
    if (cacheMap === null) return this
    const cacheKey = this.cacheKeyFn(key)
    if (cacheMap.get(cacheKey) !== undefined) return this
    const promise = value instanceof Error ? Promise.reject(value) : Promise.resolve(value)
    if (value instanceof Error) promise.catch(() => {})
    cacheMap.set(cacheKey, promise)
    return this
  }

  private open(): Batch<K, V> {
    const { current } = this
    if (current !== undefined && !current.hasDispatched && current.keys.length < this.maxBatchSize) return current
    const batch: Batch<K, V> = { hasDispatched: false, keys: [], waiting: [], hits: [] }
    this.current = batch
    this.batchScheduleFn(() => this.dispatch(batch))
    return batch
  }

  private enqueue(batch: Batch<K, V>, key: K): Promise<V> {
    batch.keys.push(key)
    let waiting: Waiting<V> | undefined
    const promise = new Promise<V>((resolve, reject) => {
      waiting = { resolve, reject, promise: undefined }
      batch.waiting.push(waiting)
    })
    if (waiting !== undefined) waiting.promise = promise
    return promise
  }

  private dispatch(batch: Batch<K, V>): void {
    batch.hasDispatched = true
    if (batch.keys.length === 0) {
      settleHits(batch)
      return
    }
    let answers: PromiseLike<ArrayLike<V | Error>>
    try {
      answers = this.batchLoadFn(batch.keys)
    } catch (error) {
      this.fail(batch, new TypeError(`${constructed}the function errored synchronously: ${String(error)}.`))
      return
    }
    if (!answers || typeof answers.then !== "function") {
      this.fail(batch, new TypeError(`${constructed}the function did not return a Promise: ${String(answers)}.`))
      return
    }
    const settled = answers.then((values) => settle(batch, values))
    settled.then(undefined, (error) => this.fail(batch, error))
  }

  private fail(batch: Batch<K, V>, error: unknown): void {
    settleHits(batch)
    for (let i = 0; i < batch.keys.length; i++) {
      const waiting = batch.waiting[i]
      if (waiting === undefined) continue
      this.forget(batch.keys[i] as K, waiting.promise)
      waiting.reject(error)
    }
  }

  /** Forgets a key, unless something else is remembered of it by now. */
  private forget(key: K, promise: Promise<V> | undefined): void {
    const { cacheMap } = this
    if (cacheMap === null) return
    const cacheKey = this.cacheKeyFn(key)
    if (cacheMap.get(cacheKey) === promise) cacheMap.delete(cacheKey)
  }
}

const settle = <K, V>(batch: Batch<K, V>, values: ArrayLike<V | Error>): void => {
  if (!isArrayLike(values)) {
    throw new TypeError(`${constructed}the function did not return a Promise of an Array: ${String(values)}.`)
  }
  if (values.length !== batch.keys.length) {
    throw new TypeError(
      `${constructed}the function did not return a Promise of an Array of the same length as the Array of keys.` +
        `\n\nKeys:\n${String(batch.keys)}\n\nValues:\n${String(values)}`
    )
  }
  settleHits(batch)
  for (let i = 0; i < batch.waiting.length; i++) {
    const value = values[i] as V | Error
    if (value instanceof Error) batch.waiting[i]?.reject(value)
    else batch.waiting[i]?.resolve(value)
  }
}

const settleHits = <K, V>(batch: Batch<K, V>): void => {
  for (const settle of batch.hits) settle()
}

const resolved = Promise.resolve()

/** After the promise jobs that are queued, and those that they queue. */
const afterPromiseJobs = (callback: () => void): void => {
  if (typeof process === "object" && typeof process.nextTick === "function") {
    resolved.then(() => process.nextTick(callback))
  } else if (typeof setImmediate === "function") setImmediate(callback)
  else setTimeout(callback)
}

const validMaxBatchSize = <K, V, C>(options: Options<K, V, C> | undefined): number => {
  if (options?.batch === false) return 1
  const maxBatchSize = options?.maxBatchSize
  if (maxBatchSize === undefined) return Number.POSITIVE_INFINITY
  if (typeof maxBatchSize !== "number" || maxBatchSize < 1) {
    throw new TypeError(`maxBatchSize must be a positive number: ${maxBatchSize}`)
  }
  return maxBatchSize
}

const validFunction = <F extends Function>(name: string, value: F | undefined): F | undefined => {
  if (value !== undefined && typeof value !== "function") throw new TypeError(`${name} must be a function: ${value}`)
  return value
}

const cacheFunctions = ["get", "set", "delete", "clear"] as const

const validCacheMap = <K, V, C>(options: Options<K, V, C> | undefined): CacheMap<C, Promise<V>> | null => {
  if (options?.cache === false) return null
  const cacheMap = options?.cacheMap
  if (cacheMap === undefined) return new Map<C, Promise<V>>() as CacheMap<C, Promise<V>>
  if (cacheMap === null) return null
  const missing = cacheFunctions.filter((name) => cacheMap && typeof cacheMap[name] !== "function")
  if (missing.length > 0) throw new TypeError(`Custom cacheMap missing methods: ${missing.join(", ")}`)
  return cacheMap
}

const isArrayLike = (value: unknown): value is ArrayLike<unknown> =>
  typeof value === "object" &&
  value !== null &&
  "length" in value &&
  typeof value.length === "number" &&
  (value.length === 0 || (value.length > 0 && Object.hasOwn(value, value.length - 1)))

/**
 * A source that looks like a DataLoader, for libraries that expect one. Its
 * loads meet those of everybody else in the Operation, and what it is told to
 * remember or forget the source remembers or forgets.
 *
 * It loads with the services that were there when the Operation began.
 *
 * Without options the source decides what is merged and remembered. Options
 * that speak of a cache put DataLoader's own in front of it, of promises, for
 * as long as the loader lives; DataLoader's batching options are kept as well.
 *
 * A failure rejects with itself, or an `Error` around it if it is none.
 */
export const fromSource = <K, V, E, C = K>(
  source: Source<K, V, E>,
  operation: Operation.Service,
  options?: Options<K, V, C>
): DataLoaderCompat<K, V, C> => new SourceLoader(source, operation, options)

class SourceLoader<K, V, E, C> extends DataLoaderCompat<K, V, C> {
  private readonly source: Source<K, V, E>
  /** The services that were there when the Operation began, and the Operation. */
  private readonly context: Context.Context<never>

  constructor(source: Source<K, V, E>, operation: Operation.Service, options: Options<K, V, C> = {}) {
    const { context } = operation[Operation.TypeId].settings.runtime
    const { cache, cacheKeyFn, cacheMap } = options
    const hasCache = cache !== undefined || cacheKeyFn !== undefined || cacheMap !== undefined
    const asked = cache === false ? source.with({ distinct: true }) : source
    super((keys) => loadAll(asked, context, keys), {
      // The source has a turn of its own to wait; waiting twice would only be slower.
      batchScheduleFn: queueMicrotask,
      name: source.name,
      ...options,
      ...(hasCache ? {} : { cache: false })
    })
    this.source = source
    this.context = context
  }

  override clear(key: K): this {
    this.run(this.source.clear(key))
    return super.clear(key)
  }

  override clearAll(): this {
    this.run(this.source.clearAll)
    return super.clearAll()
  }

  override prime(key: K, value: V | PromiseLike<V> | Error): this {
    // A source remembers answers only: a promise is remembered once it has come true.
    if (value instanceof Error) laneOf(targetOf(this.source), this.context).put(key, Exit.fail(value), false)
    else if (isPromise(value)) value.then((value) => this.run(this.source.prime(key, value)), ignore)
    else this.run(this.source.prime(key, value))
    return super.prime(key, value)
  }

  private run(change: Effect.Effect<void, never, Operation.Operation>): void {
    Effect.runFork(Effect.provide(change, this.context as Context.Context<Operation.Operation>))
  }
}

const targetOf = <K, V, E>(source: Source<K, V, E>): Target => (source as unknown as View).target

const ignore = (): void => undefined

const isPromise = <V>(value: V | PromiseLike<V>): value is PromiseLike<V> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

const loadAll = <K, V, E>(
  source: Source<K, V, E>,
  context: Context.Context<never>,
  keys: ReadonlyArray<K>
): Promise<Array<V | Error>> =>
  new Promise((resolve, reject) => {
    const settle = (exit: Exit.Exit<Array<Either.Either<V, E>>>): void => {
      if (Exit.isFailure(exit)) reject(errorOf(exit.cause))
      else resolve(exit.value.map((answer) => (Either.isRight(answer) ? answer.right : toError(answer.left))))
    }
    const started = Fiberless.start(source.loadEithers(keys), context as Context.Context<Operation.Operation>, settle)
    if (typeof started !== "function") settle(started)
  })

const errorOf = (cause: Cause.Cause<unknown>): Error =>
  toError(Option.getOrElse(Cause.failureOption(cause), () => Cause.squash(cause)))

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error), { cause: error }))
