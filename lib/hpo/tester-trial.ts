/** A trial as a run of the configured tracker over a benchmark, in a folder of its own. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { ioError } from '../checkpoint/io-error.ts'
import { loadConfig, requireTest } from '../config/index.ts'
import { SiamError } from '../errors.ts'
import { runTesters, type RunTestersOptions } from '../evaluation/tester/index.ts'
import type { TestPlan } from '../evaluation/tester/plan.ts'
import { unchanged } from '../evaluation/tester/unchanged.ts'
import type { EvaluateTrial } from './search.ts'

export interface TesterTrials {
  /** Of the configuration. */
  file: string
  overrides: readonly string[]
  plan: TestPlan
  /** Folder in which each trial gets one. */
  folder: string
  /** weights, ema, device, threads, precision, allowMissing. */
  run: Pick<RunTestersOptions, 'weights' | 'ema' | 'device' | 'threads' | 'precision' | 'allowMissing'>
}

/**
 * @returns the evaluation of trials, by the benchmark's main score. A trial's sequences of an earlier rung, or of a run that was stopped, are
 *   not tracked again: they are in its folder.
 * @throws (when called) ERR_IO when the weights have changed since, ERR_CONFIG when the file of the configuration has changed since, ERR_DATA for a sequence that cannot be tracked,
 *   ERR_NONFINITE when the tracker's numbers run away; what runTesters throws
 */
export async function testerTrials({ file, overrides, plan, folder, run }: TesterTrials): Promise<EvaluateTrial> {
  const before = await read(file)
  const weights = run.weights ?? requireTest(await loadConfig(file, overrides, { onWarning: () => {} })).model?.task_model.SiamTrack?.pretrain_model_path ?? ''
  const sameWeights = weights === '' ? undefined : await unchanged(weights, 'the weights')
  return async ({ trial, overrides: drawn, sequences, workers, signal }) => {
    await sameWeights?.()
    const config = await loadConfig(file, [...overrides, ...drawn], { onWarning: () => {} })
    if ((await read(file)) !== before) throw new SiamError('ERR_CONFIG', 'The configuration was changed while the search ran', { file, hint: 'put it back and call again, or begin anew (--fresh)' })
    const request = { benchmark: plan.benchmark, root: plan.root, ...(plan.subset === undefined ? {} : { subset: plan.subset }) }
    const [outcome] = await runTesters(config, { ...run, out: trialFolder(folder, trial), workers, sequences, benchmarks: [request], signal })
    await sameWeights?.()
    const failed = outcome?.failed[0]
    if (failed !== undefined) {
      const { error, sequence } = failed
      throw new SiamError(error.code, `sequence ${sequence}: ${error.message}`, { file: error.file, line: error.line, hint: error.hint, cause: error })
    }
    const evaluation = outcome?.evaluation
    if (evaluation === undefined) throw new SiamError('ERR_CONFIG', `The results on ${plan.benchmark} cannot be scored here`)
    return { score: evaluation.trackers[0]?.scores[evaluation.main] ?? Number.NaN, evaluation }
  }
}

/** Where a trial's results are: no two trials share a folder. */
export const trialFolder = (folder: string, trial: number): string => path.join(folder, `trial-${String(trial).padStart(4, '0')}`)

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw ioError(error, 'read', file)
  }
}
