/** Damage to checkpoint files, from single bytes to whole fields: arbitraries for test/unit/checkpoint-fuzz.test.ts. */
import fc from 'fast-check'
import { zipOfPickle } from './checkpoint-files.ts'
import { instructionsOf } from './pickle-instructions.ts'

/** Bytes that matter: counts, opcodes, signs, the all-ones that mean zip64. */
const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x28, 0x2e, 0x52, 0x68, 0x71, 0x85, 0x8b, 0x5d, 0x7d))
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

/** Changes of bytes wherever they fall. */
const byteChange = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), at: place, bytes: fc.array(byte, { minLength: 1, maxLength: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.integer({ min: 0, max: 7 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('insert' as const), at: place, bytes: fc.array(byte, { minLength: 1, maxLength: 16 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), at: place, length: fc.integer({ min: 1, max: 64 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('copy' as const), at: place, from: place, length: fc.integer({ min: 1, max: 64 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: place }) },
)

export function mutatedBytes(base: Buffer): fc.Arbitrary<Buffer> {
  return fc.array(byteChange, { minLength: 1, maxLength: 4 }).map((changes) => {
    let bytes: Buffer = Buffer.from(base)
    for (const change of changes) {
      const at = Math.floor(change.at * bytes.length)
      if (bytes.length === 0) continue
      if (change.kind === 'set') bytes.set(change.bytes.slice(0, bytes.length - at), at)
      else if (change.kind === 'flip') bytes[at] = bytes[at]! ^ (1 << change.bit)
      else if (change.kind === 'insert') bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(change.bytes), bytes.subarray(at)])
      else if (change.kind === 'delete') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change.length)])
      else if (change.kind === 'cut') bytes = bytes.subarray(0, at)
      else bytes.copyWithin(at, Math.floor(change.from * bytes.length), Math.floor(change.from * bytes.length) + change.length)
    }
    return bytes
  })
}

/** Numbers that break arithmetic, and any other, as little-endian bytes of a field's width. */
function numberBytes(width: number): fc.Arbitrary<Uint8Array> {
  const edges = [0n, 1n, 2n, 21n, 63n, 255n, 65535n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n]
  return fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: 5000n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map((value) => new Uint8Array(BigUint64Array.of(value).buffer).slice(0, width))
}

interface Field {
  at: number
  width: number
}

/** Every field of a zip file's headers, directory and end records, by the format's own layout. */
export function zipFields(zip: Buffer): Field[] {
  const layouts: Record<number, number[]> = {
    0x04034b50: [2, 2, 2, 2, 2, 4, 4, 4, 2, 2],
    0x02014b50: [2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4],
    0x06064b50: [8, 2, 2, 4, 4, 8, 8, 8, 8],
    0x07064b50: [4, 8, 4],
    0x06054b50: [2, 2, 2, 2, 4, 4, 2],
  }
  const fields: Field[] = []
  for (let at = 0; at + 4 <= zip.length; at++) {
    const layout = layouts[zip.readUInt32LE(at)]
    if (layout === undefined) continue
    fields.push({ at, width: 4 })
    let field = at + 4
    for (const width of layout) {
      if (field + width <= zip.length) fields.push({ at: field, width })
      field += width
    }
    // What follows a directory entry: its name, and the zip64 field.
    if (zip.readUInt32LE(at) === 0x02014b50) {
      const extra = field + zip.readUInt16LE(at + 28)
      for (let i = 0; i < zip.readUInt16LE(at + 30); i += i === 0 || i === 2 ? 2 : 8) fields.push({ at: extra + i, width: i < 4 ? 2 : 8 })
    }
  }
  return fields
}

export function mutatedZipFields(zip: Buffer): fc.Arbitrary<Buffer> {
  const fields = zipFields(zip)
  const change = fc.constantFrom(...fields).chain((field) => fc.oneof(numberBytes(field.width), fc.constantFrom(...fields.filter(({ width }) => width === field.width)).map(({ at }) => zip.subarray(at, at + field.width))).map((bytes) => ({ at: field.at, bytes })))
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    const bytes = Buffer.from(zip)
    for (const { at, bytes: value } of changes) bytes.set(value, at)
    return bytes
  })
}

/** Instructions that a pickle may be given besides its own: every one there is, with small and with wild arguments. */
const instruction: fc.Arbitrary<Buffer> = fc.oneof(
  fc.integer({ min: 0, max: 255 }).map((opcode) => Buffer.from([opcode])),
  fc.constantFrom(...'().NRQbdelsatu012}]\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x93\x94').map((text) => Buffer.from(text, 'latin1')),
  fc.tuple(fc.constantFrom(0x4b, 0x71, 0x68), fc.integer({ min: 0, max: 40 })).map((bytes) => Buffer.from(bytes)),
  fc.tuple(fc.constantFrom(0x4a, 0x72, 0x6a, 0x58, 0x8b, 0x42), numberBytes(4)).map(([opcode, value]) => Buffer.concat([Buffer.from([opcode]), value])),
  fc.tuple(fc.constantFrom(0x8d, 0x8e, 0x96, 0x95, 0x47), numberBytes(8)).map(([opcode, value]) => Buffer.concat([Buffer.from([opcode]), value])),
  fc.constantFrom('collections\nOrderedDict', 'collections\nCounter', 'builtins\nset', 'builtins\ndict', 'builtins\nbytearray', '_codecs\nencode', 'torch\nSize', 'torch\ndevice', 'torch\nfloat32', 'torch\nFloatStorage', 'torch\nLongStorage', 'torch.storage\nUntypedStorage',
    'torch._utils\n_rebuild_tensor_v2', 'torch._utils\n_rebuild_tensor_v3', 'torch._utils\n_rebuild_parameter', 'torch._tensor\n_rebuild_from_type_v2', 'numpy\ndtype', 'numpy.core.multiarray\nscalar', 'os\nsystem').map((name) => Buffer.from(`c${name}\n`)),
)

