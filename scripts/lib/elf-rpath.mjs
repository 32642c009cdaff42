/** Changes where a shared library looks for those that it needs, in place: what patchelf does, for a path that does not get longer. */
import { readFileSync, writeFileSync } from 'node:fs'

const PT_LOAD = 1
const PT_DYNAMIC = 2
const DT_STRTAB = 5
const DT_RPATH = 15
const DT_RUNPATH = 29

/** The dynamic section's search paths: each with the place of its bytes in the file. */
function searchPaths(bytes) {
  if (bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) throw new Error('not a little-endian ELF file of 64 bits')
  const headers = []
  const [start, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)]
  for (let i = 0; i < count; i++) {
    const at = start + i * size
    const [offset, address, , fileSize] = [8, 16, 24, 32].map((field) => Number(bytes.readBigUInt64LE(at + field)))
    headers.push({ type: bytes.readUInt32LE(at), offset, address, fileSize })
  }
  const fileOffset = (address) => {
    const segment = headers.find((header) => header.type === PT_LOAD && address >= header.address && address < header.address + header.fileSize)
    if (segment === undefined) throw new Error(`no segment holds the address ${address}`)
    return address - segment.address + segment.offset
  }
  const dynamic = headers.find((header) => header.type === PT_DYNAMIC)
  if (dynamic === undefined) return []
  const entries = []
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.fileSize; at += 16) entries.push({ tag: Number(bytes.readBigInt64LE(at)), value: Number(bytes.readBigUInt64LE(at + 8)) })
  const strings = entries.find(({ tag }) => tag === DT_STRTAB)
  return entries
    .filter(({ tag }) => tag === DT_RPATH || tag === DT_RUNPATH)
    .map(({ value }) => {
      const at = fileOffset(strings.value) + value
      return { at, text: bytes.toString('utf8', at, bytes.indexOf(0, at)) }
    })
}

/**
 * Rewrites the entries of RPATH and RUNPATH.
 * @param {string} file
 * @param {(folder: string) => string} change  each folder's replacement
 * @returns {string[]} the new paths
 * @throws {Error} when a path would get longer, or the file is none that we know
 */
export function rewriteSearchPath(file, change) {
  const bytes = readFileSync(file)
  const paths = searchPaths(bytes)
  const changed = paths.map(({ at, text }) => {
    const wanted = text.split(':').map(change).join(':')
    if (Buffer.byteLength(wanted) > Buffer.byteLength(text)) throw new Error(`${file}: no room for ${wanted} in place of ${text}`)
    bytes.fill(0, at, at + Buffer.byteLength(text))
    bytes.write(wanted, at, 'utf8')
    return wanted
  })
  if (paths.length > 0) writeFileSync(file, bytes)
  return changed
}
