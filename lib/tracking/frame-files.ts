/**
 * Which files a source of frames names: a folder, a glob pattern, or the files themselves.
 */
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../errors.ts'

const frameFile = /\.(jpe?g|png|webp)$/i
/** By name: what ffmpeg is asked to decode. */
export const videoFile = /\.(mp4|avi|mkv|mov|webm|m4v|mpe?g|ts|mts|wmv|flv|ogv|3gp|mjpe?g|y4m|gif)$/i
/** 2.jpg before 10.jpg, whatever the locale. */
const inOrder = new Intl.Collator('en', { numeric: true }).compare

/**
 * @param sources one folder (its .jpg, .jpeg, .png and .webp files), one pattern with * or ? in any part of the path, or files in their order
 * @returns the files; those of a folder or pattern sorted by name, numbers in the name counting as numbers
 * @throws ERR_DATA when there is no such file or folder, or no frame in it; ERR_ARGUMENT for a video (frame-source.ts opens one)
 */
export async function frameFiles(sources: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const source of sources) files.push(...(await filesOf(source)))
  if (files.length === 0) throw new SiamError('ERR_DATA', 'there are no frames', { file: sources[0] })
  return files
}

async function filesOf(source: string): Promise<string[]> {
  const info = await stat(source).catch(() => undefined)
  if (info?.isDirectory() === true) {
    const names = (await list(source)).filter((name) => frameFile.test(name) && !name.startsWith('.')).sort(inOrder)
    if (names.length === 0) throw new SiamError('ERR_DATA', 'the folder holds no frame (.jpg, .jpeg, .png or .webp)', { file: source })
    return names.map((name) => path.join(source, name))
  }
  if (info !== undefined) {
    if (videoFile.test(source)) {
      throw new SiamError('ERR_ARGUMENT', 'a video is no image', { file: source, hint: 'a video is a source of its own, not one among several files' })
    }
    return [source]
  }
  if (!/[*?]/.test(source)) throw new SiamError('ERR_DATA', 'there is no such file or folder', { file: source, ...(/^\w+:\/\//.test(source) ? { hint: 'network addresses are not opened: download it first' } : {}) })
  const found = (await matching(source)).sort(inOrder)
  if (found.length === 0) throw new SiamError('ERR_DATA', 'no file matches the pattern', { file: source })
  return found
}

/** Files whose path matches part by part; * and ? never match a '/'. */
async function matching(pattern: string): Promise<string[]> {
  let folders = [pattern.startsWith('/') ? '/' : '']
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.')
  for (const part of parts) {
    if (!/[*?]/.test(part)) {
      folders = folders.map((folder) => path.join(folder, part))
      continue
    }
    const wanted = new RegExp(`^${part.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*').replaceAll('?', '.')}$`)
    const next: string[] = []
    for (const folder of folders) {
      const names = await list(folder === '' ? '.' : folder).catch(() => [])
      // As in a shell, a leading dot must be named.
      next.push(...names.filter((name) => wanted.test(name) && (part.startsWith('.') || !name.startsWith('.'))).map((name) => path.join(folder, name)))
    }
    folders = next
  }
  const files: string[] = []
  for (const file of folders) if ((await stat(file).catch(() => undefined))?.isFile() === true) files.push(file)
  return files
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    throw new SiamError('ERR_IO', `the folder cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file: folder, cause })
  }
}
