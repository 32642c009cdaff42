/** Corrupt and hostile files by hand: each gives ERR_CHECKPOINT with the file and the offset, at little cost. At random: checkpoint-fuzz.test.ts. */
import { crc32 } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { inspectCheckpoint } from '../../lib/cli/inspect.ts'
import { asm, floats, parse, safetensorsBytes, smallSnapshot, zipBytes, zipOfPickle } from '../helpers/checkpoint-files.ts'
import { PyDict } from '../../lib/checkpoint/values.ts'

/** A legacy file by hand: {"w": tensor of 4 floats, "v": a view of elements 1..2 by a storage view}. */
function legacyBytes(): Buffer {
  const pickle = (...parts: Parameters<typeof asm>) => asm(0x80, 2, ...parts, '.')
  const text = (value: string) => asm('X', Buffer.from(Uint32Array.of(value.length).buffer), value)
  const storage = (view: Buffer) => asm('(', text('storage'), 'ctorch\nFloatStorage\n', text('1'), text('cpu'), 'K', 4, view, 't', 'Q')
  const tensor = (persistent: Buffer, size: number) => asm('ctorch._utils\n_rebuild_tensor_v2\n(', persistent, 'K', 0, 'K', size, 0x85, 'K', 1, 0x85, 0x89, 'ccollections\nOrderedDict\n)Rt', 'R')
  return Buffer.concat([
    pickle(0x8a, 10, Uint8Array.from([0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19])),
    pickle('M', Uint8Array.from([0xe9, 3])),
    pickle('}', text('little_endian'), 0x88, 's'),
    pickle('}(', text('w'), tensor(storage(asm('N')), 4), text('v'), tensor(storage(asm(text('2'), 'K', 1, 'K', 2, 0x87)), 2), 'u'),
    pickle(']', text('1'), 'a'),
    Buffer.from(BigInt64Array.of(4n).buffer),
    Buffer.from(Float32Array.of(1, 2, 3, 4).buffer),
  ])
}

/** Reads everything that a reader offers; anything but a value or ERR_CHECKPOINT fails. @returns whether it was a value */
function survives(bytes: Uint8Array): boolean {
  try {
    const checkpoint = parse(bytes)
    for (const tensor of checkpoint.tensors().values()) {
      const length = tensor.contiguousBytes().length
      if (length > bytes.length) throw new Error(`a tensor of ${length} bytes out of a file of ${bytes.length}`)
    }
    JSON.stringify(inspectCheckpoint(checkpoint))
    return true
  } catch (error) {
    if (error instanceof SiamError && error.code === 'ERR_CHECKPOINT' && error.file === 'test.pkl') return false
    throw error
  }
}

function refused(bytes: Uint8Array, message: RegExp): void {
  let error: unknown
  try {
    parse(bytes)
  } catch (caught) {
    error = caught
  }
  expect(error).toBeInstanceOf(SiamError)
  expect(error).toMatchObject({ code: 'ERR_CHECKPOINT', file: 'test.pkl', message: expect.stringMatching(message) })
  expect((error as SiamError).message).toMatch(/^at byte \d+: /)
}

const bases: Record<string, Buffer> = {}
beforeAll(async () => {
  bases.zip = await zipBytes(smallSnapshot())
  bases.zip64 = await zipBytes(PyDict.fromObject({ w: floats([1, 2]), n: [1, 2.5, 'x'] }), { forceZip64: true })
  bases.legacy = legacyBytes()
  bases.safetensors = await safetensorsBytes(smallSnapshot())
  bases.plain = await safetensorsBytes(PyDict.ordered([['a', floats([1, 2])], ['b', floats([3], [])]]))
})

it('the bases themselves are read', () => {
  for (const bytes of Object.values(bases)) expect(survives(bytes)).toBe(true)
  const legacy = parse(bases.legacy!)
  expect(legacy.format).toBe('torch-legacy')
  expect([...legacy.tensors().get('v')!.toFloat64()]).toEqual([2, 3])
})

it('truncated at every length', () => {
  for (const [name, bytes] of Object.entries(bases)) {
    for (let length = 0; length < bytes.length; length++) expect(survives(bytes.subarray(0, length)), `${name} cut at ${length}`).toBe(false)
  }
})

