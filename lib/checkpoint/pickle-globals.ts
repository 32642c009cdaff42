/**
 * The allow-list: every name that a checkpoint's pickle may call, each with our own code for what it makes. A name that is not here is
 * refused, whatever it is, so no pickle can run anything.
 */
import { dtypeInfo, dtypeOfTorchStorage, isDType, type CheckpointDType } from './dtype.ts'
import { NumpyDType, PyGlobal, Refusal, StorageRef } from './pickle-values.ts'
import type { ConstructorContext, StackValue } from './pickle-values.ts'
import { CheckpointStorage, CheckpointTensor, decodeFloat64 } from './tensor.ts'
import type { TensorOptions } from './tensor.ts'
import { PyDict, PyFloat, PyTuple, TorchSymbol, rewrapFloat } from './values.ts'
import type { CheckpointValue, DictKey } from './values.ts'
import type { DType } from '../native/addon.ts'

/** What a new Map counts for among a pickle's instructions. */
const containerCost = 7

type Constructor = (args: StackValue[], context: ConstructorContext) => StackValue

const constructors = new Map<string, Constructor>([
  ['collections.OrderedDict', (args, context) => dictFrom(args, context, true)],
  ['collections.Counter', (args, context) => dictFrom(args, context, false)],
  ['builtins.dict', (args, context) => dictFrom(args, context, false)],
  ['builtins.set', (args, context) => setFrom(args, 'set', context)],
  ['builtins.frozenset', (args, context) => setFrom(args, 'frozenset', context)],
  ['builtins.bytearray', (args, context) => (args.length === 0 ? new Uint8Array(0) : bytesFrom(args, context))],
  ['_codecs.encode', bytesFrom],
  ['torch.Size', (args, context) => PyTuple.pack(items(args[0] ?? [], 'torch.Size', context))],
  ['torch.device', device],
  ['torch._utils._rebuild_tensor', (args, context) => tensor(args, context, {})],
  ['torch._utils._rebuild_tensor_v2', (args, context) => tensor(args, context, { requiresGrad: args[4] === true })],
  ['torch._utils._rebuild_tensor_v3', rebuildTensorV3],
  ['torch._utils._rebuild_parameter', parameter],
  ['torch._utils._rebuild_parameter_with_state', parameter],
  ['torch.nn.parameter.Parameter', parameter],
  ['torch._tensor._rebuild_from_type_v2', rebuildFromType],
  ['numpy.dtype', numpyDType],
  ['numpy.core.multiarray.scalar', numpyScalar],
  ['numpy._core.multiarray.scalar', numpyScalar],
])

// Python 2 spelled the module otherwise; numpy 2 pickles its dtype classes by name.
const aliases = new Map([
  ['__builtin__.set', 'builtins.set'],
  ['__builtin__.frozenset', 'builtins.frozenset'],
  ['__builtin__.bytearray', 'builtins.bytearray'],
  ['__builtin__.dict', 'builtins.dict'],
])

const classes = new Set(['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.storage.UntypedStorage', 'torch.UntypedStorage', 'torch.storage.TypedStorage'])

const unsupported = new Map([
  ['torch._utils._rebuild_sparse_tensor', 'sparse tensors are not supported'],
  ['torch._utils._rebuild_qtensor', 'quantised tensors are not supported'],
  ['torch.storage._load_from_bytes', 'storages pickled inside of other pickles are not supported'],
])

/**
 * Looks a name up in the allow-list.
 * @throws Refusal when it is not there
 */
export function lookUpGlobal(module: string, name: string): StackValue {
  const full = `${module}.${name}`
  const known = aliases.get(full) ?? full
  if (constructors.has(known) || classes.has(known)) return new PyGlobal(known)
  if (module === 'torch' || module === 'torch.storage' || module === 'torch.cuda') {
    if (dtypeOfTorchStorage(name) !== undefined) return new PyGlobal(`torch.${name}`)
    if (name.endsWith('Storage')) throw new Refusal(`storages of type ${full} are not supported`)
    if (module === 'torch' && isDType(name)) return new TorchSymbol('dtype', name)
  }
  throw new Refusal(
    unsupported.get(known) ?? `the pickle asks for ${JSON.stringify(full.slice(0, 200))}, which a checkpoint may not call`,
    'save only tensors, numbers, strings, lists and dicts: the model\'s state_dict(), not the model',
  )
}

/** Calls an allowed name. @throws Refusal when it is none that can be called, or its arguments are wrong */
export function callGlobal(callee: StackValue, args: StackValue[], context: ConstructorContext): StackValue {
  if (!(callee instanceof PyGlobal)) throw new Refusal('the pickle calls something that is not a function')
  const make = constructors.get(callee.name)
  if (make === undefined) throw new Refusal(`${callee.name} cannot be called`)
  return make(args, context)
}

