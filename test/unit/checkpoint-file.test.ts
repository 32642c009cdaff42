/** Reading files piece by piece: the same checksums as in one go, and no more read or allocated than a file is worth. */
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readFileBytes } from '../../lib/checkpoint/file-bytes.ts'
import { readCheckpoint } from '../../lib/checkpoint/read.ts'
import { CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import { PyDict } from '../../lib/checkpoint/values.ts'
import { ZipChecksums } from '../../lib/checkpoint/zip-checksums.ts'
import { readZipDirectory } from '../../lib/checkpoint/zip-reader.ts'
import { parse, zipBytes } from '../helpers/checkpoint-files.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-file-'))
const at = (name: string): string => path.join(folder, name)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Tensors of all sizes over several of the reader's pieces of 4 MiB. */
let large: Buffer
beforeAll(async () => {
  const sizes = [5_000_000, 3, 0, 4 * 1024 * 1024, 77_777, 9_000_001]
  large = await zipBytes(PyDict.ordered(sizes.map((size, i) => [`t${i}`, CheckpointTensor.fromRaw({ dtype: 'uint8', shape: [size], data: Uint8Array.from({ length: size }, (_, j) => (j * 31 + i) & 0xff) })])))
  writeFileSync(at('large.pkl'), large)
})

describe('checksums while a file is read', () => {
  it.each([1, 2, 3])('are those of the entries, whatever pieces it comes in (%d)', async (step) => {
    for (const bytes of [large, await zipBytes([1, 'x'], { forceZip64: true })]) {
      const checksums = new ZipChecksums('x')
      checksums.tail(bytes, Math.max(0, bytes.length - 4000))
      for (let end = 0; end < bytes.length; end += Math.ceil(bytes.length / (17 * step)) + step) checksums.prefix(bytes, end)
      checksums.prefix(bytes, bytes.length)
      for (const entry of readZipDirectory({ file: 'x', bytes }).values()) {
        expect(checksums.of(entry), entry.name).toBe(crc32(bytes.subarray(entry.offset, entry.offset + entry.size)))
      }
    }
  })

  it('are left to the reader when the directory is longer than the end of the file that is there', () => {
    const checksums = new ZipChecksums('x')
    checksums.tail(large, large.length - 100)
    checksums.prefix(large, large.length)
    for (const entry of readZipDirectory({ file: 'x', bytes: large }).values()) expect(checksums.of(entry)).toBeUndefined()
  })

  it('find one changed byte in any piece, as they do in memory', async () => {
    await expect(readCheckpoint(at('large.pkl'), { verify: true })).resolves.toMatchObject({ format: 'torch-zip' })
    for (const { name, offset, size } of readZipDirectory({ file: 'x', bytes: large }).values()) {
      if (size < 70_000) continue
      for (const place of [offset, offset + (size >> 1), offset + size - 1]) {
        const damaged = Buffer.from(large)
        damaged[place] = damaged[place]! ^ 0x10
        writeFileSync(at('damaged.pkl'), damaged)
        const message = `at byte ${offset}: entry "${name}" has the checksum`
        await expect(readCheckpoint(at('damaged.pkl'), { verify: true })).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringContaining(message) })
        expect(() => parse(damaged, { verify: true })).toThrow(message)
        await expect(readCheckpoint(at('damaged.pkl'))).resolves.toMatchObject({ format: 'torch-zip' })
      }
    }
  })
})

it('the bytes of a file are the bytes of the file', async () => {
  for (const size of [0, 1, 15, 16, 17, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1, 30_000_000]) {
    const bytes = Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7) ^ (i >> 9)))
    writeFileSync(at('bytes'), bytes)
    let head = Buffer.alloc(0)
    expect((await readFileBytes(at('bytes'), (first) => (head = Buffer.from(first)))).length).toBe(size)
    expect(Buffer.compare(Buffer.from(await readFileBytes(at('bytes'), () => {})), bytes)).toBe(0)
    expect(head.equals(bytes.subarray(0, 16))).toBe(true)
  }
})

describe('files that are not read', () => {
  /** A file of that many zeros, which take no space, behind its first bytes. */
  function sparse(name: string, size: number, head: string): string {
    const descriptor = openSync(at(name), 'w')
    writeSync(descriptor, Buffer.from(head, 'latin1'))
    ftruncateSync(descriptor, size)
    closeSync(descriptor)
    return at(name)
  }

  it('one that does not begin as a checkpoint, however large', async () => {
    const before = process.memoryUsage().arrayBuffers
    await expect(readCheckpoint(sparse('video.mp4', 40e9, '\0\0\0\x20ftypisom'))).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(/^at byte 0: the file is none of/) })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6)
  })

  it("one that is larger than the machine's memory", async () => {
    const size = 2 * os.totalmem() + 1
    await expect(readCheckpoint(sparse('huge.pkl', size, 'PK\x03\x04'))).rejects.toMatchObject({ code: 'ERR_IO', file: at('huge.pkl'), message: expect.stringContaining(`the file has ${size} bytes, more than this machine's memory`), hint: expect.any(String) })
  })

  it('a folder, a device, a named pipe that nobody writes to', async () => {
    execFileSync('mkfifo', [at('pipe')])
    for (const file of [folder, '/dev/zero', at('pipe')]) await expect(readCheckpoint(file)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', file, message: 'not a regular file' })
  })
})
