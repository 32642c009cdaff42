/** docs/configuration.md names every key of the schema. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { configSchema } from '../../lib/config/schema.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/configuration.md', import.meta.url)), 'utf8')

/** Every dotted path of the schema. */
function paths(schema: unknown, path: string[] = []): string[][] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return paths(schema.unwrap(), path)
  if (schema instanceof z.ZodPipe) return paths(schema.out, path)
  if (!(schema instanceof z.ZodObject)) return [path]
  return [path, ...Object.entries(schema.shape).flatMap(([key, value]) => paths(value, [...path, key]))]
}

describe('docs/configuration.md', () => {
  const keys = new Map<string, string[]>()
  for (const path of paths(configSchema)) {
    const key = path.at(-1)
    // The online tracker's own keys are the original's, listed in one file.
    if (key !== undefined && !path.includes('SiamFCppOnlineTracker')) keys.set(key, path)
  }

  it('sees the whole schema', () => {
    expect(keys.size).toBeGreaterThan(120)
    expect(keys.get('apply_area_limits')?.join('.')).toBe('train.track.data.sampler.submodules.filter.TrackPairFilter.apply_area_limits')
  })

  // What the original's tree has in each place; the rest is ours.
  const originals: Record<string, string> = {
    'train.track.model': 'backbone losses task_head task_model',
    'train.track.model.backbone': 'name AlexNet Inception3 ShuffleNetV2_x0_5 ShuffleNetV2_x1_0 TinyConv',
    'train.track.data': 'exp_name exp_save num_epochs minibatch num_workers nr_image_per_epoch pin_memory datapipeline sampler transformer target',
    'train.track.data.sampler.TrackPairSampler': 'negative_pair_ratio target_type',
    'train.track.data.sampler.submodules.filter.TrackPairFilter': 'max_area_rate min_area_rate max_ratio target_type',
    'train.track.data.sampler.submodules.dataset': 'names GOT10kDataset GOT10kDatasetFixed LaSOTDataset TrackingNetDataset VIDDataset COCODataset DETDataset',
    'train.track.data.sampler.submodules.dataset.GOT10kDataset': 'dataset_root subset ratio max_diff check_integrity',
    'train.track.data.sampler.submodules.dataset.COCODataset': 'dataset_root subsets ratio with_mask',
    'train.track.data.sampler.submodules.dataset.DETDataset': 'dataset_root subset ratio',
    'train.track.optim': 'optimizer grad_modifier',
    'train.track.optim.optimizer.SGD': 'minibatch nr_image_per_epoch lr_policy lr_multiplier amp lr momentum weight_decay',
    'train.track.trainer.RegularTrainer': 'exp_name exp_save max_epoch minibatch nr_image_per_epoch snapshot',
    'train.track.trainer.monitors.TensorboardLogger': 'exp_name exp_save log_dir',
  }
  const list = page.slice(page.indexOf('## Keys of ours, in one place'))
  it.each(Object.entries(originals))('lists all keys of ours below %s in one place', (place, theirs) => {
    const there = paths(configSchema).map((path) => path.join('.')).filter((path) => path.startsWith(`${place}.`) && !path.slice(place.length + 1).includes('.')).map((path) => path.slice(place.length + 1))
    expect(there).toEqual(expect.arrayContaining(theirs.split(' ')))
    const ours = there.filter((key) => !theirs.split(' ').includes(key))
    expect(ours.length).toBeGreaterThan(0)
    expect(ours.filter((key) => !new RegExp(`[\`.]${key}[\`.]`).test(list))).toEqual([])
  })

  it.each([...keys])('%s', (key, path) => {
    expect(new RegExp(`[\`.]${key}[\`.]`).test(page), `${path.join('.')} is not documented`).toBe(true)
  })
})
