/** Opening packs for training: neither annotations nor frames of the original are needed. */
import { readdir } from 'node:fs/promises'
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
}

export interface OpenedPack {
  /** With the pack's handles: {@link DatasetIndex.dispose} it. */
  index: DatasetIndex
  manifest: PackManifest
  /** The index's file. */
  file: string
}

/**
 * Opens the pack of one data set and checks that it serves the configuration.
 *
 * @param log  told when the pack is coarser than the crops
 * @throws ERR_DATA when there is no such pack, it is unfinished, damaged or of another version; ERR_CONFIG when it was made with other settings of
 *   the data set or for smaller crops; ERR_IO
 */
export async function openPackedDataset(setting: DatasetSetting, source: PackSource, log: (line: string) => void = () => {}): Promise<OpenedPack> {
  const { name, ratio, maxDiff } = setting
  const dir = path.join(source.dir, name)
  const manifest = await readPackManifest(dir)
  if (manifest === null) throw await noPack(source.dir, name)
  checkPackedParams(manifest, setting, dir)
  const coarse = checkPackedCrop(manifest, source.crop, dir)
  if (coarse !== null) log(coarse)

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
    return { index: new DatasetIndex({ name, ratio, maxDiff }, file, { pack }), manifest, file: at(manifest.index.file) }
  } catch (error) {
    file.dispose()
    throw error
  }
}

function checkIndex(index: NativeIndexFile, manifest: PackManifest, file: string): void {
  if (index.frames === manifest.frames && index.sequences === manifest.sequences) return
  throw new SiamError('ERR_DATA', `Expected an index of ${manifest.sequences} sequences and ${manifest.frames} frames, as ${packManifestFile} says, but it has ${index.sequences} and ${index.frames}`, { file })
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
  return new SiamError('ERR_DATA', `there is no pack of ${name} in this folder`, { file: dir, hint: there.length === 0 ? 'it holds no packs at all' : `it holds ${there.sort().join(', ')}` })
}
