/** Opening packs for training: neither annotations nor frames of the original are needed. */
import { readdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import type { LoaderSpec, NativeIndexFile } from '../../native/addon.ts'
import { loadAddon } from '../../native/load.ts'
import { DatasetIndex } from '../compact-index.ts'
import { isDirectory } from '../files.ts'
import type { DatasetSetting } from '../settings.ts'
import { checkPackedCrop, checkPackedParams } from './fits.ts'
import { type PackManifest, packManifestFile } from './format.ts'
import { readPackManifest } from './manifest.ts'

export interface PackSource {
  /** The folder that holds a folder for each data set. */
  dir: string
  /** The crops of the training. */
  crop: LoaderSpec['crop']
  /** Whether the configuration has one data set only: `dir` may be the folder of its pack itself, then. */
  single?: boolean
}

export interface OpenedPack {
  /** With the pack's handles: {@link DatasetIndex.dispose} it. */
  index: DatasetIndex
  manifest: PackManifest
  /** The index's file. */
  file: string
  /** What it is made of, for a line: the pack packs/GOT10kDataset (made of datasets/GOT-10k, 96 frames, density 1.3). */
  origin: string
}

/**
 * Opens the pack of one data set and checks that it serves the configuration.
 *
 * @param cwd  relative data roots are taken from here, and folders shown relative to it
 * @param log  told when the pack is coarser than the crops, or of another data root than the configuration's, which is there
 * @throws ERR_DATA when there is no such pack, it is unfinished, damaged or of another version; ERR_CONFIG when it was made with other settings of
 *   the data set or for smaller crops; ERR_IO
 */
export async function openPackedDataset(setting: DatasetSetting, source: PackSource, cwd: string = process.cwd(), log: (line: string) => void = () => {}): Promise<OpenedPack> {
  const { name, ratio, maxDiff } = setting
  const { dir, manifest } = await findPack(source, name)
  checkPackedParams(manifest, setting, dir)
  const coarse = checkPackedCrop(manifest, source.crop, dir)
  if (coarse !== null) log(coarse)
  const other = await otherRoot(manifest, setting, cwd)
  if (other !== null) log(other)

  const at = (file: string): string => path.join(dir, file)
  const addon = loadAddon()
  const file = await addon.openIndexFile(at(manifest.index.file))
  try {
    checkIndex(file, manifest, at(manifest.index.file))
    const pack = await addon.openPack(at(manifest.table.file), manifest.shards.map((shard) => ({ path: at(shard.file), bytes: shard.bytes })))
    const { rows, stored } = pack
    if (rows !== manifest.frames || stored !== manifest.stored) {
      pack.dispose()
      throw new SiamError('ERR_DATA', `Expected a table of ${manifest.frames} frames with ${manifest.stored} pictures, as ${packManifestFile} says, but it has ${rows} with ${stored}`, { file: at(manifest.table.file) })
    }
    return { index: new DatasetIndex({ name, ratio, maxDiff }, file, { pack }), manifest, file: at(manifest.index.file), origin: originOf(manifest, dir, cwd) }
  } catch (error) {
    file.dispose()
    throw error
  }
}

function checkIndex(index: NativeIndexFile, manifest: PackManifest, file: string): void {
  if (index.frames === manifest.frames && index.sequences === manifest.sequences) return
  throw new SiamError('ERR_DATA', `Expected an index of ${manifest.sequences} sequences and ${manifest.frames} frames, as ${packManifestFile} says, but it has ${index.sequences} and ${index.frames}`, { file })
}

/** The pack of a data set: in the folder of its name, or the folder that was named itself. */
async function findPack({ dir, single }: PackSource, name: string): Promise<{ dir: string; manifest: PackManifest }> {
  const own = path.join(dir, name)
  const manifest = await readPackManifest(own)
  if (manifest !== null) return { dir: own, manifest }
  const itself = (await isDirectory(own)) ? null : await readPackManifest(dir)
  if (itself === null) throw await noPack(dir, name)
  if (single === true && itself.dataset.name === name) return { dir, manifest: itself }
  throw new SiamError('ERR_DATA', `there is no pack of ${name} in this folder: this is the pack of ${itself.dataset.name} itself`, { file: dir, hint: 'name the folder above it, which holds the packs of all data sets' })
}

function originOf({ dataset, frames, density }: PackManifest, dir: string, cwd: string): string {
  const root = dataset.params['dataset_root']
  const made = typeof root === 'string' && root !== '' ? `made of ${root}, ` : ''
  const relative = path.relative(cwd, dir)
  return `the pack ${relative === '' || relative.startsWith('..') ? dir : relative} (${made}${frames.toLocaleString('en-US')} frames, density ${Number(density.toPrecision(4))})`
}

/** A sentence where the configuration names a data root that is there and is not the one that was packed: a pack of other data trains as silently. */
async function otherRoot({ dataset }: PackManifest, { name, params, configPath }: DatasetSetting, cwd: string): Promise<string | null> {
  const [packed, now] = [dataset.params['dataset_root'], params['dataset_root']]
  if (typeof packed !== 'string' || typeof now !== 'string' || packed === '' || now === '') return null
  const real = (root: string): Promise<string> => realpath(path.resolve(cwd, root)).catch(() => path.resolve(cwd, root))
  if (!(await isDirectory(path.resolve(cwd, now))) || (await real(packed)) === (await real(now))) return null
  return `Warning: the pack of ${name} was made of ${packed}, but ${configPath}.dataset_root is ${now}, which is there and is not read`
}

/** Why there is no manifest: no folder, another data set's, or a pack whose making was stopped. */
async function noPack(dir: string, name: string): Promise<SiamError> {
  const own = path.join(dir, name)
  if (!(await isDirectory(dir))) return new SiamError('ERR_DATA', 'pack not found: no such folder', { file: dir, hint: `siamtrain data pack CONFIG --out ${dir} makes one` })
  if (await isDirectory(own)) {
    return new SiamError('ERR_DATA', `the pack is not finished: it has no ${packManifestFile}`, { file: own, hint: 'the same siamtrain data pack command goes on where it stopped' })
  }
  const there: string[] = []
  for (const entry of await readdir(dir)) if (await readPackManifest(path.join(dir, entry)).then((manifest) => manifest !== null, () => true)) there.push(entry)
  return new SiamError('ERR_DATA', `there is no pack of ${name} in this folder`, { file: dir, hint: `it holds ${there.length === 0 ? 'no packs at all' : there.sort().join(', ')}; siamtrain data pack CONFIG --out ${dir} adds what is missing and keeps what is there` })
}
