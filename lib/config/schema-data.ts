/** Keys below `data:`, with the original's defaults. */
import type { z } from 'zod'
import { anything, boolean, byteSize, fraction, listOf, nonNegative, nonNegativeInteger, numeric, oneOf, positive, positiveInteger, section, text } from './fields.ts'

/** Threads that read ahead, at most: as many as the loader takes (native/data/loader.cc). */
export const maxReadAhead = 1024

export const datasetNames = ['COCODataset', 'DETDataset', 'GOT10kDataset', 'GOT10kDatasetFixed', 'LaSOTDataset', 'TrackingNetDataset', 'VIDDataset'] as const

/** Keys of one data set; `root` and `subset` are the original's defaults for it. */
function video<T extends z.ZodRawShape>(root: string, more: T) {
  return section({
    dataset_root: text().default(root),
    subset: text().default('train'),
    ratio: nonNegative().default(1),
    max_diff: nonNegativeInteger().default(100),
    ...more,
  }).optional()
}

const checked = () => ({ check_integrity: boolean().default(true) })
// Ours: the original trains on frames whose labels say that the target is unseen, where they have a box.
const labelled = () => ({ ...checked(), exclude_absent: boolean().default(false) })
/** A user's own data: no default root, no subsets. */
const own = <T extends z.ZodRawShape>(more: T) =>
  section({ dataset_root: text().default(''), ratio: nonNegative().default(1), max_diff: nonNegativeInteger().default(100), ...more }).optional()

const dataset = section({
  // Names are not limited here: a user's own data set is known only when it is built.
  names: listOf(text(), 'a list of data sets').default([]),
  GOT10kDataset: video('datasets/GOT-10k', labelled()),
  GOT10kDatasetFixed: video('datasets/GOT-10k', { ...labelled(), unfixed_list: text().default('') }),
  LaSOTDataset: video('datasets/LaSOT', labelled()),
  TrackingNetDataset: video('datasets/TrackingNet', checked()),
  ImageFolderDataset: own(labelled()),
  CocoVideoDataset: own({ ...checked(), annotation_file: text().default('annotations.json') }),
  VIDDataset: video('datasets/ILSVRC2015', {}),
  COCODataset: section({
    dataset_root: text().default('datasets/coco2017'),
    subsets: listOf(text(), 'a list of subsets').default(['val2017']),
    ratio: nonNegative().default(1),
    with_mask: boolean().default(false),
    // Ours: the original trains on crowds too.
    skip_crowd: boolean().default(false),
  }).optional(),
  DETDataset: section({
    dataset_root: text().default('datasets/ILSVRC2015'),
    subset: text().default('train'),
    ratio: nonNegative().default(1),
    // Ours: the original draws pictures without an object, then draws again.
    skip_empty: boolean().default(false),
  }).optional(),
})

const filter = section({
  name: oneOf(['TrackPairFilter', '']).default(''),
  TrackPairFilter: section({
    max_area_rate: positive().default(0.6),
    min_area_rate: nonNegative().default(0.001),
    max_ratio: positive().default(10),
    target_type: oneOf(['bbox']).default('bbox'),
    // Ours: the original's area limits never apply (a condition that is always true); true makes them.
    apply_area_limits: boolean().default(false),
  }).prefault({}),
})

const sampler = section({
  name: oneOf(['TrackPairSampler']).default('TrackPairSampler'),
  TrackPairSampler: section({
    negative_pair_ratio: fraction().default(0),
    target_type: oneOf(['bbox']).default('bbox'),
    // Ours: the original's second frame may be anywhere after the first; true keeps it within max_diff on both sides.
    symmetric_window: boolean().default(false),
  }).prefault({}),
  submodules: section({ dataset: dataset.prefault({}), filter: filter.prefault({}) }).prefault({}),
})

const transformer = section({
  names: listOf(oneOf(['RandomCropTransformer']), 'a list of transformers').default([]),
  RandomCropTransformer: section({
    context_amount: nonNegative().default(0.5),
    max_scale: nonNegative().default(0.3),
    max_shift: nonNegative().default(0.4),
    max_scale_temp: nonNegative().default(0),
    max_shift_temp: nonNegative().default(0),
    z_size: positiveInteger().default(127),
    x_size: positiveInteger().default(303),
  }).prefault({}),
})

const target = section({
  name: oneOf(['DenseboxTarget', 'IdentityTarget']).default('DenseboxTarget'),
  DenseboxTarget: section({
    z_size: positiveInteger().default(127),
    x_size: positiveInteger().default(303),
    score_size: positiveInteger().default(17),
    score_offset: nonNegativeInteger().default(87),
    total_stride: positiveInteger().default(8),
    num_conv3x3: nonNegativeInteger().default(3),
  }).prefault({}),
  IdentityTarget: section({}).optional(),
})

export const dataSchema = section({
  exp_name: text().default(''),
  exp_save: text().default('snapshots'),
  num_epochs: positiveInteger().default(1),
  minibatch: positiveInteger().default(32),
  num_workers: nonNegativeInteger().default(4),
  nr_image_per_epoch: positiveInteger().default(150000),
  pin_memory: boolean().default(true),
  datapipeline: section({ name: oneOf(['RegularDatapipeline', '']).default('RegularDatapipeline'), RegularDatapipeline: anything().optional() }).prefault({}),
  sampler: sampler.prefault({}),
  transformer: transformer.prefault({}),
  target: target.prefault({}),
  // Ours.
  seed: nonNegativeInteger().default(0),
  queue_batches: positiveInteger().default(4),
  strict: boolean().default(false),
  read_ahead: numeric(`an integer from 0 to ${maxReadAhead}`, (v) => Number.isSafeInteger(v) && v >= 0 && v <= maxReadAhead).default(32),
  cache: byteSize().default(0),
  decode: oneOf(['exact', 'fast']).default('exact'),
  index_cache: oneOf(['user', 'dataset', 'none']).default('user'),
  pack: text().default(''),
})
