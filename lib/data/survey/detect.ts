/** Which data sets a path holds, told by its layout or by a configuration. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { loadConfig } from '../../config/index.ts'
import { SiamError, invalidArgument } from '../../errors.ts'
import { lasotListFiles } from '../lasot.ts'
import { lasotSequences } from '../lasot-split.ts'
import { readDataSettings } from '../settings.ts'
import type { DatasetParams } from '../source.ts'

/** A data set with the settings that open it. */
export interface DetectedDataset {
  /** As `dataset.names` of a YAML has it. */
  name: string
  params: DatasetParams
  /** Where the settings come from, for messages: 'train.track.data…' or the path itself. */
  configPath: string
}

export interface DetectOptions {
  /** Do not look at the layout: this data set's. */
  dataset?: string
  /** Only this part of it. */
  subset?: string
  cwd?: string
  /** `key=value` for a configuration. */
  overrides?: readonly string[]
}

const trackingNetChunks = 12

type Detector = (root: string) => DatasetParams[]

/** In this order: the first layout that fits is taken, VID and DET together. */
const detectors: readonly { name: string; detect: Detector; layout: string; subsetKey: 'subset' | 'subsets' | null }[] = [
  { name: 'GOT10kDataset', detect: detectGot10k, layout: 'GOT-10k (train/list.txt)', subsetKey: 'subset' },
  { name: 'TrackingNetDataset', detect: detectTrackingNet, layout: 'TrackingNet (TRAIN_0/anno)', subsetKey: 'subset' },
  { name: 'COCODataset', detect: detectCoco, layout: 'COCO (annotations/instances_*.json)', subsetKey: 'subsets' },
  { name: 'VIDDataset', detect: (root) => detectIlsvrc(root, 'VID'), layout: 'ILSVRC2015 (Annotations/VID)', subsetKey: 'subset' },
  { name: 'DETDataset', detect: (root) => detectIlsvrc(root, 'DET'), layout: 'ILSVRC2015 (Annotations/DET)', subsetKey: 'subset' },
  { name: 'LaSOTDataset', detect: detectLaSOT, layout: 'LaSOT (CLASS/CLASS-1/img)', subsetKey: 'subset' },
  { name: 'ImageFolderDataset', detect: detectImageFolder, layout: 'folders of images with a groundtruth.txt', subsetKey: null },
  { name: 'CocoVideoDataset', detect: detectCocoVideo, layout: 'COCO-style video (annotations.json, or the path of the JSON file)', subsetKey: null },
]

/**
 * Finds the data sets of a root folder by its layout, or those of a YAML configuration.
 * @param source  a data root, or a configuration's path
 * @returns one entry a data set and subset
 * @throws ERR_DATA when there is nothing, or nothing that is known, ERR_CONFIG for a configuration that is wrong
 */
export async function detectDatasets(source: string, options: DetectOptions = {}): Promise<DetectedDataset[]> {
  const file = path.resolve(options.cwd ?? process.cwd(), source)
  if (!existsSync(file)) throw new SiamError('ERR_DATA', 'there is no such folder or file', { file })
  if (/\.ya?ml$/i.test(file) && statSync(file).isFile()) return ofConfiguration(file, options)
  if (options.overrides !== undefined && options.overrides.length > 0) throw invalidArgument('no overrides with a data root, only with a configuration', 'overrides', options.overrides)
  if (options.dataset !== undefined) {
    const known = detectors.find(({ name }) => name === options.dataset)
    return [{ name: options.dataset, params: withSubset({ dataset_root: file }, known?.subsetKey ?? 'subset', options.subset), configPath: file }]
  }
  const found: DetectedDataset[] = []
  for (const { name, detect, subsetKey } of detectors) {
    if (found.length > 0 && !(name === 'DETDataset' && found.every((one) => one.name === 'VIDDataset'))) break
    for (const params of detect(file)) found.push({ name, params, configPath: file })
    if (options.subset !== undefined && found.length > 0 && subsetKey === null) throw invalidArgument(`no --subset with ${name}`, 'subset', options.subset)
  }
  if (found.length === 0) {
    throw new SiamError('ERR_DATA', `expected the layout of a data set but found none: ${detectors.map(({ layout }) => layout).join(', ')}`, { file, hint: '--dataset NAME says which one it is; docs/datasets.md shows the layouts' })
  }
  if (options.subset === undefined) return found
  const chosen = found.filter(({ params }) => params['subset'] === options.subset || (params['subsets'] as string[] | undefined)?.includes(options.subset as string))
  if (chosen.length === 0) {
    const there = found.flatMap(({ params }) => (params['subsets'] as string[] | undefined) ?? [String(params['subset'])])
    throw invalidArgument(`one of ${there.join(', ')}`, 'subset', options.subset)
  }
  return chosen.map((one) => ('subsets' in one.params ? { ...one, params: { ...one.params, subsets: [options.subset] } } : one))
}

