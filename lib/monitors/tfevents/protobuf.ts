/**
 * The protobuf encoding of TensorBoard's Event message, as far as scalars need it.
 *
 * Event: wall_time = 1 (double), step = 2 (int64), file_version = 3 (string), summary = 5, session_log = 7, source_metadata = 10.
 * Summary: value = 1 (repeated: tag = 1 string, simple_value = 2 float). SessionLog: status = 1 (enum, START = 1). SourceMetadata: writer = 1.
 * As in proto3, a field with its default value (step 0) is not written; a member of a oneof (simple_value) is.
 */

/** An event, decoded. */
export interface TfEvent {
  /** Seconds since 1970. */
  wallTime: number
  step: number
  fileVersion?: string
  /** 'START' is what makes TensorBoard forget what earlier files say about this step and later ones. */
  sessionStatus?: 'START' | 'STOP' | 'CHECKPOINT' | 'UNSPECIFIED'
  writer?: string
  scalars: { tag: string; value: number }[]
}

/** A byte buffer that grows; keeps encoding free of allocations once it is large enough. */
export class ByteWriter {
  bytes: Buffer
  length = 0

  constructor(capacity = 16384) {
    this.bytes = Buffer.allocUnsafe(capacity)
  }

  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + count))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  /** Non-negative safe integers, and negative ones as the 64-bit two's complement that int64 wants. */
  varint(value: number): void {
    this.reserve(10)
    if (value >= 0) {
      let rest = value
      while (rest >= 0x80) {
        this.bytes[this.length++] = (rest % 0x80) | 0x80
        rest = Math.floor(rest / 0x80)
      }
      this.bytes[this.length++] = rest
      return
    }
    let rest = BigInt.asUintN(64, BigInt(value))
    while (rest >= 0x80n) {
      this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.bytes[this.length++] = Number(rest)
  }

  double(value: number): void {
    this.reserve(8)
    this.length = this.bytes.writeDoubleLE(value, this.length)
  }

  float(value: number): void {
    this.reserve(4)
    // Math.fround first: writeFloatLE refuses nothing, but what is beyond float32 has to become an infinity, as in the original.
    this.length = this.bytes.writeFloatLE(Math.fround(value), this.length)
  }

  string(value: string): void {
    const count = Buffer.byteLength(value)
    this.varint(count)
    this.reserve(count)
    this.length += this.bytes.write(value, this.length, 'utf8')
  }
}

const sessionLogStart = 1

function head(out: ByteWriter, wallTime: number, step: number): void {
  if (wallTime !== 0) {
    out.byte(0x09)
    out.double(wallTime)
  }
  if (step !== 0) {
    out.byte(0x10)
    out.varint(step)
  }
}

/** Event with one scalar. */
export function encodeScalar(out: ByteWriter, wallTime: number, step: number, tag: string, value: number): void {
  head(out, wallTime, step)
  const tagBytes = Buffer.byteLength(tag)
  const tagField = tagBytes === 0 ? 0 : 1 + varintSize(tagBytes) + tagBytes
  const valueMessage = tagField + 5
  out.byte(0x2a)
  out.varint(1 + varintSize(valueMessage) + valueMessage)
  out.byte(0x0a)
  out.varint(valueMessage)
  if (tagBytes !== 0) {
    out.byte(0x0a)
    out.string(tag)
  }
  out.byte(0x15)
  out.float(value)
}

/** Event that begins a file: which version of the format it is in and who wrote it. */
export function encodeFileVersion(out: ByteWriter, wallTime: number, step: number, version: string, writer?: string): void {
  head(out, wallTime, step)
  out.byte(0x1a)
  out.string(version)
  if (writer !== undefined) {
    const count = Buffer.byteLength(writer)
    out.byte(0x52)
    out.varint(1 + varintSize(count) + count)
    out.byte(0x0a)
    out.string(writer)
  }
}

/** Event that says that a session starts at `step`: what earlier files hold from there on is void. */
export function encodeSessionStart(out: ByteWriter, wallTime: number, step: number): void {
  head(out, wallTime, step)
  out.byte(0x3a)
  out.varint(2)
  out.byte(0x08)
  out.varint(sessionLogStart)
}

function varintSize(value: number): number {
  let size = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** A message that does not follow the protobuf encoding. */
export class MalformedMessage extends Error {}

/** One field of a message: its number, and its value by wire type. */
type Field = { number: number; varint?: bigint; bytes?: Buffer }

function* fields(message: Buffer): Generator<Field> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++]
      if (byte === undefined) throw new MalformedMessage('a number is cut off')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new MalformedMessage('a number is too long')
  }
  const take = (count: number): Buffer => {
    if (at + count > message.length) throw new MalformedMessage('a field is cut off')
    at += count
    return message.subarray(at - count, at)
  }
  while (at < message.length) {
    const key = Number(varint())
    const number = key >>> 3
    const wireType = key & 7
    if (wireType === 0) yield { number, varint: varint() }
    else if (wireType === 1) yield { number, bytes: take(8) }
    else if (wireType === 2) yield { number, bytes: take(Number(varint())) }
    else if (wireType === 5) yield { number, bytes: take(4) }
    else throw new MalformedMessage(`wire type ${wireType} is unknown`)
  }
}

const statuses = ['UNSPECIFIED', 'START', 'STOP', 'CHECKPOINT'] as const

/** Decodes an Event; fields that scalars do not need are passed over. @throws MalformedMessage */
export function decodeEvent(message: Buffer): TfEvent {
  const event: TfEvent = { wallTime: 0, step: 0, scalars: [] }
  for (const { number, varint, bytes } of fields(message)) {
    if (number === 1 && bytes?.length === 8) event.wallTime = bytes.readDoubleLE()
    else if (number === 2 && varint !== undefined) event.step = Number(BigInt.asIntN(64, varint))
    else if (number === 3 && bytes !== undefined) event.fileVersion = bytes.toString('utf8')
    else if (number === 5 && bytes !== undefined) event.scalars.push(...decodeSummary(bytes))
    else if (number === 7 && bytes !== undefined) {
      const status = [...fields(bytes)].find((field) => field.number === 1)?.varint ?? 0n
      event.sessionStatus = statuses[Number(status)] ?? 'UNSPECIFIED'
    } else if (number === 10 && bytes !== undefined) {
      const writer = [...fields(bytes)].find((field) => field.number === 1)?.bytes
      if (writer !== undefined) event.writer = writer.toString('utf8')
    }
  }
  return event
}

function* decodeSummary(message: Buffer): Generator<{ tag: string; value: number }> {
  for (const { number, bytes } of fields(message)) {
    if (number !== 1 || bytes === undefined) continue
    let tag = ''
    let value: number | undefined
    for (const field of fields(bytes)) {
      if (field.number === 1 && field.bytes !== undefined) tag = field.bytes.toString('utf8')
      else if (field.number === 2 && field.bytes?.length === 4) value = field.bytes.readFloatLE()
    }
    if (value !== undefined) yield { tag, value }
  }
}
