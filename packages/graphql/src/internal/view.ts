/** One field's sight of its Operation: the same Operation, which tells whether the field used it. */
import { Operation } from "@wellspring/source"

export interface View extends Operation.Service {
  isUsed: boolean
}

/**
 * An Operation that notes its first use. A field that loaded a key or recorded
 * a call through it has left a trace of what it read; one that did not has read
 * elsewhere, and how long that may be kept is not known.
 */
export const make = (operation: Operation.Service): View => ({
  isUsed: false,
  get [Operation.TypeId]() {
    this.isUsed = true
    return operation[Operation.TypeId]
  }
})
