/** Small training runs in processes of their own, to be signalled, killed and compared. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { smallYaml } from './config.ts'
import { makeTinyDataset, temporaryFolder } from './make-dataset.ts'

const cli = fileURLToPath(new URL('siamtrain.ts', import.meta.url))

export interface Experiment {
  dir: string
  config: string
  /** Overrides of every run of it: little crops, so that an iteration takes milliseconds. */
  overrides: string[]
}

/** A tiny data set and a configuration for it, in a folder of its own. */
export function makeExperiment(name: string, settings: { iterations: number; epochs: number; minibatch?: number }): Experiment {
  const dir = temporaryFolder(name)
  const { iterations, epochs, minibatch = 2 } = settings
  makeTinyDataset(path.join(dir, 'data'), { sequences: 3, frames: 6 })
  const config = path.join(dir, 'experiment.yaml')
  writeFileSync(config, smallYaml)
  const images = iterations * minibatch
  const pairs: Record<string, string | number> = {
    'model.task_head.DenseboxHead.x_size': 207,
    'model.task_head.DenseboxHead.score_size': 5,
    'data.transformer.RandomCropTransformer.x_size': 207,
    'data.target.DenseboxTarget.x_size': 207,
    'data.target.DenseboxTarget.score_size': 5,
    'data.sampler.submodules.dataset.GOT10kDataset.dataset_root': path.join(dir, 'data'),
    'data.sampler.TrackPairSampler.negative_pair_ratio': 0.2,
    'data.minibatch': minibatch,
    'data.nr_image_per_epoch': images,
    'trainer.RegularTrainer.exp_save': path.join(dir, 'out'),
    'trainer.RegularTrainer.minibatch': minibatch,
    'trainer.RegularTrainer.nr_image_per_epoch': images,
    'trainer.RegularTrainer.max_epoch': epochs,
    'optim.optimizer.SGD.minibatch': minibatch,
    'optim.optimizer.SGD.nr_image_per_epoch': images,
  }
  return { dir, config, overrides: Object.entries(pairs).map(([key, value]) => `train.track.${key}=${value}`) }
}

export interface Finished {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** The JSON lines of standard output. */
  lines: Record<string, unknown>[]
}

export interface Running {
  child: ChildProcess
  /** Resolves with the first JSON line that fits; rejects when the process ends before. */
  line(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
  /** Resolves once standard error has the text. */
  said(text: string): Promise<void>
  finished: Promise<Finished>
}

/** Starts `siamtrain ARGS…` from source. */
export function startSiamtrain(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}): Running {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env }, cwd: options.cwd })
  let stdout = ''
  let stderr = ''
  let ended = false
  const lines: Record<string, unknown>[] = []
  const waiting = new Set<() => void>()
  const wake = (): void => waiting.forEach((check) => check())
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const parsed = stdout.lastIndexOf('\n') + 1
    stdout += chunk
    for (const text of stdout.slice(parsed, stdout.lastIndexOf('\n') + 1).split('\n')) if (text.startsWith('{')) lines.push(JSON.parse(text) as Record<string, unknown>)
    wake()
  })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
    wake()
  })
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      ended = true
      wake()
      resolve({ code, signal, stdout, stderr, lines })
    })
  })
  const until = <T>(find: () => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const found = find()
        if (found === undefined && !ended) return
        waiting.delete(check)
        if (found === undefined) reject(new Error(`the process ended before that: ${stderr}`))
        else resolve(found)
      }
      waiting.add(check)
      check()
    })
  return {
    child,
    line: (fits) => until(() => lines.find(fits)),
    said: async (text) => void (await until(() => (stderr.includes(text) ? true : undefined))),
    finished,
  }
}

/** Arguments of `siamtrain train` for an experiment, its output in `out/NAME`. */
export function trainArgs(experiment: Experiment, expName: string, ...more: string[]): string[] {
  return ['train', experiment.config, ...experiment.overrides, `train.track.trainer.RegularTrainer.exp_name=${expName}`, '--json', '--threads', '1', '--workers', '1', ...more]
}

export function outputFolder(experiment: Experiment, expName: string): string {
  return path.join(experiment.dir, 'out', expName)
}

/** Names of the files in an output folder that are no logs; [] where it is not there. */
export function outputFiles(experiment: Experiment, expName: string): string[] {
  const dir = outputFolder(experiment, expName)
  return existsSync(dir) ? readdirSync(dir).filter((name) => name !== 'logs').sort() : []
}

/** Runs to the end. */
export function runSiamtrain(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}): Promise<Finished> {
  return startSiamtrain(args, options).finished
}
