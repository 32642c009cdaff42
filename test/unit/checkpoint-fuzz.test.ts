/**
 * Mutated checkpoint files of every format: whatever is done to one, reading it gives a value or ERR_CHECKPOINT, soon, and what it gives can be
 * used. More than 20,000 files in each run; `CHECKPOINT_FUZZ_MINUTES=10 npm run fuzz` goes on for that long.
 */
import { readFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { modelStateOf } from '../../lib/checkpoint/state-dict.ts'
import { optimizerStateToNamed } from '../../lib/checkpoint/optimizer-state.ts'
import { dtypeInfo, type CheckpointDType } from '../../lib/checkpoint/dtype.ts'
import { CheckpointStorage, CheckpointTensor } from '../../lib/checkpoint/tensor.ts'
import { PyDict } from '../../lib/checkpoint/values.ts'
import { inspectCheckpoint } from '../../lib/cli/inspect.ts'
import { readSnapshot } from '../../lib/engine/snapshot.ts'
import { SiamError } from '../../lib/errors.ts'
import { floats, legacyBytes, parse, safetensorsBytes, smallSnapshot, zipBytes } from '../helpers/checkpoint-files.ts'
import { mutatedBytes, mutatedPickle, mutatedPickleInZip, mutatedSafetensors, mutatedZipFields } from '../helpers/checkpoint-mutations.ts'
import { instructionsOf } from '../helpers/pickle-instructions.ts'
import { shared } from '../helpers/shared.ts'

const minutes = Number(process.env.CHECKPOINT_FUZZ_MINUTES ?? 0)
const properties = 16
/** Of the processor's time for a file of a few kilobytes; an honest one takes a millisecond or two, the first ones more. */
const slowestMs = 1000
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const counts = { files: 0, values: 0, slowestMs: 0 }

/** Does `work`, which may refuse; anything but ERR_CHECKPOINT fails. @returns undefined for a refusal */
function orRefused<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof SiamError && error.code === 'ERR_CHECKPOINT' && error.file === 'test.pkl') return undefined
    throw error
  }
}

/** Reads everything that a reader offers, and uses it. @returns whether it was a value */
function survives(bytes: Uint8Array): boolean {
  counts.files++
  const start = cpuMs()
  let checkpoint: ReturnType<typeof parse>
  try {
    checkpoint = parse(bytes, { verify: counts.files % 2 === 0 })
  } catch (error) {
    if (!(error instanceof SiamError) || error.code !== 'ERR_CHECKPOINT' || error.file !== 'test.pkl') throw error
    const offset = /^at byte (\d+): /.exec(error.message)
    if (offset === null || Number(offset[1]) > bytes.length) throw new Error(`no offset in the file: ${error.message}`, { cause: error })
    return false
  } finally {
    counts.slowestMs = Math.max(counts.slowestMs, cpuMs() - start)
  }
  counts.values++
  orRefused(() => {
    let total = 0
    for (const tensor of checkpoint.tensors().values()) {
      const { length } = tensor.contiguousBytes()
      if (length > bytes.length) throw new Error(`a tensor of ${length} bytes out of a file of ${bytes.length}`)
      total += length
    }
    if (total > 64 * bytes.length) throw new Error(`tensors of ${total} bytes out of a file of ${bytes.length}`)
    JSON.stringify(inspectCheckpoint(checkpoint))
  })
  orRefused(() => modelStateOf(checkpoint))
  orRefused(() => readSnapshot(checkpoint))
  const optimizer = checkpoint.root instanceof PyDict ? checkpoint.root.get('optimizer_state_dict') : undefined
  if (optimizer !== undefined) orRefused(() => optimizerStateToNamed(optimizer, [['a', 'b']], 'test.pkl'))
  if (cpuMs() - start > slowestMs) throw new Error(`it took ${(cpuMs() - start).toFixed(0)} ms`)
  return true
}

function ofType(dtype: CheckpointDType, bytes: number): CheckpointTensor {
  const numel = bytes / dtypeInfo(dtype).itemBytes
  return new CheckpointTensor(new CheckpointStorage(dtype, numel, new Uint8Array(bytes)), [numel])
}

