import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { detectDatasets } from '../../lib/data/survey/detect.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

let root: string
beforeEach(() => void (root = temporaryFolder('detect')))
afterEach(() => removeFolder(root))

function touch(...files: string[]): void {
  for (const file of files) {
    mkdirSync(path.join(root, path.dirname(file)), { recursive: true })
    writeFileSync(path.join(root, file), '')
  }
}

/** [name, subset or subsets] of what is found. */
async function found(options = {}): Promise<unknown[]> {
  return (await detectDatasets(root, options)).map(({ name, params }) => [name, params['subset'] ?? params['subsets']])
}

describe('layouts of data sets', () => {
  it.each([
    ['GOT-10k with lists', ['train/list.txt', 'val/list.txt'], [['GOT10kDataset', 'train'], ['GOT10kDataset', 'val']]],
    ['GOT-10k without lists', ['train/a/groundtruth.txt'], [['GOT10kDataset', 'train']]],
    ['TrackingNet', ['TRAIN_0/anno/a.txt', 'TRAIN_3/anno/b.txt', 'TEST/anno/c.txt'], [['TrackingNetDataset', 'train'], ['TrackingNetDataset', 'test']]],
    ['COCO', ['annotations/instances_val2017.json', 'annotations/captions_val2017.json', 'val2017/1.jpg'], [['COCODataset', ['val2017']]]],
    ['ILSVRC2015, both tasks', ['Annotations/VID/train/a/0.xml', 'Annotations/DET/train/b.xml', 'Annotations/DET/val/b.xml'], [['VIDDataset', 'train'], ['DETDataset', 'train'], ['DETDataset', 'val']]],
    ['ILSVRC2015, DET alone', ['Annotations/DET/train/b.xml'], [['DETDataset', 'train']]],
    ['LaSOT by class, both parts', ['cat/cat-1/groundtruth.txt', 'cat/cat-1/img/00000001.jpg', 'cat/cat-2/groundtruth.txt', 'cat/cat-2/img/00000001.jpg'], [['LaSOTDataset', 'train'], ['LaSOTDataset', 'test']]],
    ['LaSOT without classes, testing alone', ['cat-1/groundtruth.txt', 'cat-1/img/00000001.jpg'], [['LaSOTDataset', 'test']]],
    ['LaSOT with lists of its own', ['pen-1/groundtruth.txt', 'pen-1/img/1.jpg', 'training_set.txt'], [['LaSOTDataset', 'train']]],
    ['folders of images with img/', ['clip_a/groundtruth.txt', 'clip_b/groundtruth.txt', 'clip_b/img/1.jpg'], [['ImageFolderDataset', undefined]]],
    ['COCO-style video', ['annotations.json', 'videos/v1/1.jpg'], [['CocoVideoDataset', undefined]]],
    ['one folder of images', ['groundtruth.txt', '1.jpg'], [['ImageFolderDataset', undefined]]],
    ['folders of images', ['walk/groundtruth.txt', 'walk/1.jpg'], [['ImageFolderDataset', undefined]]],
  ])('%s', async (_, files, expected) => {
    touch(...files)
    expect(await found()).toEqual(expected)
  })

  it('--subset takes a part', async () => {
    touch('train/list.txt', 'val/list.txt')
    expect(await found({ subset: 'val' })).toEqual([['GOT10kDataset', 'val']])
  })

  it('--subset takes one of COCO', async () => {
    touch('annotations/instances_val2017.json', 'annotations/instances_train2017.json')
    expect(await found({ subset: 'val2017' })).toEqual([['COCODataset', ['val2017']]])
  })

  it('--dataset is taken at its word', async () => {
    expect(await found({ dataset: 'Mine', subset: 'a' })).toEqual([['Mine', 'a']])
    expect(await found({ dataset: 'COCODataset', subset: 'a' })).toEqual([['COCODataset', ['a']]])
  })

  it('a configuration names its data sets', async () => {
    const config = path.join(import.meta.dirname, '../../configs/quickstart.yaml')
    const datasets = await detectDatasets(config)
    expect(datasets.map(({ name, configPath }) => [name, configPath])).toEqual([['GOT10kDataset', 'train.track.data.sampler.submodules.dataset.GOT10kDataset']])
    expect(await detectDatasets(config, { dataset: 'GOT10kDataset' })).toEqual(datasets)
    await expect(detectDatasets(config, { dataset: 'Other' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('GOT10kDataset') })
    expect(await detectDatasets(config, { overrides: ['train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=other'] })).toMatchObject([{ params: { dataset_root: 'other' } }])
    await expect(detectDatasets(root, { overrides: ['a=b'] })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    await expect(detectDatasets(config, { subset: 'val' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })

  it('says what it expected', async () => {
    await expect(detectDatasets(root)).rejects.toMatchObject({ code: 'ERR_DATA', file: root, message: expect.stringContaining('TrackingNet') })
    await expect(detectDatasets(path.join(root, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_DATA' })
    touch('train/list.txt')
    await expect(detectDatasets(root, { subset: 'vla' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('one of train') })
  })

  it('takes no subset where there are none', async () => {
    touch('groundtruth.txt')
    await expect(detectDatasets(root, { subset: 'train' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('ImageFolderDataset') })
  })
})
