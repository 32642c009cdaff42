/**
 * A run that changes sides in its middle. Python's torch trains the first ten iterations of a golden trajectory and writes the original's
 * snapshot; our trainer goes on with it and must meet the original's other ten; Python goes on with the snapshot that ours writes on the way.
 * Between them stands the round trip original → ours → original, bit by bit.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CheckpointTensor, PyDict, readCheckpoint, type CheckpointValue } from '../../lib/checkpoint/index.ts'
import { decodeFloat64 } from '../../lib/checkpoint/tensor.ts'
import { isWrittenAsFloat } from '../../lib/checkpoint/values.ts'
import { loadConfig } from '../../lib/config/index.ts'
import { buildModel, buildOptimizer } from '../../lib/engine/builders.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import type { DataPosition, TrainingBatches } from '../../lib/engine/trainer-types.ts'
import { Monitor, type EngineData } from '../../lib/monitors/monitor.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { goldenJson, poolBatch } from '../helpers/golden.ts'
import { pythonTorch, runProgram } from '../helpers/python-env.ts'
import { ruleWeights } from '../helpers/rule-weights.ts'
import { shared } from '../helpers/shared.ts'

const names = ['cls', 'ctr', 'reg', 'iou'] as const
type Values = Record<(typeof names)[number], number>
type Row = Values & { epoch: number; iteration: number; lr: number }

interface Run {
  lr_policy: object[]
  iters_per_epoch: number
  rows: Row[]
  final_checksums_sum_abssum_l2: Record<string, [number, number, number]>
}

const { batches, pool, runs } = goldenJson<{ batches: number[][]; pool: string; runs: Record<string, Run> }>('trajectory_alexnet.json')
const facts = goldenJson<{ yaml: string; frozen_param_names_from_epoch: Record<string, string[]> }[]>('yaml_facts.json').find(({ yaml }) => yaml === 'got10k/siamfcpp_alexnet-trn.yaml')!
/** Both sides use them all; the fixtures hold for any number. */
const threads = 2
const minibatch = 4
const half = 10
/** Ours goes on from here in Python once more: a further layer thaws at this epoch. */
const late = 15

const folder = mkdtempSync(path.join(tmpdir(), 'siamfcpp-resume-'))
let python = ''
beforeAll(async () => {
  python = await pythonTorch()
  await loadAddon().setThreads(threads)
}, 900_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Names of the frozen parameters at each epoch; the facts have only the epochs at which they change. */
function frozenByEpoch(): Record<string, string[]> {
  const changes = Object.entries(facts.frozen_param_names_from_epoch)
  return Object.fromEntries(Array.from({ length: 20 }, (_, epoch) => [epoch, changes.findLast(([from]) => Number(from) <= epoch)![1]]))
}

async function trainInPython(run: Run, first: number, last: number, files: { resume?: string; save?: string; saveLegacy?: string }): Promise<Values[]> {
  const request = {
    modelPath: fileURLToPath(new URL('../../bench/python', import.meta.url)),
    pool: shared('golden', pool),
    threads,
    resume: files.resume ?? null,
    save: files.save ?? null,
    saveLegacy: files.saveLegacy ?? null,
    first,
    last,
    batches,
    rows: run.rows.map(({ epoch, lr }) => ({ epoch, lr })),
    frozen: frozenByEpoch(),
  }
  const script = fileURLToPath(new URL('../fixtures/trajectory.py', import.meta.url))
  const { stdout } = await runProgram(python, [script], { input: JSON.stringify(request), env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } })
  return (JSON.parse(stdout.trim().split('\n').at(-1)!) as { rows: Values[] }).rows
}

/** The golden batches as a data loader that can go to any place of the run. */
class GoldenBatches implements AsyncIterable<TensorDict> {
  readonly seed = 1
  readonly #itersPerEpoch: number
  #next = 0

  constructor(itersPerEpoch: number) {
    this.#itersPerEpoch = itersPerEpoch
  }

