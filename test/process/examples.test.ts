/** The programs in examples/ run as they stand, against the built package, on a tiny data set. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { modelStateOf, readCheckpoint } from '../../lib/checkpoint/index.ts'
import { readScalars } from '../../lib/monitors/tfevents/index.ts'
import { framePixels } from '../../lib/tracking/overlay.ts'
import { frameFile, removeFolder, tinyBox } from '../helpers/make-dataset.ts'
import { runProgram, type PythonRun } from '../helpers/python-env.ts'
import { shared } from '../helpers/shared.ts'
import { scriptFile } from '../helpers/torchscript-files.ts'
import { makeExperiment, type Experiment } from '../helpers/train-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const epochs = 2
const iterations = 3
/** Two trainings on a machine that does other things too. */
const patience = 300_000
const ran = new Set<string>()
/** Those in folders are no programs of ours, and have tests of their own. */
const programs = readdirSync(path.join(root, 'examples')).filter((name) => name.endsWith('.mjs'))
let experiment: Experiment

beforeAll(async () => {
  // The examples import the package by its name, so what is built has to be what the sources say.
  await runProgram(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', path.join(root, 'tsconfig.build.json')])
  experiment = makeExperiment('examples', { iterations, epochs })
}, patience)
afterAll(() => removeFolder(experiment.dir))

function example(name: string, args: string[], check = true, input?: Uint8Array): Promise<PythonRun> {
  ran.add(name)
  return runProgram(process.execPath, [path.join(root, 'examples', name), ...args], { cwd: experiment.dir, check, ...(input === undefined ? {} : { input }) })
}

describe('examples', () => {
  let csv: Record<string, number>[]

  it('custom-monitor.mjs writes a row for each iteration', async () => {
    const { stdout } = await example('custom-monitor.mjs', [experiment.config, ...experiment.overrides])
    expect(stdout).toContain('Losses are in logs/losses.csv')
    const [header, ...rows] = readFileSync(path.join(experiment.dir, 'logs/losses.csv'), 'utf8').trimEnd().split('\n')
    const columns = header!.split(',')
    expect(columns).toEqual(['epoch', 'iteration', 'lr', 'cls', 'ctr', 'reg', 'iou'])
    csv = rows.map((row) => Object.fromEntries(row.split(',').map((cell, i) => [columns[i], Number(cell)])))
    expect(csv.map(({ epoch, iteration }) => [epoch, iteration])).toEqual(
      Array.from({ length: epochs * iterations }, (_, step) => [Math.floor(step / iterations), step % iterations]),
    )
    for (const row of csv) for (const value of Object.values(row)) expect(Number.isFinite(value)).toBe(true)
    expect(existsSync(path.join(experiment.dir, 'out/small/epoch-1.pkl'))).toBe(true)
  }, patience)

  it('own-loop.mjs trains exactly as the trainer does', async () => {
    const weights = path.join(experiment.dir, 'own/weights.safetensors')
    const { stdout } = await example('own-loop.mjs', [experiment.config, weights, ...experiment.overrides])
    expect(stdout).toContain(`${epochs * iterations} iterations`)
    const curves = await readScalars(`${weights}.logs`)
    expect([...curves.keys()]).toEqual(['total', 'cls', 'ctr', 'reg', 'reg/iou'])
    for (const [tag, column] of [['cls', 'cls'], ['ctr', 'ctr'], ['reg', 'reg'], ['reg/iou', 'iou']] as const) {
      expect(curves.get(tag)!.map(({ step, value }) => [step, value])).toEqual(csv.map((row, step) => [step, Math.fround(row[column]!)]))
    }
    const own = modelStateOf(await readCheckpoint(weights))
    const trained = modelStateOf(await readCheckpoint(path.join(experiment.dir, 'out/small/epoch-1.pkl')))
    expect([...own.keys()].sort()).toEqual([...trained.keys()].sort())
    for (const [name, tensor] of own) expect(Buffer.compare(tensor.contiguousBytes(), trained.get(name)!.contiguousBytes()), name).toBe(0)
  }, patience)

  it('own-dataset.mjs trains on boxes of a CSV file', async () => {
    const lines = [0, 1, 2].flatMap((s) => Array.from({ length: 6 }, (_, k) => {
      const [x, y, w, h] = tinyBox(s, k)
      return [`clip${s}`, path.relative(experiment.dir, frameFile(path.join(experiment.dir, 'data'), s, k)), x, y, x + w - 1, y + h - 1].join(',')
    }))
    const csv = path.join(experiment.dir, 'boxes.csv')
    writeFileSync(csv, ['clip,file,x1,y1,x2,y2', ...lines, ''].join('\n'))
    const { stdout } = await example('own-dataset.mjs', [experiment.config, csv, ...experiment.overrides])
    expect(stdout).toContain('trained on')
    writeFileSync(csv, ['clip,file,x1,y1,x2,y2', 'clip0,a.jpg,1,2,3', ''].join('\n'))
    const failed = await example('own-dataset.mjs', [experiment.config, csv, ...experiment.overrides], false)
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('expected a line clip,file,x1,y1,x2,y2')])
  }, patience)

  it('own-backbone.mjs trains a TorchScript backbone and tracks with it', async () => {
    const frames = path.join(experiment.dir, 'data/train/seq_001')
    const box = readFileSync(path.join(frames, 'groundtruth.txt'), 'utf8').split('\n')[0]!
    const backbone = scriptFile(experiment.dir, 'small')
    // A rate at which six iterations from random weights do not diverge.
    const more = ['train.track.trainer.RegularTrainer.exp_name=own-backbone', 'train.track.optim.optimizer.SGD.lr_policy.0.start_lr=0.002']
    const { stdout } = await example('own-backbone.mjs', [experiment.config, backbone, '16', frames, box, ...experiment.overrides, ...more])
    const [trained, ...tracked] = stdout.trimEnd().split('\n')
    expect(trained).toMatch(/^Trained; the backbone's weights are in .*own-backbone\/epoch-1\.pkl as basemodel\.\*$/)
    expect(tracked).toHaveLength(6)
    for (const line of tracked) expect(line).toMatch(/^\d: (-?\d+\.\d,){3}\d+\.\d score [01]\.\d{3}$/)
    const weights = modelStateOf(await readCheckpoint(path.join(experiment.dir, 'out/own-backbone/epoch-1.pkl')))
    expect(weights.get('basemodel.body.weight')?.shape).toEqual([16, 8, 3, 3])
  }, patience)

  it('track-stream.mjs follows a target through frames of a pipe', async () => {
    const pictures = await Promise.all([1, 2, 3].map((k) => framePixels(shared('data', 'vot-bag', `0000000${k}.jpg`))))
    const input = Buffer.concat(pictures.map(({ data }) => data))
    const args = [shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'), '312.6,146.9,106.1,96.4']
    const { stdout } = await example('track-stream.mjs', [...args, '480x360'], true, input)
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('0: 312.6,146.9,106.1,96.4 score 1.000')
    expect(lines).toHaveLength(3)
    for (const line of lines) expect(line).toMatch(/^\d: (-?\d+\.\d,){3}\d+\.\d score [01]\.\d{3}$/)
    const short = await example('track-stream.mjs', [...args, '480x361'], false, input)
    expect([short.code, short.stderr]).toEqual([1, expect.stringContaining('ends inside of frame')])
  }, patience)

  it('say how to call them', async () => {
    for (const name of programs) {
      const { code, stderr } = await example(name, [], false)
      expect([code, stderr]).toEqual([2, expect.stringContaining(`usage: node examples/${name}`)])
    }
  })

  it('are all run here', () => {
    expect([...ran].sort()).toEqual([...programs].sort())
  })
})
