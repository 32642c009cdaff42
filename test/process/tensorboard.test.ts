/** The real TensorBoard of PyPI reads what TensorboardLogger and the TFEvents writer wrote: its Python reader and its server. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TensorboardLogger, type EngineData, type EngineState } from '../../lib/monitors/index.ts'
import { epochScalars, type EpochReport } from '../../lib/pipeline/epoch-report.ts'
import { EventFileWriter, readScalars } from '../../lib/monitors/tfevents/index.ts'
import { pythonEnv, runProgram } from '../helpers/python-env.ts'

const accumulate = `
import json, math, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
word = lambda x: x if math.isfinite(x) else str(x)
def read(folder):
    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0})
    accumulator.Reload()
    return {tag: [[e.step, word(e.value), e.wall_time] for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}
print(json.dumps([read(folder) for folder in sys.argv[1:]]))
`

type Points = [step: number, value: number | string, wallTime: number][]

let python: string
let dir: string

beforeAll(async () => {
  python = await pythonEnv('tensorboard', ['tensorboard==2.20.0', 'setuptools<81'])
  dir = mkdtempSync(path.join(os.tmpdir(), 'tensorboard-'))
}, 600_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** What TensorBoard's own reader finds in each folder, by tag. */
async function readAll(logDirs: string[]): Promise<{ runs: Record<string, Points>[]; log: string }> {
  const { stdout, stderr } = await runProgram(python, ['-c', accumulate, ...logDirs])
  return { runs: JSON.parse(stdout) as Record<string, Points>[], log: stderr }
}

async function read(logDir: string): Promise<{ scalars: Record<string, Points>; log: string }> {
  const { runs, log } = await readAll([logDir])
  return { scalars: runs[0]!, log }
}

// Values that are nothing special in float32.
function dataOf(step: number, run: number): EngineData {
  return {
    schedule_info: { lr: 1e-6 * 1.37 ** step },
    training_losses: { cls: run + Math.sqrt(step + 2), ctr: 0.7 / (step + 1), reg: Math.exp(-step / 3) * 2.3 },
    extras: { cls: {}, ctr: {}, reg: { iou: Math.tanh(step / 10) } },
    time_dict: { data: 0.0012345 * (step + 1), fwd: 0.21, bwd: 0.39, optim: 0.005 },
  }
}

/** Length of the data of a file's last record. */
function lastDataBytes(bytes: Buffer): number {
  let length = 0
  for (let at = 0; at < bytes.length; at += 16 + length) length = Number(bytes.readBigUInt64LE(at))
  return length
}

/** Runs the logger over `steps` iterations from the global step `start` on, 10 to an epoch. */
async function log(expName: string, start: number, steps: number, run: number, finish: 'close' | 'leave'): Promise<TensorboardLogger> {
  const state: EngineState = { epoch: 0, max_epoch: 5, iteration: 0, max_iteration: 10, print_str: '', log() {} }
  const logger = new TensorboardLogger()
  logger.setHyperParams({ exp_name: expName, exp_save: dir })
  logger.updateParams()
  logger.init(state)
  for (let step = start; step < start + steps; step++) {
    state.epoch = Math.floor(step / 10)
    state.iteration = step % 10
    await logger.update(dataOf(step, run))
  }
  if (finish === 'close') await logger.close()
  return logger
}

const tags = [
  'schedule_info/lr', 'training_losses/cls', 'training_losses/ctr', 'training_losses/reg', 'extras/reg/iou',
  'time_dict/data', 'time_dict/fwd', 'time_dict/bwd', 'time_dict/optim',
]

function valueAt(tag: string, data: EngineData): number {
  return tag.split('/').reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], data) as number
}

