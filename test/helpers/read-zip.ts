/** Reads a small zip of stored entries by its directory, for tests. */
import { readFileSync } from 'node:fs'

/** @returns entries in the directory's order */
export function readZip(file: string): Map<string, Buffer> {
  const bytes = readFileSync(file)
  const end = bytes.lastIndexOf(Buffer.from('PK\u0005\u0006', 'latin1'))
  const entries = new Map<string, Buffer>()
  let at = bytes.readUInt32LE(end + 16)
  for (let i = 0; i < bytes.readUInt16LE(end + 10); i += 1) {
    const [method, size, nameLength, extraLength, offset] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20), bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30), bytes.readUInt32LE(at + 42)]
    if (method !== 0) throw new Error(`expected stored entries but found method ${method}`)
    const start = offset + 30 + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28)
    entries.set(bytes.toString('utf8', at + 46, at + 46 + nameLength), bytes.subarray(start, start + size))
    at += 46 + nameLength + extraLength
  }
  return entries
}
