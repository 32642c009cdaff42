/**
 * Runs of two processes through a configuration: equal replicas, one word for all, a stop on one rank that is a stop on all, and snapshots with
 * which any number of processes goes on.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { buildTrainer } from '../../lib/engine/builders.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { runRanks, type RankEnd } from '../helpers/ranks.ts'
import { makeExperiment, outputFiles, outputFolder, type Experiment } from '../helpers/train-process.ts'

const iterations = 3
interface Trained {
  sha: string
  position: { epoch: number; iteration: number }
  snapshot: string
  lines: string[]
  losses: number[]
  stopped?: string
}

let experiment: Experiment
let ends: RankEnd[] = []
const overrides = (name: string, ...more: string[]): string[] => [...experiment.overrides, `train.track.trainer.RegularTrainer.exp_name=${name}`, ...more]
const task = (name: string, more: object = {}): [string, object] => ['train', { config: experiment.config, overrides: overrides(name), ...more }]
const results = (i: number): Trained[] => ends.map(({ results }) => results[i] as unknown as Trained)

beforeAll(async () => {
  experiment = makeExperiment('distributed-training', { iterations, epochs: 2, minibatch: 4 })
  ends = await runRanks([task('whole'), task('stopped', { first: 2, stopRank: 1 }), task('stopped', { resume: 'latest' })])
}, 180_000)
afterAll(() => removeFolder(experiment.dir))

it('ends well', () => {
  expect(ends.map(({ code, error }) => ({ code, error }))).toEqual([{ code: 0 }, { code: 0 }])
})

describe('a whole run', () => {
  it('makes bit-equal replicas', () => {
    const [first, second] = results(0)
    expect(first?.position).toEqual({ epoch: 1, iteration: 0 })
    expect(second?.sha).toBe(first?.sha)
  })

  it('is told of by rank 0 alone', () => {
    const [first, second] = results(0)
    expect(first?.lines.some((line) => line.startsWith('Epoch 0: 3 iterations'))).toBe(true)
    // Each iteration once, all three losses; pairs of both ranks.
    expect(first?.losses).toHaveLength(2 * iterations * 3)
    expect([second?.lines, second?.losses]).toEqual([[], []])
    expect(ends[1]?.stderr).toBe('')
    expect(outputFiles(experiment, 'whole')).toEqual(['epoch-0.pkl', 'epoch-1.pkl'])
  })
})

describe('a run that one rank is told to stop', () => {
  it('stops on all ranks at the same iteration, with one snapshot', () => {
    const [first, second] = results(1)
    expect([first?.position, second?.position]).toEqual([{ epoch: -1, iteration: 2 }, { epoch: -1, iteration: 2 }])
    expect(first?.stopped).toBe('training was stopped: another rank received SIGTERM')
    expect(second?.stopped).toBe('training was stopped')
    expect(second?.sha).toBe(first?.sha)
    expect(first?.snapshot).toBe(path.join(outputFolder(experiment, 'stopped'), 'epoch-0-iter-2.pkl'))
    expect(second?.snapshot).toBe(first?.snapshot)
  })

  it('resumes to the bits of the run that was not stopped', () => {
    expect(results(2).map(({ sha }) => sha)).toEqual(results(0).map(({ sha }) => sha))
    const bytes = (name: string): Buffer => readFileSync(path.join(outputFolder(experiment, name), 'epoch-1.pkl'))
    expect(Buffer.compare(bytes('whole'), bytes('stopped'))).toBe(0)
  })
})

it('one process goes on with it, at the same place of the data, and says what differs', async () => {
  const lines: string[] = []
  const trainer = await buildTrainer(await loadConfig(experiment.config, overrides('stopped'), { onWarning: () => {} }), { threads: 1, workers: 1, progress: 'none', log: (line) => void lines.push(line) })
  try {
    await trainer.resume(path.join(outputFolder(experiment, 'stopped'), 'epoch-0-iter-2.pkl'))
    expect(lines.find((line) => line.startsWith('Warning'))).toContain('was made with 2 ranks (now 1: each of them has another part of a batch)')
    expect(trainer.getPosition()).toEqual({ epoch: -1, iteration: 2 })
    await trainer.train()
    expect(trainer.getPosition()).toEqual({ epoch: 0, iteration: 0 })
  } finally {
    await trainer.close()
  }
})