/** The element type of the storage class in a persistent id, `bytes` for an untyped storage. */
export function storageDType(value: StackValue | undefined): CheckpointDType | 'bytes' {
  if (value instanceof PyGlobal) {
    if (value.name.endsWith('UntypedStorage')) return 'bytes'
    const info = dtypeOfTorchStorage(value.name.slice('torch.'.length))
    if (info !== undefined) return info.dtype
  }
  throw new Refusal('a storage without a storage class')
}

/** Values that may lie inside of a finished tree; a half-made one (a function, a storage) may not. */
export function finished(value: StackValue): CheckpointValue {
  if (value instanceof PyGlobal) throw new Refusal(`${value.name} itself, as a value, is not supported`)
  if (value instanceof NumpyDType) throw new Refusal('a numpy.dtype, as a value, is not supported')
  if (value instanceof StorageRef) throw new Refusal('a storage that is no tensor\'s is not supported')
  return value as CheckpointValue
}

/** A value as the key of a dict. @throws Refusal for what Python cannot hash */
export function dictKey(value: StackValue): DictKey {
  if (value instanceof PyFloat) return value.value
  if (value === null || value instanceof PyTuple) return value
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return value
  throw new Refusal('a dict has a key that is no string, number or tuple')
}

function items(value: StackValue, what: string, context: ConstructorContext): CheckpointValue[] {
  if (value instanceof Set) value = [...value]
  if (!Array.isArray(value)) throw new Refusal(`${what} of something that is no list`)
  context.spend(value.length, 0)
  return value.map(finished)
}

function setFrom(args: StackValue[], what: string, context: ConstructorContext): Set<CheckpointValue> {
  context.spend(containerCost, 0)
  return new Set(items(args[0] ?? [], what, context))
}

/** A count, size or stride: a whole number of 0 or more. */
export function count(value: StackValue | undefined, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new Refusal(`${what} is ${show(value)}, not a whole number of 0 or more`)
  return value
}

/** A value for a message; never walks into a container, which could be endless. */
function show(value: StackValue | undefined): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'bigint') return 'an integer beyond 2^53'
  return value instanceof PyFloat ? `the float ${value.value}` : 'something else'
}

function device(args: StackValue[]): TorchSymbol {
  if (!args.every((arg) => (typeof arg === 'string' && arg.length < 100) || typeof arg === 'number')) throw new Refusal('a torch.device that is none')
  return new TorchSymbol('device', args.join(':'))
}

function dictFrom(args: StackValue[], context: ConstructorContext, ordered: boolean): PyDict {
  context.spend(containerCost, 0)
  const dict = new PyDict()
  dict.ordered = ordered
  const source = args[0]
  if (source instanceof PyDict) {
    context.spend(source.size, 0)
    for (const [key, value] of source) dict.set(key, rewrapFloat(source, key, value))
  } else if (source !== undefined) {
    for (const pair of items(source, 'dict', context)) {
      if (!Array.isArray(pair) || pair.length !== 2) throw new Refusal('a dict made of something that is no pair')
      const key = dictKey(pair[0]!)
      dict.set(key, rewrapFloat(pair, 1, pair[1]!))
    }
  }
  return dict
}

/** _codecs.encode('…', 'latin1'): how protocol 2 writes bytes. */
function bytesFrom(args: StackValue[], context: ConstructorContext): Uint8Array {
  const [text, encoding] = args
  if (text instanceof Uint8Array) return text
  if (typeof text !== 'string' || (encoding !== undefined && encoding !== 'latin1' && encoding !== 'latin-1')) {
    throw new Refusal('bytes that are not given as latin1 text')
  }
  context.spend(0, text.length)
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) throw new Refusal('bytes with a character beyond latin1')
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

function tensor(args: StackValue[], context: ConstructorContext, options: TensorOptions, as?: CheckpointDType): CheckpointTensor {
  const [source, offsetArgument, sizeArgument, strideArgument] = args
  if (!(source instanceof StorageRef)) throw new Refusal('a tensor without a storage')
  const storage = as === undefined ? source.storage : typed(source.storage, as)
  const shape = items(sizeArgument ?? null, 'size', context).map((size) => count(size, 'a size'))
  const strides = items(strideArgument ?? null, 'stride', context).map((stride) => count(stride, 'a stride'))
  const offset = count(offsetArgument, 'a storage offset')
  if (shape.length !== strides.length) throw new Refusal(`a tensor with ${shape.length} sizes and ${strides.length} strides`)
  if (shape.length > 64) throw new Refusal(`a tensor of ${shape.length} dimensions`)
  const numel = shape.reduce((product, size) => product * size, 1)
  if (numel > 0) {
    const last = offset + shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, 0)
    if (!(last < storage.numel)) throw new Refusal(`a tensor of shape [${shape.join(', ')}] reaches element ${last} of a storage of ${storage.numel}`)
    context.unfold(numel * dtypeInfo(storage.dtype).itemBytes)
  }
  return new CheckpointTensor(storage, shape, { ...options, offset, strides })
}

