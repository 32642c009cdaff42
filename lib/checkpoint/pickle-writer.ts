/** Writes protocol 2 pickles as Python's pickler does for torch.save, with only the instructions that torch.load(weights_only=True) takes. */
import { SiamError } from '../errors.ts'
import { dtypeInfo } from './dtype.ts'
import { CheckpointTensor } from './tensor.ts'
import type { CheckpointStorage } from './tensor.ts'
import { PyDict, PyFloat, PyTuple, TorchSymbol, checkTree, isWrittenAsFloat, rewrapFloat } from './values.ts'
import type { CheckpointValue, DictKey } from './values.ts'

/** Python's own batch size for SETITEMS and APPENDS. */
const batch = 1000

/**
 * Pickles a value; its storages stay outside and are numbered in the order of their first use.
 * @param options.legacy  name storages as torch did before 1.6, with a place for a view after the number of elements
 * @throws ERR_ARGUMENT when the value is cyclic, too deep, or holds something that has no Python form
 */
export function pickle(value: CheckpointValue, options: { legacy?: boolean } = {}): { bytes: Uint8Array; storages: CheckpointStorage[] } {
  const complaint = checkTree(value)
  if (complaint !== undefined) throw new SiamError('ERR_ARGUMENT', `a checkpoint cannot hold this value: ${complaint}`)
  const writer = new PickleWriter(options.legacy ?? false)
  writer.root(value)
  return { bytes: writer.finish(), storages: [...writer.storages.keys()] }
}

class PickleWriter {
  readonly storages = new Map<CheckpointStorage, string>()
  readonly #legacy: boolean
  #buffer = Buffer.allocUnsafe(4096)
  #length = 0
  /** Strings by value, `module name` of globals behind a NUL, everything else by identity. */
  readonly #memo = new Map<unknown, number>()

  constructor(legacy: boolean) {
    this.#legacy = legacy
  }

