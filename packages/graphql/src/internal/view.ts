/** One field's sight of its Operation: the same Operation, which tells whether the field used it. */
import { Operation } from "@wellspring/source"

export interface View extends Operation.Service {
  readonly isUsed: boolean
}

/**
 * An Operation that tells of its first use. A field that loaded a key or
 * recorded a call through it has left a trace of what it read; one that did not
 * has read elsewhere, and how long that may be kept is not known.
 */
export const make = (operation: Operation.Service, onUse: () => void): View => {
  let isUsed = false
  return {
    get isUsed() {
      return isUsed
    },
    get [Operation.TypeId]() {
      if (!isUsed) {
        isUsed = true
        onUse()
      }
      return operation[Operation.TypeId]
    }
  }
}
