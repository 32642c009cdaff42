/**
 * Where results lie: a folder, or a zip that is read without being unpacked. Archives come from strangers, so names, sizes and kinds of
 * entries are checked before a byte of them is inflated. Nothing is ever written.
 */
import { stat } from 'node:fs/promises'
import { SiamError } from '../../errors.ts'
import { ioError } from '../../checkpoint/io-error.ts'
import { openFolder } from './source-folder.ts'
import { openZip } from './source-zip.ts'

/** The files of a folder or a zip. Names are relative, with `/` between their parts, and never lead out of it. */
export interface ResultSource {
  /** The folder or the zip, as it was given; messages name it. */
  readonly path: string
  readonly kind: 'folder' | 'zip'
  /** Names of the files, sorted; folders and what systems leave behind (`__MACOSX`, `.DS_Store`, other hidden files) are left out. */
  list(): string[]
  /** @throws ERR_DATA when there is no such file or its bytes are damaged, ERR_IO when it cannot be read */
  read(name: string): Promise<Buffer>
  /** What a message about a file calls it: its path, or `ARCHIVE:ENTRY`. */
  describe(name: string): string
  /** Gives the zip's file handle back; a second call does nothing. */
  close(): Promise<void>
}

export interface SourceLimits {
  /** Entries of the folder or zip, folders counted. */
  entries: number
  /** Bytes of one file, unpacked. */
  fileBytes: number
  /** Bytes of all files together, unpacked. */
  totalBytes: number
  /** Unpacked over packed bytes, for a file of {@link ratioFromBytes} and more and for the whole archive. */
  ratio: number
  /** Smaller files may be packed as tightly as they can: a thousand equal lines shrink to nothing. */
  ratioFromBytes: number
}

/**
 * Far above what any benchmark's results take (70 trackers on VOT: 60 000 files; LaSOT's text: 30 MB a tracker; its longest file: 0.5 MB).
 * The boxes of a file take ten times its bytes in memory, and several files are open at a time.
 */
export const sourceLimits: SourceLimits = { entries: 300_000, fileBytes: 16 * 2 ** 20, totalBytes: 8 * 2 ** 30, ratio: 200, ratioFromBytes: 8 * 2 ** 20 }

/**
 * Opens a folder or a zip file for reading.
 * @param file    path of either
 * @param limits  what is refused; see {@link sourceLimits}
 * @throws ERR_IO when it is not there or cannot be read; ERR_DATA when it is neither, or holds what is refused: too many entries or bytes,
 *   names that lead out of it, links, encrypted or unusually packed entries. The message names the entry.
 */
export async function openResults(file: string, limits: Partial<SourceLimits> = {}): Promise<ResultSource> {
  const all = { ...sourceLimits, ...limits }
  let info: Awaited<ReturnType<typeof stat>>
  try {
    info = await stat(file)
  } catch (error) {
    throw ioError(error, 'read', file)
  }
  if (info.isDirectory()) return openFolder(file, all)
  if (!info.isFile()) throw new SiamError('ERR_DATA', 'expected a folder or a zip file', { file })
  return openZip(file, all)
}

/** Opens results, does some work with them and closes them, whatever happens. */
export async function withResults<T>(file: string, work: (source: ResultSource) => Promise<T>, limits?: Partial<SourceLimits>): Promise<T> {
  const source = await openResults(file, limits)
  try {
    return await work(source)
  } finally {
    await source.close()
  }
}
