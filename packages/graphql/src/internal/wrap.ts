/**
 * Gives the field resolvers of a schema their run, once each.
 *
 * In place, as servers' own instrumentation does it: which run a field belongs
 * to is found in the context value, so one schema may serve several
 * applications. Fields without a resolver of their own are left alone.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import {
  defaultFieldResolver,
  defaultTypeResolver,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  type GraphQLTypeResolver,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isObjectType
} from "graphql"
import * as Field from "./field.ts"
import type { Hint } from "./policy.ts"
import * as Reference from "./reference.ts"
import { type Run, runOf, SubscriptionEvent } from "./run.ts"

type Resolve = GraphQLFieldResolver<unknown, unknown, Record<string, unknown>, unknown>

const wrapped = new WeakSet<object>()

const mark = (resolve: Resolve): Resolve => {
  wrapped.add(resolve)
  return resolve
}

/** Wraps every field resolver of the schema that is not wrapped yet. */
export const schema = (schema: GraphQLSchema): GraphQLSchema => {
  const query = schema.getQueryType()
  const mutation = schema.getMutationType()
  const subscription = schema.getSubscriptionType()
  for (const type of Object.values(schema.getTypeMap())) {
    if (isAbstractType(type)) type.resolveType ??= byTag
    if (!isObjectType(type) || type.name.startsWith("__")) continue
    for (const field of Object.values(type.getFields())) {
      const known = Field.make(type, field, type === query || type === mutation)
      if (type === subscription) subscriptionField(field, known)
      else objectField(field, known, type === mutation)
    }
    Reference.wrap(type, (resolve) => reference(resolve, type))
  }
  return schema
}

const announced = new WeakMap<object, WeakSet<Announce>>()

type Announce = (info: GraphQLResolveInfo) => void

/** Calls a function before each field at the root, and each that returns objects. Once, however often it is asked to. */
export const composites = (schema: GraphQLSchema, announce: Announce): void => {
  const known = announced.get(schema) ?? new WeakSet()
  if (known.has(announce)) return
  announced.set(schema, known.add(announce))
  const roots = new Set([schema.getQueryType(), schema.getMutationType()])
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue
    for (const field of Object.values(type.getFields())) {
      if (!roots.has(type) && !isCompositeType(getNamedType(field.type))) continue
      const resolve = field.resolve ?? defaultFieldResolver
      field.resolve = mark((parent, args, contextValue, info) => {
        announce(info)
        return resolve(parent, args, contextValue, info)
      })
    }
  }
}

/** Tells members of a union or interface apart as graphql-js does, then by the tag of a tagged class. */
const byTag: GraphQLTypeResolver<unknown, unknown> = (value, contextValue, info, type) => {
  if (Predicate.hasProperty(value, "_tag") && !("__typename" in value) && typeof value._tag === "string") {
    const member = info.schema.getType(value._tag)
    if (isObjectType(member) && info.schema.isSubType(type, member)) return member.name
  }
  return defaultTypeResolver(value, contextValue, info, type)
}

const objectField = (field: GraphQLField<unknown, unknown>, known: Field.Field, isMutation: boolean): void => {
  const resolve = field.resolve ?? defaultFieldResolver
  if (wrapped.has(resolve)) return
  if (resolve !== defaultFieldResolver) {
    const ours = resolver(resolve, known)
    field.resolve = mark(isMutation ? mutationResolver(ours) : ours)
  } else if (known.hint !== undefined) field.resolve = mark(hinting(known.hint))
}

/** A plain property that a directive says something about. */
const hinting =
  (hint: Hint): Resolve =>
  (parent, args, contextValue, info) => {
    runOf(contextValue, info)?.accounting.hinted.restrict(hint)
    return defaultFieldResolver(parent, args, contextValue, info)
  }

const outside = (field: string): Error =>
  new Error(
    `${field} returned an Effect outside a Wellspring operation. ` +
      `Execute the schema with an adapter (such as "@wellspring/graphql/Yoga") or with the application's execute.`
  )

const resolver =
  (resolve: Resolve, field: Field.Field): Resolve =>
  (parent, args, contextValue, info) => {
    const run = runOf(contextValue, info)
    if (run === undefined) return unattended(resolve(parent, args, contextValue, info), field)
    let answer: unknown
    try {
      answer = resolve(parent, args, contextValue, info)
    } catch (thrown) {
      return run.throw(thrown, info)
    }
    return run.settle(answer, info, field)
  }

