/** The tar members of packs, read by other programs. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const addon = loadAddon()
let folder = ''
beforeAll(() => (folder = temporaryFolder('pack-tar')))
afterAll(() => removeFolder(folder))

const long = (n: number, letter = 'a'): string => letter.repeat(n)
const names = [
  'seq/00000001.jpg',
  `${long(95)}/1.jpg`, // 101 bytes: a prefix
  `${long(150)}/${long(95)}.jpg`, // prefix and name full
  `${long(155)}/${long(96)}.jpg`,
  `${long(156)}/1.jpg`, // no prefix is that long
  `a/${long(120)}.jpg`, // nor a name
  `${long(140, 'd/')}x.jpg`,
  `${long(250, 'e')}/${long(200, 'f')}.jpg`,
  'größe/日本/🎾.jpg',
  `${long(40, 'ü')}/${long(40, 'ñ')}.jpg`,
  'with space/it\'s "one".jpg',
]

/** A tar of members with these contents, as a shard has them. */
function tarOf(members: [name: string, bytes: Buffer][]): Buffer {
  const parts = members.flatMap(([name, bytes]) => [Buffer.from(addon.tarHeader(name, bytes.length)), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

describe('tar', () => {
  it('is extracted by the system tar, names and bytes', () => {
    const members = names.map((name, i): [string, Buffer] => [name, Buffer.alloc(i * 300 + (i % 3) * 512, i + 1)])
    const file = path.join(folder, 'all.tar')
    writeFileSync(file, tarOf(members))
    const out = path.join(folder, 'out')
    mkdirSync(out)
    execFileSync('tar', ['xf', file, '-C', out], { env: { ...process.env, LC_ALL: 'C.UTF-8' } })
    for (const [name, bytes] of members) expect(readFileSync(path.join(out, name)).equals(bytes), name).toBe(true)
    const listed = execFileSync('tar', ['tvf', file, '--full-time', '--utc'], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } }).trim().split('\n')
    expect(listed).toHaveLength(names.length)
    for (const line of listed) expect(line).toMatch(/^-rw-r--r-- 0\/0 +\d+ 1970-01-01 00:00:00 /)
  })

  it("is read by Python's tarfile", () => {
    const file = path.join(folder, 'python.tar')
    writeFileSync(file, tarOf(names.map((name, i) => [name, Buffer.from(`member ${i}`)])))
    const script = 'import tarfile,sys,json\nt=tarfile.open(sys.argv[1])\nprint(json.dumps([[m.name,m.size,m.mtime,m.mode,m.isfile(),t.extractfile(m).read().decode()] for m in t]))'
    const read = JSON.parse(execFileSync('python3', ['-X', 'utf8', '-c', script, file], { encoding: 'utf8' })) as unknown[]
    expect(read).toEqual(names.map((name, i) => [name, `member ${i}`.length, 0, 0o644, true, `member ${i}`]))
  })

  it('depends on name and size alone, and takes one block where that is enough', () => {
    expect(Buffer.from(addon.tarHeader('a/b.jpg', 5)).equals(Buffer.from(addon.tarHeader('a/b.jpg', 5)))).toBe(true)
    expect(addon.tarHeader(names[2]!, 1).length).toBe(512)
    expect(addon.tarHeader(names[4]!, 1).length).toBe(3 * 512)
    // A record whose length gains a digit by its own length.
    for (let n = 80; n < 110; n += 1) {
      const name = `${long(n, 'ß')}.jpg`
      const header = Buffer.from(addon.tarHeader(name, 1))
      const record = header.subarray(512).toString('utf8').split('\n')[0]!
      expect(Buffer.byteLength(`${record}\n`)).toBe(Number.parseInt(record, 10))
      expect(record).toMatch(new RegExp(`^\\d+ path=${name}$`))
    }
  })
})
