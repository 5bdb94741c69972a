/**
 * Gives the field resolvers of a schema their run, once each.
 *
 * In place, as servers' own instrumentation does it: which run a field belongs
 * to is found in the context value, so one schema may serve several
 * applications. Fields without a resolver of their own are left alone.
 */
import * as Effect from "effect/Effect"
import type * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isObjectType
} from "graphql"
import { type Run, runOf, SubscriptionEvent } from "./run.ts"

type Resolve = GraphQLFieldResolver<unknown, unknown, Record<string, unknown>, unknown>
type Field = GraphQLField<unknown, unknown>

const wrapped = new WeakSet<object>()

const once = (make: () => Resolve): Resolve => {
  const resolve = make()
  wrapped.add(resolve)
  return resolve
}

/** Wraps every field resolver of the schema that is not wrapped yet. */
export const schema = (schema: GraphQLSchema): GraphQLSchema => {
  const mutation = schema.getMutationType()
  const subscription = schema.getSubscriptionType()
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue
    for (const field of Object.values(type.getFields())) {
      if (type === subscription) subscriptionField(field)
      else if (field.resolve !== undefined && field.resolve !== defaultFieldResolver && !wrapped.has(field.resolve)) {
        const resolve = field.resolve
        field.resolve = once(() => (type === mutation ? mutationResolver(resolve) : resolver(resolve)))
      }
    }
  }
  return schema
}

const outside = (field: string): Error =>
  new Error(
    `${field} returned an Effect outside a Wellspring operation. ` +
      `Execute the schema with an adapter (such as "@wellspring/graphql/Yoga") or with the application's execute.`
  )

const resolver =
  (resolve: Resolve): Resolve =>
  (parent, args, contextValue, info) => {
    const run = runOf(contextValue, info)
    if (run === undefined) return unattended(resolve(parent, args, contextValue, info), info)
    let answer: unknown
    try {
      answer = resolve(parent, args, contextValue, info)
    } catch (thrown) {
      return run.thrown(thrown, info)
    }
    return run.settle(answer, info)
  }

const unattended = (answer: unknown, info: GraphQLResolveInfo): unknown => {
  if (Effect.isEffect(answer)) throw outside(`${info.parentType.name}.${info.fieldName}`)
  return answer
}

/** The fields of a mutation run one after another, and each sees what those before it wrote. */
const mutationResolver = (resolve: Resolve): Resolve => {
  const inner = resolver(resolve)
  return (parent, args, contextValue, info) => {
    const run = runOf(contextValue, info)
    run?.beginEpoch()
    const answer = inner(parent, args, contextValue, info)
    if (!(answer instanceof Promise)) {
      run?.beginEpoch()
      return answer
    }
    return answer.then((value) => {
      run?.beginEpoch()
      return value
    })
  }
}

const subscriptionField = (field: Field): void => {
  if (field.subscribe !== undefined && !wrapped.has(field.subscribe)) {
    const subscribe = field.subscribe
    field.subscribe = once(() => subscriber(subscribe))
  }
  const resolve = field.resolve ?? defaultFieldResolver
  if (wrapped.has(resolve)) return
  const ofEvent = resolver(resolve)
  field.resolve = once(() => (parent, args, contextValue, info) => {
    if (!(parent instanceof SubscriptionEvent)) return ofEvent(parent, args, contextValue, info)
    return field.resolve === undefined || resolve === defaultFieldResolver
      ? parent.value
      : ofEvent(parent.value, args, contextValue, info)
  })
}

const subscriber =
  (subscribe: Resolve): Resolve =>
  (parent, args, contextValue, info) => {
    const run = runOf(contextValue, info)
    const answer = subscribe(parent, args, contextValue, info)
    return run === undefined ? unattended(answer, info) : events(run, answer, info)
  }

const events = async (run: Run, answer: unknown, info: GraphQLResolveInfo): Promise<unknown> => {
  const source = await run.settle(answer, info)
  if (!isStream(source)) return source
  const runtime = (await run.settle(Effect.runtime<never>(), info)) as Runtime.Runtime<never>
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
    await event?.end()
    await run.end()
    return done
  }
  const forget = run.onEnd(() => void stop())
  const next = async (): Promise<IteratorResult<unknown>> => {
    await event?.end()
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
