/** `siamtrain train --overwrite` costs an older run nothing until the new one has begun. */
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { writeTraining } from '../helpers/datasets/train.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { runCli } from '../helpers/run-cli.ts'

const folder = temporaryFolder('overwrite')
const root = path.join(folder, 'got10k')
let file: string
afterAll(() => removeFolder(folder))
beforeAll(() => {
  makeGot10k(root, { jpeg: 'real', width: 320, height: 240 })
  file = writeTraining(folder, { GOT10kDataset: { ratio: 1, max_diff: 100, dataset_root: root, subset: 'train' } }, 4)
})

const train = (...more: string[]) => runCli(['train', file, '--threads', '1', '--workers', '1', ...more])
const snapshots = (): string[] => readdirSync(path.join(folder, 'snapshots'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.pkl')).map((name) => path.basename(name)).sort()
const frames = (): string[] => readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jpg'))

describe('siamtrain train --overwrite', () => {
  it("removes an older run's snapshots after the first iteration, before one of its own", async () => {
    expect((await train('--max-iterations', '3')).code).toBe(0)
    expect(snapshots()).toEqual(['epoch-0-iter-3.pkl'])
    const run = await train('--overwrite', '--max-iterations', '1', '--snapshot-every', '1')
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toContain('Removed 1 snapshot of an older run')
    expect(snapshots()).toEqual(['epoch-0-iter-1.pkl'])
  })

  it('leaves them where the first batch fails', async () => {
    for (const name of frames()) writeFileSync(path.join(root, name), 'no picture')
    const run = await train('--overwrite', '--strict')
    expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('ERR_DATA')])
    expect(run.stderr).not.toContain('Removed')
    expect(snapshots()).toEqual(['epoch-0-iter-1.pkl'])
  })
})
