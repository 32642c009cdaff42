/** Whether a pack serves a configuration: made of the same data, for crops that reach as far and are as fine. */
import { SiamError } from '../../errors.ts'
import type { LoaderSpec } from '../../native/addon.ts'
import { samplingSettings } from '../index-cache.ts'
import type { DatasetSetting } from '../settings.ts'
import { type PackManifest, contextFactorOf } from './format.ts'

/** Where the original lies; a pack does without. */
const roots = new Set(['dataset_root', 'unfixed_list'])
/** Rounding of factors that were written as decimals. */
const slack = 1e-9

/** The settings of a data set that decide what is in a pack of it. */
export function packedParams(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(params).filter(([key]) => !samplingSettings.has(key) && !roots.has(key)))
}

/**
 * @param dir   the pack's folder, for messages
 * @throws ERR_CONFIG when the pack was made of another data set or with other settings
 */
export function checkPackedParams(manifest: PackManifest, setting: DatasetSetting, dir: string): void {
  const { name, params, configPath } = setting
  if (manifest.dataset.name !== name) throw new SiamError('ERR_CONFIG', `Expected a pack of ${name} but it is one of ${manifest.dataset.name}`, { file: dir })
  const [packed, now] = [packedParams(manifest.dataset.params), packedParams(params)]
  const differs = [...new Set([...Object.keys(packed), ...Object.keys(now)])].filter((key) => canonical(packed[key]) !== canonical(now[key])).sort()
  if (differs.length === 0) return
  const told = differs.map((key) => `${configPath}.${key} is ${shown(now[key])}, packed was ${shown(packed[key])}`)
  throw new SiamError('ERR_CONFIG', `the pack of ${name} was made with other settings: ${told.join('; ')}`, { file: dir, hint: 'set them as they were packed, or make another pack' })
}

/**
 * @param crop  of the training     @returns a sentence where crops come out less sharp than from frames, else null
 * @throws ERR_CONFIG when crops would reach beyond what is stored
 */
export function checkPackedCrop(manifest: PackManifest, crop: LoaderSpec['crop'], dir: string): string | null {
  const [smallest, largest] = sideRatios(manifest.crop.contextAmount, crop.contextAmount)
  const needed = contextFactorOf(crop) * largest
  if (needed > manifest.contextFactor * (1 + slack)) {
    throw new SiamError(
      'ERR_CONFIG',
      `the crops of this configuration reach ${shortened(needed)} context sides around a target, but the pack holds ${shortened(manifest.contextFactor)} ` +
        `(packed for ${cropText(manifest.crop)}; now ${cropText(crop)})`,
      { file: dir, hint: 'make a pack for this configuration in another folder: siamtrain data pack CONFIG --out FOLDER' },
    )
  }
  const stored = manifest.density * manifest.crop.zSize * smallest
  if (stored >= crop.zSize * (1 - slack)) return null
  return `${manifest.dataset.name}: the pack holds ${shortened(stored)} pixels a context side where the crops have ${crop.zSize}: they are less sharp than from frames`
}

/**
 * Smallest and largest ratio of the context sides of one box for two amounts of context: sqrt((w + cp)(h + cp)) with p = w + h depends on the
 * box's shape by w·h/p² alone, in which the ratio is monotone, so that the extremes are those of a line and of a square.
 */
function sideRatios(from: number, to: number): [smallest: number, largest: number] {
  if (from === to) return [1, 1]
  const square = (1 + 2 * to) / (1 + 2 * from)
  const line = from === 0 ? Infinity : Math.sqrt((to * (1 + to)) / (from * (1 + from)))
  return [Math.min(square, line), Math.max(square, line)]
}

/** JSON with sorted keys, so that the order in a YAML does not count. */
function canonical(value: unknown): string {
  const sorted = (_: string, item: unknown): unknown =>
    typeof item === 'object' && item !== null && !Array.isArray(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item
  return JSON.stringify(value, sorted) ?? 'undefined'
}

function shown(value: unknown): string {
  return value === undefined ? 'not set' : JSON.stringify(value)
}

function shortened(value: number): string {
  return String(Number(value.toPrecision(4)))
}

function cropText({ contextAmount, maxScale, maxShift, maxScaleTemp, maxShiftTemp, zSize, xSize }: LoaderSpec['crop']): string {
  const template = maxScaleTemp === 0 && maxShiftTemp === 0 ? '' : `, max_scale_temp ${maxScaleTemp}, max_shift_temp ${maxShiftTemp}`
  return `context_amount ${contextAmount}, max_scale ${maxScale}, max_shift ${maxShift}${template}, z_size ${zSize}, x_size ${xSize}`
}
