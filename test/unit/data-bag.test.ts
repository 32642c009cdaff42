/** scripts/bag-to-got10k.mjs: the real frames as a GOT-10k data set. */
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { shared } from '../helpers/shared.ts'

const script = fileURLToPath(new URL('../../scripts/bag-to-got10k.mjs', import.meta.url))
let folder = ''
beforeAll(() => {
  folder = temporaryFolder('bag')
})
afterAll(() => removeFolder(folder))

it('lays the bag out, train and val alike, with boxes that cover the polygons', async () => {
  const bag = shared('data', 'vot-bag')
  const root = path.join(folder, 'bag')
  const run = spawnSync(process.execPath, [script, root, bag], { encoding: 'utf8' })
  expect(run.status, run.stderr).toBe(0)
  expect(readdirSync(folder)).toEqual(['bag'])
  for (const subset of ['train', 'val']) {
    const dataset = { name: 'GOT10kDataset', configPath: 'x', params: { dataset_root: root, subset }, ratio: 1, maxDiff: 100 }
    const { indexes } = await indexDatasets({ datasets: [dataset] }, { strict: true })
    expect([...(indexes[0]?.sequenceStart ?? [])]).toEqual([0, 196])
    expect(indexes[0]?.framePatterns).toEqual(['%08d.jpg'])
    const polygons = readFileSync(path.join(bag, 'groundtruth.txt'), 'utf8').trim().split('\n').map((line) => line.split(',').map(Number))
    for (const [k, polygon] of polygons.entries()) {
      const [x1, y1, x2, y2] = [...(indexes[0]?.boxes ?? new Float32Array()).subarray(k * 4, k * 4 + 4)] as [number, number, number, number]
      // The centroid of the corners is the centre of the box.
      expect((x1 + x2) / 2).toBeCloseTo(((polygon[0] as number) + (polygon[2] as number) + (polygon[4] as number) + (polygon[6] as number)) / 4, 2)
      expect((y1 + y2) / 2).toBeCloseTo(((polygon[1] as number) + (polygon[3] as number) + (polygon[5] as number) + (polygon[7] as number)) / 4, 2)
    }
  }
  const first = readFileSync(path.join(root, 'val/bag/00000196.jpg'))
  expect(first.equals(readFileSync(path.join(bag, '00000196.jpg')))).toBe(true)
})

it('refuses a folder that is there, and a wrong call', () => {
  const refused = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' })
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining(folder)])
  expect(spawnSync(process.execPath, [script], { encoding: 'utf8' }).status).toBe(2)
})