describe('EventAccumulator', () => {
  it('finds every tag, step and value', async () => {
    const before = Date.now() / 1000
    const { logDir } = await log('plain', 0, 25, 1, 'close')
    const after = Date.now() / 1000
    const { scalars } = await read(logDir)
    expect(Object.keys(scalars).sort()).toEqual([...tags].sort())
    for (const tag of tags) {
      expect(scalars[tag]!.map(([step, value]) => [step, value])).toEqual(
        Array.from({ length: 25 }, (_, step) => [step, Math.fround(valueAt(tag, dataOf(step, 1)))]),
      )
      for (const [, , wallTime] of scalars[tag]!) expect(wallTime >= before && wallTime <= after).toBe(true)
    }
  })

  it('forgets what a crashed run wrote beyond the step that a resumed one starts at, also behind a torn tail', async () => {
    const crashed = await log('resumed', 0, 20, 1, 'close') // epochs 0 and 1 …
    const [name] = readdirSync(crashed.logDir)
    const file = path.join(crashed.logDir, name!)
    truncateSync(file, statSync(file).size - 11) // … of which the last record is torn
    await log('resumed', 10, 15, 2, 'close') // from the snapshot of epoch 0 on
    const { scalars, log: warnings } = await read(crashed.logDir)
    for (const tag of tags) {
      expect(scalars[tag]!.map(([step, value]) => [step, value])).toEqual(
        Array.from({ length: 25 }, (_, step) => [step, Math.fround(valueAt(tag, dataOf(step, step < 10 ? 1 : 2)))]),
      )
    }
    expect(warnings).not.toMatch(/Traceback/)
    // Our own reader agrees.
    const ours = await readScalars(crashed.logDir)
    expect([...ours].map(([tag, points]) => [tag, points.map(({ step, value, wallTime }) => [step, value, wallTime])])).toEqual(
      [...ours.keys()].map((tag) => [tag, scalars[tag]]),
    )
  })

  it("finds where the epochs went under pipeline/, beside the iterations' own tags", async () => {
    const state: EngineState = { epoch: 0, max_epoch: 2, iteration: 0, max_iteration: 2, print_str: '', log() {} }
    const logger = new TensorboardLogger()
    logger.setHyperParams({ exp_name: 'pipeline', exp_save: dir })
    logger.updateParams()
    logger.init(state)
    const reports = [0, 1].map((epoch): EpochReport => ({
      epoch, firstIteration: 0, iterations: 2, iterationsPerEpoch: 2, pairs: 64, seconds: 10 + epoch,
      stages: { data: 1, copy: 0.5, fwd: 3, bwd: 4, optim: 0.5, sync: 0, other: 1 + epoch }, startSeconds: 0, skipped: 3, skippedAttempts: 5,
      loader: { threads: 2, busyShare: 0.75, coreShare: 0.5, stages: { read: 0.1, decode: 0.6, mean: 0.05, warp: 0.2, other: 0.05 }, samples: 64, bytesPerSecond: 2e6, wholeShare: 0, cacheHitShare: 0.25, readAheadThreads: 0 },
      verdict: { bound: 'compute', text: 'compute-bound', advice: '' },
    }))
    for (const report of reports) {
      state.epoch = report.epoch
      for (state.iteration = 0; state.iteration < 2; state.iteration++) await logger.update(dataOf(state.iteration + 2 * report.epoch, 1))
      state.iteration = 1
      await logger.epochEnd(report)
    }
    await logger.close()
    const { scalars } = await read(logger.logDir)
    const expected = reports.map((report) => epochScalars(report))
    expect(Object.keys(scalars).sort()).toEqual([...tags, ...Object.keys(expected[0]!)].sort())
    expect(Object.keys(expected[0]!)).toEqual(expect.arrayContaining(['pipeline/pairs_per_second', 'pipeline/share/data', 'pipeline/loader/busy', 'pipeline/loader/cache_hits']))
    for (const tag of Object.keys(expected[0]!)) {
      expect(scalars[tag]!.map(([step, value]) => [step, value])).toEqual([[1, Math.fround(expected[0]![tag]!)], [3, Math.fround(expected[1]![tag]!)]])
    }
  })

  it('reads a file at any cut of its last records', async () => {
    const whole = path.join(dir, 'whole')
    const writer = await EventFileWriter.open(whole)
    for (let step = 0; step < 3; step++) writer.addScalar('x', step + 0.5, step)
    await writer.close()
    const bytes = readFileSync(writer.file)
    const recordBytes = 16 + lastDataBytes(bytes)
    const cuts = Array.from({ length: recordBytes + 3 }, (_, cut) => cut)
    const cutDirs = cuts.map((cut) => {
      const cutDir = path.join(dir, `cut${cut}`)
      mkdirSync(cutDir)
      writeFileSync(path.join(cutDir, path.basename(writer.file)), bytes.subarray(0, bytes.length - cut))
      return cutDir
    })
    const { runs } = await readAll(cutDirs)
    for (const cut of cuts) {
      const expected = [0, 1, 2].slice(0, cut === 0 ? 3 : cut <= recordBytes ? 2 : 1)
      expect([cut, runs[cut]!.x!.map(([step]) => step)]).toEqual([cut, expected])
    }
  })

  it('takes names in any script, big steps, and values that are not finite', async () => {
    const writer = await EventFileWriter.open(path.join(dir, 'odd'))
    const values: [string, number, number][] = [['损失/cls é', 1.25, 2 ** 40], ['nan', NaN, 0], ['inf', Infinity, 1], ['tiny', 1e-45, 2], ['huge', 1e39, 3], ['neg', -0.1, 4]]
    for (const [tag, value, step] of values) writer.addScalar(tag, value, step, 1700000000.125)
    await writer.close()
    const { scalars } = await read(path.join(dir, 'odd'))
    expect(scalars).toEqual({
      '损失/cls é': [[2 ** 40, 1.25, 1700000000.125]],
      nan: [[0, 'nan', 1700000000.125]],
      inf: [[1, 'inf', 1700000000.125]],
      tiny: [[2, Math.fround(1e-45), 1700000000.125]],
      huge: [[3, 'inf', 1700000000.125]],
      neg: [[4, Math.fround(-0.1), 1700000000.125]],
    })
  })
})

