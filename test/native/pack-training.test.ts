/** A tracker trained from packs, through the public API and the command line. */
import { cpSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildTrainer, loadConfig } from '../../lib/index.ts'
import { indexDatasets, readDataSettings } from '../../lib/data/index.ts'
import { configSha256 } from '../../lib/engine/builders.ts'
import { makeCocoExample } from '../helpers/datasets/coco.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { Losses, writeTraining } from '../helpers/datasets/train.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { runCli } from '../helpers/run-cli.ts'
import { writeSmallPack } from '../helpers/small-pack.ts'

const folder = temporaryFolder('pack-training')
const at = (name: string): string => path.join(folder, name)
const roots = [at('got10k'), at('coco')] as const
let file: string
afterAll(() => removeFolder(folder))

const negatives = 'train.track.data.sampler.TrackPairSampler.negative_pair_ratio=0.3'
const configOf = (pack?: string, ...more: string[]) => loadConfig(file, [negatives, ...(pack === undefined ? [] : [`train.track.data.pack=${pack}`]), ...more])

/** Two data sets, one of still pictures, and negative pairs between them. */
beforeAll(async () => {
  makeGot10k(roots[0], { jpeg: 'real', width: 320, height: 240 })
  makeCocoExample(roots[1], { pictures: 5 })
  file = writeTraining(folder, { GOT10kDataset: { ratio: 0.6, max_diff: 100, dataset_root: roots[0], subset: 'train' }, COCODataset: { ratio: 0.4, dataset_root: roots[1], subsets: ['train2017'] } }, 20)
  const settings = readDataSettings((await configOf()) as Parameters<typeof readDataSettings>[0])
  const { indexes } = await indexDatasets({ datasets: settings.datasets })
  for (const [i, index] of indexes.entries()) {
    const same = { params: settings.datasets[i]!.params, crop: settings.crop }
    await writeSmallPack(at('whole'), index, { ...same, pictures: 'whole' })
    await writeSmallPack(at('packs'), index, { ...same, density: 1.3 })
  }
})

interface Run {
  losses: Record<string, number>[]
  sha: string
  snapshot: string
  lines: string[]
}

/** Trains until the epoch's end or for `maxIterations`. */
async function train(name: string, pack: string | undefined, options: { maxIterations?: number; resume?: string; overrides?: string[] } = {}): Promise<Run> {
  const monitor = new Losses()
  const lines: string[] = []
  const saves = ['data', 'trainer.RegularTrainer'].map((key) => `train.track.${key}.exp_save=${at(name)}`)
  const trainer = await buildTrainer(await configOf(pack, ...saves, ...(options.overrides ?? [])), { monitors: [monitor], progress: 'none', strict: true, threads: 1, workers: 2, log: (line) => lines.push(line) })
  try {
    if (options.resume !== undefined) await trainer.resume(options.resume)
    await trainer.train({ maxIterations: options.maxIterations ?? Infinity })
    return { losses: monitor.iterations, sha: await trainer.stateSha256(), snapshot: await trainer.saveSnapshot(), lines }
  } finally {
    await trainer.close()
  }
}

