/** A zip of results, read in place. */
import { crc32 } from 'node:zlib'
import yauzl from 'yauzl'
import type { Entry, ZipFile } from 'yauzl'
import { ioError } from '../../checkpoint/io-error.ts'
import { SiamError } from '../../errors.ts'
import { cleanEntryName, isLeftover, sortedNames } from './entry-name.ts'
import type { ResultSource, SourceLimits } from './source.ts'

const encryptedFlag = 1
const unixLink = 0o120000
const unixTypeMask = 0o170000
const stored = 0
const deflated = 8

/**
 * Opens a zip and checks all of its directory.
 * @throws ERR_DATA when it is no zip, is damaged, or holds what is refused; ERR_IO when it cannot be read
 */
export async function openZip(file: string, limits: SourceLimits): Promise<ResultSource> {
  let zip: ZipFile
  try {
    // Names are decoded and checked here, so that the message can say which entry it is and what is wrong with it.
    zip = await yauzl.openPromise(file, { lazyEntries: true, autoClose: false, decodeStrings: false })
  } catch (error) {
    throw fromYauzl(error, file, 'the zip cannot be read', 'expected a folder or a zip file; it may be another kind of archive, or have been cut short')
  }
  try {
    return sourceOf(zip, file, await readDirectory(zip, file, limits))
  } catch (error) {
    zip.close()
    throw error instanceof SiamError ? error : fromYauzl(error, file, 'the directory of the zip is damaged')
  }
}

function sourceOf(zip: ZipFile, file: string, entries: ReadonlyMap<string, Entry>): ResultSource {
  const listed = sortedNames(entries.keys())
  const describe = (name: string): string => `${file}:${name}`
  let closed = false
  return {
    path: file,
    kind: 'zip',
    list: () => listed,
    describe,
    async read(name) {
      const entry = entries.get(name)
      if (entry === undefined) throw new SiamError('ERR_DATA', 'there is no such file of results', { file: describe(name) })
      let bytes: Buffer
      try {
        // The stream fails when more or fewer bytes come than the directory says, so it cannot grow past what was checked.
        const pieces: Buffer[] = []
        for await (const piece of await zip.openReadStreamPromise(entry)) pieces.push(piece as Buffer)
        bytes = Buffer.concat(pieces)
      } catch (error) {
        throw fromYauzl(error, describe(name), 'the entry of the zip is damaged')
      }
      if (crc32(bytes) !== entry.crc32) throw new SiamError('ERR_DATA', 'the entry of the zip is damaged: its checksum is another', { file: describe(name) })
      return bytes
    },
    async close() {
      if (!closed) zip.close()
      closed = true
    },
  }
}

async function readDirectory(zip: ZipFile, file: string, limits: SourceLimits): Promise<Map<string, Entry>> {
  const bad = (message: string, hint?: string): SiamError => new SiamError('ERR_DATA', message, { file, hint })
  if (zip.entryCount > limits.entries) throw bad(`the zip has ${zip.entryCount} entries, more than the ${limits.entries} that are read`, 'pack the results alone')

  const entries = new Map<string, Entry>()
  let total = 0
  for await (const entry of zip.eachEntry()) {
    const raw = yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false)
    const shown = JSON.stringify(raw.length > 120 ? `${raw.slice(0, 119)}…` : raw)
    const clean = cleanEntryName(raw)
    if ('wrong' in clean) throw bad(`the zip entry ${shown} ${clean.wrong}`, 'such an archive is not read at all')
    const { name } = clean
    const kind = (entry.externalFileAttributes >>> 16) & unixTypeMask
    if (kind === unixLink) throw bad(`the zip entry ${shown} is a link`, 'pack the file itself')
    total += entry.uncompressedSize
    if (name === '' || name.endsWith('/') || isLeftover(name)) continue
    refuse(entry, shown, limits, bad)
    if (total > limits.totalBytes) throw bad(`the zip unpacks to more than ${limits.totalBytes} bytes, counted up to its entry ${shown}`, 'it looks like a zip bomb')
    if (entries.has(name)) throw bad(`the zip has two entries ${shown}`)
    entries.set(name, entry)
  }
  // Entries that share their packed bytes show only here: each looks harmless.
  if (total > limits.totalBytes || (total >= limits.ratioFromBytes && total / zip.fileSize > limits.ratio)) {
    throw bad(`the zip of ${zip.fileSize} bytes unpacks to ${total}, more than ${limits.ratio} times as many`, 'it looks like a zip bomb')
  }
  return entries
}

function refuse(entry: Entry, shown: string, limits: SourceLimits, bad: (message: string, hint?: string) => SiamError): void {
  const { uncompressedSize: size, compressedSize: packed, compressionMethod: method } = entry
  if ((entry.generalPurposeBitFlag & encryptedFlag) !== 0) throw bad(`the zip entry ${shown} is encrypted`, 'pack it without a password')
  if (method !== stored && method !== deflated) throw bad(`the zip entry ${shown} is packed by method ${method}`, 'pack it with the usual method, deflate')
  if (size > limits.fileBytes) throw bad(`the zip entry ${shown} unpacks to ${size} bytes, more than the ${limits.fileBytes} that a file of results may have`)
  if (size >= limits.ratioFromBytes && size / Math.max(1, packed) > limits.ratio) {
    throw bad(`the zip entry ${shown} unpacks from ${packed} to ${size} bytes, more than ${limits.ratio} times as many`, 'it looks like a zip bomb')
  }
}

/** A failed system call stays what it is; everything else that yauzl complains about is the archive's fault. */
function fromYauzl(error: unknown, file: string, what: string, hint?: string): SiamError {
  if (error instanceof Error && 'syscall' in error) return ioError(error, 'read', file)
  return new SiamError('ERR_DATA', `${what}: ${error instanceof Error ? error.message : String(error)}`, { file, hint, cause: error })
}