describe('the TensorBoard server', () => {
  let server: ChildProcess | undefined
  afterAll(async () => {
    if (server !== undefined && server.exitCode === null) {
      server.kill('SIGTERM')
      await once(server, 'close')
    }
  })

  it('shows a run while it is written', async () => {
    const logger = await log('live/run', 0, 10, 1, 'leave') // the end of an epoch is flushed
    server = spawn(python, ['-m', 'tensorboard.main', '--logdir', path.join(dir, 'live'), '--port', '0', '--host', '127.0.0.1', '--reload_interval', '1'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [server.stdout!, server.stderr!]) stream.on('data', (chunk) => (output += chunk))
    await expect.poll(() => output, { timeout: 60_000 }).toMatch(/http:\/\/127\.0\.0\.1:\d+/)
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)![0]
    const run = path.join('run', 'logs', 'tensorboard')
    const query = `${url}/data/plugin/scalars/scalars?tag=${encodeURIComponent('training_losses/cls')}&run=${encodeURIComponent(run)}`
    const steps = async (): Promise<[number, number][]> => {
      const answer = await fetch(query)
      return answer.ok ? ((await answer.json()) as [number, number, number][]).map(([, step, value]) => [step, value]) : []
    }
    const expected = (count: number): [number, number][] => Array.from({ length: count }, (_, step) => [step, Math.fround(dataOf(step, 1).training_losses.cls!)])
    await expect.poll(steps, { timeout: 60_000, interval: 500 }).toEqual(expected(10))
    await logger.close()
    await (await log('live/run', 10, 5, 1, 'close')).close()
    await expect.poll(steps, { timeout: 60_000, interval: 500 }).toEqual(expected(15))
  }, 180_000)
})
