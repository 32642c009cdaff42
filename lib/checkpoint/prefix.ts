/** Dropping the beginning of tensor names, which DataParallel and other wrappers leave in state dicts. */
import { SiamError } from '../errors.ts'
import { CheckpointTensor } from './tensor.ts'
import { PyDict, PyTuple, rewrapFloat } from './values.ts'
import type { CheckpointValue, DictKey } from './values.ts'

/**
 * A copy of a tree in which every dict that holds tensors by name has the prefix dropped from their names, as often as it is there, and from
 * the module names in its `_metadata`. Everything else stays, tensors and their storages included.
 * @throws ERR_ARGUMENT when no tensor's name begins with it, ERR_CHECKPOINT when two names become one
 */
export function withoutPrefix(root: CheckpointValue, prefix: string, file?: string): CheckpointValue {
  if (prefix === '') throw new SiamError('ERR_ARGUMENT', 'Expected a prefix such as module. but received an empty one')
  let dropped = 0
  const some: string[] = []
  const strip = (name: string): string => {
    let from = 0
    while (name.startsWith(prefix, from)) from += prefix.length
    return name.slice(from)
  }
  const copy = (value: CheckpointValue): CheckpointValue => {
    if (value instanceof PyDict) return copyDict(value)
    if (value instanceof PyTuple) return PyTuple.pack([...value.entries()].map(([i, member]) => wrapped(value, i, member)))
    if (!Array.isArray(value)) return value
    // A list of plain numbers stays the list that it is: it knows which of them are floats.
    return value.some((member) => typeof member === 'object' && member !== null) ? value.map(copy) : value
  }
  const wrapped = (container: object, key: unknown, member: CheckpointValue): CheckpointValue => (typeof member === 'number' ? rewrapFloat(container, key, member) : copy(member))
  const copyDict = (dict: PyDict): PyDict => {
    const result = new PyDict()
    result.ordered = dict.ordered
    for (const [key, member] of dict) {
      let name: DictKey = key
      if (typeof key === 'string' && member instanceof CheckpointTensor) {
        name = strip(key)
        if (name !== key) dropped++
        else if (some.length < 3) some.push(key)
      }
      if (result.has(name)) throw new SiamError('ERR_CHECKPOINT', `two entries are named ${JSON.stringify(name)} when ${JSON.stringify(prefix)} is dropped`, { file })
      result.set(name, wrapped(dict, key, member))
    }
    if (dict.attributes !== undefined) result.attributes = copyAttributes(dict.attributes)
    return result
  }
  /** `_metadata` has an entry for each module: '' for the whole, then `conv1`, `conv1.bn`. */
  const copyAttributes = (attributes: PyDict): PyDict => {
    const metadata = attributes.get('_metadata')
    if (!(metadata instanceof PyDict)) return attributes
    const renamed = new PyDict()
    renamed.ordered = metadata.ordered
    for (const [key, member] of metadata) {
      const name = typeof key === 'string' && prefix.endsWith('.') ? strip(`${key}.`).replace(/\.$/, '') : key
      // The wrapper's own entry and the root's become one; the inner one is the model's.
      renamed.set(name, wrapped(metadata, key, member))
    }
    const result = new PyDict(attributes)
    result.ordered = attributes.ordered
    result.set('_metadata', renamed)
    return result
  }
  const result = copy(root)
  if (dropped === 0) {
    throw new SiamError('ERR_ARGUMENT', `no tensor's name begins with ${JSON.stringify(prefix)}${some.length === 0 ? '' : ` (there are ${some.map((name) => JSON.stringify(name.slice(0, 100))).join(', ')})`}`, { file })
  }
  return result
}
