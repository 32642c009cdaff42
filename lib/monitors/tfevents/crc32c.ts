/**
 * CRC-32C (Castagnoli), as the TFRecord format wants it. Eight bytes a round ("slicing by 8"): table k holds the effect of a byte that is
 * followed by k zero bytes.
 */

const polynomialReversed = 0x82f63b78

const tables: readonly Uint32Array[] = makeTables()

function makeTables(): Uint32Array[] {
  const first = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ polynomialReversed : value >>> 1
    first[byte] = value >>> 0
  }
  const all = [first]
  for (let k = 1; k < 8; k++) {
    const previous = all[k - 1] as Uint32Array
    all.push(previous.map((value) => (value >>> 8) ^ (first[value & 0xff] as number)))
  }
  return all
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array,
]

/**
 * CRC-32C of `bytes[start, end)`, an unsigned 32-bit number.
 * @param previous  the CRC of what comes before: pieces one after the other give the CRC of the whole
 */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, previous = 0): number {
  let crc = previous ^ 0xffffffff
  let i = start
  // Indices are in range by the loops' conditions and the masks, so the assertions hold.
  for (; i + 8 <= end; i += 8) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    crc =
      t7[crc & 0xff]! ^
      t6[(crc >>> 8) & 0xff]! ^
      t5[(crc >>> 16) & 0xff]! ^
      t4[crc >>> 24]! ^
      t3[bytes[i + 4]!]! ^
      t2[bytes[i + 5]!]! ^
      t1[bytes[i + 6]!]! ^
      t0[bytes[i + 7]!]!
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]!) & 0xff]!
  return (crc ^ 0xffffffff) >>> 0
}

/** The masked form that TFRecord stores, because a CRC over data that holds CRCs is weak. */
export function maskedCrc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const crc = crc32c(bytes, start, end)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
