/** `siamtrain data pack`: the pictures around the targets of a configuration's data sets in a few big files. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { loadConfig, warningText } from '../config/index.ts'
import { type DataConfig, readDataSettings } from '../data/index.ts'
import { type PackReport, makePacks, packDefaults } from '../data/pack/write-pack.ts'
import { progressOfIndexing } from '../engine/index-progress.ts'
import { progressOfPacking } from '../engine/pack-progress.ts'
import { withSignals } from './common.ts'
import { estimateText, packText } from './data-pack-text.ts'

interface PackFlags {
  out: string
  workers?: number
  density?: number
  quality: number
  subsampling: '420' | '444'
  shardSize?: number
  dryRun?: boolean
  strict?: boolean
  allowBad?: number
  force?: boolean
  overwrite?: boolean
  json?: boolean
}

const examples = `
Examples:
  siamtrain data pack configs/siamfcpp_alexnet-got10k.yaml --out packs --dry-run
  siamtrain data pack configs/siamfcpp_alexnet-got10k.yaml --out packs
  siamtrain data verify packs
  siamtrain train configs/siamfcpp_alexnet-got10k.yaml --pack packs

A pack keeps of each frame the square around the target that training crops are cut from, as far as they can reach with the configuration's
max_scale and max_shift: a tar of JPEGs for each 256 MB, a table of where each is, and the boxes. Training from it needs neither frames nor
annotations, and its speed does not depend on the frames' size. Stopped at any moment (Ctrl-C, kill -9, a full disk), the same command goes on.
Density: how many stored pixels there are for a pixel of a crop at most; no crop is finer than 1 + max_scale. docs/packs.md has the sizes
and errors.`

/** Adds `pack` to the `data` group. */
export function registerDataPackCommand(data: Command): void {
  data
    .command('pack')
    .description("store the pictures around the targets of a configuration's data sets in a few big files, to train from")
    .argument('<config>', 'YAML file of the experiment')
    .argument('[overrides...]', 'dotted.key=value, applied to the configuration in order')
    .requiredOption('--out <dir>', 'folder for the packs: one folder in it for each data set')
    .option('--workers <n>', 'threads (default: one for each core)', integer(1, 1024))
    .option('--density <d>', 'stored pixels for a pixel of a crop, at most (default: 1 + max_scale, at most 1.5)', density)
    .option('--quality <q>', 'JPEG quality, 1 to 100, of pictures that are not stored without loss', integer(1, 100), packDefaults.quality)
    .addOption(new Option('--subsampling <s>', 'of the colours of those pictures').choices(['420', '444']).default(packDefaults.subsampling))
    .option('--shard-size <mb>', 'size of a shard in MB (default: 256)', integer(1, 100_000))
    .option('--dry-run', 'only estimate size and time')
    .option('--strict', 'stop at the first frame that cannot be used')
    .option('--allow-bad <n>', 'how many frames of a data set may be unusable (default: a tenth of them, at least 100)', integer(0, Number.MAX_SAFE_INTEGER))
    .option('--force', 'begin although the disk seems to be too small')
    .option('--overwrite', 'begin anew where there is another pack')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', examples)
    .action(async (file: string, overrides: string[], flags: PackFlags) => {
      const report = await withSignals((signal) => run(file, overrides, flags, signal), 'Stopping; the same command goes on from here')
      if (flags.json === true) process.stdout.write(`${JSON.stringify(report)}\n`)
      else process.stdout.write(flags.dryRun === true ? estimateText(report.estimates, report.freeBytes) : packText(report))
    })
}

async function run(file: string, overrides: string[], flags: PackFlags, signal: AbortSignal): Promise<PackReport> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const config = await loadConfig(file, overrides, { onWarning: (warning) => log(`Warning: ${warningText(warning)}`) })
  const settings = readDataSettings(config as DataConfig)
  const indexing = progressOfIndexing('auto')
  const packing = progressOfPacking('auto')
  const { out, workers, density: dense, quality, subsampling, shardSize, dryRun, strict, allowBad, force, overwrite } = flags
  try {
    return await makePacks(settings, {
      out,
      workers,
      ...(dense === undefined ? {} : { density: dense }),
      quality,
      subsampling,
      ...(shardSize === undefined ? {} : { shardBytes: shardSize * 1e6 }),
      dryRun,
      strict,
      ...(allowBad === undefined ? {} : { allowBad }),
      force,
      overwrite,
      signal,
      onProgress: indexing.onProgress,
      log: (line) => {
        indexing.close()
        log(line)
      },
      onEstimate: (estimates, free) => {
        indexing.close()
        if (dryRun !== true) process.stderr.write(estimateText(estimates, free))
      },
      onPacking: packing.onPacking,
    })
  } finally {
    indexing.close()
    packing.close()
  }
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) throw new InvalidArgumentError(`Expected an integer from ${min} to ${max}.`)
    return value
  }
}

function density(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0.25 && value <= 16)) throw new InvalidArgumentError('Expected a number from 0.25 to 16.')
  return value
}
