/**
 * Every kind of bad input through the command line: one clear error line, the right exit code, nothing half-written; and what is bad in
 * part is left out, counted and reported.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { damage, makeTinyDataset, removeFolder, sequenceDir, temporaryFolder } from '../helpers/make-dataset.ts'
import { shared } from '../helpers/shared.ts'
import { type Experiment, type Finished, makeExperiment, outputFiles, outputFolder, runSiamtrain, trainArgs } from '../helpers/train-process.ts'

const sequences = 3
const frames = 6
let experiment: Experiment
let folder = ''
let runs = 0

beforeAll(() => {
  experiment = makeExperiment('bad-input', { iterations: 4, epochs: 1 })
  folder = temporaryFolder('bad-input-data')
})
afterAll(() => {
  removeFolder(experiment.dir)
  removeFolder(folder)
})

const rootKey = 'train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root'

/** A data set of its own, damaged. */
function damaged(name: string, harm: (root: string) => void): string {
  const root = makeTinyDataset(path.join(folder, name), { sequences, frames })
  harm(root)
  return root
}

function everyFrame(harm: (s: number, k: number) => unknown, from = 0): void {
  for (let s = from; s < sequences; s += 1) for (let k = 0; k < frames; k += 1) harm(s, k)
}

async function train(overrides: string[], ...flags: string[]): Promise<Finished & { name: string }> {
  const name = `run-${(runs += 1)}`
  const args = trainArgs(experiment, name, ...flags)
  // Overrides come after the experiment's own, so that they count.
  args.splice(args.indexOf('--json'), 0, ...overrides)
  return { ...(await runSiamtrain(args)), name }
}

/** The one line that says what went wrong. */
function errorLine({ stderr }: Finished): string {
  const lines = stderr.split('\n').filter((line) => line.startsWith('siamtrain: '))
  expect(lines, stderr).toHaveLength(1)
  expect(stderr, 'no stack without --debug').not.toMatch(/\n\s+at .*:\d+:\d+/)
  return lines[0] as string
}

function expectFailed(run: Finished & { name: string }, code: string, ...parts: (string | RegExp)[]): void {
  const line = errorLine(run)
  expect(line).toContain(`siamtrain: ${code} `)
  for (const part of parts) expect(line).toMatch(part)
  expect([run.code, run.signal], run.stderr).toEqual([1, null])
  expect(outputFiles(experiment, run.name)).toEqual([])
}

describe('a data set that cannot be used', () => {
  it('is not there', async () => {
    const missing = path.join(folder, 'nowhere')
    expectFailed(await train([`${rootKey}=${missing}`]), 'ERR_DATA', missing, /not found/, /groundtruth\.txt/)
  })

  it('is empty', async () => {
    const root = damaged('empty', (dir) => writeFileSync(path.join(dir, 'train/list.txt'), ''))
    expectFailed(await train([`${rootKey}=${root}`]), 'ERR_DATA', path.join(root, 'train'), /empty/)
  })

  it.each<[string, (root: string) => void, RegExp]>([
    ['groundtruth shorter than the frames everywhere', (root) => [0, 1, 2].forEach((s) => damage.shortGroundTruth(root, s)), /groundtruth\.txt:5: .*6 frames but found 4/],
    ['NaN in every box', (root) => everyFrame((s, k) => damage.line(root, s, k, 'nan,1,20,20')), /groundtruth\.txt:1: .*not finite/],
    ['every box of zero size', (root) => everyFrame((s, k) => damage.line(root, s, k, '1,1,0,20')), /groundtruth\.txt:1: .*no area/],
    ['every box of negative size', (root) => everyFrame((s, k) => damage.line(root, s, k, '1,1,20,-20')), /groundtruth\.txt:1: .*no area/],
    ['every JPEG truncated', (root) => everyFrame((s, k) => damage.truncatedJpeg(root, s, k)), /\.jpg/],
    ['text in every .jpg', (root) => everyFrame((s, k) => damage.textNamedJpg(root, s, k)), /\.jpg/],
  ])('has %s', async (name, harm, message) => {
    const root = damaged(name.replaceAll(' ', '-'), harm)
    expectFailed(await train([`${rootKey}=${root}`]), 'ERR_DATA', root, message)
  })
})

