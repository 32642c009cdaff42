/** Tensors as they lie in a checkpoint: a view (offset, shape, strides) of a storage that other tensors may share. */
import { SiamError } from '../errors.ts'
import type { RawTensor } from '../native/addon.ts'
import { dtypeInfo, isComputed, type CheckpointDType } from './dtype.ts'

/** A run of elements of one type. Its bytes usually are a view of the file's bytes: read, never write. */
export class CheckpointStorage {
  readonly dtype: CheckpointDType
  /** Number of elements. */
  readonly numel: number
  #bytes: Uint8Array | undefined
  /** The storage that this is a part of, itself if it is whole, and this one's first element in it. */
  readonly root: CheckpointStorage
  readonly rootOffset: number

  /**
   * @param bytes  numel elements, or undefined where the format holds them after everything that refers to them; see {@link fill}
   * @param root   the storage that this is a part of (legacy files), from its element `rootOffset` on; or the bytes that it gives a type to
   */
  constructor(dtype: CheckpointDType, numel: number, bytes: Uint8Array | undefined, root?: CheckpointStorage, rootOffset = 0) {
    this.dtype = dtype
    this.numel = numel
    this.#bytes = bytes
    this.root = root ?? this
    this.rootOffset = rootOffset
  }

  fill(bytes: Uint8Array): void {
    this.#bytes = bytes
  }

  get filled(): boolean {
    return this.root.#bytes !== undefined
  }

  get bytes(): Uint8Array {
    const itemBytes = dtypeInfo(this.dtype).itemBytes
    if (this.root !== this) {
      return this.root.bytes.subarray(this.rootOffset * itemBytes, (this.rootOffset + this.numel) * itemBytes)
    }
    if (this.#bytes === undefined) throw new SiamError('ERR_INTERNAL', 'storage used before its bytes were read')
    return this.#bytes
  }
}

export interface TensorOptions {
  /** Element of the storage at which the tensor begins. */
  offset?: number
  /** Elements between neighbours of each dimension; row-major by default. */
  strides?: readonly number[]
  requiresGrad?: boolean
  /** An nn.Parameter in Python rather than a Tensor. */
  isParameter?: boolean
}

/** Row-major strides, in elements, as torch writes them (a dimension of 0 counts as 1). */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step
    step *= Math.max(shape[i]!, 1)
  }
  return strides
}

export class CheckpointTensor {
  readonly storage: CheckpointStorage
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  /** Element of the storage at which the tensor begins. */
  readonly offset: number
  readonly requiresGrad: boolean
  readonly isParameter: boolean

  constructor(storage: CheckpointStorage, shape: readonly number[], options: TensorOptions = {}) {
    this.storage = storage
    this.shape = shape
    this.strides = options.strides ?? contiguousStrides(shape)
    this.offset = options.offset ?? 0
    this.requiresGrad = options.requiresGrad ?? false
    this.isParameter = options.isParameter ?? false
  }

  /**
   * A tensor with a storage of its own from contiguous bytes (not copied).
   * @throws ERR_SHAPE when the bytes are not as many as the shape needs
   */
  static fromRaw(raw: RawTensor, options: Pick<TensorOptions, 'requiresGrad' | 'isParameter'> = {}): CheckpointTensor {
    const numel = raw.shape.reduce((product, size) => product * size, 1)
    const expected = numel * dtypeInfo(raw.dtype).itemBytes
    if (raw.data.byteLength !== expected) {
      throw new SiamError('ERR_SHAPE', `Expected ${expected} bytes for a ${raw.dtype} tensor of shape [${raw.shape.join(', ')}] but received ${raw.data.byteLength}`)
    }
    return new CheckpointTensor(new CheckpointStorage(raw.dtype, numel, raw.data), [...raw.shape], options)
  }

  get dtype(): CheckpointDType {
    return this.storage.dtype
  }

  get numel(): number {
    return this.shape.reduce((product, size) => product * size, 1)
  }

  get isContiguous(): boolean {
    let step = 1
    for (let i = this.shape.length - 1; i >= 0; i--) {
      if (this.shape[i] !== 1 && this.strides[i] !== step) return this.numel === 0
      step *= this.shape[i]!
    }
    return true
  }