describe('pickle bombs', () => {
  const pickled = async (...parts: Parameters<typeof asm>): Promise<Buffer> => zipOfPickle(asm(0x80, 2, ...parts))

  it.each<[string, Parameters<typeof asm>, RegExp]>([
    ['runs code', ['cos\nsystem\nX', Uint8Array.of(2, 0, 0, 0), 'ls', 0x85, 'R.'], /asks for "os\.system", which a checkpoint may not call/],
    ['runs code by its builtin', ['cbuiltins\neval\n)R.'], /asks for "builtins\.eval"/],
    ['reaches inherited names of our tables', ['cconstructor\n__proto__\n)R.'], /may not call/],
    ['nests deeply', ['('.repeat(100_000), 'l'.repeat(100_000), '.'], /nested deeper/],
    ['nests dicts deeply', ['}'.repeat(3000), 'K', 1, ...Array.from({ length: 3000 }, () => 's'), '.'], /stack is empty|no dict|key/],
    ['holds itself', [']q', 0, 'h', 0, 'a.'], /holds itself/],
    ['holds itself by a dict', ['}q', 0, 'K', 1, 'h', 0, 's.'], /holds itself/],
    ['has a huge integer', [0x8b, Uint8Array.of(0xff, 0xff, 0xff, 0x7f), '.'], /an integer of 2147483647 bytes/],
    ['has a negative length', [0x8b, Uint8Array.of(0xff, 0xff, 0xff, 0xff), '.'], /an integer of 4294967295 bytes/],
    ['has a string longer than the file', ['X', Uint8Array.of(0xff, 0xff, 0xff, 0xff), 'a.'], /4294967295 bytes are needed/],
    ['has a string longer than memory', [0x8d, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), 'a.'], /bytes are needed/],
    ['has a decimal number without end', ['I', '9'.repeat(900), '\n.'], /an integer that is none/],
    ['has a line without end', ['I', '9'.repeat(5000), '\n.'], /without an end/],
    ['recalls what was never remembered', ['h', 7, '.'], /nothing is remembered under 7/],
    ['remembers under a huge number', ['K', 1, 'r', Uint8Array.of(0xff, 0xff, 0xff, 0xff), 'j', Uint8Array.of(0xfe, 0xff, 0xff, 0xff), '.'], /nothing is remembered/],
    ['pops an empty stack', ['0.'], /stack is empty/],
    ['appends to a tuple', [')K', 1, 'a.'], /no list/],
    ['keys a dict with a list', ['}]K', 1, 's.'], /no string, number or tuple/],
    ['builds on a number', ['K', 1, '}b.'], /has none/],
    ['has half a dict', ['(K', 1, 'd.'], /a key that has no value/],
    ['does not end', ['K', 1], /1 bytes are needed where 0 are left/],
    ['goes on after its end', ['K', 1, '.', 'K', 1], /after the end/],
    ['leaves values behind', ['K', 1, 'K', 2, '.'], /more than one value/],
    ['calls a number', ['K', 1, ')R.'], /not a function/],
    ['uses extension codes', [0x82, 1, '.'], /0x82/],
    ['leaves a function in a list', [']ctorch._utils\n_rebuild_tensor_v2\na.'], /itself, as a value/],
    ['leaves a function in a tuple', ['ctorch._utils\n_rebuild_tensor_v2\n', 0x85, '.'], /of a kind that no checkpoint holds/],
    ['makes a device of a tree', ['ctorch\ndevice\n', ']'.repeat(50), 'a'.repeat(49), 0x85, 'R.'], /torch\.device/],
    ['is of an unknown protocol', [0x80, 9, 'N.'], /protocol 9/],
  ])('that %s', async (_, parts, message) => {
    refused(await pickled(...parts), message)
  })

  it('billion laughs: shared lists that unfold to 2^40 values', async () => {
    const layers = Array.from({ length: 40 }, (_, i) => asm(']h', i, 'ah', i, 'aq', i + 1, '0'))
    refused(await pickled(']q', 0, '0', ...layers, 'h', 40, '.'), /more than 4000000 values/)
  })

  it('a long string that is copied again and again', async () => {
    const copies = Array.from({ length: 2000 }, () => asm('h', 0, 'h', 1, 'h', 2, 0x86, 'R', '0'))
    refused(await pickled('c_codecs\nencode\nq', 0, 'X', Uint8Array.of(0, 0, 1, 0), 'a'.repeat(65536), 'q', 1, 'X', Uint8Array.of(6, 0, 0, 0), 'latin1q', 2, ...copies, '.').then((b) => b), /more bytes than the file has/)
  })

  it('a long list that is copied again and again', async () => {
    const copies = Array.from({ length: 5000 }, () => asm('h', 0, 'h', 1, 0x85, 'R', '0'))
    refused(await pickled('cbuiltins\nset\nq', 0, ']q', 1, '(', 'N'.repeat(1000), 'e', ...copies, 'N.'), /more than 1000000 values/)
  })

  it('more instructions than a checkpoint has', async () => {
    refused(await pickled('N'.repeat(1_100_000), '.'), /more than 1000000 instructions/)
  })

  it.each([['dicts', '}', 130_000], ['lists', ']', 340_000], ['tuples', ')', 340_000], ['sets', '\x8f', 130_000]])('a megabyte of empty %s, each a hundred times its instruction', async (_, opcode, times) => {
    refused(await pickled('](', opcode.repeat(times), 'e.'), /makes more than 1000000 values/)
  })
})