describe('bad annotations inside a good data set', () => {
  it.each<[string, (root: string) => void, RegExp]>([
    ['a short groundtruth', (root) => damage.shortGroundTruth(root, 1), /1 sequence and 0 frames.*1 short groundtruth/],
    ['a box with NaN', (root) => damage.line(root, 1, 2, '1,nan,20,20'), /0 sequences and 1 frame .*1 not finite/],
    ['boxes of zero and negative size', (root) => [0, 1].forEach((k) => damage.line(root, 1, k, k === 0 ? '1,1,0,20' : '1,1,-5,20')), /0 sequences and 2 frames.*2 empty box/],
  ])('%s: left out, counted, reported; an error with --strict', async (name, harm, message) => {
    const root = damaged(`part-${name.replaceAll(' ', '-')}`, harm)
    const run = await train([`${rootKey}=${root}`])
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toMatch(message)
    expect(run.stderr).toContain(path.join(sequenceDir(root, 1), 'groundtruth.txt'))
    expect(run.lines.at(-1)).toMatchObject({ done: true, iterations: 4 })
    expectFailed(await train([`${rootKey}=${root}`], '--strict'), 'ERR_DATA', path.join(sequenceDir(root, 1), 'groundtruth.txt'))
  })
})

describe('bad frames inside a good data set', () => {
  // Two of three sequences are bad throughout, so that eight pairs meet some for certain (the seed is fixed).
  it.each<[string, (root: string) => void]>([
    ['truncated', (root) => everyFrame((s, k) => damage.truncatedJpeg(root, s, k), 1)],
    ['text named .jpg', (root) => everyFrame((s, k) => damage.textNamedJpg(root, s, k), 1)],
    ['unreadable (links to nothing)', (root) => everyFrame((s, k) => damage.danglingLink(root, s, k), 1)],
    ['of another size than their neighbours', (root) => everyFrame((s, k) => k % 2 === 0 && damage.otherSize(root, s, k), 1)],
  ])('%s: replaced, counted, reported with the file; an error with --strict', async (name, harm) => {
    const root = damaged(`frames-${name.replaceAll(/[^a-z]/g, '-')}`, harm)
    const run = await train([`${rootKey}=${root}`])
    expect(run.code, run.stderr).toBe(0)
    const last = run.lines.at(-1) as { done: boolean; iterations: number; skipped: number }
    expect(last).toMatchObject({ done: true, iterations: 4 })
    expect(last.skipped).toBeGreaterThan(0)
    expect(run.stderr).toMatch(/Skipped a bad sample .*seq_00[23].*\.jpg/)
    const strict = await train([`${rootKey}=${root}`], '--strict')
    expectFailed(strict, name.startsWith('unreadable') ? 'ERR_IO' : 'ERR_DATA', /seq_00[23].*\.jpg/)
  })
})

