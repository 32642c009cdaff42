/**
 * Whether the data keeps up with training: an epoch of real training steps on the CPU from synthetic 1080p frames, and the share of an iteration
 * that it waits for its batch.
 *
 *   node bench/epoch-data.ts [--json] [--check] [--iterations 12] [--batch 16] [--workers 1] [--threads N] [--size 1920x1080] [--warm 3] [--pack]
 *
 * AlexNet as configs/siamfcpp_alexnet-got10k.yaml has it. The first `warm` iterations do not count: threads start, and frames are decoded whole for
 * their means. --pack trains from a pack of the same frames. --check fails when waiting takes 2 % of an iteration or more.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadConfig } from '../lib/config/index.ts'
import { makeSyntheticDataset, readDataSettings, type DataConfig } from '../lib/data/index.ts'
import { makePacks } from '../lib/data/pack/write-pack.ts'
import { buildTrainer } from '../lib/engine/builders.ts'
import { type EngineData, Monitor } from '../lib/monitors/monitor.ts'
import type { EpochReport } from '../lib/pipeline/epoch-report.ts'
import { timingOf } from './lib/stats.ts'

const target = 0.02

class Times extends Monitor {
  readonly data: number[] = []
  readonly iteration: number[] = []
  report: EpochReport | undefined

  override update({ time_dict }: EngineData): void {
    this.data.push(time_dict.data ?? Number.NaN)
    this.iteration.push(Object.values(time_dict).reduce((sum, value) => sum + value, 0))
  }

  override epochEnd(report: EpochReport): void {
    this.report = report
  }
}

function integer(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`Expected an integer of at least ${least} for --${name} but received ${text}`)
  return value
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      pack: { type: 'boolean', default: false },
      iterations: { type: 'string', default: '12' },
      batch: { type: 'string', default: '16' },
      workers: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(os.availableParallelism()) },
      size: { type: 'string', default: '1920x1080' },
      warm: { type: 'string', default: '3' },
    },
  })
  const [warm, batch, workers, threads] = [integer('warm', values.warm, 1), integer('batch', values.batch, 1), integer('workers', values.workers, 1), integer('threads', values.threads, 1)]
  const iterations = integer('iterations', values.iterations, warm + 1)
  const size = /^(\d+)x(\d+)$/.exec(values.size)
  if (size === null) throw new Error(`Expected WIDTHxHEIGHT for --size but received ${values.size}`)
  const say = (text: string): void => void process.stderr.write(`${text}\n`)

  const work = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-epoch-data-'))
  try {
    const root = path.join(work, 'frames')
    const made = await makeSyntheticDataset({ out: root, sequences: 6, val: 0, frames: 20, width: Number(size[1]), height: Number(size[2]) })
    say(`${made.train.frames} frames of ${values.size}, ${Math.round(made.bytes / made.train.frames / 1000)} kB each`)
    const key = 'train.track'
    const pairs = iterations * batch
    const config = await loadConfig(fileURLToPath(new URL('../configs/siamfcpp_alexnet-got10k.yaml', import.meta.url)), [
      `${key}.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${root}`,
      `${key}.data.index_cache=none`,
      `${key}.model.backbone.AlexNet.pretrain_model_path=`,
      ...['data', 'trainer.RegularTrainer', 'optim.optimizer.SGD'].flatMap((section) => [`${key}.${section}.minibatch=${batch}`, `${key}.${section}.nr_image_per_epoch=${pairs}`]),
      `${key}.trainer.monitors.names=[]`,
      `${key}.trainer.RegularTrainer.exp_save=${path.join(work, 'out')}`,
      ...(values.pack ? [`${key}.data.pack=${path.join(work, 'pack')}`] : []),
    ])
    if (values.pack) await makePacks(readDataSettings(config as DataConfig), { out: path.join(work, 'pack'), log: () => {} })
    const times = new Times()
    const trainer = await buildTrainer(config, { workers, threads, monitors: [times], progress: 'none', log: say, pretrained: false })
    try {
      await trainer.train()
    } finally {
      await trainer.close()
    }
    const [data, whole] = [times.data.slice(warm), times.iteration.slice(warm)]
    const total = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0)
    const share = total(data) / total(whole)
    const report = {
      unit: 'share of an iteration', ours: share, baseline: target, ratio: share / target,
      size: values.size, batch, workers, threads, packed: values.pack, iterations, warm,
      iterationSeconds: timingOf(whole), dataSeconds: timingOf(data), largestShare: Math.max(...data.map((value, i) => value / whole[i]!)),
      firstWaitSeconds: times.data[0], loader: times.report?.loader ?? null, cpu: os.cpus()[0]?.model ?? 'unknown',
    }
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    say(`once warm, ${(share * 100).toFixed(3)} % of an iteration is waiting for data (at most ${(report.largestShare * 100).toFixed(3)} %), wanted less than ${target * 100} %`)
    if (values.check && !(share < target)) process.exitCode = 1
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

await main()
