/** The streaming JSON reader: the same items as JSON.parse gives, in little memory, and errors that say where. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type JsonItemsOptions, type JsonPlace, jsonItemError, readJsonItems } from '../../lib/data/json-items.ts'
import { SiamError } from '../../lib/errors.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const root = temporaryFolder('json-items')
afterAll(() => removeFolder(root))
const file = path.join(root, 'items.json')

interface Read {
  counts: Record<'images' | 'annotations', number>
  items: { images: unknown[]; annotations: unknown[] }
  places: JsonPlace[]
}

async function read(text: string | Uint8Array, options: JsonItemsOptions = {}): Promise<Read> {
  writeFileSync(file, text)
  const items: Read['items'] = { images: [], annotations: [] }
  const places: JsonPlace[] = []
  const take = (key: 'images' | 'annotations') => (item: unknown, place: Readonly<JsonPlace>) => {
    items[key].push(item)
    places.push({ ...place })
  }
  const counts = await readJsonItems(file, { images: take('images'), annotations: take('annotations') }, options)
  return { counts, items, places }
}

async function failure(text: string | Uint8Array, options?: JsonItemsOptions): Promise<SiamError> {
  const error: unknown = await read(text, options).then(
    () => null,
    (caught: unknown) => caught,
  )
  if (!(error instanceof SiamError)) throw new Error(`expected a SiamError, got ${String(error)}`)
  expect(error.code).toBe('ERR_DATA')
  expect(error.file).toBe(file)
  return error
}

describe('items', () => {
  it('come in the order of the file with the place where each begins', async () => {
    const text = '\ufeff{"info": {"a": [1, {"b": "]}\\""}]},\n "images": [ {"id": 1},\n  {"id": 2, "name": "größe"} ],\n\n"annotations":[{"x":[[1.5,-2e3]]},7,"text",null,true]}\n'
    const { items, counts, places } = await read(text)
    expect(items.images).toEqual([{ id: 1 }, { id: 2, name: 'größe' }])
    expect(items.annotations).toEqual([{ x: [[1.5, -2000]] }, 7, 'text', null, true])
    expect(counts).toEqual({ images: 2, annotations: 5 })
    expect(places.map(({ line }) => line)).toEqual([2, 3, 5, 5, 5, 5, 5])
    const bytes = Buffer.from(text)
    expect(places[1]?.byte).toBe(bytes.indexOf('{"id": 2'))
    expect(places[4]?.byte).toBe(bytes.indexOf('"text"'))
  })

  it('are those of JSON.parse, whatever the text and the size of the pieces', async () => {
    const section = fc.array(fc.jsonValue({ depthSize: 'small' }), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(section, section, fc.jsonValue(), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 3 }), async (images, annotations, other, chunkBytes, indent) => {
        const object = { other, images, '__proto__x': [1], annotations }
        const text = JSON.stringify(object, null, indent)
        const parsed = JSON.parse(text) as typeof object
        const { items } = await read(text, { chunkBytes })
        expect(items).toEqual({ images: parsed.images, annotations: parsed.annotations })
      }),
      { numRuns: 150 },
    )
  })

  it('may be none, and a key may be missing', async () => {
    expect((await read('{}')).counts).toEqual({ images: 0, annotations: 0 })
    expect((await read('{"images": [ ], "__proto__": [1], "constructor": {}}')).counts).toEqual({ images: 0, annotations: 0 })
  })

  it('are not held: the buffer grows to the largest item only', async () => {
    const long = `[${Array.from({ length: 5000 }, () => '12.25').join(',')}]`
    const text = `{"licenses": [${Array.from({ length: 40 }, () => long).join(',')}], "images": [${Array.from({ length: 40 }, () => long).join(',')}]}`
    const { items } = await read(text, { chunkBytes: 1000, maxItemBytes: 40_000 })
    expect(items.images).toHaveLength(40)
    const error = await failure(text, { chunkBytes: 1000, maxItemBytes: 20_000 })
    expect(error.message).toBe(`an item of more than 20000 bytes (byte ${text.indexOf('"images": [') + 11})`)
  })

  it('report progress in bytes and stop at a signal', async () => {
    const text = `{"images": [${Array.from({ length: 1000 }, (_, i) => i).join(',')}]}`
    const seen: number[] = []
    await read(text, { chunkBytes: 512, onProgress: (done, total) => seen.push(done / total) })
    expect(seen.length).toBeGreaterThan(5)
    expect(seen.at(-1)).toBe(1)
    const controller = new AbortController()
    await expect(read(text, { chunkBytes: 512, signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) })).rejects.toThrow('enough')
  })

  it('pass on what a handler throws', async () => {
    writeFileSync(file, '{"images":\n[1]}')
    const error = await readJsonItems(file, {
      images: (_, place) => {
        throw jsonItemError(file, place, 'no good')
      },
    }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ message: 'no good (byte 12)', line: 2, file })
  })
})

describe('bad input', () => {
  const deep = 300
  it.each<[what: string, text: string, message: RegExp, line: number]>([
    ['an empty file', '', /truncated: it ends where an object.* \(byte 0\)/, 1],
    ['an array', '[1]', /expected an object, .* but found "\[1\]" \(byte 0\)/, 1],
    ['a gzip file', '\x1f\x8b\x08', /expected an object/, 1],
    ['no key', '{\n1: 2}', /expected a key or } but found "1: 2}" \(byte 2\)/, 2],
    ['no colon', '{"images" [1]}', /expected a colon/, 1],
    ['a comma too many', '{"info": 1,}', /expected a key but found "}"/, 1],
    ['a missing comma', '{"info": 1 "images": []}', /expected a comma or }/, 1],
    ['an object for an array', '{"images": {"a": 1}}', /expected an array for "images" but found/, 1],
    ['null for an array', '{"images": null}', /expected an array for "images"/, 1],
    ['an array twice', '{"images": [],\n"images": []}', /"images" is there twice \(byte 25\)/, 2],
    ['a missing value', '{"info": , "images": []}', /expected a value but found ", /, 1],
    ['a missing item', '{"images": [1,,2]}', /expected an item but found ",2\]}"/, 1],
    ['a comma behind the last item', '{"images": [1,]}', /expected an item but found "\]}"/, 1],
    ['items without a comma', '{"images": [{} {}]}', /expected a comma or \]/, 1],
    ['brackets that do not match', '{"images": [{"a": [1}]]}', /expected \] but found "}\]\]}"/, 1],
    ['brackets that do not match in what is skipped', '{"info": {"a": [1}]}', /expected \] but found/, 1],
    ['something behind it', '{"images": []}\n{', /expected nothing behind the object but found "{" \(byte 15\)/, 2],
    ['a word', '{"images": [1,\n nonsense]}', /not valid JSON: .*nonsense/, 2],
    ['NaN', '{"images": [{"id": NaN}]}', /not valid JSON/, 1],
    ['a bad item', '{"images": [{"a": 1,\n"ü" 2}]}', /not valid JSON: .*\(byte 26\)/, 2],
    ['a line end in a string', '{"images": ["a\nb"]}', /not valid JSON/, 1],
    ['a bad key', '{"\\x": 1}', /not valid JSON/, 1],
    ['deep nesting', `{"images": [${'['.repeat(deep)}${']'.repeat(deep)}]}`, /nested more than 256 levels deep \(byte 268\)/, 1],
    ['deep nesting in what is skipped', `{"info": ${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}}`, /nested more than 256 levels/, 1],
  ])('%s', async (_, text, message, line) => {
    for (const chunkBytes of [3, 7, 1 << 20]) {
      const error = await failure(Buffer.from(text, 'utf8'), { chunkBytes })
      // A piece of the text is shown as far as it was read.
      if (chunkBytes > 100) expect(error.message).toMatch(message)
      expect(error.line).toBe(line)
    }
  })

  it('a file that ends early, at every byte', async () => {
    const text = '{"info": {"year": 2017},\n"images": [{"id": 1, "name": "a\\"b"},\n{"id": 2}], "annotations": [1, 2]}'
    for (let length = 0; length < text.length; length += 1) {
      const error = await failure(text.slice(0, length), { chunkBytes: 16 })
      expect(error.message).toMatch(/^the file is truncated: it ends /)
      expect(error.message.endsWith(`(byte ${length})`)).toBe(true)
    }
    expect((await failure(text.slice(0, 60))).message).toBe('the file is truncated: it ends inside of a value that begins at byte 36, line 2 (in "images") (byte 60)')
  })

  it('any change of a byte gives an error with its place or other items, nothing else', async () => {
    const bytes = Buffer.from(JSON.stringify({ info: { a: [1, 'x'] }, images: [{ id: 1, f: 'ä.jpg' }, { id: 2 }], annotations: [{ bbox: [1, 2, 3, 4] }] }))
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 64 }), async (at, byte, chunkBytes) => {
        const changed = Buffer.from(bytes)
        changed[at] = byte
        const error: unknown = await read(changed, { chunkBytes }).catch((caught: unknown) => caught)
        if (error instanceof Error) expect(error).toMatchObject({ code: 'ERR_DATA', file, line: expect.any(Number), message: expect.stringMatching(/\(byte \d+\)$/) })
      }),
      { numRuns: 500 },
    )
  })

  it('a file that is missing, or a folder', async () => {
    await expect(readJsonItems(path.join(root, 'none.json'), {})).rejects.toMatchObject({ code: 'ERR_DATA', file: path.join(root, 'none.json'), message: 'cannot be read (ENOENT)' })
    await expect(readJsonItems(root, {})).rejects.toMatchObject({ code: 'ERR_DATA', file: root, message: 'cannot be read (EISDIR)' })
  })
})
