import { chmodSync, closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { crc32c, EventFileWriter, maskedCrc32c, readEvents, readScalars } from '../../lib/monitors/tfevents/index.ts'
import { ByteWriter, decodeEvent, encodeFileVersion, encodeScalar, encodeSessionStart } from '../../lib/monitors/tfevents/protobuf.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'tfevents-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('crc32c', () => {
  // RFC 3720, appendix B.4, and the check value of every CRC catalogue.
  const counting = Uint8Array.from({ length: 32 }, (_, i) => i)
  it.each([
    ['check value', new TextEncoder().encode('123456789'), 0xe3069283],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['counting up', counting, 0x46dd794e],
    ['counting down', counting.toReversed(), 0x113fdb5c],
    ['nothing', new Uint8Array(0), 0],
  ])('%s', (_, bytes, expected) => expect(crc32c(bytes)).toBe(expected))

  it('is that of the bit-by-bit definition for any bytes and any part of them', () => {
    const slow = (bytes: Uint8Array): number => {
      let crc = 0xffffffff
      for (const byte of bytes) {
        crc ^= byte
        for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
      }
      return ~crc >>> 0
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(10), fc.nat(10), (bytes, skip, drop) => {
        const start = Math.min(skip, bytes.length)
        const end = Math.max(start, bytes.length - drop)
        expect(crc32c(bytes, start, end)).toBe(slow(bytes.subarray(start, end)))
      }),
      { numRuns: 500 },
    )
  })
})

describe('events as Google’s protobuf encodes them (test/fixtures/tfevents.py)', () => {
  type Row = ['scalar' | 'version' | 'start', (string | number)[], string, number]
  const rows = JSON.parse(readFileSync(new URL('../fixtures/tfevents.json', import.meta.url), 'utf8')) as Row[]

  it.each(rows)('%s %j', (kind, args, hex, crc) => {
    const out = new ByteWriter(1)
    const [wall, step, text, last] = args as [number, number, string, number | string]
    if (kind === 'scalar') encodeScalar(out, wall, step, text, last === 'Infinity' ? Infinity : (last as number))
    else if (kind === 'version') encodeFileVersion(out, wall, step, text, last as string | undefined)
    else encodeSessionStart(out, wall, step)
    const bytes = out.bytes.subarray(0, out.length)
    expect(bytes.toString('hex')).toBe(hex)
    expect(maskedCrc32c(bytes)).toBe(crc)
    expect(decodeEvent(bytes)).toMatchObject({ wallTime: wall, step })
  })

  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.maxSafeInteger(), fc.string({ unit: 'binary' }), fc.float(), (wall, step, tag, value) => {
        const out = new ByteWriter(1)
        encodeScalar(out, wall, step, tag, value)
        const event = decodeEvent(out.bytes.subarray(0, out.length))
        expect(event.step).toBe(step)
        expect(event.wallTime).toBe(wall === 0 ? 0 : wall)
        expect(event.scalars).toEqual([{ tag: Buffer.from(tag).toString('utf8'), value }])
      }),
    )
  })
})

