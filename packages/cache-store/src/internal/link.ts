/**
 * The way to one backend: bounds every wait, leaves the backend alone while it
 * is down, and tells once what happened.
 *
 * Reads and writes are judged apart, since a store that is full or read-only still answers reads.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"
import type { CacheBackend, CacheStoreError } from "../CacheBackend.ts"
import * as Breaker from "./breaker.ts"
import { Deadlines } from "./deadlines.ts"
import * as Fiberless from "./fiberless.ts"

const errors = Metric.counter("wellspring_cache_store_errors", {
  description: "Commands that the cache store refused or could not be sent",
  incremental: true
})
const timeouts = Metric.counter("wellspring_cache_store_timeouts", {
  description: "Commands that the cache store did not answer in time",
  incremental: true
})
const breakerOpen = Metric.gauge("wellspring_cache_store_breaker_open", {
  description: "1 while the cache store is left alone"
})
const damaged = Metric.counter("wellspring_cache_store_damaged_entries", {
  description: "Entries that were damaged or foreign, and were removed",
  incremental: true
})
const dropped = Metric.counter("wellspring_cache_store_dropped_writes", {
  description: "Writes given up because too many were under way",
  incremental: true
})

/** Instead of an answer: the backend is left alone, refused the command, or did not answer in time. */
export const lost: unique symbol = Symbol("lost")
export type Lost = typeof lost

export interface LinkOptions {
  readonly readTimeoutMillis: number
  readonly writeTimeoutMillis: number
  readonly failures: number
  readonly probeMillis: number
}

/** Where a probe looks and writes: nobody's namespace. */
const probeNamespace = "wellspring.probe"
const probeLifetime = Duration.seconds(10)

/** Reads or writes of one backend. */
class Side {
  readonly name: "reads" | "writes"
  private breaker: Breaker.Breaker = Breaker.closed
  private readonly link: Link
  private readonly deadlines: Deadlines
  private readonly probe: Effect.Effect<unknown, CacheStoreError>
  private readonly labels: ReadonlyArray<MetricLabel.MetricLabel>
  private readonly timeout: Duration.Duration

  constructor(link: Link, name: "reads" | "writes", millis: number, probe: Effect.Effect<unknown, CacheStoreError>) {
    this.link = link
    this.name = name
    this.probe = probe
    this.timeout = Duration.millis(millis)
    this.deadlines = new Deadlines(link.clock, millis, link.fork)
    this.labels = [...link.labels, MetricLabel.make("side", name)]
  }

  /** Whether it is left alone. What cannot be read is not written either. */
  isOpen(): boolean {
    return Breaker.isOpen(this.breaker) || (this.name === "writes" && this.link.reads.isOpen())
  }

  /** Answers everybody who waits, now. */
  giveUp(): void {
    this.deadlines.expireAll()
  }

  /**
   * Runs one command. `done` is called once, at once or later: with what it
   * came to, or with {@link lost} within the bound on waits.
   */
  run<A>(effect: Effect.Effect<A, CacheStoreError>, done: (answer: A | Lost) => void): void {
    if (this.isOpen()) {
      done(lost)
      return
    }
    let leave: () => void = noop
    const deadline = this.deadlines.add(() => {
      leave()
      if (!this.isOpen()) this.missed(undefined)
      done(lost)
    })
    const settle = (exit: Exit.Exit<A, CacheStoreError>) => {
      if (deadline.expire === undefined) return
      deadline.expire = undefined
      if (Exit.isSuccess(exit)) {
        this.breaker = Breaker.succeeded(this.breaker)
        done(exit.value)
      } else {
        this.missed(exit.cause)
        done(lost)
      }
    }
    const started = this.link.start(effect, settle)
    if (typeof started === "function") leave = started
    else settle(started)
  }

  private missed(cause: unknown): void {
    const metric = cause === undefined ? timeouts : errors
    metric.unsafeUpdate(1, this.labels)
    const before = this.breaker
    const now = this.link.clock.unsafeCurrentTimeMillis()
    this.breaker = Breaker.failed(before, now, this.link.options)
    if (!Breaker.isOpen(before) && Breaker.isOpen(this.breaker)) this.opened(now, cause)
  }

  private opened(now: number, cause: unknown): void {
    breakerOpen.unsafeUpdate(1, this.labels)
    // Nobody waits the rest of their time for a backend that is known not to answer.
    this.giveUp()
    if (this.name === "reads") this.link.writes.giveUp()
    const why = cause === undefined ? ["not answered in time"] : [cause]
    this.link.fork(
      Effect.zipRight(
        Effect.logWarning(
          `Cache store "${this.link.backend.name}" fails its ${this.name}: going on without, until it answers again.`,
          ...why
        ),
        this.untilClosed(now)
      )
    )
  }

