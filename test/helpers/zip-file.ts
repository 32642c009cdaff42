/** Makes zip files byte by byte, so that tests can make such as no zip program would. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface MadeEntry {
  name: string
  data?: Buffer | string
  /** Default deflate. */
  store?: boolean
  /** Bits of the general purpose flag: 1 encrypted, 0x800 UTF-8 names. */
  flags?: number
  method?: number
  /** st_mode, as Unix zip programs keep it: 0o120777 is a link. */
  mode?: number
  /** What the directory says, where it should lie. */
  says?: { size?: number; crc32?: number }
  /** The local header of the entry of this number is pointed to: both share its bytes. */
  shares?: number
}

export function makeZip(entries: readonly MadeEntry[]): Buffer {
  const parts: Buffer[] = []
  const central: Buffer[] = []
  const places: { local: number; packed: number; size: number; crc: number }[] = []
  let at = 0
  for (const entry of entries) {
    const data = Buffer.from(entry.data ?? '')
    const packed = entry.store === true ? data : deflateRawSync(data, { level: 9 })
    const name = Buffer.from(entry.name)
    const flags = entry.flags ?? 0x800
    const method = entry.method ?? (entry.store === true ? 0 : 8)
    let place = entry.shares === undefined ? undefined : places[entry.shares]
    if (place === undefined) {
      place = { local: at, packed: packed.length, size: entry.says?.size ?? data.length, crc: entry.says?.crc32 ?? crc32(data) }
      const local = Buffer.alloc(30)
      local.writeUInt32LE(0x04034b50, 0)
      local.writeUInt16LE(20, 4)
      local.writeUInt16LE(flags, 6)
      local.writeUInt16LE(method, 8)
      local.writeUInt32LE(place.crc, 14)
      local.writeUInt32LE(place.packed, 18)
      local.writeUInt32LE(place.size, 22)
      local.writeUInt16LE(name.length, 26)
      parts.push(local, name, packed)
      at += local.length + name.length + packed.length
    }
    places.push(place)
    const header = Buffer.alloc(46)
    header.writeUInt32LE(0x02014b50, 0)
    header.writeUInt16LE(entry.mode === undefined ? 20 : (3 << 8) | 20, 4)
    header.writeUInt16LE(20, 6)
    header.writeUInt16LE(flags, 8)
    header.writeUInt16LE(method, 10)
    header.writeUInt32LE(place.crc, 16)
    header.writeUInt32LE(place.packed, 20)
    header.writeUInt32LE(place.size, 24)
    header.writeUInt16LE(name.length, 28)
    header.writeUInt32LE(((entry.mode ?? 0) << 16) >>> 0, 38)
    header.writeUInt32LE(place.local, 42)
    central.push(header, name)
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, directory, end])
}
