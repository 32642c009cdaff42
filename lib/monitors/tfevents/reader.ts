/** Reads event files back: for tests, tools and anyone who wants a run's curves without TensorBoard. */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import { decodeEvent, MalformedMessage, type TfEvent } from './protobuf.ts'
import { readRecord } from './record.ts'
import { fileError } from './writer.ts'

export interface EventFile {
  events: TfEvent[]
  /** Bytes at the end of the file that are no whole record: a write that a crash cut off. */
  tornBytes: number
}

/**
 * All events of a file, checksums verified. A record that was not written to its end is where reading stops; what is before it counts.
 * @throws ERR_IO when the file cannot be read, ERR_DATA when something before the last record is damaged
 */
export async function readEvents(file: string): Promise<EventFile> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw fileError('read the event file', file, error)
  }
  const events: TfEvent[] = []
  let offset = 0
  for (;;) {
    const result = readRecord(bytes, offset)
    if (result.kind === 'end') return { events, tornBytes: 0 }
    if (result.kind === 'torn') return { events, tornBytes: bytes.length - offset }
    if (result.kind === 'corrupt') throw new SiamError('ERR_DATA', `Event file damaged at byte ${offset}: ${result.reason}`, { file })
    try {
      events.push(decodeEvent(result.data))
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      throw new SiamError('ERR_DATA', `Event file damaged at byte ${offset}: ${error.message}`, { file, cause: error })
    }
    offset = result.next
  }
}

export interface ScalarPoint {
  step: number
  /** As stored: rounded to float32. */
  value: number
  /** Seconds since 1970. */
  wallTime: number
}

/**
 * The scalars of a run, by tag: all event files of a folder in the order in which TensorBoard reads them (by name). As there, a file that
 * starts a session at step s voids what the files before it say about s and later steps.
 * @throws ERR_IO, ERR_DATA as {@link readEvents}
 */
export async function readScalars(dir: string): Promise<Map<string, ScalarPoint[]>> {
  let names: string[]
  try {
    names = (await readdir(dir)).filter((name) => name.includes('tfevents')).sort()
  } catch (error) {
    throw fileError('list the folder of event files', dir, error)
  }
  const curves = new Map<string, ScalarPoint[]>()
  for (const name of names) {
    const { events } = await readEvents(path.join(dir, name))
    for (const event of events) {
      if (event.sessionStatus === 'START') {
        for (const [tag, points] of curves) curves.set(tag, points.filter((point) => point.step < event.step))
      }
      for (const { tag, value } of event.scalars) {
        const points = curves.get(tag) ?? []
        points.push({ step: event.step, value, wallTime: event.wallTime })
        curves.set(tag, points)
      }
    }
  }
  return curves
}
