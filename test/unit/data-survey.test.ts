/** Looking for data sets: all of them, without reading for long. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registerDataset, surveyDatasets, type DatasetSetting } from '../../lib/data/index.ts'
import { damage, makeTinyDataset, removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

let dir: string
beforeAll(() => {
  dir = temporaryFolder('survey')
  makeTinyDataset(path.join(dir, 'good'), { sequences: 3, frames: 5, jpeg: 'none' })
  makeTinyDataset(path.join(dir, 'flawed'), { sequences: 2, frames: 5, jpeg: 'none' })
  damage.noGroundTruth(path.join(dir, 'flawed'), 1)
})
afterAll(() => removeFolder(dir))

function setting(root: string, name = 'GOT10kDataset'): DatasetSetting {
  return { name, configPath: `train.track.data.sampler.submodules.dataset.${name}`, params: { dataset_root: root, subset: 'train' }, ratio: 0.25, maxDiff: 100 }
}

describe('surveyDatasets', () => {
  it('tells of each data set, in order, what is there and what is not', async () => {
    const surveys = await surveyDatasets([setting('nowhere'), setting('good'), setting('good', 'NoSuchDataset'), setting('flawed')], { cwd: dir })
    expect(surveys.map(({ name, found, sequences, frames }) => [name, found, sequences, frames])).toEqual([
      ['GOT10kDataset', false, null, null],
      ['GOT10kDataset', true, 3, 15],
      ['NoSuchDataset', false, null, null],
      ['GOT10kDataset', true, 1, 5],
    ])
    expect(surveys[0]?.error).toMatchObject({ code: 'ERR_DATA', file: path.join(dir, 'nowhere') })
    expect(surveys[2]?.error?.code).toBe('ERR_CONFIG')
    expect(surveys[1]).toMatchObject({ root: path.join(dir, 'good'), share: 0.25, problems: [] })
    expect(surveys[3]?.problems.join('\n')).toContain('left out 1 sequence')
  })

  it('bad data is an error where strict is set', async () => {
    const [survey] = await surveyDatasets([setting('flawed')], { cwd: dir, strict: true })
    expect(survey?.error).toMatchObject({ code: 'ERR_DATA', file: path.join(dir, 'flawed', 'train', 'seq_002', 'groundtruth.txt') })
  })

  it('stops when the time is over, with what is known by then', async () => {
    registerDataset('SlowDataset', async function* (_params, context) {
      for (let s = 0; s < 1000; s += 1) {
        context.onProgress?.(s, 1000)
        await new Promise((resolve) => setTimeout(resolve, 20))
        yield { name: `s${s}`, frames: ['a.jpg'], boxes: [[1, 1, 5, 5]] }
      }
    })
    const begun = performance.now()
    const [survey] = await surveyDatasets([setting('good', 'SlowDataset')], { cwd: dir, budgetMs: 100 })
    expect(performance.now() - begun).toBeLessThan(2000)
    expect(survey).toMatchObject({ found: true, sequences: 1000, frames: null })
    expect(survey?.error).toBeUndefined()
  })

  it('a signal ends it with its reason', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await expect(surveyDatasets([setting('good', 'SlowDataset')], { cwd: dir, signal: controller.signal })).rejects.toBe(reason)
  })
})