/** Bytes as elements of a type, for types that have no storage class. Tensors over the same bytes keep one root. */
function typed(bytes: CheckpointStorage, dtype: CheckpointDType): CheckpointStorage {
  if (bytes.dtype === dtype) return bytes
  const { itemBytes } = dtypeInfo(dtype)
  if (bytes.dtype !== 'uint8' || bytes.root !== bytes) throw new Refusal(`a ${dtype} tensor over a ${bytes.dtype} storage`)
  if (bytes.numel % itemBytes !== 0) throw new Refusal(`a storage of ${bytes.numel} bytes for elements of ${itemBytes}`)
  return new CheckpointStorage(dtype, bytes.numel / itemBytes, undefined, bytes)
}

function rebuildTensorV3(args: StackValue[], context: ConstructorContext): CheckpointTensor {
  const dtype = args[6]
  if (!(dtype instanceof TorchSymbol) || dtype.kind !== 'dtype' || !isDType(dtype.name)) throw new Refusal('a tensor without a known dtype')
  return tensor(args, context, { requiresGrad: args[4] === true }, dtype.name)
}

function parameter(args: StackValue[]): CheckpointTensor {
  const [data, requiresGrad] = args
  if (!(data instanceof CheckpointTensor)) throw new Refusal('a Parameter without a tensor')
  const { storage, shape, offset, strides } = data
  return new CheckpointTensor(storage, shape, { offset, strides, requiresGrad: requiresGrad !== false, isParameter: true })
}

/** _rebuild_from_type_v2(function, type, args, state): a tensor that had attributes of its own, which are dropped. */
function rebuildFromType(args: StackValue[], context: ConstructorContext): CheckpointTensor {
  const [make, type, inner] = args
  if (!(type instanceof PyGlobal) || !classes.has(type.name) || !Array.isArray(inner)) throw new Refusal('a tensor of an unknown subclass')
  const made = callGlobal(make ?? null, inner, context)
  if (!(made instanceof CheckpointTensor)) throw new Refusal('a tensor that is made of none')
  return made
}

const numpyDTypes = new Map<string, DType>([
  ['f4', 'float32'], ['f8', 'float64'], ['f2', 'float16'], ['i8', 'int64'], ['i4', 'int32'], ['i2', 'int16'], ['i1', 'int8'], ['u1', 'uint8'], ['b1', 'bool'],
])

function numpyDType(args: StackValue[]): NumpyDType {
  const code = args[0]
  if (typeof code !== 'string') throw new Refusal('a numpy dtype without a code')
  const plain = code.replace(/^[<>|=]/, '')
  if (!numpyDTypes.has(plain) && !['u2', 'u4', 'u8'].includes(plain)) throw new Refusal(`numpy's dtype ${show(code)} is not supported`)
  const dtype = new NumpyDType(plain)
  if (code.startsWith('>')) dtype.littleEndian = false
  return dtype
}

/** numpy.float64(…) and its like become plain numbers. */
function numpyScalar(args: StackValue[]): StackValue {
  const [dtype, data] = args
  if (!(dtype instanceof NumpyDType)) throw new Refusal('a numpy scalar without a dtype')
  let bytes: Uint8Array
  if (data instanceof Uint8Array) bytes = data
  else if (typeof data === 'string' && /^[\0-\x7f]*$/.test(data)) bytes = Uint8Array.from(Buffer.from(data, 'latin1'))
  else throw new Refusal('a numpy scalar whose bytes cannot be told')
  const size = Number(dtype.code.slice(1))
  if (bytes.length !== size) throw new Refusal(`a numpy scalar of ${bytes.length} bytes where its dtype has ${size}`)
  if (!dtype.littleEndian) bytes = bytes.toReversed()
  const view = new DataView(bytes.buffer, bytes.byteOffset, size)
  switch (dtype.code) {
    case 'u2':
      return view.getUint16(0, true)
    case 'u4':
      return view.getUint32(0, true)
    case 'u8':
      return wholeNumber(view.getBigUint64(0, true))
    case 'i8':
      return wholeNumber(view.getBigInt64(0, true))
    case 'b1':
      return bytes[0] !== 0
    default: {
      const value = decodeFloat64(numpyDTypes.get(dtype.code)!, bytes)[0]!
      return dtype.code.startsWith('f') && Number.isInteger(value) ? new PyFloat(value) : value
    }
  }
}

/** A Python int: a number where that is exact, else a bigint. */
export function wholeNumber(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}
