/** `siamtrain data stats`: what is in a data set, as text, JSON and a picture. */
import path from 'node:path'
import type { Command } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { packManifestFile } from '../data/pack/format.ts'
import { packsIn } from '../data/pack/verify-pack.ts'
import { detectDatasets } from '../data/survey/detect.ts'
import { statsChart } from '../data/survey/stats-chart.ts'
import { statsText } from '../data/survey/stats-text.ts'
import { type DatasetStats, datasetStats } from '../data/survey/stats.ts'
import { type ProgressBar, createProgress } from '../engine/progress.ts'
import { SiamError } from '../errors.ts'
import { withSignals } from './common.ts'

interface StatsFlags {
  dataset?: string
  subset?: string
  svg?: string
  json?: boolean
}

const examples = `
Examples:
  siamtrain data stats datasets/GOT-10k --svg boxes.svg
  siamtrain data stats configs/siamfcpp_alexnet-got10k.yaml --json      the data sets of a configuration

Percentiles are right to 1.1 %. Frames are not decoded; siamtrain data verify does that.`

/** Adds `data stats`. */
export function registerDataStatsCommand(data: Command): void {
  data
    .command('stats')
    .description('show sequences, frames, sizes and shapes of the boxes')
    .argument('<root>', 'root of a data set, or a YAML configuration')
    .argument('[overrides...]', 'dotted.key=value for a configuration')
    .option('--dataset <name>', 'which data set it is, such as GOT10kDataset (default: told by the layout)')
    .option('--subset <name>', 'only this subset')
    .option('--svg <file>', 'draw the distributions there')
    .option('--json', 'print the numbers as JSON')
    .addHelpText('after', examples)
    .action(async (root: string, overrides: string[], flags: StatsFlags) => {
      const stats = await withSignals((signal) => gather(root, overrides, flags, signal))
      if (flags.svg !== undefined) await writeFileAtomically(path.resolve(flags.svg), (sink) => sink(Buffer.from(statsChart(stats))))
      process.stdout.write(flags.json === true ? `${JSON.stringify({ datasets: stats })}\n` : stats.map(statsText).join('\n'))
    })
}

async function gather(root: string, overrides: string[], { dataset, subset }: StatsFlags, signal: AbortSignal): Promise<DatasetStats[]> {
  const [pack] = await packsIn(path.resolve(root))
  if (pack !== undefined) {
    throw new SiamError('ERR_ARGUMENT', 'Expected a data set or a configuration but this is a folder of packs, which data stats does not read', {
      file: root,
      hint: `siamtrain data verify ${root} checks it; ${path.join(pack, packManifestFile)} has its counts and what it was made of`,
    })
  }
  const stats: DatasetStats[] = []
  for (const one of await detectDatasets(root, { dataset, subset, overrides })) {
    let progress: ProgressBar | undefined
    const onProgress = (_done: number, total: number | undefined): void => {
      progress ??= createProgress({ total, description: one.name, unit: 'sequence' })
      progress.update()
    }
    try {
      stats.push(await datasetStats(one, { signal, onProgress }))
    } finally {
      progress?.close()
    }
  }
  return stats
}