const unattended = (answer: unknown, field: Field.Field): unknown => {
  if (Effect.isEffect(answer)) throw outside(field.coordinate)
  return answer
}

/** A federation entity's `__resolveReference`, which the server's `_entities` field calls for each reference. */
const reference = (resolve: Reference.Resolve, type: GraphQLObjectType): Reference.Resolve => {
  const field: Field.Field = { coordinate: `${type.name}.__resolveReference`, hint: undefined, isRoot: true }
  return (reference, contextValue, info) => {
    const run = runOf(contextValue, info)
    const answer = resolve(reference, contextValue, info)
    if (run === undefined) return unattended(answer, field)
    return Reference.named(run.settle(answer, info, field), type.name)
  }
}

/** The fields of a mutation run one after another, and each sees what those before it wrote. */
const mutationResolver =
  (resolve: Resolve): Resolve =>
  (parent, args, contextValue, info) => {
    const run = runOf(contextValue, info)
    run?.session.beginEpoch()
    const answer = resolve(parent, args, contextValue, info)
    if (!(answer instanceof Promise)) {
      run?.session.beginEpoch()
      return answer
    }
    return answer.then((value) => {
      run?.session.beginEpoch()
      return value
    })
  }

const subscriptionField = (field: GraphQLField<unknown, unknown>, known: Field.Field): void => {
  if (field.subscribe !== undefined && !wrapped.has(field.subscribe)) {
    field.subscribe = mark(subscriber(field.subscribe, known))
  }
  const resolve = field.resolve ?? defaultFieldResolver
  if (wrapped.has(resolve)) return
  const ofEvent = resolve === defaultFieldResolver ? undefined : resolver(resolve, known)
  field.resolve = mark((parent, args, contextValue, info) => {
    if (!(parent instanceof SubscriptionEvent)) return (ofEvent ?? resolve)(parent, args, contextValue, info)
    return ofEvent === undefined ? parent.value : ofEvent(parent.value, args, contextValue, info)
  })
}

const subscriber =
  (subscribe: Resolve, field: Field.Field): Resolve =>
  (parent, args, contextValue, info) => {
    const run = runOf(contextValue, info)
    const answer = subscribe(parent, args, contextValue, info)
    return run === undefined ? unattended(answer, field) : events(run, answer, info, field)
  }

const events = async (run: Run, answer: unknown, info: GraphQLResolveInfo, field: Field.Field): Promise<unknown> => {
  const source = await run.settle(answer, info, field)
  if (!isStream(source)) return source
  const runtime = (await run.settle(Effect.runtime<never>(), info, field)) as Runtime.Runtime<never>
  const shown = Stream.catchAllCause(source, (cause) => Stream.fail(run.shown(cause, info)))
  return iterate(run, Stream.toAsyncIterableRuntime(shown, runtime))
}

const isStream = (value: unknown): value is Stream.Stream<unknown, unknown> =>
  typeof value === "object" && value !== null && Stream.StreamTypeId in value

const done: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** A stream's elements as events, each with a run that lasts until the next one is asked for. */
const iterate = (run: Run, stream: AsyncIterable<unknown>): AsyncIterableIterator<unknown> => {
  const source = stream[Symbol.asyncIterator]()
  let event: Run | undefined
  let answer: (result: IteratorResult<unknown>) => void = () => {}
  const stop = async (): Promise<IteratorReturnResult<undefined>> => {
    forget()
    // An iterator of a Stream leaves whoever waits for its next element waiting.
    answer(done)
    await source.return?.()
    await event?.session.end()
    await run.session.end()
    return done
  }
  const forget = run.session.waits.on(() => void stop())
  const next = async (): Promise<IteratorResult<unknown>> => {
    await event?.session.end()
    event = undefined
    const next = await source.next().catch(async (error: unknown) => {
      await stop()
      throw error
    })
    if (next.done === true) return stop()
    event = run.child()
    return { done: false, value: new SubscriptionEvent(next.value, event) }
  }
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next: () =>
      new Promise((resolve, reject) => {
        answer = resolve
        next().then(resolve, reject)
      }),
    return: stop
  }
}