const instructionChange = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), at: place, instruction }),
  fc.record({ kind: fc.constant('replace' as const), at: place, instruction }),
  fc.record({ kind: fc.constant('delete' as const), at: place, length: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant('move' as const), at: place, from: place, length: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant('repeat' as const), at: place, length: fc.integer({ min: 1, max: 12 }), times: fc.integer({ min: 2, max: 50 }) }),
  fc.record({ kind: fc.constant('argument' as const), at: place, value: numberBytes(8) }),
)

/** A pickle whose instructions are taken away, doubled, moved, replaced, or given other arguments. */
export function mutatedPickle(pickle: Buffer): fc.Arbitrary<Buffer> {
  return fc.array(instructionChange, { minLength: 1, maxLength: 4 }).map((changes) => {
    const parts = instructionsOf(pickle)
    for (const change of changes) {
      const at = Math.floor(change.at * parts.length)
      if (change.kind === 'insert') parts.splice(at, 0, change.instruction)
      else if (change.kind === 'replace') parts.splice(at, 1, change.instruction)
      else if (change.kind === 'delete') parts.splice(at, change.length)
      else if (change.kind === 'move') parts.splice(at, 0, ...parts.splice(Math.floor(change.from * parts.length), change.length))
      else if (change.kind === 'repeat') parts.splice(at, 0, ...Array.from({ length: change.times }, () => parts.slice(at, at + change.length)).flat())
      else if (parts[at] !== undefined && parts[at].length > 1) parts[at] = Buffer.concat([parts[at].subarray(0, 1), change.value.subarray(0, parts[at].length - 1), parts[at].subarray(9)])
    }
    return Buffer.concat(parts)
  })
}

/** A torch zip around a mutated pickle; its storages are those of the file that the pickle came from. */
export function mutatedPickleInZip(pickle: Buffer, storages: Uint8Array[]): fc.Arbitrary<Promise<Buffer>> {
  return mutatedPickle(pickle).map((mutated) => zipOfPickle(mutated, storages))
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

const jsonValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, true, 0, -1, 1, 8, 1.5, 1e308, 2 ** 53, 2 ** 53 - 1, '', 'F32', 'I64', 'U8', 'BOOL', 'F8_E4M3', [], {}, [0, 8], [8, 0], [[0]], { dtype: 'F32', shape: [1], data_offsets: [0, 4] }, { float: 'NaN' }, { tensor: 'a' }, { dict: [] }),
  fc.integer({ min: 0, max: 200 }),
)

/** A safetensors file whose header is changed as a tree: values, keys, whole entries; the length field fits again. */
export function mutatedSafetensors(base: Buffer): fc.Arbitrary<Buffer> {
  const length = Number(base.readBigUInt64LE(0))
  const header = base.toString('utf8', 8, 8 + length)
  const data = base.subarray(8 + length)
  const change = fc.record({ path: fc.array(place, { minLength: 1, maxLength: 8 }), value: jsonValue, kind: fc.constantFrom('set', 'set', 'delete', 'double', 'structure') })
  return fc.tuple(fc.array(change, { minLength: 1, maxLength: 3 }), fc.constantFrom(0, 0, 0, -1, 1, 8)).map(([changes, more]) => {
    const root = JSON.parse(header) as { [key: string]: Json }
    for (const { path, value, kind } of changes) {
      // The structure is JSON inside of JSON: half of the changes go there where there is one.
      const metadata = root.__metadata__
      const inner = kind === 'structure' && typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata) && typeof metadata['siamfcpp.structure'] === 'string' ? metadata : undefined
      let tree: Json = root
      if (inner !== undefined) {
        try {
          tree = JSON.parse(inner['siamfcpp.structure'] as string) as Json
        } catch {
          tree = root
        }
      }
      changeTree(tree, path, value, kind)
      if (inner !== undefined && tree !== root) inner['siamfcpp.structure'] = JSON.stringify(tree)
    }
    const text = Buffer.from(JSON.stringify(root))
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(BigInt(Math.max(0, text.length + (more < 0 ? more : 0))), 0)
    return Buffer.concat([size, text, data, Buffer.alloc(Math.max(0, more))])
  })
}

function changeTree(tree: Json, path: readonly number[], value: Json, kind: string): void {
  let at: Json = tree
  for (const [depth, step] of path.entries()) {
    if (typeof at !== 'object' || at === null) return
    const keys = Object.keys(at)
    if (keys.length === 0) return
    const key = keys[Math.floor(step * keys.length)]!
    const holder = at as { [key: string]: Json }
    const child: Json = holder[key]!
    if (depth + 1 < path.length && typeof child === 'object' && child !== null && Object.keys(child).length > 0) {
      at = child
      continue
    }
    if (kind === 'delete') delete holder[key]
    else if (kind === 'double') holder[`${key}2`] = structuredClone(child)
    else holder[key] = structuredClone(value)
    return
  }
}
