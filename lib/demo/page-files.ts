/**
 * The page's own files, read once when the server starts: a request picks one by its name, and no path that a client sends is ever opened.
 */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { SiamError } from '../errors.ts'

export interface PageFile {
  type: string
  bytes: Buffer
}

// The compiler does not copy them to dist/. lib/ is part of the package and as deep as dist/: this leads there from both.
const folder = fileURLToPath(new URL('../../lib/demo/page/', import.meta.url))

const types: Readonly<Record<string, string>> = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml' }

/**
 * @returns the files by their URL path; '/' is index.html
 * @throws ERR_SETUP when the package is not whole
 */
export async function readPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>()
  try {
    for (const name of await readdir(folder)) {
      const type = types[path.extname(name)]
      if (type !== undefined) files.set(name === 'index.html' ? '/' : `/${name}`, { type, bytes: await readFile(path.join(folder, name)) })
    }
  } catch (cause) {
    throw new SiamError('ERR_SETUP', `the page's files cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file: folder, hint: 'install the package again', cause })
  }
  if (!files.has('/')) throw new SiamError('ERR_SETUP', 'the page is not there', { file: folder, hint: 'install the package again' })
  return files
}
