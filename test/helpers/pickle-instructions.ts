/** Where the instructions of a pickle begin, so that mutations can take them as they are: whole. */

/** Bytes of argument of the instructions that have some: a number of bytes, or how their length is told. */
const argument: Record<number, number | 'u1' | 'u4' | 'u8' | 'line' | 'two lines'> = {
  0x80: 1, 0x4b: 1, 0x71: 1, 0x68: 1, 0x82: 1, 0x4d: 2, 0x83: 2, 0x4a: 4, 0x72: 4, 0x6a: 4, 0x84: 4, 0x47: 8, 0x95: 8,
  0x8a: 'u1', 0x8c: 'u1', 0x55: 'u1', 0x43: 'u1', 0x58: 'u4', 0x42: 'u4', 0x54: 'u4', 0x8b: 'u4', 0x8d: 'u8', 0x8e: 'u8', 0x96: 'u8',
  0x49: 'line', 0x4c: 'line', 0x46: 'line', 0x56: 'line', 0x53: 'line', 0x70: 'line', 0x67: 'line', 0x63: 'two lines',
}

/** The instructions of the pickle that begins at `start`, up to its STOP. @throws Error when it is no whole pickle */
export function instructionsOf(bytes: Buffer, start = 0): Buffer[] {
  const found: Buffer[] = []
  for (let at = start; ; ) {
    const opcode = bytes[at]
    if (opcode === undefined) throw new Error('the pickle has no end')
    const kind = argument[opcode] ?? 0
    let end = at + 1
    if (typeof kind === 'number') end += kind
    else if (kind === 'u1') end += 1 + bytes[at + 1]!
    else if (kind === 'u4') end += 4 + bytes.readUInt32LE(at + 1)
    else if (kind === 'u8') end += 8 + Number(bytes.readBigUInt64LE(at + 1))
    else for (let lines = kind === 'line' ? 1 : 2; lines > 0; lines--) end = bytes.indexOf(0x0a, end) + 1
    found.push(bytes.subarray(at, end))
    at = end
    if (opcode === 0x2e) return found
  }
}
