/** Folders and zips of results: what is listed and read, and what is refused before it is read. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { cleanEntryName } from '../../lib/evaluation/results/entry-name.ts'
import { openResults, withResults } from '../../lib/evaluation/results/source.ts'
import type { SourceLimits } from '../../lib/evaluation/results/source.ts'
import { makeZip } from '../helpers/zip-file.ts'
import type { MadeEntry } from '../helpers/zip-file.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-source-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function zipFile(entries: readonly MadeEntry[]): string {
  const file = path.join(dir, 'results.zip')
  writeFileSync(file, makeZip(entries))
  return file
}

async function refusal(file: string, limits?: Partial<SourceLimits>, read = false): Promise<SiamError> {
  try {
    await withResults(file, async (source) => {
      if (read) for (const name of source.list()) await source.read(name)
    }, limits)
  } catch (error) {
    expect(error).toBeInstanceOf(SiamError)
    return error as SiamError
  }
  throw new Error('was not refused')
}

describe('a folder and a zip of the same files', () => {
  const files = { 'a/one.txt': '1,2,3,4\n', 'a/b/two.txt': '5,6,7,8\n', 'zero.txt': '' }

  it('list and read alike; what systems leave behind is not there', async () => {
    const folder = path.join(dir, 'folder')
    const junk = { '.DS_Store': 'x', 'a/._one.txt': 'x', '__MACOSX/a/one.txt': 'x', 'a/Thumbs.db': 'x' }
    for (const [name, text] of Object.entries({ ...files, ...junk })) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
      writeFileSync(path.join(folder, name), text)
    }
    const entries = [{ name: 'a/', store: true }, ...Object.entries({ ...files, ...junk }).map(([name, data], k) => ({ name, data, store: k % 2 === 0 }))]
    for (const from of [folder, zipFile(entries)]) {
      await withResults(from, async (source) => {
        expect(source.list()).toEqual(['a/b/two.txt', 'a/one.txt', 'zero.txt'])
        for (const [name, text] of Object.entries(files)) expect((await source.read(name)).toString()).toBe(text)
        await expect(source.read('none.txt')).rejects.toMatchObject({ code: 'ERR_DATA', file: source.describe('none.txt') })
        await source.close()
      })
    }
  })

  it('names that begin with ./ or use backslashes are the files they mean', async () => {
    const file = zipFile([{ name: './a/one.txt', data: '1' }, { name: 'b\\two.txt', data: '2' }])
    await withResults(file, async (source) => {
      expect(source.list()).toEqual(['a/one.txt', 'b/two.txt'])
      expect((await source.read('b/two.txt')).toString()).toBe('2')
    })
  })
})

describe('a zip is refused', () => {
  const bomb = Buffer.alloc(9 * 2 ** 20)
  it.each<[string, MadeEntry[], RegExp, Partial<SourceLimits>?]>([
    ['a name with ../', [{ name: 'a/../../evil.txt', data: 'x' }], /entry "a\/\.\.\/\.\.\/evil\.txt" leads out/],
    ['a name with ..\\', [{ name: '..\\evil.txt', data: 'x' }], /leads out/],
    ['an absolute name', [{ name: '/etc/passwd', data: 'x' }], /"\/etc\/passwd" is an absolute path/],
    ['a drive', [{ name: 'C:\\evil.txt', data: 'x' }], /is an absolute path/],
    ['a way out among what is passed over', [{ name: '__MACOSX/../../x', data: 'x' }], /leads out/],
    ['a link', [{ name: 'one.txt', data: '/etc/passwd', mode: 0o120777 }], /"one\.txt" is a link/],
    ['an encrypted entry', [{ name: 'one.txt', data: 'x', flags: 1 }], /"one\.txt" is encrypted/],
    ['another method', [{ name: 'one.txt', data: 'x', method: 14 }], /method 14/],
    ['a name twice', [{ name: 'one.txt', data: 'x' }, { name: 'one.txt', data: 'y' }], /two entries "one\.txt"/],
    ['a bomb', [{ name: 'one.txt', data: bomb }], /"one\.txt" unpacks from \d+ to 9437184 bytes, more than 200 times/],
    ['a bomb of entries that share their bytes', [{ name: '0.txt', data: Buffer.alloc(2 ** 20) }, ...Array.from({ length: 20 }, (_, k) => ({ name: `${k + 1}.txt`, shares: 0 }))], /unpacks to 22020096, more than 200 times/],
    ['too many entries', [{ name: '1', data: 'x' }, { name: '2', data: 'x' }, { name: '3', data: 'x' }], /3 entries, more than the 2/, { entries: 2 }],
    ['too large a file', [{ name: 'one.txt', data: '12345', store: true }], /unpacks to 5 bytes, more than the 4/, { fileBytes: 4 }],
    ['too much in all', [{ name: '1', data: '123' }, { name: '2', data: '456' }], /unpacks to more than 5 bytes, counted up to its entry "2"/, { totalBytes: 5 }],
  ])('for %s', async (_, entries, message, limits) => {
    const file = zipFile(entries)
    const error = await refusal(file, limits)
    expect(error.code).toBe('ERR_DATA')
    expect(error.file).toBe(file)
    expect(error.message).toMatch(message)
    expect(readdirSync(dir)).toEqual(['results.zip'])
  })

  it.each<[string, MadeEntry, RegExp]>([
    ['more bytes than it says', { name: 'one.txt', data: '0'.repeat(5000), says: { size: 10 } }, /too many bytes/],
    ['fewer bytes than it says', { name: 'one.txt', data: '0', says: { size: 10 } }, /not enough bytes/],
    ['another checksum', { name: 'one.txt', data: '123', says: { crc32: 1 } }, /checksum/],
  ])('when an entry has %s', async (_, entry, message) => {
    const file = zipFile([entry])
    const error = await refusal(file, {}, true)
    expect(error).toMatchObject({ code: 'ERR_DATA', file: `${file}:one.txt` })
    expect(error.message).toMatch(message)
  })

  it('when it is cut short, or no zip', async () => {
    const whole = makeZip([{ name: 'one.txt', data: '1,2,3,4\n'.repeat(100) }])
    for (const bytes of [whole.subarray(0, whole.length - 10), Buffer.from('hello'), Buffer.alloc(0)]) {
      const file = path.join(dir, 'bad.zip')
      writeFileSync(file, bytes)
      const error = await refusal(file)
      expect(error).toMatchObject({ code: 'ERR_DATA', file })
      expect(error.hint).toContain('folder or a zip')
    }
  })

  it('or gives an error of ours, whatever byte of it is another', async () => {
    const whole = makeZip([{ name: 'a/one.txt', data: '1,2,3,4\n'.repeat(30) }, { name: 'two.txt', data: '5', store: true }])
    const file = path.join(dir, 'mutated.zip')
    await fc.assert(fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const bytes = Buffer.from(whole)
      bytes[at] = bytes[at]! ^ change
      writeFileSync(file, bytes)
      try {
        await withResults(file, async (source) => {
          for (const name of source.list()) await source.read(name)
        })
      } catch (error) {
        expect(error).toMatchObject({ name: 'SiamError', code: 'ERR_DATA' })
      }
    }), { numRuns: 300 })
  })
})

describe('a folder is refused', () => {
  it('for a link, to a file or to a folder', async () => {
    for (const target of ['/etc/passwd', dir]) {
      const folder = mkdtempSync(path.join(dir, 'links-'))
      symlinkSync(target, path.join(folder, 'link'))
      const error = await refusal(folder)
      expect(error).toMatchObject({ code: 'ERR_DATA', file: path.join(folder, 'link') })
      expect(error.message).toContain('link')
    }
  })

  it('for too many entries, too deep a nest, too large a file', async () => {
    writeFileSync(path.join(dir, '1'), '12345')
    writeFileSync(path.join(dir, '2'), '1')
    expect((await refusal(dir, { entries: 1 })).message).toContain('more than 1 entries')
    expect((await refusal(dir, { fileBytes: 4 }, true)).message).toContain('5 bytes, more than the 4')
    mkdirSync(path.join(dir, ...Array.from({ length: 14 }, () => 'x')), { recursive: true })
    expect((await refusal(dir)).message).toContain('nest more than 12 deep')
  })

  it('when there is none', async () => {
    expect(await refusal(path.join(dir, 'none'))).toMatchObject({ code: 'ERR_IO', file: path.join(dir, 'none') })
    await expect(openResults('/dev/null')).rejects.toMatchObject({ code: 'ERR_DATA' })
  })
})

describe('names of entries', () => {
  it('never lead out, whatever they are made of', () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'b.txt', '/', '\\', 'C:', '\0')
    fc.assert(fc.property(fc.array(part, { maxLength: 8 }), fc.constantFrom('/', '\\', ''), (parts, separator) => {
      const clean = cleanEntryName(parts.join(separator))
      if ('wrong' in clean) return
      const resolved = path.resolve('/root/inside', clean.name)
      expect(resolved === '/root/inside' || resolved.startsWith('/root/inside/')).toBe(true)
      expect(clean.name).not.toContain('\\')
    }))
  })
})
