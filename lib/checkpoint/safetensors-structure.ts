/**
 * A tree of values as JSON in the metadata of a safetensors file, which itself knows only named tensors. Other readers ignore it; ours puts
 * a snapshot together again exactly as it was.
 */
import { SiamError } from '../errors.ts'
import { CheckpointTensor } from './tensor.ts'
import { PyDict, PyFloat, PyTuple, TorchSymbol, checkTree, defaultTreeLimits, isWrittenAsFloat, keyText, rewrapFloat, unwrapFloat } from './values.ts'
import type { CheckpointValue, DictKey } from './values.ts'

export const structureKey = 'siamfcpp.structure'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** @returns JSON of everything but the tensors' contents, which it names by their dotted paths. The tree must have passed checkTree. */
export function describeStructure(root: CheckpointValue): string {
  const encode = (value: CheckpointValue, path: string): Json => {
    if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
    if (typeof value === 'number') return isWrittenAsFloat(undefined, undefined, value) && !Number.isFinite(value) ? { float: String(value) } : Object.is(value, -0) ? { float: '-0' } : value
    if (typeof value === 'bigint') return { int: String(value) }
    if (value instanceof PyFloat) return { float: Object.is(value.value, -0) ? '-0' : String(value.value) }
    if (value instanceof Uint8Array) return { bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
    if (value instanceof TorchSymbol) return { [value.kind]: value.name }
    if (value instanceof CheckpointTensor) {
      return { tensor: path, ...(value.requiresGrad ? { requires_grad: true } : {}), ...(value.isParameter ? { parameter: true } : {}) }
    }
    const below = (key: DictKey, member: CheckpointValue): Json => encode(rewrapFloat(value, key, member), path === '' ? keyText(key) : `${path}.${keyText(key)}`)
    if (value instanceof PyTuple) return { tuple: [...value.entries()].map(([i, member]) => below(i, member)) }
    if (Array.isArray(value)) return { list: value.map((member, i) => below(i, member)) }
    if (value instanceof Set) return { set: [...value].map((member, i) => below(i, member)) }
    const pairs = [...value].map(([key, member]) => [encode(key, path), below(key, member)])
    return { [value.ordered ? 'OrderedDict' : 'dict']: pairs, ...(value.attributes === undefined ? {} : { attributes: encode(value.attributes, `${path}.<attributes>`) }) }
  }
  return JSON.stringify(encode(root, ''))
}

/**
 * The value that a safetensors file was made of: by its structure if it has one, else the flat table of its tensors.
 * @throws ERR_CHECKPOINT when the structure is malformed
 */
export function restoreStructure(tensors: PyDict, metadata: ReadonlyMap<string, string>, file: string): CheckpointValue {
  const text = metadata.get(structureKey)
  if (text === undefined) return tensors
  const fail = (what: string): never => {
    throw new SiamError('ERR_CHECKPOINT', `at byte 8: the metadata "${structureKey}" ${what}`, { file })
  }
  const decode = (json: Json, depth: number): CheckpointValue => {
    if (depth > defaultTreeLimits.maxDepth) return fail(`is nested deeper than ${defaultTreeLimits.maxDepth} levels`)
    if (json === null || typeof json !== 'object') return json
    if (Array.isArray(json)) return fail('has a bare list')
    const entry = Object.entries(json)[0]
    if (entry === undefined) return fail('has an empty object')
    const [kind, body] = entry
    if (typeof body === 'string') {
      switch (kind) {
        case 'int':
          return /^-?\d{1,600}$/.test(body) ? BigInt(body) : fail('has an int that is none')
        case 'float':
          return /^(-?Infinity|NaN|-?[\d.]+([eE][-+]?\d+)?)$/.test(body) ? new PyFloat(Number(body)) : fail('has a float that is none')
        case 'bytes':
          return Uint8Array.from(Buffer.from(body, 'base64'))
        case 'dtype':
        case 'device':
          return new TorchSymbol(kind, body)
        case 'tensor': {
          const tensor = tensors.get(body)
          if (!(tensor instanceof CheckpointTensor)) return fail(`names a tensor that is not in the file: ${JSON.stringify(body.slice(0, 100))}`)
          if (json.requires_grad !== true && json.parameter !== true) return tensor
          return new CheckpointTensor(tensor.storage, tensor.shape, { requiresGrad: json.requires_grad === true, isParameter: json.parameter === true })
        }
        default:
          return fail(`has something unknown: ${JSON.stringify(kind.slice(0, 40))}`)
      }
    }
    if (!Array.isArray(body)) return fail(`has something unknown: ${JSON.stringify(kind.slice(0, 40))}`)
    if (kind === 'tuple') return PyTuple.pack(body.map((item) => decode(item, depth + 1)))
    if (kind === 'set') return new Set(body.map((item) => decode(item, depth + 1)))
    if (kind === 'list') {
      const list: CheckpointValue[] = []
      for (const item of body) list.push(unwrapFloat(list, list.length, decode(item, depth + 1)))
      return list
    }
    if (kind !== 'dict' && kind !== 'OrderedDict') return fail(`has something unknown: ${JSON.stringify(kind.slice(0, 40))}`)
    const dict = new PyDict()
    dict.ordered = kind === 'OrderedDict'
    for (const pair of body) {
      if (!Array.isArray(pair) || pair.length !== 2) return fail('has a dict entry that is no pair')
      const decoded = decode(pair[0]!, depth + 1)
      const key = decoded instanceof PyFloat ? decoded.value : decoded
      if (key !== null && typeof key === 'object' && !(key instanceof PyTuple)) return fail('has a key that is no string, number or tuple')
      dict.set(key as DictKey, decode(pair[1]!, depth + 1))
    }
    if (json.attributes !== undefined) {
      const attributes = decode(json.attributes, depth + 1)
      if (!(attributes instanceof PyDict)) return fail('has attributes that are no dict')
      dict.attributes = attributes
    }
    return dict
  }
  let json: Json
  try {
    json = JSON.parse(text) as Json
  } catch {
    return fail('is not JSON')
  }
  const value = decode(json, 0)
  const complaint = checkTree(value)
  if (complaint !== undefined) return fail(complaint)
  return value instanceof PyFloat ? value.value : value
}
