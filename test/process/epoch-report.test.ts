/** What `siamtrain train` says at the end of an epoch, as text, as JSON and as curves; and `siamtrain bench data CONFIG`. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readScalars } from '../../lib/monitors/tfevents/index.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { type Experiment, makeExperiment, outputFolder, runSiamtrain, trainArgs } from '../helpers/train-process.ts'

let experiment: Experiment
beforeAll(() => {
  experiment = makeExperiment('epoch-report', { iterations: 3, epochs: 2 })
  experiment.overrides.push(
    'train.track.trainer.monitors.names=["TextInfo", "TensorboardLogger"]',
    `train.track.trainer.monitors.TensorboardLogger.exp_save=${path.join(experiment.dir, 'out')}`,
    'train.track.trainer.monitors.TensorboardLogger.exp_name=curves',
  )
})
afterAll(() => removeFolder(experiment.dir))

interface Report {
  epoch: number
  first_iteration: number
  iterations: number
  pairs: number
  seconds: number
  pairs_per_second: number
  time: Record<string, number>
  start_seconds: number
  skipped: number
  loader: { threads: number; busy: number; on_core: number; stages: Record<string, number>; samples: number; bytes_per_second: number; cache_hits: number | null } | null
  bound: string
  advice: string
}

const percent = '<?\\d+(\\.\\d+)? %'
const line = new RegExp(
  `^Epoch 0: 3 iterations in \\S+ (s|ms), \\S+ pairs/s · data wait ${percent}( \\(the first batch ${percent}\\))?, copy ${percent}, fwd ${percent}, bwd ${percent}, optim ${percent}, other ${percent} · ` +
    `loader: 1 thread ${percent} busy \\(read ${percent}, decode ${percent}, mean ${percent}, warp ${percent}(, other ${percent})?\\) · (compute|queue|loader|cores|disk)-bound`,
  'm',
)

/** Everything that must hold of any report of our dataloader on the CPU. */
function expectPlausible(report: Report): void {
  const { time, seconds, loader } = report
  expect(Object.keys(time)).toEqual(['data', 'copy', 'fwd', 'bwd', 'optim', 'sync', 'other'])
  expect(Object.values(time).every((value) => value >= 0)).toBe(true)
  expect(Object.values(time).reduce((sum, value) => sum + value, 0)).toBeCloseTo(seconds, 6)
  for (const stage of ['copy', 'fwd', 'bwd', 'optim']) expect(time[stage], stage).toBeGreaterThan(0)
  expect(time.sync).toBe(0)
  expect(report.pairs).toBe(2 * report.iterations)
  expect(report.pairs_per_second).toBeCloseTo(report.pairs / seconds)
  expect(report.start_seconds).toBeLessThanOrEqual(time.data!)
  expect(loader).toMatchObject({ threads: 1, cache_hits: null })
  const shares = [loader!.busy, loader!.on_core, ...Object.values(loader!.stages)]
  expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true)
  expect(Object.keys(loader!.stages)).toEqual(['read', 'decode', 'mean', 'warp', 'other'])
  expect(Object.values(loader!.stages).reduce((sum, share) => sum + share, 0)).toBeCloseTo(loader!.samples > 0 ? 1 : 0, 6)
}

