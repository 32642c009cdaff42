/**
 * The public tensor: a handle on memory that lives on the engine thread.
 */
import { invalidArgument, SiamError } from '../errors.ts'
import { checkedDevice } from './device.ts'
import { loadAddon } from './load.ts'
import type { DType, NativeTensor, RawTensor } from './addon.ts'

/** What {@link Tensor.toTypedArray} gives: one array class for each dtype; half-precision values come as their 16 bits. */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint16Array
  | BigInt64Array

const bytesPerElement: Record<DType, number> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
}

/** @returns the dtype whose elements `data` holds when the caller names none. */
function inferDtype(data: TensorArray): DType | null {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof BigInt64Array) return 'int64'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof Int16Array) return 'int16'
  if (data instanceof Int8Array) return 'int8'
  if (data instanceof Uint8Array) return 'uint8'
  return null
}

/** Views little-endian bytes as the array class of `dtype`; copies only where the bytes are not aligned to an element. */
export function typedArrayOf(dtype: DType, bytes: Uint8Array): TensorArray {
  const size = bytesPerElement[dtype]
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice()
  const { buffer, byteOffset } = aligned
  const length = aligned.byteLength / size
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, byteOffset, length)
    case 'float64':
      return new Float64Array(buffer, byteOffset, length)
    case 'float16':
    case 'bfloat16':
      return new Uint16Array(buffer, byteOffset, length)
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, length)
    case 'int32':
      return new Int32Array(buffer, byteOffset, length)
    case 'int16':
      return new Int16Array(buffer, byteOffset, length)
    case 'int8':
      return new Int8Array(buffer, byteOffset, length)
    case 'uint8':
    case 'bool':
      return aligned
  }
}

/** Views any tensor data as the bytes that the addon takes. */
export function bytesOf(data: TensorArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** @throws ERR_ARGUMENT unless `shape` is a list of non-negative integers. @returns its number of elements. */
function checkedNumel(shape: readonly number[]): number {
  if (!Array.isArray(shape)) throw invalidArgument('an array of non-negative integers', 'shape', shape)
  let numel = 1
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) throw invalidArgument('an array of non-negative integers', 'shape', shape)
    numel *= size
  }
  return numel
}

export interface TensorOptions {
  /** Element type; by default the one of the given array. `Uint16Array` and `bool` need it. */
  dtype?: DType
  /** 'cpu' (default), 'cuda', 'cuda:1', … @throws ERR_DEVICE when it is not there. */
  device?: string
  /** Gradients of this tensor are kept: see {@link Tensor.gradient}. Floating-point only. */
  requiresGrad?: boolean
}

/**
 * A dense, row-major tensor of the engine.
 *
 * Host memory is freed by {@link dispose} (or `using`), at the latest by the garbage collector. Disposing twice does nothing; any other
 * use afterwards throws ERR_DISPOSED.
 */
export class Tensor implements Disposable {
  readonly #native: NativeTensor

  /** @internal wraps a handle that the addon gave. */
  constructor(native: NativeTensor) {
    this.#native = native
  }

  /**
   * Copies `data` into a new tensor.
   * @param data  elements, row-major; its length must be the product of `shape`
   * @param shape sizes, e.g. [n, c, h, w]; [] is a scalar
   * @throws ERR_ARGUMENT for a wrong array or shape, ERR_SHAPE if they do not fit together, ERR_DEVICE
   */
  static from(data: TensorArray, shape: readonly number[], options: TensorOptions = {}): Tensor {
    if (!ArrayBuffer.isView(data) || data instanceof DataView) throw invalidArgument('a typed array', 'data', data)
    const dtype = options.dtype ?? inferDtype(data)
    if (dtype === null || !(dtype in bytesPerElement)) {
      throw invalidArgument(`one of ${Object.keys(bytesPerElement).join(', ')}`, 'options.dtype', options.dtype ?? data.constructor.name)
    }
    const device = checkedDevice(options.device ?? 'cpu', 'options.device')
    const numel = checkedNumel(shape)
    if (numel * bytesPerElement[dtype] !== data.byteLength) {
      throw new SiamError(
        'ERR_SHAPE',
        `Tensor.from: shape [${shape.join(', ')}] of ${dtype} wants ${numel * bytesPerElement[dtype]} bytes, but data has ${data.byteLength} (${data.length} elements)`,
      )
    }
    return new Tensor(loadAddon().tensorFrom({ dtype, shape: [...shape], data: bytesOf(data) }, device, { requiresGrad: options.requiresGrad ?? false }))
  }

  /** As {@link Tensor.from}, from the form that checkpoints and data files are read into. */
  static fromRaw(raw: RawTensor, device = 'cpu'): Tensor {
    return Tensor.from(raw.data, raw.shape, { dtype: raw.dtype, device })
  }

  /** Sum of scalars, as Python's `sum(losses.values())`; backward() on it reaches every one of them. @throws ERR_ARGUMENT for an empty list */
  static async sum(scalars: readonly Tensor[]): Promise<Tensor> {
    if (scalars.length === 0) throw invalidArgument('at least one tensor', 'scalars', scalars)
    return new Tensor(await loadAddon().sum(scalars.map(({ native }) => native)))
  }

  /** The values of tensors with one element each, in one packed copy: on a GPU one wait instead of one for each. @throws ERR_SHAPE for any other */
  static async items(tensors: readonly Tensor[]): Promise<number[]> {
    for (const { shape } of tensors) {
      if (shape.some((size) => size !== 1)) throw new SiamError('ERR_SHAPE', `items() wants tensors of one element, but one has shape [${shape.join(', ')}]`)
    }
    return Array.from(await loadAddon().readScalars(tensors.map(({ native }) => native)))
  }

  get shape(): number[] {
    return this.native.shape
  }

  get dtype(): DType {
    return this.native.dtype
  }

  /** 'cpu', 'cuda:0', … */
  get device(): string {
    return this.native.device
  }

  get disposed(): boolean {
    return this.#native.disposed
  }

  /** @internal the addon's handle. @throws ERR_DISPOSED */
  get native(): NativeTensor {
    if (this.#native.disposed) throw new SiamError('ERR_DISPOSED', 'this Tensor was used after dispose()')
    return this.#native
  }

  /** Copies the elements to JavaScript: Float32Array for float32, BigInt64Array for int64, Uint16Array (bits) for float16 and bfloat16, … */
  async toTypedArray(): Promise<TensorArray> {
    const { native } = this
    return typedArrayOf(native.dtype, await native.toBytes())
  }

  /** @returns the value of a tensor with one element. @throws ERR_SHAPE for any other. */
  async item(): Promise<number> {
    const { native } = this
    if (native.shape.some((size) => size !== 1)) {
      throw new SiamError('ERR_SHAPE', `item() wants a tensor of one element, but this one has shape [${native.shape.join(', ')}]`)
    }
    const values = await loadAddon().readScalars([native])
    return values[0] ?? Number.NaN
  }

  /**
   * Backpropagates from this tensor into the gradients of parameters and of tensors made with `requiresGrad`, and frees the graph.
   * @param gradient what to start from, of this tensor's shape; a scalar starts from 1 without it
   * @throws ERR_TORCH if there is no graph (any more)
   */
  async backward(gradient?: Tensor): Promise<void> {
    await loadAddon().backward(this.native, gradient?.native)
  }

  /** The gradient of a tensor made with `requiresGrad`, as its elements; null before a backward pass reached it. */
  async gradient(): Promise<TensorArray | null> {
    const raw = await this.native.gradient()
    return raw === null ? null : typedArrayOf(raw.dtype, raw.data)
  }

  dispose(): void {
    this.#native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
