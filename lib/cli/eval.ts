/** `siamtrain eval`: scores of trackers on a benchmark, from their result files. */
import { access } from 'node:fs/promises'
import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { SiamError } from '../errors.ts'
import { evaluate } from '../evaluation/evaluate.ts'
import type { EvaluateOptions } from '../evaluation/evaluate.ts'
import { conventionNames, parseConvention } from '../evaluation/ope/index.ts'
import type { Conventions } from '../evaluation/ope/index.ts'
import { evaluationCsv, evaluationJson, evaluationTable, partsTable } from '../evaluation/table.ts'
import { printable } from './common.ts'

interface EvalFlags {
  annotations: string
  results: string[]
  compat?: string
  convention?: Partial<Conventions>
  subset?: string
  missing: 'error' | 'zero' | 'skip'
  short: NonNullable<EvaluateOptions['short']>
  sequences?: boolean
  attributes?: boolean
  json?: boolean
  csv?: string
  report?: string
}

const help = `
BENCHMARK is OTB2013, OTB2015, OTB50, VOT2016 … VOT2019, VOT2018LT, VOT2019LT, GOT-10k, LaSOT, UAV123, UAV20L, TrackingNet, NfS, DTB70 or
TColor128, written in any way (otb-100, got10k/val). Results are the text files that the benchmark's toolkit takes, of one tracker or several,
in whatever folders; a zip is read without unpacking it. Nothing is written but what --csv and --report ask for.

Examples:
  siamtrain eval OTB2015 --annotations OTB2015.json --results siamfcpp_alexnet.zip
  siamtrain eval GOT-10k --subset val --annotations datasets/GOT-10k --results logs/GOT-10k --report report
  siamtrain eval OTB2015 --annotations OTB2015.json --results ours.zip theirs=results/DaSiamRPN --compat pysot --json
  siamtrain eval LaSOT --annotations datasets/LaSOT --results a.zip b.zip --convention bins=101 --convention absent=skip

Conventions (docs/evaluation.md explains them): ${conventionNames.join(', ')}.`

export function registerEvalCommand(program: Command): void {
  program
    .command('eval')
    .description('Score trackers on a benchmark, ours or others\', from their result files.')
    .argument('<benchmark>', 'OTB2015, VOT2018, GOT-10k, LaSOT, UAV123, …')
    .requiredOption('--annotations <path>', 'a JSON file as the pysot toolkit has it, or the folder of the data set')
    .requiredOption('--results <path...>', 'folders or zips of results; NAME=PATH calls the tracker NAME')
    .option('--compat <toolkit>', 'whose conventions: got10k, otb, pysot, trackingnet or exact; for VOT pysot or vot (default: the original\'s own evaluator)')
    .option('--convention <name=value>', 'a single convention that should be another; may be repeated', collectConvention)
    .option('--subset <part>', 'part of the benchmark: val, test, train_test, 30, 240, …')
    .addOption(new Option('--missing <how>', 'sequences without a result: error, zero (failures) or skip (left out)').choices(['error', 'zero', 'skip']).default('error'))
    .addOption(new Option('--short <how>', 'sequences with fewer boxes than annotations: error, pad (failures at the end) or cut (the end does not count)').choices(['error', 'pad', 'cut']).default('error'))
    .option('--sequences', 'print a table of the sequences as well')
    .option('--attributes', 'print a table of the attributes as well')
    .option('--json', 'print one JSON object')
    .option('--csv <file>', 'write all scores as comma-separated values')
    .option('--report <folder>', 'write a page with plots and tables (index.html) there')
    .addHelpText('after', help)
    .action(runEval)
}

async function runEval(benchmark: string, flags: EvalFlags): Promise<void> {
  const evaluation = await evaluate(benchmark, {
    annotations: flags.annotations,
    results: await Promise.all(flags.results.map(namedSource)),
    compat: flags.compat,
    conventions: flags.convention,
    subset: flags.subset,
    missing: flags.missing,
    short: flags.short,
  })
  for (const warning of evaluation.warnings) say(`Warning: ${warning}`)
  const { csv, report } = flags
  if (csv !== undefined) await writeFileAtomically(csv, (sink) => sink(Buffer.from(evaluationCsv(evaluation))))
  if (flags.json === true) process.stdout.write(`${JSON.stringify(evaluationJson(evaluation))}\n`)
  else {
    const tables = [evaluationTable(evaluation), ...(['sequences', 'attributes'] as const).filter((which) => flags[which] === true).map((which) => partsTable(evaluation, which) || `No ${which} are known.`)]
    process.stdout.write(`${tables.join('\n\n')}\n`)
  }
  if (report !== undefined) {
    const { writeReport } = await import('../evaluation/report/index.ts')
    const [page] = await writeReport(evaluation, report)
    say(`Report in ${page}`)
  }
}

/** NAME=PATH, unless there is a file of the whole name or what stands before the sign is part of a path (runs/lr=0.1/T). */
async function namedSource(text: string): Promise<EvaluateOptions['results'][number]> {
  const at = text.indexOf('=')
  if (at <= 0 || /[\\/]/.test(text.slice(0, at))) return text
  const isPath = await access(text).then(() => true, () => false)
  return isPath ? text : { name: text.slice(0, at), path: text.slice(at + 1) }
}

function collectConvention(text: string, before: Partial<Conventions> = {}): Partial<Conventions> {
  try {
    return { ...before, ...parseConvention(text) }
  } catch (error) {
    throw error instanceof SiamError ? new InvalidArgumentError(error.message) : error
  }
}

function say(text: string): void {
  process.stderr.write(`${printable(text)}\n`)
}