const bases: Record<string, Buffer> = {}
beforeAll(async () => {
  bases.zip = await zipBytes(smallSnapshot())
  bases.zip64 = await zipBytes(PyDict.fromObject({ w: floats([1, 2]), n: [1, 2.5, 'x'], half: ofType('uint16', 4), c: ofType('complex64', 16), f8: ofType('float8_e5m2', 3) }), { forceZip64: true })
  bases.legacy = await legacyBytes(smallSnapshot())
  bases.safetensors = await safetensorsBytes(smallSnapshot())
  bases.plain = await safetensorsBytes(PyDict.ordered([['a', floats([1, 2])], ['b', floats([3], [])]]))
  bases['zip of Python'] = readFileSync(shared('golden', 'ckpt', 'odd.zip.pkl'))
  bases['legacy of Python'] = readFileSync(shared('golden', 'ckpt', 'odd.legacy.pkl'))
})

/** Runs a property so often, or for its share of the minutes. The mutations must reach the insides: neither all harmless nor all hopeless. */
async function holds<T>(numRuns: number, arbitrary: fc.Arbitrary<T>, check: (input: T) => boolean | Promise<boolean>): Promise<void> {
  const seen = { good: 0, bad: 0 }
  let turn = performance.now()
  const property = fc.asyncProperty(arbitrary, async (input) => {
    if (await check(input)) seen.good++
    else seen.bad++
    // The test runner wants to hear from this process now and then.
    if (performance.now() - turn < 100) return
    await nextTurn()
    turn = performance.now()
  })
  await fc.assert(property, minutes > 0 ? { numRuns: 1e9, interruptAfterTimeLimit: (minutes * 60_000) / properties, markInterruptAsFailure: false } : { numRuns })
  expect(seen.good).toBeGreaterThan(0)
  expect(seen.bad).toBeGreaterThan(0)
}
const timeout = Math.max(120_000, (minutes * 60_000) / properties + 60_000)

it('the bases themselves are read', () => {
  for (const [name, bytes] of Object.entries(bases)) expect(survives(bytes), name).toBe(true)
})

describe('bytes anywhere', () => {
  it.each(['zip', 'zip64', 'legacy', 'safetensors', 'plain', 'zip of Python', 'legacy of Python'])('of a %s file', (name) => holds(3000, mutatedBytes(bases[name]!), survives), timeout)
})

describe('the fields of a zip directory', () => {
  it.each(['zip', 'zip64', 'zip of Python'])('%s', (name) => holds(3000, mutatedZipFields(bases[name]!), survives), timeout)
})

describe('the instructions of a pickle', () => {
  it('in a zip file', async () => {
    const zip = bases.zip!
    const start = 30 + zip.readUInt16LE(26) + zip.readUInt16LE(28)
    const storages = [24, 4, 8, 24].map((size) => new Uint8Array(size))
    const pickle = Buffer.concat(instructionsOf(zip, start))
    await holds(3000, mutatedPickleInZip(pickle, storages), async (bytes) => survives(await bytes))
  }, timeout)

  it.each([['legacy', 3], ['legacy', 4], ['legacy of Python', 3]] as const)('of a %s file, its part %d', async (name, part) => {
    const parts: Buffer[] = []
    let at = 0
    for (let i = 0; i < 5; i++) {
      parts.push(Buffer.concat(instructionsOf(bases[name]!, at)))
      at += parts[i]!.length
    }
    const rest = bases[name]!.subarray(at)
    await holds(3000, mutatedPickle(parts[part]!), (pickle) => survives(Buffer.concat([...parts.with(part, pickle), rest])))
  }, timeout)
})

describe('the header of a safetensors file', () => {
  it.each(['safetensors', 'plain'])('%s', (name) => holds(3000, mutatedSafetensors(bases[name]!), survives), timeout)
})

it('were more than 20,000 files', () => {
  const megabytes = process.resourceUsage().maxRSS / 1024
  console.log(`mutated files: ${counts.files}, of which ${counts.values} were read; slowest ${counts.slowestMs.toFixed(0)} ms; peak memory of the process ${megabytes.toFixed(0)} MB`)
  expect(counts.files).toBeGreaterThan(20_000)
})
