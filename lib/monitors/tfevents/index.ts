/** TensorBoard event files, written and read without Python. */
export { crc32c, maskedCrc32c } from './crc32c.ts'
export type { TfEvent } from './protobuf.ts'
export { readEvents, readScalars, type EventFile, type ScalarPoint } from './reader.ts'
export { EventFileWriter, type EventFileWriterOptions } from './writer.ts'
