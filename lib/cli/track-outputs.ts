/** Where `siamtrain track` may write: checked before the frames take their time, and never over what it reads. */
import { access, constants, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { isOverlayFile } from '../tracking/overlay.ts'

export interface TrackOutputs {
  /** File of the boxes. */
  out?: string | undefined
  /** Folder or file of the drawn frames. */
  overlay?: string | undefined
}

/**
 * @param inputs all files that are read: frames or video, annotations, configuration, weights
 * @throws ERR_IO where a file cannot be written, ERR_ARGUMENT where one would replace an input
 */
export async function checkOutputs({ out, overlay }: TrackOutputs, inputs: readonly string[]): Promise<void> {
  if (out !== undefined) await checkFile('--out', out, inputs)
  if (overlay === undefined) return
  if (isOverlayFile(overlay)) await checkTarget('--overlay', overlay, inputs)
  else await checkFolder(overlay, inputs)
  if (out !== undefined && (await real(out)) === (await real(overlay))) throw new SiamError('ERR_ARGUMENT', 'Expected two places for --out and --overlay but both are the same', { file: out })
}

async function checkFile(flag: string, file: string, inputs: readonly string[]): Promise<void> {
  try {
    await access(path.dirname(path.resolve(file)), constants.W_OK)
  } catch (cause) {
    throw new SiamError('ERR_IO', `cannot write: ${cause instanceof Error ? cause.message : String(cause)}`, { file, hint: 'choose a folder that is there and that you may write to', cause })
  }
  await checkTarget(flag, file, inputs)
}

async function checkTarget(flag: string, file: string, inputs: readonly string[]): Promise<void> {
  if ((await stat(file).catch(() => undefined))?.isDirectory() === true) throw new SiamError('ERR_IO', `Expected a file for ${flag} but this is a folder`, { file })
  const target = await real(file)
  for (const input of inputs) {
    if (path.resolve(input) === path.resolve(file) || (await real(input)) === target) throw new SiamError('ERR_ARGUMENT', `${flag} would replace a file that is read`, { file, hint: 'choose another name' })
  }
}

/** Frames drawn into the folder of the frames would take their names. */
async function checkFolder(folder: string, inputs: readonly string[]): Promise<void> {
  const target = await real(folder)
  // Frames come by the thousand, from few folders.
  const above = new Map<string, Promise<string>>()
  const folderOf = (file: string): Promise<string> => {
    const dir = path.dirname(path.resolve(file))
    if (!above.has(dir)) above.set(dir, real(dir))
    return above.get(dir) as Promise<string>
  }
  for (const input of inputs) {
    if (/^\d{8}\.jpg$/.test(path.basename(input)) && (await folderOf(input)) === target) throw new SiamError('ERR_ARGUMENT', `--overlay would replace a frame that is read, ${path.basename(input)}`, { file: folder, hint: 'choose another folder' })
  }
}

/** Without links; what is not there yet by the folder that is. */
async function real(file: string): Promise<string> {
  const full = path.resolve(file)
  try {
    return await realpath(full)
  } catch {
    const parent = path.dirname(full)
    return parent === full ? full : path.join(await real(parent), path.basename(full))
  }
}
