/** Files and folders of data sets: what is there, lists of names, and messages that say which folder was looked for and why there. */
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import type { DatasetContext } from './source.ts'

export async function isDirectory(file: string): Promise<boolean> {
  return (await stat(file).catch(() => null))?.isDirectory() ?? false
}

export async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => null))?.isFile() ?? false
}

/** 'ENOENT' and the like. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** Whether a file system error says that something is not there. */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR'
}

/**
 * The folder that `dataset_root` means.
 * @param root    as it stands in the configuration
 * @param layout  what the folder should hold, for the message
 * @throws ERR_DATA when it is not there
 */
export async function requireRoot(root: string, layout: string, context: DatasetContext, moreHint = ''): Promise<string> {
  const dir = path.resolve(context.cwd, root)
  if (!(await isDirectory(dir))) {
    throw new SiamError('ERR_DATA', `data root not found: no such folder (${describeRoot(root, context)})`, { file: dir, hint: `expected ${layout}${moreHint}` })
  }
  return dir
}

/** Says where a root came from: its key, its text, and the folder that a relative one was taken from. */
export function describeRoot(root: string, context: DatasetContext): string {
  const taken = path.isAbsolute(root) ? '' : `, taken from the working directory ${context.cwd}`
  return `${context.configPath}.dataset_root is ${JSON.stringify(root)}${taken}`
}

/**
 * Names of folders, one a line, blank lines passed over.
 * @throws ERR_DATA with the line for a name that comes twice or leads out of the list's folder, or when the file cannot be read
 */
export async function readNameList(listFile: string): Promise<string[]> {
  const names: string[] = []
  const seen = new Set<string>()
  for (const [index, text] of (await readText(listFile)).split(/\r\n|\n|\r/).entries()) {
    const name = text.trim()
    if (name === '') continue
    if (seen.has(name)) throw new SiamError('ERR_DATA', `the sequence ${JSON.stringify(name)} is listed twice`, { file: listFile, line: index + 1 })
    if (path.isAbsolute(name) || name.split(/[/\\]/).includes('..')) {
      throw new SiamError('ERR_DATA', `expected the name of a folder beside ${path.basename(listFile)} but found ${JSON.stringify(name)}`, { file: listFile, line: index + 1 })
    }
    seen.add(name)
    names.push(name)
  }
  return names
}

/** A text file without its byte order mark. @throws ERR_DATA when it cannot be read */
export async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\ufeff/, '')
  } catch (error) {
    throw new SiamError('ERR_DATA', `cannot be read (${errorCode(error)})`, { file, cause: error })
  }
}
