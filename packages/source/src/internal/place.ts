/** Sets of services, as the callers of one Operation provide them, and the lanes under each. */
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Definition } from "./definition.ts"
import type { Table } from "./identity.ts"
import type { Lane } from "./lane.ts"

export const operationKey = "@wellspring/source/Operation"
export const batchKey = "@wellspring/source/Batch"

/** Services that come and go with a caller and change nothing about an answer. */
const passing: ReadonlySet<string> = new Set([operationKey, batchKey, Tracer.ParentSpan.key, Scope.Scope.key])

export class Place {
  lanes = new Map<Definition, Lane>()
  /** The lane asked for last, which is often the next. */
  last: Lane | undefined = undefined
  groups: Map<Definition, Table<Lane>> | undefined = undefined
  /** All that its first caller had, what comes and goes included. */
  readonly given: ReadonlyMap<string, unknown>
  private lasting: ReadonlyMap<string, unknown> | undefined = undefined

  constructor(given: ReadonlyMap<string, unknown>) {
    this.given = given
  }

  /** What its callers have in common. Put together when somebody asks, which is rare. */
  get services(): ReadonlyMap<string, unknown> {
    this.lasting ??= new Map([...this.given].filter(([key]) => !passing.has(key)))
    return this.lasting
  }

  /** Whether these are the very same services. */
  isOf(given: ReadonlyMap<string, unknown>): boolean {
    const { services } = this
    let left = services.size
    for (const [key, service] of given) {
      if (passing.has(key)) continue
      if (!services.has(key) || services.get(key) !== service) return false
      left--
    }
    return left === 0
  }

  /** Lets go of its lanes; what they have counted goes to where all sources count. */
  forget(): void {
    for (const lane of this.lanes.values()) lane.definition.instruments.tally(lane.tally)
    for (const lanes of this.groups?.values() ?? []) {
      for (const lane of lanes.values()) lane.definition.instruments.tally(lane.tally)
    }
    this.last = undefined
    this.lanes.clear()
    this.groups = undefined
  }
}

/** The places of one Operation: nearly always one. */
export class Places implements Iterable<Place> {
  private first: Place | undefined = undefined
  /** All of them by the numbers of their services, once there is a second. */
  private named: Map<string, Place> | undefined = undefined
  /** A number for each service seen, the same for equal ones. */
  private numbers: MutableHashMap.MutableHashMap<unknown, number> | undefined = undefined
  private closed: Place | undefined = undefined

  /** For the lanes of sources that have their services from elsewhere. */
  get apart(): Place {
    this.closed ??= new Place(new Map())
    return this.closed
  }

  /** Services are the same when they are one object, or equal where they say what equal means. */
  of(given: ReadonlyMap<string, unknown>): Place {
    const { first } = this
    if (first === undefined) {
      this.first = new Place(given)
      return this.first
    }
    if (first.isOf(given)) return first
    this.named ??= new Map([[this.nameOf(first), first]])
    const place = new Place(given)
    const name = this.nameOf(place)
    const known = this.named.get(name)
    if (known === undefined) this.named.set(name, place)
    return known ?? place
  }

  private nameOf({ services }: Place): string {
    // As JSON, for a service may have any name.
    return Array.from(services, ([key, service]) => JSON.stringify([key, this.numberOf(service)]))
      .sort()
      .join()
  }

  private numberOf(service: unknown): number {
    this.numbers ??= MutableHashMap.empty()
    const known = MutableHashMap.get(this.numbers, service)
    if (Option.isSome(known)) return known.value
    const number = MutableHashMap.size(this.numbers)
    MutableHashMap.set(this.numbers, service, number)
    return number
  }

  *[Symbol.iterator](): Iterator<Place> {
    if (this.named !== undefined) yield* this.named.values()
    else if (this.first !== undefined) yield this.first
    if (this.closed !== undefined) yield this.closed
  }

  clear(): void {
    this.first = undefined
    this.named = undefined
    this.numbers = undefined
    this.closed = undefined
  }
}
