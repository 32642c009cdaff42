/**
 * Where a command's frames come from: files, a video, or a pipe.
 */
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { SiamError } from '../errors.ts'
import type { Frame } from './frame.ts'
import { frameFiles, videoFile } from './frame-files.ts'
import { rawFrames, type RawFormat } from './raw-frames.ts'
import { openVideo } from './video/index.ts'

export interface FrameSource {
  frames: Iterable<Frame> | AsyncIterable<Frame>
  /** What is read; of standard input nothing. */
  files: readonly string[]
  /** Frames there are, where that is known before they are read; `exact` unless it is an estimate. */
  count?: number
  exact: boolean
  /** Frames a second of a video. */
  fps?: number
}

export interface SourceOptions {
  /** The form of the frames of '-', which is standard input. */
  raw?: RawFormat
  input?: AsyncIterable<Uint8Array>
  signal?: AbortSignal
  onWarning?: (text: string) => void
}

/**
 * @param sources one folder, one pattern, image files in their order, one video, or '-'
 * @throws ERR_ARGUMENT, ERR_DATA, ERR_IO, ERR_SETUP (a video without ffmpeg), each naming the source
 */
export async function openFrames(sources: readonly string[], options: SourceOptions = {}): Promise<FrameSource> {
  const [source] = sources
  if (sources.includes('-')) {
    if (sources.length > 1) throw new SiamError('ERR_ARGUMENT', 'Expected standard input (-) alone, without other sources')
    if (options.raw === undefined) throw new SiamError('ERR_ARGUMENT', 'Expected --raw WIDTHxHEIGHT[:bgr|rgb|gray] with frames on standard input (-)')
    return { frames: rawFrames(untilAborted(options.input ?? process.stdin, options.signal), options.raw), files: [], exact: false }
  }
  if (options.raw !== undefined) throw new SiamError('ERR_ARGUMENT', 'Expected the source - (standard input) with --raw', { file: source })
  if (sources.length === 1 && source !== undefined && videoFile.test(source) && (await stat(source).catch(() => undefined))?.isFile() === true) {
    const video = await openVideo(source, { signal: options.signal, onWarning: options.onWarning })
    return { frames: video, files: [source], exact: false, ...(video.estimatedFrames === undefined ? {} : { count: video.estimatedFrames }), ...(video.fps === undefined ? {} : { fps: video.fps }) }
  }
  const files = await frameFiles(sources)
  return { frames: files, files, count: files.length, exact: true }
}

/** A camera that stalls must not keep the command from ending: the wait for the next bytes ends with the signal. */
async function* untilAborted(input: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  if (signal === undefined) return yield* input
  signal.throwIfAborted()
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
  })
  // Raised between two waits, it is met at the next one.
  aborted.catch(() => {})
  const chunks = input[Symbol.asyncIterator]()
  try {
    for (;;) {
      const step = await Promise.race([chunks.next(), aborted])
      if (step.done === true) return
      yield step.value
    }
  } finally {
    signal.removeEventListener('abort', stop as () => void)
    // A stream's own return() waits for the bytes that do not come.
    if (signal.aborted) (input as Partial<Readable>).destroy?.()
    else await chunks.return?.()
  }
}