describe('siamtrain train', () => {
  it('says where each epoch went, in its log, in its JSON and in TensorBoard', async () => {
    const run = await runSiamtrain(trainArgs(experiment, 'whole'))
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toMatch(line)
    expect(run.stderr.match(/^Epoch \d+: /gm)).toEqual(['Epoch 0: ', 'Epoch 1: '])

    const iterations = run.lines.filter((entry) => 'iteration' in entry)
    expect(iterations.map(({ epoch, iteration }) => [epoch, iteration])).toEqual([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
    // A line of its own kind after the epoch's last iteration; the last line of all is still the summary.
    expect(run.lines.map((entry) => ('iteration' in entry ? 'iteration' : Object.keys(entry)[0]))).toEqual([...Array(3).fill('iteration'), 'epoch_report', ...Array(3).fill('iteration'), 'epoch_report', 'done'])
    const reports = run.lines.flatMap(({ epoch_report: report }) => (report === undefined ? [] : [report as Report]))
    expect(reports.map(({ epoch, first_iteration, iterations: count }) => [epoch, first_iteration, count])).toEqual([[0, 0, 3], [1, 0, 3]])
    for (const report of reports) expectPlausible(report)
    expect(reports[0]!.loader!.samples).toBeGreaterThan(0)
    expect(reports[0]!.start_seconds).toBeGreaterThan(0)
    expect(reports[1]!.start_seconds).toBe(0)
    // Seconds of the stages are those of the iterations.
    const times = iterations.slice(0, 3).map(({ time }) => time as Record<string, number>)
    const total = (stage: string): number => times.reduce((sum, time) => sum + time[stage]!, 0)
    expect(reports[0]!.time.data).toBeCloseTo(total('data'), 6)
    expect(reports[0]!.time.bwd).toBeCloseTo(total('bwd'), 6)
    expect(reports[0]!.time.fwd! + reports[0]!.time.copy!).toBeCloseTo(total('fwd'), 6)

    const curves = await readScalars(path.join(outputFolder(experiment, 'curves'), 'logs', 'tensorboard'))
    const points = (tag: string): [number, number][] => (curves.get(tag) ?? []).map(({ step, value }) => [step, value])
    expect(points('pipeline/pairs_per_second')).toEqual([[2, Math.fround(reports[0]!.pairs_per_second)], [5, Math.fround(reports[1]!.pairs_per_second)]])
    expect(points('pipeline/share/bwd')).toEqual(reports.map((report, i) => [3 * i + 2, Math.fround(report.time.bwd! / report.seconds)]))
    expect(points('pipeline/loader/decode')).toEqual(reports.map((report, i) => [3 * i + 2, Math.fround(report.loader!.stages.decode!)]))
    expect([...curves.keys()].filter((tag) => tag.startsWith('time_dict/'))).toEqual(['time_dict/data', 'time_dict/fwd', 'time_dict/bwd', 'time_dict/optim'])
  })

  it('reports the part that a process trained of an epoch, and nothing with --quiet', async () => {
    const part = await runSiamtrain(trainArgs(experiment, 'parts', '--max-iterations', '2'))
    expect(part.code, part.stderr).toBe(0)
    expect(part.stderr).toMatch(/^Epoch 0: 2 iterations \(1 to 2 of 3\) in /m)
    const report = part.lines.at(-2)!.epoch_report as Report
    expect(report).toMatchObject({ epoch: 0, first_iteration: 0, iterations: 2, pairs: 4 })
    expectPlausible(report)

    const rest = await runSiamtrain(trainArgs(experiment, 'parts', '--resume', 'latest', '--max-iterations', '1', '--quiet'))
    expect(rest.code, rest.stderr).toBe(0)
    expect(rest.stderr).toBe('')
    expect(rest.lines[1]!.epoch_report).toMatchObject({ epoch: 0, first_iteration: 2, iterations: 1, pairs: 2 })
  })
})

describe('siamtrain bench data CONFIG', () => {
  it('measures the data of a configuration beside its decode limit', async () => {
    const run = await runSiamtrain(['bench', 'data', experiment.config, ...experiment.overrides, '--workers', '2', '--seconds', '0.6', '--json'])
    expect(run.code, run.stderr).toBe(0)
    const report = JSON.parse(run.stdout) as Record<string, number> & { stages: Record<string, number>; decodeLimit: Record<string, unknown>; pairsPerSecond: Record<string, number> }
    expect(Object.keys(report)).toEqual(expect.arrayContaining([
      'unit', 'ours', 'baseline', 'ratio', 'config', 'threads', 'batchSize', 'packed', 'cores', 'rounds', 'seconds', 'pairs', 'skipped', 'pairsPerSecond', 'pairsPerCpuSecond', 'bytesPerSecond',
      'busyShare', 'coreShare', 'stages', 'wholeShare', 'cacheHitShare', 'decodeLimit', 'shareOfLimitCpu', 'bound', 'advice', 'pixelKernels', 'cpu',
    ]))
    expect(report).toMatchObject({ unit: 'pairs/s', threads: 2, batchSize: 2, packed: false, skipped: 0 })
    for (const key of ['ours', 'baseline', 'ratio', 'pairs', 'pairsPerCpuSecond', 'bytesPerSecond', 'shareOfLimitCpu', 'seconds']) expect(report[key], key).toBeGreaterThan(0)
    expect(report.rounds).toBeGreaterThanOrEqual(3)
    // Making a sample takes the decoding of its regions, and more.
    expect(report.shareOfLimitCpu).toBeLessThan(1)
    expect(report.pairsPerSecond.min! <= report.ours! && report.ours! <= report.pairsPerSecond.max!).toBe(true)
    expect(Object.values(report.stages).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6)
    for (const share of [report.busyShare!, report.coreShare!, report.wholeShare!]) expect(share >= 0 && share <= 1).toBe(true)
  })

  it('says it in words', async () => {
    const run = await runSiamtrain(['bench', 'data', experiment.config, ...experiment.overrides, '--workers', '1', '--seconds', '0.3'])
    expect(run.code, run.stderr).toBe(0)
    expect(run.stdout).toMatch(/^experiment\.yaml: 1 thread, batches of 2, from frames, \d+ cores?$/m)
    expect(run.stdout).toMatch(/^ {2}pairs\/s +\S+ \(median of \d+ rounds, \S+ to \S+\), \S+ for each second of a core$/m)
    expect(run.stdout).toMatch(/^ {2}reached +\S+ % of the limit set by region decoding alone, by processor time \(by the clock \S+ %(?:: unreliable, .+)?\)$/m)
    expect(run.stdout).toMatch(/^ {2}bound +(loader|cores|disk|queue)-bound: /m)
    expect(run.stdout).toMatch(/^ {2}enough for +training steps of 2 pairs that take \S+ (ms|s) or longer$/m)
  })

  it('refuses what it does not know', async () => {
    const unknown = await runSiamtrain(['bench', 'data', experiment.config, '--rounds', '3'])
    expect(unknown.code).toBe(2)
    expect(unknown.stderr).toMatch(/ERR_ARGUMENT unknown option '--rounds' of bench data CONFIG/)
    const without = await runSiamtrain(['bench', 'data', '--workers', '2'])
    expect(without.code).toBe(2)
    expect(without.stderr).toMatch(/ERR_ARGUMENT --workers needs a CONFIG/)
    const number = await runSiamtrain(['bench', 'data', experiment.config, '--seconds', 'zero'])
    expect(number.code).toBe(2)
    const missing = await runSiamtrain(['bench', 'data', path.join(experiment.dir, 'none.yaml')])
    expect(missing.code).toBe(1)
    expect(missing.stderr).toMatch(/ERR_CONFIG|ERR_IO/)
  })
})
