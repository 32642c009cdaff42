/** A pack of a bench's frames, as `siamtrain data pack` makes it with its defaults. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../../lib/config/index.ts'
import type { DatasetIndex } from '../../lib/data/compact-index.ts'
import { type DataConfig, readDataSettings } from '../../lib/data/index.ts'
import { openPackedDataset } from '../../lib/data/pack/open-pack.ts'
import { makePacks } from '../../lib/data/pack/write-pack.ts'
import type { FrameSet } from './frame-sets.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The packed data set; whoever gets it disposes its handles. */
export async function packOf(set: FrameSet, out: string): Promise<DatasetIndex> {
  const key = 'train.track.data.sampler.submodules.dataset.GOT10kDataset'
  const config = await loadConfig(path.join(root, 'configs/siamfcpp_alexnet-got10k.yaml'), [`${key}.dataset_root=${set.root}`, 'train.track.data.index_cache=none'])
  const settings = readDataSettings(config as DataConfig)
  await makePacks(settings, { out, log: () => {} })
  const { index } = await openPackedDataset(settings.datasets[0]!, { dir: out, crop: settings.crop })
  return index
}
