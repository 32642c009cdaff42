/** What lives on the stack of the pickle machine besides finished values, and the errors that constructors raise. */
import type { CheckpointStorage } from './tensor.ts'
import type { CheckpointValue } from './values.ts'
import type { CheckpointDType } from './dtype.ts'

/** A name that the pickle asked for, such as `torch._utils._rebuild_tensor_v2`. Never looked up anywhere: a key into our own table. */
export class PyGlobal {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** numpy.dtype('f4') while a numpy scalar is being made; BUILD sets its byte order. */
export class NumpyDType {
  readonly code: string
  littleEndian = true

  constructor(code: string) {
    this.code = code
  }
}

/** A storage that a tensor is about to be made of. */
export class StorageRef {
  readonly storage: CheckpointStorage

  constructor(storage: CheckpointStorage) {
    this.storage = storage
  }
}

export type StackValue = CheckpointValue | PyGlobal | NumpyDType | StorageRef | StackValue[]

/** Raised by a constructor; the machine adds the file and the offset. */
export class Refusal extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** Makes the storage that a persistent id of a torch pickle names. Checks its size against the file. */
export type StorageLoader = (request: { key: string; dtype: CheckpointDType; numel: number; view: { offset: number; numel: number } | null }) => CheckpointStorage

export interface ConstructorContext {
  /** Charges a tensor's bytes when its elements are written out one after the other. @throws Refusal when one, or all together, are too many */
  unfold(bytes: number): void
  /** Charges what a constructor copies. @throws Refusal when the pickle's limits are used up */
  spend(objects: number, bytes: number): void
}