describe('a configuration that is wrong', () => {
  it.each<[string, string, (string | RegExp)[]]>([
    ['an unknown backbone', 'train.track.model.backbone.name=AlexNett', [/AlexNett/, /AlexNet/]],
    ['text where a number belongs', 'train.track.data.minibatch=many', ['train.track.data.minibatch', /many/]],
    ['a batch of 0', 'train.track.data.minibatch=0', ['minibatch']],
    ['an epoch of 0 iterations', 'train.track.data.nr_image_per_epoch=1', [/0 iterations/]],
    ['an unknown data set', 'train.track.data.sampler.submodules.dataset.names=[NoSuchDataset]', [/NoSuchDataset/, /GOT10kDataset/]],
  ])('%s', async (_, override, parts) => {
    expectFailed(await train([override]), 'ERR_CONFIG', ...parts)
  })

  it('a wrong type in the file: with the line', async () => {
    const file = path.join(experiment.dir, 'wrong-type.yaml')
    const text = readFileSync(experiment.config, 'utf8').replace(/minibatch: .*/, 'minibatch: &BATCH {a: 1}')
    writeFileSync(file, text)
    const line = text.split('\n').findIndex((one) => one.includes('&BATCH {a: 1}')) + 1
    const run = { ...(await runSiamtrain(['train', file])), name: 'wrong-type' }
    expectFailed(run, 'ERR_CONFIG', `${file}:${line}`, /minibatch/)
  })

  it('malformed YAML: with the line', async () => {
    const file = path.join(experiment.dir, 'malformed.yaml')
    writeFileSync(file, 'train:\n  track:\n    data: [1, 2\n    model: {}\n')
    const run = { ...(await runSiamtrain(['train', file])), name: 'malformed' }
    expectFailed(run, 'ERR_CONFIG', new RegExp(`${file}:[34]`))
  })

  it('a file that is not there', async () => {
    const run = { ...(await runSiamtrain(['train', path.join(folder, 'no.yaml')])), name: 'no' }
    expect(errorLine(run)).toContain(path.join(folder, 'no.yaml'))
    expect(run.code).not.toBe(0)
  })

  it.each(['gpu', 'CPU', 'cuda:x', 'cpu:0', ''])('no name of a device: %j', async (device) => {
    for (const more of [[], ['--dry-run']]) {
      const run = await runSiamtrain(trainArgs(experiment, 'no-device', '--device', device, ...more))
      expect([run.code, run.stderr]).toEqual([2, expect.stringContaining(`Expected 'cpu', 'cuda' or 'cuda:N' for --device but received ${JSON.stringify(device)}`)])
    }
  })

  it('a GPU where there is none', async () => {
    const args = trainArgs(experiment, 'no-gpu', '--device', 'cuda')
    const run = { ...(await runSiamtrain(args, { env: { CUDA_VISIBLE_DEVICES: '' } })), name: 'no-gpu' }
    expectFailed(run, 'ERR_DEVICE', /cuda/)
  })
})

describe('a snapshot that does not fit', () => {
  it('is of another model', async () => {
    const other = shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')
    expectFailed(await train([], '--resume', other), 'ERR_CHECKPOINT', other)
    expectFailed(await train([`train.track.model.task_model.SiamTrack.pretrain_model_path=${experiment.config}`]), 'ERR_CHECKPOINT', experiment.config)
  })

  it('is truncated, at many places', async () => {
    const good = shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')
    for (const share of [0, 0.001, 0.5, 0.999]) {
      const file = path.join(folder, 'truncated.pkl')
      cpSync(good, file)
      truncateSync(file, Math.floor(readFileSync(good).length * share))
      expectFailed(await train([], '--resume', file), 'ERR_CHECKPOINT', file)
    }
  })

  it('is none at all', async () => {
    expectFailed(await train([], '--resume', path.join(folder, 'nothing.pkl')), 'ERR_IO', path.join(folder, 'nothing.pkl'))
    expectFailed(await train([], '--resume', 'latest'), 'ERR_CHECKPOINT', /no snapshot/)
  })
})

describe('an output folder that cannot be written', () => {
  // Permissions do not bind root, so these are places where nobody can make a folder.
  it('lies below a file', async () => {
    const file = path.join(folder, 'a-file')
    writeFileSync(file, '')
    expectFailed(await train([`train.track.trainer.RegularTrainer.exp_save=${file}/below`]), 'ERR_IO', `${file}/below`, /ENOTDIR|not a directory/)
    expect(readFileSync(file, 'utf8')).toBe('')
  })

  it('lies on a file system that takes no files', async () => {
    for (const place of ['/proc/snapshots', '/sys/snapshots']) {
      expectFailed(await train([`train.track.trainer.RegularTrainer.exp_save=${place}`]), 'ERR_IO', place)
    }
  })

  it('is of synth', async () => {
    const file = path.join(folder, 'another-file')
    writeFileSync(file, '')
    const run = { ...(await runSiamtrain(['synth', path.join(file, 'set'), '--sequences', '1', '--val', '0', '--frames', '2'])), name: 'synth' }
    expectFailed(run, 'ERR_IO', file)
  })
})

