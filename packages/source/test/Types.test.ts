import { describe, expectTypeOf, it } from "@effect/vitest"
import { type Fiberless, Memo, Operation, Source, type SourceError } from "@wellspring/source"
import { Context, Effect, type Either, type Option, type Request, Schema } from "effect"

class Viewer extends Context.Tag("test/Viewer")<Viewer, { readonly id: string }>() {}
class Down extends Schema.TaggedError<Down>()("Down", {}) {}

const base = { key: Schema.Number, success: Schema.String }

describe("the types of a source", () => {
  it("have the failures and the needs of its resolver", () => {
    const source = Source.make("Users", {
      ...base,
      resolve: () => Effect.flatMap(Viewer, () => Effect.fail(new Down()))
    })
    expectTypeOf(source).toEqualTypeOf<Source.Source<number, string, Down, Viewer>>()
    expectTypeOf(source.load(1)).toExtend<Effect.Effect<string, Down, Viewer | Operation.Operation>>()
    expectTypeOf(source.load(1)).toExtend<Request.Request<string, Down>>()
    expectTypeOf(source.load(1)).toExtend<Fiberless.Fiberless<string, Down, Viewer | Operation.Operation>>()
    expectTypeOf(Operation.scoped(source.load(1))).toEqualTypeOf<Effect.Effect<string, Down, Viewer>>()
    expectTypeOf(source.loadMany).returns.toExtend<Effect.Effect<Array<string>, Down, Viewer | Operation.Operation>>()
    expectTypeOf(source.loadEithers).returns.toExtend<
      Effect.Effect<Array<Either.Either<string, Down>>, never, Viewer | Operation.Operation>
    >()
    expectTypeOf(source.loadAll({ a: 1, b: 2 })).toExtend<
      Effect.Effect<{ a: string; b: string }, Down, Viewer | Operation.Operation>
    >()
  })

  it("say what a missing key comes to", () => {
    const resolve = () => Effect.succeed(new Map<number, string>())
    expectTypeOf(Source.make("Failing", { ...base, missing: "fail", resolve })).toEqualTypeOf<
      Source.Source<number, string, SourceError.NotFound>
    >()
    expectTypeOf(Source.make("Optional", { ...base, missing: "option", resolve })).toEqualTypeOf<
      Source.Source<number, Option.Option<string>>
    >()
  })

  it("want a group where there is one", () => {
    const source = Source.make("Titles", {
      ...base,
      group: Schema.Struct({ locale: Schema.String }),
      resolve: (keys, { group }) => Effect.succeed(keys.map(() => group.locale))
    })
    expectTypeOf(source).toEqualTypeOf<Source.Grouped<{ readonly locale: string }, number, string>>()
    expectTypeOf(source.of).parameter(0).toEqualTypeOf<{ readonly locale: string }>()
  })

  it("need the service that says whose a memo is", () => {
    const source = Source.make("Mine", {
      ...base,
      memo: Memo.bounded({ timeToLive: "1 minute", capacity: 1, sharing: Memo.by(Viewer, ({ id }) => id) }),
      resolve: (keys) => Effect.succeed(keys.map(String))
    })
    expectTypeOf(source).toEqualTypeOf<Source.Source<number, string, never, Viewer>>()
  })

  it("leave nothing to need once services are given for good", () => {
    const source = Source.make("Users", {
      ...base,
      resolve: (keys) => Effect.map(Viewer, ({ id }) => keys.map(() => id))
    })
    expectTypeOf(Source.provideContext(source, Context.make(Viewer, { id: "app" }))).toEqualTypeOf<
      Source.Source<number, string>
    >()
    expectTypeOf(Source.capture(source)).toEqualTypeOf<Effect.Effect<Source.Source<number, string>, never, Viewer>>()
  })
})