  private untilClosed(since: number): Effect.Effect<void> {
    const { backend, clock, options } = this.link
    // Many servers must not come back in one instant: each probes at its own pace.
    const pause = Effect.suspend(() => clock.sleep(Duration.millis(options.probeMillis * (0.75 + Math.random() / 2))))
    const attempt = this.probe.pipe(
      Effect.as(true),
      Effect.timeoutTo({
        duration: this.timeout,
        onSuccess: (answered) => answered,
        onTimeout: () => false
      }),
      Effect.catchAllCause(() => Effect.succeed(false))
    )
    const round: Effect.Effect<void> = Effect.suspend(() =>
      pause.pipe(
        // A connection of before the outage may stay silent for ever.
        Effect.zipRight(attempt),
        Effect.flatMap((answered) => {
          this.breaker = Breaker.probed(this.breaker, answered)
          if (!answered) return Effect.zipRight(backend.reset ?? Effect.void, round)
          breakerOpen.unsafeUpdate(0, this.labels)
          const seconds = Math.round((clock.unsafeCurrentTimeMillis() - since) / 1000)
          return Effect.logInfo(
            `Cache store "${backend.name}" answers again: ${this.name} were failing for ${seconds} s.`
          )
        })
      )
    )
    return Effect.zipRight(backend.reset ?? Effect.void, round)
  }
}

export class Link {
  readonly backend: CacheBackend
  readonly clock: Clock.Clock
  readonly options: LinkOptions
  readonly fork: (effect: Effect.Effect<unknown>) => void
  readonly labels: ReadonlyArray<MetricLabel.MetricLabel>
  readonly reads: Side
  readonly writes: Side
  /** How long a caller waits for what goes on in the background. */
  readonly waits: Deadlines
  private readonly observe: <A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void) => () => void
  private damageReportedAt = Number.NEGATIVE_INFINITY
  private undelivered = new Set<Redelivery>()
  private delivering = false

  constructor(
    backend: CacheBackend,
    clock: Clock.Clock,
    options: LinkOptions,
    fork: (effect: Effect.Effect<unknown>) => void,
    observe: <A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void) => () => void
  ) {
    this.backend = backend
    this.clock = clock
    this.options = options
    this.fork = fork
    this.observe = observe
    this.labels = [MetricLabel.make("store", backend.name)]
    this.waits = new Deadlines(clock, options.readTimeoutMillis, fork)
    const probeKey = "probe"
    this.reads = new Side(this, "reads", options.readTimeoutMillis, backend.get(probeNamespace, probeKey))
    this.writes = new Side(
      this,
      "writes",
      options.writeTimeoutMillis,
      backend.set(probeNamespace, probeKey, new Uint8Array(8), {
        timeToLive: probeLifetime,
        timeout: Duration.millis(options.writeTimeoutMillis),
        tags: []
      })
    )
  }

  start<A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void): Exit.Exit<A, E> | (() => void) {
    if (Exit.isExit(effect)) return effect as Exit.Exit<A, E>
    if (Fiberless.isFiberless(effect)) return effect[Fiberless.TypeId](Context.empty(), done)
    return this.observe(effect, done)
  }

  /** Tells of damage once a minute, and counts all of it. */
  foundDamage(namespace: string): void {
    damaged.unsafeUpdate(1, this.labels)
    const now = this.clock.unsafeCurrentTimeMillis()
    if (now - this.damageReportedAt < 60_000) return
    this.damageReportedAt = now
    this.fork(
      Effect.logWarning(
        `Cache store "${this.backend.name}" holds damaged or foreign entries in "${namespace}": they are removed. ` +
          "Told at most once a minute; see the metric wellspring_cache_store_damaged_entries."
      )
    )
  }

  droppedWrite(): void {
    dropped.unsafeUpdate(1, this.labels)
  }

  /** Keeps an invalidation that the backend did not take, and brings it again until it does. */
  redeliver(redelivery: Redelivery): void {
    this.undelivered.add(redelivery)
    if (this.delivering) return
    this.delivering = true
    this.fork(this.deliverAll)
  }

  private readonly deliverAll: Effect.Effect<void> = Effect.suspend(() =>
    this.clock.sleep(Duration.millis(this.options.probeMillis)).pipe(
      Effect.zipRight(
        Effect.suspend(() => {
          const due = [...this.undelivered]
          return Effect.forEach(
            due,
            (redelivery) =>
              Effect.map(this.deliver(redelivery.effect), (taken) => {
                if (!taken) return
                this.undelivered.delete(redelivery)
                redelivery.delivered()
              }),
            { concurrency: 16, discard: true }
          )
        })
      ),
      Effect.zipRight(
        Effect.suspend(() => {
          if (this.undelivered.size > 0) return this.deliverAll
          this.delivering = false
          return Effect.void
        })
      )
    )
  )

  private deliver(effect: Effect.Effect<unknown, CacheStoreError>): Effect.Effect<boolean> {
    return Effect.async((resume) => this.writes.run(effect, (answer) => resume(Effect.succeed(answer !== lost))))
  }
}

/** The ways to the backends that share the keys of one store. */
export interface Links {
  readonly first: Link
  readonly all: ReadonlyArray<Link>
  /** Which of them has a key, by its hash. */
  readonly pick: (keyHash: string) => number
}

export interface Redelivery {
  readonly effect: Effect.Effect<unknown, CacheStoreError>
  readonly delivered: () => void
}

const noop = () => {}