async function ofConfiguration(file: string, { dataset, subset, overrides = [] }: DetectOptions): Promise<DetectedDataset[]> {
  if (subset !== undefined) throw invalidArgument('no --subset with a configuration, which names its own', 'subset', subset)
  const { datasets } = readDataSettings(await loadConfig(file, [...overrides]))
  const chosen = datasets.filter(({ name }) => dataset === undefined || name === dataset)
  if (chosen.length === 0) throw invalidArgument(`one of ${datasets.map(({ name }) => name).join(', ')}`, 'dataset', dataset)
  return chosen.map(({ name, params, configPath }) => ({ name, params, configPath }))
}

function withSubset(params: DatasetParams, key: 'subset' | 'subsets', subset: string | undefined): DatasetParams {
  return subset === undefined ? params : { ...params, [key]: key === 'subsets' ? [subset] : subset }
}

function detectGot10k(root: string): DatasetParams[] {
  return ['train', 'val', 'test']
    .filter((subset) => existsSync(path.join(root, subset, 'list.txt')) || foldersOf(path.join(root, subset)).some((name) => existsSync(path.join(root, subset, name, 'groundtruth.txt'))))
    .map((subset) => ({ dataset_root: root, subset }))
}

function detectTrackingNet(root: string): DatasetParams[] {
  const chunks = foldersOf(root).filter((name) => existsSync(path.join(root, name, 'anno')))
  const params: DatasetParams[] = []
  const training = chunks.filter((name) => /^TRAIN_\d+$/.test(name)).length
  // Half a terabyte: many have a part of it, and that is looked at then.
  if (training > 0) params.push({ dataset_root: root, subset: 'train', ...(training < trackingNetChunks ? { check_integrity: false } : {}) })
  if (chunks.includes('TEST')) params.push({ dataset_root: root, subset: 'test' })
  return params
}

function detectCoco(root: string): DatasetParams[] {
  const subsets = namesOf(path.join(root, 'annotations')).flatMap((name) => /^instances_(.+)\.json$/.exec(name)?.[1] ?? [])
  return subsets.length === 0 ? [] : [{ dataset_root: root, subsets }]
}

function detectIlsvrc(root: string, task: 'VID' | 'DET'): DatasetParams[] {
  return foldersOf(path.join(root, 'Annotations', task)).filter((name) => name === 'train' || name === 'val').map((subset) => ({ dataset_root: root, subset }))
}

/** CLASS-N with its frames in img/, with or without a folder of its class around it; the subsets of which something is there. */
function detectLaSOT(root: string): DatasetParams[] {
  const isSequence = (dir: string): boolean => existsSync(path.join(dir, 'groundtruth.txt')) && existsSync(path.join(dir, 'img'))
  const flat = foldersOf(root).filter((name) => /.-\d+$/.test(name) && isSequence(path.join(root, name)))
  const below = foldersOf(root).flatMap((name) => foldersOf(path.join(root, name)).filter((inner) => inner.startsWith(`${name}-`) && isSequence(path.join(root, name, inner))))
  const there = new Set([...flat, ...below])
  const subsets = (['train', 'test'] as const).filter((subset) => {
    const list = path.join(root, lasotListFiles[subset])
    if (existsSync(list)) return true
    return lasotSequences(subset).some((name) => there.has(name))
  })
  return there.size === 0 ? [] : subsets.map((subset) => ({ dataset_root: root, subset }))
}

function detectImageFolder(root: string): DatasetParams[] {
  const found = existsSync(path.join(root, 'groundtruth.txt')) || foldersOf(root).some((name) => existsSync(path.join(root, name, 'groundtruth.txt')))
  return found ? [{ dataset_root: root }] : []
}

/** The file itself, or a folder with one of the usual name. */
function detectCocoVideo(file: string): DatasetParams[] {
  if (existsSync(path.join(file, 'annotations.json'))) return [{ dataset_root: file }]
  return /\.json$/i.test(file) && statSync(file).isFile() ? [{ dataset_root: path.dirname(file), annotation_file: file }] : []
}

function foldersOf(dir: string): string[] {
  return namesOf(dir).filter((name) => statSync(path.join(dir, name), { throwIfNoEntry: false })?.isDirectory())
}

/** Names in a folder, sorted; none where there is no such folder. */
function namesOf(dir: string): string[] {
  try {
    return readdirSync(dir).sort()
  } catch {
    return []
  }
}
