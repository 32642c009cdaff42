/** A folder of results. */
import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { ioError } from '../../checkpoint/io-error.ts'
import { SiamError } from '../../errors.ts'
import { isLeftover, sortedNames } from './entry-name.ts'
import type { ResultSource, SourceLimits } from './source.ts'

/** No toolkit nests deeper; a folder that does is not one of results. */
const maxDepth = 12

/** @throws ERR_DATA for a link, too many entries or too deep a folder, ERR_IO when a folder cannot be listed */
export async function openFolder(folder: string, limits: SourceLimits): Promise<ResultSource> {
  const names = new Set<string>()
  let entries = 0

  async function walk(below: string, depth: number): Promise<void> {
    const dir = path.join(folder, below)
    let found
    try {
      found = await readdir(dir, { withFileTypes: true })
    } catch (error) {
      throw ioError(error, 'list', dir)
    }
    entries += found.length
    if (entries > limits.entries) {
      throw new SiamError('ERR_DATA', `the folder has more than ${limits.entries} entries`, { file: folder, hint: 'name the folder that holds the results alone' })
    }
    for (const entry of found) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`
      if (isLeftover(entry.name)) continue
      // A link may lead out of the folder, or back into it for ever.
      if (entry.isSymbolicLink()) {
        throw new SiamError('ERR_DATA', 'the folder of results holds a link', { file: path.join(folder, name), hint: 'put the files there themselves, or name the folder that it leads to' })
      }
      if (entry.isFile()) names.add(name)
      else if (entry.isDirectory()) {
        if (depth >= maxDepth) throw new SiamError('ERR_DATA', `folders of results nest more than ${maxDepth} deep`, { file: path.join(folder, name) })
        await walk(name, depth + 1)
      }
    }
  }
  await walk('', 0)

  const listed = sortedNames(names)
  const describe = (name: string): string => path.join(folder, name)
  return {
    path: folder,
    kind: 'folder',
    list: () => listed,
    describe,
    async read(name) {
      const file = describe(name)
      if (!names.has(name)) throw new SiamError('ERR_DATA', 'there is no such file of results', { file })
      return await readRegularFile(file, limits.fileBytes)
    },
    close: async () => {},
  }
}

async function readRegularFile(file: string, maxBytes: number): Promise<Buffer> {
  let handle
  try {
    // The file may have been replaced since it was listed: neither follow a link nor wait for a pipe's other end.
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const { size } = await handle.stat()
    if (size > maxBytes) throw new SiamError('ERR_DATA', `the file has ${size} bytes, more than the ${maxBytes} that a file of results may have`, { file })
    return await handle.readFile()
  } catch (error) {
    throw error instanceof SiamError ? error : ioError(error, 'read', file)
  } finally {
    await handle?.close()
  }
}