describe('EventFileWriter', () => {
  it('names the file as SummaryWriter does and begins it with the version', async () => {
    await using writer = await EventFileWriter.open(path.join(dir, 'a', 'b'), { suffix: '.x' })
    expect(path.basename(writer.file)).toMatch(new RegExp(`^events\\.out\\.tfevents\\.\\d{10}\\.${os.hostname()}\\.${process.pid}\\.\\d+\\.x$`))
    const { events, tornBytes } = await readEvents(writer.file)
    expect(tornBytes).toBe(0)
    expect(events).toEqual([{ wallTime: expect.any(Number), step: 0, fileVersion: 'brain.Event:2', writer: 'siamfcpp-native', scalars: [] }])
    expect(Math.abs(events[0]!.wallTime - Date.now() / 1000)).toBeLessThan(60)
  })

  it('keeps values in memory until a flush, and writes the rest at close', async () => {
    const writer = await EventFileWriter.open(dir)
    writer.addScalar('lr', 0.1, 7, 1700000000.5)
    expect((await readEvents(writer.file)).events).toHaveLength(1)
    await writer.flush()
    writer.addScalar('lr', 0.2, 8)
    await writer.close()
    const { events } = await readEvents(writer.file)
    expect(events[1]).toEqual({ wallTime: 1700000000.5, step: 7, scalars: [{ tag: 'lr', value: Math.fround(0.1) }] })
    expect(events[2]).toMatchObject({ step: 8, scalars: [{ tag: 'lr', value: Math.fround(0.2) }] })
    expect(events).toHaveLength(3)
  })

  it('flushes by itself after the interval, and when much has gathered', async () => {
    await using quick = await EventFileWriter.open(dir, { flushIntervalSeconds: 0.02 })
    quick.addScalar('x', 1, 1)
    await expect.poll(async () => (await readEvents(quick.file)).events.length).toBe(2)
    await using slow = await EventFileWriter.open(dir, { flushIntervalSeconds: 1e9 })
    for (let i = 0; i < 10_000; i++) slow.addScalar('y', i, i)
    await expect.poll(async () => (await readEvents(slow.file)).events.length).toBeGreaterThan(5000)
  })

  it('keeps the order of values added while a write is under way', async () => {
    const writer = await EventFileWriter.open(dir)
    for (let i = 0; i < 200; i++) {
      writer.addScalar('x', i, i)
      void writer.flush()
    }
    await writer.close()
    const { events } = await readEvents(writer.file)
    expect(events.slice(1).map((event) => event.step)).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  it('starts a session at the purge step, in a file whose name sorts behind the others', async () => {
    // A clock that went back, and a host name that sorts behind ours.
    writeFileSync(path.join(dir, 'events.out.tfevents.4102444800.zzz.1.0'), '')
    const first = await EventFileWriter.open(dir, { purgeStep: 0 })
    for (let step = 0; step < 10; step++) first.addScalar('x', step, step)
    await first.close()
    const second = await EventFileWriter.open(dir, { purgeStep: 6 })
    for (let step = 6; step < 8; step++) second.addScalar('x', 100 + step, step)
    await second.close()
    expect(readdirSync(dir).sort().slice(1)).toEqual([path.basename(first.file), path.basename(second.file)])
    expect((await readEvents(second.file)).events[2]).toMatchObject({ step: 6, sessionStatus: 'START' })
    const points = (await readScalars(dir)).get('x')!
    expect(points.map(({ step, value }) => [step, value])).toEqual([[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [6, 106], [7, 107]])
  })

  it('refuses bad arguments and calls after close', async () => {
    const writer = await EventFileWriter.open(dir)
    for (const step of [0.5, NaN, 2 ** 60]) expect(() => writer.addScalar('x', 1, step)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    expect(() => writer.addScalar('x', '1' as never, 1)).toThrow(/Expected a number for the value of x but received "1" of type string/)
    await expect(EventFileWriter.open(dir, { purgeStep: 1.5 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(EventFileWriter.open('')).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await writer.close()
    await writer.close()
    expect(() => writer.addScalar('x', 1, 1)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
    await expect(writer.flush()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  it('says ERR_IO where the folder cannot be', async () => {
    writeFileSync(path.join(dir, 'file'), '')
    await expect(EventFileWriter.open(path.join(dir, 'file', 'logs'))).rejects.toSatisfy((error) => {
      return error instanceof SiamError && error.code === 'ERR_IO' && error.file === path.join(dir, 'file', 'logs') && error.hint !== undefined
    })
    chmodSync(dir, 0o555)
    const asRoot = process.getuid?.() === 0 // whom permissions do not stop
    const outcome = await EventFileWriter.open(path.join(dir, 'sub')).then(async (writer) => (await writer.close(), 'opened'), (error: SiamError) => error.code)
    expect(outcome).toBe(asRoot ? 'opened' : 'ERR_IO')
    chmodSync(dir, 0o755)
  })
})

describe('readEvents', () => {
  async function sample(): Promise<string> {
    await using writer = await EventFileWriter.open(dir)
    for (let step = 0; step < 5; step++) writer.addScalar('x', step, step)
    return writer.file
  }

  function recordStarts(whole: Buffer): number[] {
    const starts: number[] = []
    for (let at = 0; at < whole.length; at += 16 + Number(whole.readBigUInt64LE(at))) starts.push(at)
    return starts
  }

  it('stops cleanly wherever the file is cut off', async () => {
    const file = await sample()
    const whole = readFileSync(file)
    const starts = recordStarts(whole)
    expect(starts).toHaveLength(6)
    for (let length = whole.length; length >= 0; length--) {
      truncateSync(file, length)
      const { events, tornBytes } = await readEvents(file)
      const complete = [...starts.slice(1), whole.length].filter((end) => end <= length)
      expect([length, events.length, tornBytes]).toEqual([length, complete.length, length - (complete.at(-1) ?? 0)])
    }
  })

  it('takes zeros at the end, and a damaged last record, for a torn tail', async () => {
    const file = await sample()
    const whole = readFileSync(file)
    writeFileSync(file, Buffer.concat([whole, Buffer.alloc(4096)]))
    expect(await readEvents(file)).toMatchObject({ events: { length: 6 }, tornBytes: 4096 })
    const damaged = Buffer.from(whole)
    damaged[whole.length - 8]! ^= 1
    writeFileSync(file, damaged)
    expect((await readEvents(file)).events).toHaveLength(5)
  })

  it('says ERR_DATA and where, when a byte before the last record is wrong', async () => {
    const file = await sample()
    const whole = readFileSync(file)
    for (const at of [0, 9, 20, recordStarts(whole).at(-1)! - 1]) {
      const fd = openSync(file, 'r+')
      writeSync(fd, Buffer.from([whole[at]! ^ 0x55]), 0, 1, at)
      await expect(readEvents(file), `byte ${at}`).rejects.toMatchObject({ code: 'ERR_DATA', file })
      writeSync(fd, whole, at, 1, at)
      closeSync(fd)
    }
    expect((await readEvents(file)).events).toHaveLength(6)
  })

  it('says ERR_IO for a file that is not there', async () => {
    await expect(readEvents(path.join(dir, 'none'))).rejects.toMatchObject({ code: 'ERR_IO' })
    await expect(readScalars(path.join(dir, 'none'))).rejects.toMatchObject({ code: 'ERR_IO' })
  })
})