  /**
   * The elements in row-major order, little endian.
   * @returns a view of the storage where the tensor is contiguous (read only, please), else a copy
   */
  contiguousBytes(): Uint8Array {
    const { itemBytes } = dtypeInfo(this.dtype)
    const bytes = this.storage.bytes
    const { numel } = this
    if (numel === 0) return new Uint8Array(0)
    if (this.isContiguous) return bytes.subarray(this.offset * itemBytes, (this.offset + numel) * itemBytes)
    // Copy in units of the widest integer that fits and is aligned; wider elements become one more inner dimension of such units.
    // (Never as floats: a copy through a float register may change the bits of a NaN.)
    const unitBytes = [4, 2, 1].find((size) => itemBytes % size === 0 && bytes.byteOffset % size === 0)!
    const unitsEach = itemBytes / unitBytes
    const array = { 4: Uint32Array, 2: Uint16Array, 1: Uint8Array }[unitBytes as 4 | 2 | 1]
    const source = new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / unitBytes)
    const target = new array(numel * unitsEach)
    const shape = unitsEach === 1 ? this.shape : [...this.shape, unitsEach]
    const strides = unitsEach === 1 ? this.strides : [...this.strides.map((stride) => stride * unitsEach), 1]
    gather(source, this.offset * unitsEach, shape, strides, target)
    return new Uint8Array(target.buffer)
  }

  /** The contents in the addon's form. @throws ERR_CHECKPOINT for a type that it does not compute with (complex64, uint16, …) */
  toRaw(): RawTensor {
    const { dtype } = this
    if (!isComputed(dtype)) throw new SiamError('ERR_CHECKPOINT', `a tensor of type ${dtype} cannot be used by a model`, { hint: 'convert it in Python, or leave it out' })
    return { dtype, shape: [...this.shape], data: this.contiguousBytes() }
  }

  /** The elements as float64, row-major (an int64 beyond 2^53 is rounded; a bool is 0 or 1; a complex number is two: real, imaginary). */
  toFloat64(): Float64Array {
    return decodeFloat64(this.dtype, this.contiguousBytes())
  }
}

type Units = Uint8Array | Uint16Array | Uint32Array

function gather(source: Units, start: number, shape: readonly number[], strides: readonly number[], target: Units): void {
  const last = shape.length - 1
  const rowLength = shape[last]!
  const rowStride = strides[last]!
  const index = shape.map(() => 0)
  let from = start
  for (let to = 0; to < target.length; ) {
    for (let i = 0, at = from; i < rowLength; i++, at += rowStride) target[to++] = source[at]!
    let dimension = last - 1
    for (; dimension >= 0; dimension--) {
      from += strides[dimension]!
      index[dimension] = index[dimension]! + 1
      if (index[dimension]! < shape[dimension]!) break
      from -= strides[dimension]! * shape[dimension]!
      index[dimension] = 0
    }
    if (dimension < 0) return
  }
}

/** Elements of contiguous little-endian bytes, as float64; of a complex type both parts of each. */
export function decodeFloat64(dtype: CheckpointDType, bytes: Uint8Array): Float64Array {
  const { itemBytes } = dtypeInfo(dtype)
  const numel = bytes.byteLength / itemBytes
  // A copy's buffer of its own is aligned; so is a view's, if its offset is.
  const aligned = bytes.buffer instanceof ArrayBuffer && bytes.byteOffset % itemBytes === 0 ? bytes : new Uint8Array(bytes)
  const view = <T>(array: new (buffer: ArrayBuffer, offset: number, length: number) => T): T => new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, numel)
  switch (dtype) {
    case 'complex64':
      return decodeFloat64('float32', bytes)
    case 'complex128':
      return decodeFloat64('float64', bytes)
    case 'uint64':
      return Float64Array.from(view(BigUint64Array), Number)
    case 'uint32':
      return Float64Array.from(view(Uint32Array))
    case 'uint16':
      return Float64Array.from(view(Uint16Array))
    case 'float8_e4m3fn':
      return Float64Array.from(view(Uint8Array), e4m3ToNumber)
    case 'float8_e5m2':
      // The upper half of a half.
      return Float64Array.from(view(Uint8Array), (bits) => halfToNumber(bits << 8))
    case 'float32':
      return Float64Array.from(view(Float32Array))
    case 'float64':
      return view(Float64Array).slice()
    case 'int64':
      return Float64Array.from(view(BigInt64Array), Number)
    case 'int32':
      return Float64Array.from(view(Int32Array))
    case 'int16':
      return Float64Array.from(view(Int16Array))
    case 'int8':
      return Float64Array.from(view(Int8Array))
    case 'uint8':
      return Float64Array.from(view(Uint8Array))
    case 'bool':
      return Float64Array.from(view(Uint8Array), (byte) => (byte === 0 ? 0 : 1))
    case 'float16':
      return Float64Array.from(view(Uint16Array), halfToNumber)
    case 'bfloat16': {
      const wide = Uint32Array.from(view(Uint16Array), (bits) => bits << 16)
      return Float64Array.from(new Float32Array(wide.buffer))
    }
  }
}

/** Without infinities: all ones but the sign is NaN, and the rest of that exponent are numbers. */
function e4m3ToNumber(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1
  const exponent = (bits >> 3) & 0xf
  const fraction = bits & 7
  if (exponent === 0) return sign * fraction * 2 ** -9
  if (exponent === 15 && fraction === 7) return NaN
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7)
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