  root(value: CheckpointValue): void {
    this.#bytes(0x80, 2)
    this.#value(value)
    this.#bytes(0x2e)
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  #value(value: CheckpointValue): void {
    if (value === null) return this.#bytes(0x4e)
    if (value === true) return this.#bytes(0x88)
    if (value === false) return this.#bytes(0x89)
    if (typeof value === 'number') return isWrittenAsFloat(undefined, undefined, value) ? this.#float(value) : this.#int(value)
    if (typeof value === 'bigint') return this.#long(value)
    if (typeof value === 'string') return this.#string(value)
    if (value instanceof PyFloat) return this.#float(value.value)
    // Two tensors are one in Python when they are one here; so are containers.
    if (this.#recall(value)) return
    if (value instanceof CheckpointTensor) return this.#tensor(value)
    if (value instanceof PyDict) return this.#dict(value)
    if (value instanceof PyTuple) {
      if (value.length === 0) return this.#bytes(0x29)
      this.#tuple(value)
      return this.#remember(value)
    }
    if (Array.isArray(value)) {
      this.#bytes(0x5d)
      this.#remember(value)
      return this.#batches([...value.entries()], 0x65, ([i, item]) => this.#value(rewrapFloat(value, i, item)))
    }
    if (value instanceof Set) {
      this.#global('builtins', 'set')
      this.#bytes(0x5d)
      this.#batches([...value], 0x65, (item) => this.#value(rewrapFloat(value, item, item)))
      this.#bytes(0x85, 0x52)
      return this.#remember(value)
    }
    if (value instanceof TorchSymbol) {
      if (value.kind === 'dtype') return this.#global('torch', value.name)
      this.#global('torch', 'device')
      const [type, index] = value.name.split(':')
      this.#tuple(index === undefined ? [type!] : [type!, Number(index)])
      this.#bytes(0x52)
      return this.#remember(value)
    }
    this.#global('_codecs', 'encode')
    this.#tuple([Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1'), 'latin1'])
    this.#bytes(0x52)
    this.#remember(value)
  }

  #dict(dict: PyDict): void {
    if (dict.ordered) {
      this.#global('collections', 'OrderedDict')
      this.#bytes(0x29, 0x52)
    } else {
      this.#bytes(0x7d)
    }
    this.#remember(dict)
    this.#batches([...dict], 0x75, ([key, member]: [DictKey, CheckpointValue]) => {
      this.#value(key)
      this.#value(rewrapFloat(dict, key, member))
    })
    if (dict.attributes !== undefined) {
      this.#value(dict.attributes)
      this.#bytes(0x62)
    }
  }

  #tensor(tensor: CheckpointTensor): void {
    if (tensor.isParameter) {
      const { storage, shape, offset, strides } = tensor
      this.#global('torch._utils', '_rebuild_parameter')
      this.#tensor(new CheckpointTensor(storage, shape, { offset, strides }))
      this.#bytes(tensor.requiresGrad ? 0x88 : 0x89)
      this.#emptyOrderedDict()
      this.#bytes(0x87, 0x52)
      return this.#remember(tensor)
    }
    const { root, rootOffset } = tensor.storage
    let key = this.storages.get(root)
    if (key === undefined) {
      key = String(this.storages.size)
      this.storages.set(root, key)
    }
    // Types without a storage class of their own are bytes, and the tensor says what they are.
    const storageClass = root.dtype === tensor.dtype ? dtypeInfo(root.dtype).torchStorage : null
    this.#global('torch._utils', storageClass === null ? '_rebuild_tensor_v3' : '_rebuild_tensor_v2')
    this.#bytes(0x28, 0x28)
    this.#string('storage')
    if (storageClass === null) this.#global('torch.storage', 'UntypedStorage')
    else this.#global('torch', storageClass)
    this.#string(key)
    this.#string('cpu')
    this.#int(storageClass === null ? root.numel * dtypeInfo(root.dtype).itemBytes : root.numel)
    if (this.#legacy) this.#bytes(0x4e)
    this.#bytes(0x74, 0x51)
    this.#int(tensor.offset + rootOffset)
    this.#tuple(tensor.shape)
    this.#tuple(tensor.strides)
    this.#bytes(tensor.requiresGrad ? 0x88 : 0x89)
    this.#emptyOrderedDict()
    if (storageClass === null) this.#global('torch', tensor.dtype)
    this.#bytes(0x74, 0x52)
    this.#remember(tensor)
  }

  #emptyOrderedDict(): void {
    this.#global('collections', 'OrderedDict')
    this.#bytes(0x29, 0x52)
  }

  #tuple(items: readonly CheckpointValue[]): void {
    if (items.length === 0) return this.#bytes(0x29)
    if (items.length > 3) this.#bytes(0x28)
    for (const [i, item] of items.entries()) this.#value(rewrapFloat(items, i, item))
    this.#bytes([0x29, 0x85, 0x86, 0x87][items.length] ?? 0x74)
  }

  #batches<T>(items: T[], opcode: number, write: (item: T) => void): void {
    for (let start = 0; start < items.length; start += batch) {
      this.#bytes(0x28)
      for (const item of items.slice(start, start + batch)) write(item)
      this.#bytes(opcode)
    }
  }

  #global(module: string, name: string): void {
    const key = `\0${module} ${name}`
    if (this.#recall(key)) return
    this.#bytes(0x63)
    this.#append(Buffer.from(`${module}\n${name}\n`))
    this.#remember(key)
  }

  #string(text: string): void {
    const key = `"${text}`
    if (this.#recall(key)) return
    if (/\p{Surrogate}/u.test(text)) throw new SiamError('ERR_ARGUMENT', `a checkpoint cannot hold the string ${JSON.stringify(text.slice(0, 100))}: it has half a surrogate pair`)
    const utf8 = Buffer.from(text)
    this.#bytes(0x58)
    this.#u32(utf8.length)
    this.#append(utf8)
    this.#remember(key)
  }

  #int(value: number): void {
    if (value >= 0 && value < 0x100) return this.#bytes(0x4b, value)
    if (value >= 0 && value < 0x10000) return this.#bytes(0x4d, value & 0xff, value >> 8)
    if (value >= -0x80000000 && value < 0x80000000) {
      this.#bytes(0x4a)
      return this.#u32(value >>> 0)
    }
    this.#long(BigInt(value))
  }

  #long(value: bigint): void {
    // Two's complement, one bit more than the magnitude needs.
    let length = 1
    while (BigInt.asIntN(length * 8, value) !== value) length++
    if (length > 255) throw new SiamError('ERR_ARGUMENT', `a checkpoint cannot hold an integer of ${length} bytes`)
    this.#bytes(0x8a, length)
    const hex = BigInt.asUintN(length * 8, value).toString(16).padStart(length * 2, '0')
    this.#append(Buffer.from(hex, 'hex').reverse())
  }

  #float(value: number): void {
    const bytes = Buffer.allocUnsafe(9)
    bytes[0] = 0x47
    bytes.writeDoubleBE(value, 1)
    this.#append(bytes)
  }

  #recall(key: unknown): boolean {
    const index = this.#memo.get(key)
    if (index === undefined) return false
    if (index < 0x100) {
      this.#bytes(0x68, index)
    } else {
      this.#bytes(0x6a)
      this.#u32(index)
    }
    return true
  }

  #remember(key: unknown): void {
    const index = this.#memo.size
    this.#memo.set(key, index)
    if (index < 0x100) {
      this.#bytes(0x71, index)
    } else {
      this.#bytes(0x72)
      this.#u32(index)
    }
  }

  #u32(value: number): void {
    this.#bytes(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24)
  }

  #bytes(...bytes: number[]): void {
    this.#append(bytes)
  }

  #append(bytes: ArrayLike<number>): void {
    if (this.#length + bytes.length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes.length))
      grown.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = grown
    }
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }
}
