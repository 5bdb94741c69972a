/**
 * Fields that wait for keys of sources.
 *
 * The run waits for all of them as one, and fields that wait for the same
 * answer in the same place of the schema share one Promise: what is shown of
 * it is the same for each.
 */
import type { Fiberless } from "@wellspring/source"
import type * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import type { GraphQLResolveInfo } from "graphql"
import { unwrapOption } from "./answer.ts"
import type { Field } from "./field.ts"
import type { FieldSpan } from "./fieldSpan.ts"
import type { Wait } from "./waits.ts"

type Answer = Exit.Exit<unknown, unknown>

/** What the client may see of a failure. */
export type Show = (cause: Cause.Cause<unknown>, info: GraphQLResolveInfo) => unknown

export class Joints implements Fiberless.Reader, Wait {
  at = 0
  private readonly joints = new Map<Fiberless.Pending, Joint>()
  private readonly show: Show

  constructor(show: Show) {
    this.show = show
  }

  /** What a field gets for an answer that this reader has joined. */
  wait(pending: Fiberless.Pending, info: GraphQLResolveInfo, field: Field, span: FieldSpan | undefined): unknown {
    const known = this.joints.get(pending)
    let joint = known
    while (joint !== undefined && joint.field !== field) joint = joint.next
    if (joint === undefined) {
      joint = new Joint(info, field, known)
      this.joints.set(pending, joint)
    }
    if (span !== undefined) {
      joint.spans ??= []
      joint.spans.push(span)
    }
    return joint.promise
  }

  told(pending: Fiberless.Pending): void {
    const first = this.joints.get(pending)
    this.joints.delete(pending)
    for (let joint = first; joint !== undefined; joint = joint.next) joint.settle(pending.exit, this.show)
  }

  stop(): void {
    for (const [pending, first] of this.joints) {
      pending.leave(this)
      for (let joint: Joint | undefined = first; joint !== undefined; joint = joint.next) {
        joint.settle(interrupted, this.show)
      }
    }
    this.joints.clear()
  }
}

const interrupted = Exit.interrupt(FiberId.none)

/** The fields of one place in the schema that wait for one answer. */
class Joint {
  readonly field: Field
  readonly next: Joint | undefined
  readonly promise: Promise<unknown>
  spans: Array<FieldSpan> | undefined = undefined
  private readonly info: GraphQLResolveInfo
  private resolve: (value: unknown) => void = nothing
  private reject: (error: unknown) => void = nothing

  constructor(info: GraphQLResolveInfo, field: Field, next: Joint | undefined) {
    this.info = info
    this.field = field
    this.next = next
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  settle(exit: Answer, show: Show): void {
    if (this.spans !== undefined) for (const span of this.spans) span.end(exit)
    if (Exit.isSuccess(exit)) this.resolve(unwrapOption(exit.value))
    else this.reject(show(exit.cause, this.info))
  }
}

const nothing = (): void => {}
