/** Files changed at random, the same for the same seed. */

/** A generator of numbers below `limit` (mulberry32). */
function generator(seed: number): (limit: number) => number {
  let state = (seed * 0x9e3779b9) >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c >>> 0
})

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 255] as number) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

/** Bits flipped, bytes set, pieces cut, doubled or moved; of a PNG half of the time with checksums that agree again. */
export function mutated(file: Uint8Array, seed: number): Uint8Array {
  const below = generator(seed)
  let bytes = Buffer.from(file)
  for (let change = 1 + below(3); change > 0; change -= 1) {
    const at = below(bytes.length)
    const kind = below(6)
    if (kind < 3) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8))
    else if (kind === 3) bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)] ?? 0
    else {
      const length = 1 + below(Math.min(64, bytes.length - at))
      const piece = bytes.subarray(at, at + length)
      bytes = kind === 4 ? Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]) : Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
    }
    if (bytes.length === 0) break
  }
  if (below(2) === 0) sign(bytes)
  return bytes
}

/** Makes the checksums of a PNG's chunks agree, so that what lies behind them is reached. */
function sign(png: Buffer): void {
  if (png.length < 8 || png[0] !== 0x89) return
  for (let at = 8; at + 12 <= png.length; ) {
    const length = png.readUInt32BE(at)
    if (length > png.length - at - 12) return
    png.writeUInt32BE(crc32(png.subarray(at + 4, at + 8 + length)), at + 8 + length)
    at += 12 + length
  }
}