describe('a disk that fills up', () => {
  /**
   * Runs a command with a limit on what it can write to `dir`: a small file system of its own where the kernel lets us make one (in a
   * user name space of our own, which vanishes with the process), else a limit on the size of files, which fails at the same system call.
   */
  async function withLimit(dir: string, kilobytes: number, args: readonly string[]): Promise<{ code: number | null; stderr: string; files: string[]; kept: string; how: string }> {
    const kept = `${dir}-kept`
    mkdirSync(dir, { recursive: true })
    const cli = new URL('../helpers/siamtrain.ts', import.meta.url).pathname
    const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', dir]).status === 0
    const how = canMount ? 'a small tmpfs' : 'a limit on file sizes (mount is refused here)'
    const script = canMount
      ? `mount -t tmpfs -o size=${kilobytes}k tmpfs "$DIR" || exit 99; "$@"; rc=$?; cp -a "$DIR" "$KEPT"; exit $rc`
      : `trap '' XFSZ; (ulimit -f ${kilobytes}; exec "$@"); rc=$?; cp -a "$DIR" "$KEPT"; exit $rc`
    const command = ['bash', '-c', script, 'bash', process.execPath, cli, ...args]
    const run = spawnSync(canMount ? 'unshare' : 'bash', canMount ? ['-rm', ...command] : command.slice(1), { env: { ...process.env, DIR: dir, KEPT: kept }, encoding: 'utf8', timeout: 100_000 })
    const files = readdirSync(kept, { recursive: true, encoding: 'utf8' }).filter((name) => !name.includes('logs'))
    return { code: run.status, stderr: run.stderr, files, kept, how }
  }

  it('keeps the snapshots that are complete, leaves no part of the others, and says so', async () => {
    const measured = await train(['train.track.trainer.RegularTrainer.max_epoch=1'])
    expect(measured.code, measured.stderr).toBe(0)
    const bytes = readFileSync(path.join(outputFolder(experiment, measured.name), 'epoch-0.pkl')).length
    const dir = path.join(experiment.dir, 'full')
    const args = trainArgs(experiment, 'run', '--quiet')
    args.splice(args.indexOf('--json'), 1, 'train.track.trainer.RegularTrainer.max_epoch=6', `train.track.trainer.RegularTrainer.exp_save=${dir}`)
    const run = await withLimit(dir, Math.ceil((bytes * 2.5) / 1024), args)
    process.stderr.write(`disk full by ${run.how}\n`)
    if (run.how.startsWith('a small')) {
      expect(run.code, run.stderr).toBe(1)
      expect(run.stderr).toMatch(/^siamtrain: ERR_IO .*epoch-\d\.pkl.*no space/im)
      expect(run.files.filter((name) => name.includes('epoch-')).sort()).toEqual(['run/epoch-0.pkl', 'run/epoch-1.pkl'])
      expect(run.files.filter((name) => /tmp|partial/.test(name))).toEqual([])
      const inspected = await runSiamtrain(['inspect', path.join(run.kept, 'run/epoch-1.pkl'), '--json'])
      expect(inspected.code, inspected.stderr).toBe(0)
    }
    // By a limit on single files: the first snapshot already is too long.
    const small = await withLimit(path.join(experiment.dir, 'fuller'), Math.floor((bytes * 0.5) / 1024), args.map((arg) => arg.replace(dir, path.join(experiment.dir, 'fuller'))))
    expect(small.code, small.stderr).toBe(1)
    expect(small.stderr).toMatch(/^siamtrain: ERR_IO .*epoch-0\.pkl/m)
    expect(small.files.filter((name) => name !== 'run')).toEqual([])
  })

  it('while synth writes: nothing is left', async () => {
    const dir = path.join(experiment.dir, 'synth-full')
    const run = await withLimit(dir, 8, ['synth', path.join(dir, 'set'), '--sequences', '2', '--val', '1', '--frames', '8', '--threads', '1'])
    expect(run.code, run.stderr).toBe(1)
    expect(run.stderr).toMatch(/^siamtrain: ERR_IO /m)
    expect(run.files).toEqual([])
  })
})

it('the experiment itself is fine: what failed above failed for its reason', async () => {
  const run = await train([])
  expect(run.code, run.stderr).toBe(0)
  expect(run.lines.at(-1)).toMatchObject({ done: true, completed: true, iterations: 4, skipped: 0 })
  expect(outputFiles(experiment, run.name)).toContain('epoch-0.pkl')
  expect(existsSync(path.join(outputFolder(experiment, run.name), 'final_model.pkl'))).toBe(true)
  expect(execFileSync(process.execPath, ['--version'], { encoding: 'utf8' })).toMatch(/^v2[2-9]/)
})
