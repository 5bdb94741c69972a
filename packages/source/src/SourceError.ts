/**
 * What goes wrong in a source, apart from the failures its resolver declares.
 *
 * All but {@link NotFound} are broken laws: they reach the callers as defects
 * that name the source, the keys and the cause.
 */
import * as Schema from "effect/Schema"

const shown = 5

const list = (keys: ReadonlyArray<unknown>): string => {
  const names = keys.slice(0, shown).map(show)
  return keys.length > shown ? `${names.join(", ")} and ${keys.length - shown} more` : names.join(", ")
}

const show = (key: unknown): string => {
  if (typeof key === "bigint") return `${key}n`
  try {
    return JSON.stringify(key) ?? String(key)
  } catch {
    return String(key)
  }
}

/** The source has no value for the key. A failure, for sources made with `missing: "fail"`. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  source: Schema.String,
  key: Schema.Unknown
}) {
  override get message() {
    return `Source "${this.source}" has no value for key ${show(this.key)}.`
  }
}

/** The resolver ended well without an answer for the key. */
export class UnansweredKey extends Schema.TaggedError<UnansweredKey>()("UnansweredKey", {
  source: Schema.String,
  key: Schema.Unknown
}) {
  override get message() {
    return (
      `Source "${this.source}" gave no answer for key ${show(this.key)}. ` +
      `Answer every key, or say with "missing" what a missing key means.`
    )
  }
}

/** The resolver answered with something that is not an answer: not a list, or a list of the wrong length. */
export class MalformedAnswer extends Schema.TaggedError<MalformedAnswer>()("MalformedAnswer", {
  source: Schema.String,
  keys: Schema.Array(Schema.Unknown),
  problem: Schema.String
}) {
  override get message() {
    return `Source "${this.source}" ${this.problem}. Its keys: ${list(this.keys)}.`
  }
}

/** The resolver threw, died, or was interrupted from within; `cause` says how. */
export class ResolverDefect extends Schema.TaggedError<ResolverDefect>()("ResolverDefect", {
  source: Schema.String,
  keys: Schema.Array(Schema.Unknown),
  cause: Schema.Defect
}) {
  override get message() {
    return `Source "${this.source}" broke while resolving ${list(this.keys)}; see cause.`
  }
}

/** A resolver waits for a key that cannot be answered before the resolver itself ends. */
export class LoadCycle extends Schema.TaggedError<LoadCycle>()("LoadCycle", {
  sources: Schema.Array(Schema.String),
  key: Schema.Unknown
}) {
  override get message() {
    return `Resolvers wait for each other: ${this.sources.join(" → ")}, at key ${show(this.key)}.`
  }
}

/** The key was asked for after its Operation had been closed. */
export class OperationClosed extends Schema.TaggedError<OperationClosed>()("OperationClosed", {
  source: Schema.String,
  key: Schema.Unknown
}) {
  override get message() {
    return `Source "${this.source}" was asked for ${show(this.key)} after its Operation had been closed.`
  }
}