describe('tensors that lie', () => {
  const tensor = (numel: number, offset: number, size: Buffer, stride: Buffer, type = 'FloatStorage') =>
    asm(0x80, 2, 'ctorch._utils\n_rebuild_tensor_v2\n((X', Uint8Array.of(7, 0, 0, 0), `storagectorch\n${type}\nX`, Uint8Array.of(1, 0, 0, 0), '0X', Uint8Array.of(3, 0, 0, 0), 'cpuK', numel, 'tQK', offset, size, stride, 0x89, 'ccollections\nOrderedDict\n)RtR.')
  const one = (value: number) => asm('J', Buffer.from(Int32Array.of(value).buffer), 0x85)
  const storage = [new Uint8Array(16)]

  it.each<[string, Buffer, RegExp]>([
    ['that reach past their storage', tensor(4, 0, one(5), one(1)), /reaches element 4 of a storage of 4/],
    ['that begin past it', tensor(4, 4, one(1), one(1)), /reaches element 4/],
    ['that step past it', tensor(4, 0, one(2), one(4)), /reaches element 4/],
    ['of negative size', tensor(4, 0, one(-1), one(1)), /a size is -1/],
    ['of negative stride', tensor(4, 3, one(2), one(-1)), /a stride is -1/],
    ['that unfold one element to gigabytes', tensor(4, 0, one(2 ** 30), one(0)), /would unfold to 4294967296 bytes/],
    ['whose storage has another size', tensor(5, 0, one(4), one(1)), /has 16 bytes where 5 float32 need 20/],
    ['of a type that we lack', tensor(2, 0, one(1), one(1), 'QInt8Storage'), /QInt8Storage are not supported/],
  ])('%s', async (_, pickle, message) => {
    refused(await zipOfPickle(pickle, storage), message)
  })

  it('of bytes that are no elements of their type', async () => {
    const young = (storageClass: string, numel: number, dtype: string) =>
      asm(0x80, 2, 'ctorch._utils\n_rebuild_tensor_v3\n((X', Uint8Array.of(7, 0, 0, 0), `storagec${storageClass}\nX`, Uint8Array.of(1, 0, 0, 0), '0X', Uint8Array.of(3, 0, 0, 0), 'cpuK', numel, 'tQK', 0, one(2), one(1), 0x89, `ccollections\nOrderedDict\n)Rctorch\n${dtype}\ntR.`)
    expect(parse(await zipOfPickle(young('torch.storage\nUntypedStorage', 16, 'uint16'), storage)).root).toMatchObject({ dtype: 'uint16', shape: [2] })
    refused(await zipOfPickle(young('torch.storage\nUntypedStorage', 15, 'uint16'), [new Uint8Array(15)]), /a storage of 15 bytes for elements of 2/)
    refused(await zipOfPickle(young('torch\nFloatStorage', 4, 'uint16'), storage), /a uint16 tensor over a float32 storage/)
    refused(await zipOfPickle(young('torch.storage\nUntypedStorage', 16, 'qint8'), storage), /asks for "torch\.qint8"/)
    refused(await zipOfPickle(young('torch.storage\nUntypedStorage', 16, 'complex128'), storage), /reaches element 1 of a storage of 1/)
  })

  it('that together unfold to far more than the file', async () => {
    const numel = 64 * 1024
    const count = (value: number) => asm('J', Buffer.from(Int32Array.of(value).buffer))
    const persistent = asm('(X', Uint8Array.of(7, 0, 0, 0), 'storagectorch\nFloatStorage\nX', Uint8Array.of(1, 0, 0, 0), '0X', Uint8Array.of(3, 0, 0, 0), 'cpu', count(numel), 'tQ')
    const view = asm('ctorch._utils\n_rebuild_tensor_v2\n(', persistent, 'K', 0, count(numel), 0x85, 'K', 1, 0x85, 0x89, 'ccollections\nOrderedDict\n)RtR')
    const pickle = (views: number) => asm(0x80, 2, '](', ...Array.from({ length: views }, () => view), 'e.')
    const bytes = [new Uint8Array(4 * numel)]
    expect(parse(await zipOfPickle(pickle(60), bytes)).tensors().size).toBe(60)
    refused(await zipOfPickle(pickle(80), bytes), /the tensors would unfold to more than 64 times the file's size/)
  })

  it('without a storage in the file', async () => {
    refused(await zipOfPickle(tensor(4, 0, one(4), one(1))), /no zip entry for storage "0"/)
  })
})

describe('zip files that lie', () => {
  /** Finds a directory entry and lets a test change it. */
  async function changed(change: (bytes: Buffer, entry: number, end: number) => void, forceZip64 = false): Promise<Buffer> {
    const bytes = await zipBytes(PyDict.fromObject({ a: floats([1, 2]), b: floats([3, 4]) }), { forceZip64 })
    const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
    const entry = bytes.indexOf(Buffer.from('archive/data/1'), bytes.indexOf(Buffer.from('PK\x01\x02', 'latin1'))) - 46
    change(bytes, entry, end)
    return bytes
  }

  it.each<[string, (bytes: Buffer, entry: number, end: number) => void, RegExp]>([
    ['an entry larger than the file', (bytes, entry) => { bytes.writeUInt32LE(0x7fffffff, entry + 20); bytes.writeUInt32LE(0x7fffffff, entry + 24) }, /runs past byte/],
    ['an entry beyond the file', (bytes, entry) => bytes.writeUInt32LE(0x7fffffff, entry + 42), /where none begins/],
    ['an entry on top of another', (bytes, entry) => bytes.writeUInt32LE(bytes.readUInt32LE(bytes.indexOf(Buffer.from('archive/data/0'), entry - 70) - 46 + 42), entry + 42), /overlap/],
    ['two entries of one name', (bytes, entry) => bytes.write('0', entry + 46 + 13), /twice/],
    ['a compressed entry', (bytes, entry) => bytes.writeUInt16LE(8, entry + 10), /compressed \(method 8\)/],
    ['an encrypted entry', (bytes, entry) => bytes.writeUInt16LE(1, entry + 8), /encrypted/],
    ['two sizes of a stored entry', (bytes, entry) => bytes.writeUInt32LE(4, entry + 20), /two sizes/],
    ['a directory beyond the file', (bytes, _, end) => bytes.writeUInt32LE(0x7fffffff, end + 16), /zip directory is said to lie/],
    ['more entries than fit', (bytes, _, end) => bytes.writeUInt16LE(60000, end + 10), /do not fit/],
    ['zip64 sizes without a zip64 field', (bytes, entry) => bytes.writeUInt32LE(0xffffffff, entry + 24), /no zip64 field/],
  ])('%s', async (_, change, message) => {
    refused(await changed(change), message)
  })

  it.each<[string, (bytes: Buffer, entry: number, end: number) => void, RegExp]>([
    ['a size of 2^63', (bytes, entry) => bytes.writeBigUInt64LE(2n ** 63n, entry + 46 + 14 + 4), /more than the file has bytes/],
    ['a place of 2^62', (bytes, entry) => bytes.writeBigUInt64LE(2n ** 62n, entry + 46 + 14 + 20), /more than the file has bytes/],
    ['a directory of 2^60 entries', (bytes, _, end) => bytes.writeBigUInt64LE(2n ** 60n, end - 76 + 32), /more than the file has bytes/],
    ['an end record elsewhere', (bytes, _, end) => bytes.writeBigUInt64LE(8n, end - 20 + 8), /no zip64 end record/],
    ['a field that is too short', (bytes, entry) => bytes.writeUInt16LE(8, entry + 46 + 14 + 2), /too short/],
  ])('zip64: %s', async (_, change, message) => {
    refused(await changed(change, true), message)
  })

  it('a changed byte in a storage is found when checksums are compared', async () => {
    const bytes = await zipBytes(PyDict.fromObject({ a: floats([1.25, 2]) }))
    const at = bytes.indexOf(Buffer.from(Float32Array.of(1.25, 2).buffer))
    bytes[at] = 1
    expect(parse(bytes).tensors().get('a')!.toFloat64()[0]).not.toBe(1.25)
    expect(() => parse(bytes, { verify: true })).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringContaining(`at byte ${at}: entry "archive/data/0" has the checksum 0x${crc32(bytes.subarray(at, at + 8)).toString(16).padStart(8, '0')}`) }))
  })

  it('other zip files say what they are not', async () => {
    refused(Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1'), /none of/)
    const { ZipWriter } = await import('../../lib/checkpoint/zip-writer.ts')
    const chunks: Buffer[] = []
    const zip = new ZipWriter(async (bytes) => void chunks.push(Buffer.from(bytes)))
    await zip.add('m/data.pkl', Buffer.from('N.'))
    await zip.add('m/constants.pkl', Buffer.from('N.'))
    await zip.finish()
    refused(Buffer.concat(chunks), /TorchScript/)
  })
})

