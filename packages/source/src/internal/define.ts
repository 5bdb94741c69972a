/** From a source's options to what the kernel runs. */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Memo from "../Memo.ts"
import * as Policy from "../Policy.ts"
import * as SourceError from "../SourceError.ts"
import { BoundedMemo } from "./boundedMemo.ts"
import type { Definition, Merge, Owner, ResolverView } from "./definition.ts"
import { Entry } from "./entry.ts"
import { Gate } from "./gate.ts"
import * as Identity from "./identity.ts"
import { Instruments } from "./instruments.ts"
import { askOf, GroupedView, View } from "./view.ts"

/** The options of a source, its types left behind. */
export interface Settings {
  /** Keys that no schema describes bring their own equality. */
  readonly key?: Schema.Schema<unknown, unknown>
  readonly cacheKey?: (key: unknown) => unknown
  readonly group?: Schema.Schema<unknown, unknown>
  readonly groupKey?: (group: unknown) => unknown
  readonly policy?: Policy.Policy
  readonly maxBatchSize?: number
  readonly maxBatchCost?: { readonly max: number; readonly of: (key: unknown) => number }
  readonly maxConcurrentBatches?: number
  readonly rateLimit?: { readonly limit: number; readonly interval: Duration.DurationInput }
  readonly distinct?: boolean
  readonly memo?: Memo.Memo<unknown, unknown>
  readonly remembersFailure?: (error: unknown) => boolean
  readonly missing?: "die" | "fail" | "option" | ((key: unknown) => Exit.Exit<unknown, unknown>)
  readonly selection?: Merge
}

export interface LooseOptions extends Settings {
  readonly resolve: (keys: ReadonlyArray<unknown>, view: ResolverView) => Effect.Effect<unknown, unknown>
}

export const fromOptions = (
  name: string,
  options: Settings,
  resolve: Definition["resolve"],
  entry: Definition["entry"] = Entry
): Definition => {
  const { distinct = false, memo = { _tag: "Operation" } } = options
  const key = keyOf(options)
  const group = groupOf(options)
  check(name, options)
  return {
    name,
    key,
    group,
    policy: options.policy ?? Policy.turn,
    maxBatchSize: options.maxBatchSize ?? Number.POSITIVE_INFINITY,
    cost: options.maxBatchCost,
    gate: gateOf(options),
    distinct,
    remembers: !distinct && (memo._tag === "Operation" || memo._tag === "External"),
    remembersFailure: options.remembersFailure ?? (() => false),
    bounded: memo._tag === "Bounded" ? boundedOf(memo, key, group ?? Identity.primitive) : undefined,
    external: memo._tag === "External" ? externalOf(memo) : undefined,
    selection: options.selection,
    missing: missingOf(name, options),
    found: options.missing === "option" ? Option.some : undefined,
    closed: undefined,
    instruments: new Instruments(name),
    entry,
    resolve
  }
}

const keyOf = ({ cacheKey, key }: Settings): Identity.Identity<unknown> => {
  if (cacheKey !== undefined) return Identity.fromFunction(cacheKey)
  return key === undefined ? Identity.equal : Identity.fromSchema(key)
}

const groupOf = ({ group, groupKey }: Settings): Identity.Identity<unknown> | undefined => {
  if (group === undefined) return undefined
  return groupKey === undefined ? Identity.fromSchema(group) : Identity.fromFunction(groupKey)
}

const gateOf = ({ maxConcurrentBatches = Number.POSITIVE_INFINITY, rateLimit }: Settings): Gate | undefined => {
  if (maxConcurrentBatches === Number.POSITIVE_INFINITY && rateLimit === undefined) return undefined
  const rate = rateLimit && { limit: rateLimit.limit, interval: Duration.toMillis(rateLimit.interval) }
  return new Gate(maxConcurrentBatches, rate)
}

const ownerOf = (sharing: Memo.Sharing<unknown>): Owner => {
  if (sharing === "public") return () => "public"
  const { of, tag } = sharing
  return (services) => {
    // Not knowing whose answers these are must not make them anybody's.
    if (!services.has(tag.key)) throw new Error(`Service not found: ${tag.key}`)
    return `by:${identify(of(services.get(tag.key) as never))}`
  }
}

/** A number and the string of its digits are two identities. */
const identify = (identity: string | number): string => JSON.stringify(identity)

const boundedOf = (
  memo: Memo.Bounded<unknown>,
  key: Identity.Identity<unknown>,
  group: Identity.Identity<unknown>
): Definition["bounded"] => ({
  memo: new BoundedMemo(memo.capacity, Duration.toMillis(memo.timeToLive), key, group),
  owner: ownerOf(memo.sharing),
  acrossEpochs: memo.acrossEpochs
})

const externalOf = (memo: Memo.External<unknown, unknown>): Definition["external"] => ({
  store: memo.store as unknown as NonNullable<Definition["external"]>["store"],
  owner: ownerOf(memo.sharing),
  timeToLive: Duration.toMillis(memo.timeToLive),
  acrossEpochs: memo.acrossEpochs
})

const missingOf = (name: string, { missing = "die" }: Settings): Definition["missing"] => {
  switch (missing) {
    case "die":
      return (key) => Exit.die(new SourceError.UnansweredKey({ source: name, key }))
    case "fail":
      return (key) => Exit.fail(new SourceError.NotFound({ source: name, key }))
    case "option":
      return () => Exit.succeed(Option.none())
    default:
      return missing
  }
}

const check = (name: string, options: Settings): void => {
  const positive = (option: "maxBatchSize" | "maxConcurrentBatches", value: number | undefined): void => {
    if (value !== undefined && !(value >= 1))
      throw new RangeError(`${option} of source "${name}" must be at least 1: ${value}`)
  }
  positive("maxBatchSize", options.maxBatchSize)
  positive("maxConcurrentBatches", options.maxConcurrentBatches)
  if (options.memo?._tag !== "External") return
  if (options.selection !== undefined) {
    throw new TypeError(
      `Source "${name}" cannot keep selections in an external memo: parts would answer for the whole.`
    )
  }
  const strings = [
    ["key", "cacheKey", keyOf(options)],
    ["group", "groupKey", groupOf(options)]
  ] as const
  for (const [part, option, identity] of strings) {
    if (identity?.hasString === false) {
      throw new TypeError(`Source "${name}" needs ${option}: its ${part} has no string for an external memo.`)
    }
  }
}

export const viewOf = (definition: Definition): View | GroupedView =>
  definition.group === undefined
    ? new View({ definition, group: undefined, groupId: undefined, ask: askOf(definition) })
    : new GroupedView(definition)

export const provideContext: never = dual(2, (view: View, context: Context.Context<never>) =>
  view.providing(context)
) as never