describe('training from packs', () => {
  it('is training from frames, bit by bit, where the pictures are', async () => {
    const [frames, packed] = [await train('a', undefined), await train('b', at('whole'))]
    expect(packed.losses).toHaveLength(20)
    expect(packed.losses).toEqual(frames.losses)
    expect(packed.sha).toBe(frames.sha)
  })

  it('goes as training from frames goes where pictures are reduced', async () => {
    // At a rate that does not amplify what the pixels differ in: the default one takes 20 iterations to turn 1 % into another run.
    const slow = ['start_lr', 'end_lr'].map((key) => `train.track.optim.optimizer.SGD.lr_policy.0.${key}=0.00001`)
    const frames = await train('a2', undefined, { overrides: slow })
    const packed = await train('b2', at('packs'), { overrides: slow })
    expect(packed.losses).toHaveLength(20)
    expect(packed.sha).not.toBe(frames.sha) // it did read the pack
    for (const key of ['cls', 'ctr', 'reg']) {
      const ratios = packed.losses.map((losses, i) => losses[key]! / frames.losses[i]![key]!)
      for (const [i, ratio] of ratios.entries()) expect(Math.abs(ratio - 1), `${key} of iteration ${i}`).toBeLessThan(0.2)
      expect(Math.abs(ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length - 1), key).toBeLessThan(0.03)
    }
  })

  it('needs no data but the pack, and goes on bit by bit in the middle, also where the pack has moved', async () => {
    const whole = await train('c', at('packs'))
    const first = await train('d', at('packs'), { maxIterations: 9 })
    cpSync(at('packs'), at('moved'), { recursive: true })
    for (const root of roots) cpSync(root, `${root}-away`, { recursive: true })
    for (const root of roots) removeFolder(root)
    const rest = await train('d', at('moved'), { resume: first.snapshot })
    for (const root of roots) cpSync(`${root}-away`, root, { recursive: true })
    expect(rest.lines.filter((line) => line.includes('another configuration'))).toEqual([])
    expect(rest.sha).toBe(whole.sha)
    expect([...first.losses, ...rest.losses]).toEqual(whole.losses)
    const fromFrames = await train('d', undefined, { resume: first.snapshot, maxIterations: 1 })
    expect(fromFrames.lines.join('\n')).toContain('was made with pictures of a pack (this run reads frames: --pack DIR?); the run goes on')
    const coarser = await train('d', at('whole'), { resume: first.snapshot, maxIterations: 1 })
    expect(coarser.lines.join('\n')).toMatch(/was made with another pack of GOT10kDataset .*another pack of COCODataset/)
  })

  it('counts the contents of packs, and not their place, to the configuration', async () => {
    const [frames, packed] = [await configOf(), await configOf('/some/where')]
    expect(configSha256(packed)).toBe(configSha256(frames))
    const packs = [{ dataset: 'GOT10kDataset', crc: 1 }]
    expect(configSha256(packed, packs)).toBe(configSha256(frames, packs))
    expect(configSha256(frames, packs)).not.toBe(configSha256(frames))
    expect(configSha256(frames, packs)).not.toBe(configSha256(frames, [{ dataset: 'GOT10kDataset', crc: 2 }]))
  })
})

describe('siamtrain train --pack', () => {
  const cli = (...more: string[]) => runCli(['train', file, negatives, `train.track.trainer.RegularTrainer.exp_save=${at('cli')}`, ...more])

  it('trains, and says the flag in the command that goes on', async () => {
    const run = await cli('--pack', at('packs'), '--max-iterations', '2', '--threads', '1')
    expect([run.code, run.stderr.match(/ERR_\w+/)]).toEqual([0, null])
    expect(run.stdout).toContain(`--pack ${at('packs')}`)
    for (const name of ['GOT10kDataset', 'COCODataset']) expect(run.stderr).toMatch(new RegExp(`${name}: from the pack .*packs/${name} \\(made of .*, \\d+ frames, density 1\\.3\\)\n`))
    expect(readdirSync(at('cli'), { recursive: true }).some((name) => String(name).endsWith('epoch-0-iter-2.pkl'))).toBe(true)
  })

  it('hints at the pack where the data of a run that had one are missing', async () => {
    const gone = roots.map((root, i) => `train.track.data.sampler.submodules.dataset.${['GOT10kDataset', 'COCODataset'][i]}.dataset_root=${root}-gone`)
    const run = await cli('--resume', 'latest', ...gone)
    expect(run.code).toBe(1)
    expect(run.stderr).toMatch(/ERR_DATA .*data root not found.*\(the snapshot was trained from a pack: --pack DIR\?\)/)
  })

  it('shows the packs, or what is wrong with them, in a dry run', async () => {
    const good = JSON.parse((await cli('--pack', at('packs'), '--dry-run', '--json', '--overwrite')).stdout) as { ok: boolean; data: { datasets: unknown[] } }
    expect(good.ok).toBe(true)
    const text = (await cli('--pack', at('packs'), '--dry-run', '--overwrite')).stdout
    expect(text).toMatch(/GOT10kDataset: from the pack .* density 1\.3\)\n/)
    expect(good.data.datasets).toEqual([
      expect.objectContaining({ name: 'GOT10kDataset', root: at('packs/GOT10kDataset'), found: true, sequences: 3, frames: 18 }),
      expect.objectContaining({ name: 'COCODataset', root: at('packs/COCODataset'), found: true }),
    ])
    const bad = await cli('--pack', at('nowhere'), '--dry-run', '--json', '--overwrite')
    expect(bad.code).toBe(1)
    expect((JSON.parse(bad.stdout) as { problems: unknown[] }).problems).toContainEqual(expect.objectContaining({ part: 'data', code: 'ERR_DATA', message: 'GOT10kDataset: pack not found: no such folder', file: at('nowhere') }))
    const run = await cli('--pack', at('packs'), '--overwrite', 'train.track.data.transformer.RandomCropTransformer.max_shift=1')
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('ERR_CONFIG')
    expect(run.stderr).toContain('context sides around a target, but the pack holds')
  })
})