describe('safetensors that lie', () => {
  const file = (header: unknown, data = 8, length?: bigint): Buffer => {
    const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
    return Buffer.concat([Buffer.from(BigUint64Array.of(length ?? BigInt(json.length)).buffer), json, Buffer.alloc(data)])
  }
  const two = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }

  it.each<[string, Buffer, RegExp]>([
    ['a header longer than the file', file({ a: two }, 8, 2n ** 62n), /does not fit/],
    ['a header that is no JSON', file('{"a":'), /not JSON/],
    ['a header that is no object', file('{}', 8).fill('[', 8, 9).fill(']', 9, 10), /none of/],
    ['an entry that is no object', file({ a: 1 }), /no object/],
    ['an unknown dtype', file({ a: { ...two, dtype: 'F8_E8M0' } }), /F8_E8M0.*not supported/],
    ['a negative size', file({ a: { ...two, shape: [-2] } }), /no list of whole numbers/],
    ['a size of 2^60', file({ a: { ...two, shape: [2 ** 60] } }), /whole numbers|needs/],
    ['sizes whose product overflows', file({ a: { ...two, shape: Array.from({ length: 60 }, () => 2 ** 30) } }), /needs Infinity bytes|needs [\d.e+]+ bytes/],
    ['offsets beyond the data', file({ a: { ...two, data_offsets: [0, 16] } }), /do not lie/],
    ['offsets in reverse', file({ a: { ...two, data_offsets: [8, 0] } }), /do not lie/],
    ['three offsets', file({ a: { ...two, data_offsets: [0, 8, 8] } }), /do not lie/],
    ['a shape that does not fit its bytes', file({ a: { ...two, shape: [3] } }), /needs 12 bytes but data_offsets span 8/],
    ['overlapping tensors', file({ a: two, b: two }), /overlap/],
    ['a hole', file({ a: { ...two, data_offsets: [8, 16] } }, 16), /hole/],
    ['data of no tensor', file({ a: two }, 12), /belong to no tensor/],
    ['metadata that is no string', file({ __metadata__: { a: 1 }, a: two }), /no string/],
    ['a structure of unknown parts', file({ __metadata__: { 'siamfcpp.structure': '{"x":"y"}' }, a: two }), /something unknown/],
    ['a structure that nests deeply', file({ __metadata__: { 'siamfcpp.structure': `${'{"list":['.repeat(5000)}${']}'.repeat(5000)}` }, a: two }), /nested deeper/],
    ['a structure with a tensor that is not there', file({ __metadata__: { 'siamfcpp.structure': '{"tensor":"z"}' }, a: two }), /names a tensor that is not in the file: "z"/],
  ])('%s', (_, bytes, message) => {
    refused(bytes, message)
  })
})

it('files of another kind, and empty ones', () => {
  for (const [text, message] of [['', /empty/], ['hello world', /none of/], ['\x80\x02}.', /none of/]] as const) refused(Buffer.from(text, 'latin1'), message)
})