  get cursor(): DataPosition {
    return { epoch: Math.floor(this.#next / this.#itersPerEpoch), sample: (this.#next % this.#itersPerEpoch) * minibatch }
  }

  seek({ epoch, sample }: DataPosition): void {
    this.#next = epoch * this.#itersPerEpoch + sample / minibatch
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TensorDict> {
    while (this.#next < batches.length) {
      const raw = poolBatch(pool, batches[this.#next++]!)
      yield Object.fromEntries(Object.entries(raw).map(([name, tensor]) => [name, Tensor.fromRaw(tensor)]))
    }
  }
}

class Recorder extends Monitor {
  readonly rows: Row[] = []

  override update({ schedule_info, training_losses, extras }: EngineData): void {
    const { epoch, iteration } = this.engineState
    this.rows.push({ epoch, iteration, lr: schedule_info.lr!, cls: training_losses.cls!, ctr: training_losses.ctr!, reg: training_losses.reg!, iou: extras.reg!.iou! })
  }
}

async function ourTrainer(run: Run, name: string): Promise<{ trainer: RegularTrainer; recorder: Recorder }> {
  const images = minibatch * run.iters_per_epoch
  const sgd = 'train.track.optim.optimizer.SGD'
  const config = await loadConfig(
    shared('reference-configs', 'train', facts.yaml),
    [`${sgd}.minibatch=${minibatch}`, `${sgd}.nr_image_per_epoch=${images}`, `${sgd}.lr_policy=${JSON.stringify(run.lr_policy)}`],
    { onWarning: () => {} },
  )
  const model = await buildModel(config, { pretrained: false })
  await model.loadStateDict(ruleWeights('alexnet'))
  const optimizer = buildOptimizer(config, model)
  const recorder = new Recorder()
  const trainer = new RegularTrainer(optimizer, new GoldenBatches(run.iters_per_epoch) as TrainingBatches, [recorder], { progress: 'none', threads, log: () => {} })
  trainer.setHyperParams({ exp_save: folder, exp_name: name, minibatch, nr_image_per_epoch: images, max_epoch: 20 / run.iters_per_epoch })
  trainer.own([model, optimizer])
  return { trainer, recorder }
}

/** As in test/golden/trajectory.test.ts: the fixtures' README tells how far two right programs drift apart. */
function tolerance(i: number): number {
  if (i <= 1) return 1e-5
  return i <= 4 ? 2e-3 : 5e-3
}

function expectRows(name: string, rows: readonly Values[], first: number): void {
  const golden = runs[name]!.rows.slice(first, first + rows.length)
  expect(golden).toHaveLength(rows.length)
  let worst = 0
  for (const [i, expected] of golden.entries()) {
    for (const key of names) {
      const deviation = Math.abs(rows[i]![key] / expected[key] - 1)
      worst = Math.max(worst, deviation)
      expect(deviation, `${key} of iteration ${first + i}: ${rows[i]![key]} instead of ${expected[key]}`).toBeLessThanOrEqual(tolerance(first + i))
    }
  }
  console.log(`${name}, iterations ${first} to ${first + rows.length - 1}: largest relative deviation ${worst.toExponential(1)}`)
}

/** A value as text in which everything shows that Python would tell apart: kinds, order, 1 from 1.0, every bit of a tensor. */
function fingerprint(value: CheckpointValue, container?: object, key?: unknown): unknown {
  if (value instanceof CheckpointTensor) {
    return { dtype: value.dtype, shape: value.shape, strides: value.strides, grad: value.requiresGrad, parameter: value.isParameter, bytes: createHash('sha256').update(value.contiguousBytes()).digest('hex') }
  }
  if (value instanceof PyDict) return { ordered: value.ordered, items: [...value].map(([name, member]) => [typeof name, String(name), fingerprint(member, value, name)]) }
  if (Array.isArray(value)) return value.map((item, i) => fingerprint(item, value, i))
  if (typeof value === 'number') return isWrittenAsFloat(container, key, value) ? `float ${value}` : `int ${value}`
  return value
}

async function snapshotOf(file: string): Promise<PyDict> {
  return (await readCheckpoint(file, { verify: true })).root as PyDict
}

function expectSame(ours: PyDict, theirs: PyDict): void {
  for (const key of ['epoch', 'model_state_dict', 'optimizer_state_dict']) expect(fingerprint(ours.get(key)!, ours, key), key).toEqual(fingerprint(theirs.get(key)!, theirs, key))
}

describe('the run lr_x0.02_1_iter_per_epoch', () => {
  const name = 'lr_x0.02_1_iter_per_epoch'
  const run = runs[name]!
  const theirs = path.join(folder, 'python-epoch-9.pkl')
  let ours = ''
  const theirsLegacy = path.join(folder, 'python-legacy.pkl')

  it('begins in Python, comes through our trainer bit by bit, and goes on as the original does', async () => {
    expectRows(name, await trainInPython(run, 0, half, { save: theirs, saveLegacy: theirsLegacy }), 0)
    const original = await snapshotOf(theirs)
    expect((original.get('optimizer_state_dict') as PyDict).get('state')).toHaveProperty('size', 58)

    const { trainer, recorder } = await ourTrainer(run, 'ours-after-python')
    // The same in the format before torch 1.6, under the names that DataParallel gives.
    const legacy = await readCheckpoint(theirsLegacy)
    expect(legacy.format).toBe('torch-legacy')
    expect([...((legacy.root as PyDict).get('model_state_dict') as PyDict).keys()].every((key) => String(key).startsWith('module.'))).toBe(true)
    for (const file of [theirsLegacy, theirs]) {
      await trainer.resume(file)
      expect(trainer.getPosition()).toEqual({ epoch: half - 1, iteration: 0 })
      expectSame(await snapshotOf(await trainer.saveSnapshot()), original)
    }

    while (!trainer.isCompleted()) {
      await trainer.train()
      if (trainer.getPosition().epoch === late - 1) ours = await trainer.saveSnapshot()
    }
    expect(path.basename(ours)).toBe('epoch-14.pkl')
    expect(recorder.rows.map(({ epoch, iteration }) => [epoch, iteration])).toEqual(run.rows.slice(half).map(({ epoch, iteration }) => [epoch, iteration]))
    for (const [i, { lr }] of recorder.rows.entries()) expect(Math.abs(lr / run.rows[half + i]!.lr - 1)).toBeLessThanOrEqual(1e-15)
    expectRows(name, recorder.rows, half)
    for (const tensor of await trainer.model.stateDict()) {
      if (tensor.name.startsWith('head.bbox_offsets_p5.bn.running_')) continue
      const l2 = Math.sqrt(decodeFloat64(tensor.dtype, tensor.data).reduce((sum, value) => sum + value * value, 0))
      const expected = run.final_checksums_sum_abssum_l2[tensor.name]![2]
      expect(Math.abs(l2 - expected), tensor.name).toBeLessThanOrEqual(1e-3 * expected)
    }
    await trainer.close()
  }, 900_000)

  it('goes back to Python after five iterations here', async () => {
    expectRows(name, await trainInPython(run, late, 20, { resume: ours }), late)
  }, 900_000)
})

it("the original's TinyConv snapshot comes through our model and optimizer bit by bit", async () => {
  const file = shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')
  const config = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), [], { onWarning: () => {} })
  const model = await buildModel(config, { pretrained: false })
  const optimizer = buildOptimizer(config, model)
  const trainer = new RegularTrainer(optimizer, [] as TrainingBatches, [], { progress: 'none', log: () => {} })
  trainer.setHyperParams({ exp_save: folder, exp_name: 'tinyconv', minibatch, nr_image_per_epoch: minibatch, max_epoch: 20 })
  trainer.own([model, optimizer])
  await trainer.resume(file)
  const original = await snapshotOf(file)
  expectSame(await snapshotOf(await trainer.saveSnapshot()), original)
  await trainer.close()
})
