/**
 * A video file as frames, decoded by ffmpeg only as fast as they are taken.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { SiamError } from '../../errors.ts'
import type { PixelFrame } from '../frame.ts'
import { findFfmpeg, inputOf, lastWords, type Ffmpeg } from './ffmpeg.ts'
import { ppmFrames } from './ppm.ts'

export interface VideoOptions {
  /** Ends the decoding; the iteration then throws the signal's reason. */
  signal?: AbortSignal
  /** Hears, after the last frame, what ffmpeg complained about although it went on (a damaged stream). */
  onWarning?: (text: string) => void
}

/** Iterating decodes from the beginning, each time anew; leaving the loop ends ffmpeg. */
export interface Video extends AsyncIterable<PixelFrame> {
  readonly file: string
  /** Of the frames as they are shown (a phone's rotation applied), in pixels. */
  readonly width: number
  readonly height: number
  /** Mean frames a second; undefined where the file does not tell. */
  readonly fps: number | undefined
  /** Frames by duration and rate: an estimate, for progress. */
  readonly estimatedFrames: number | undefined
}

/**
 * Opens a video file and reads what it says of itself.
 * @throws ERR_SETUP without ffmpeg, ERR_IO when the file cannot be read, ERR_DATA when it is no video
 */
export async function openVideo(file: string, options: VideoOptions = {}): Promise<Video> {
  const ffmpeg = await findFfmpeg()
  try {
    await access(file)
  } catch (cause) {
    throw new SiamError('ERR_IO', `the video cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file, cause })
  }
  const facts = await probe(ffmpeg, file, options.signal)
  return { file, ...facts, [Symbol.asyncIterator]: () => decode(ffmpeg, file, options) }
}

type Facts = Pick<Video, 'width' | 'height' | 'fps' | 'estimatedFrames'>

async function probe(ffmpeg: Ffmpeg, file: string, signal: AbortSignal | undefined): Promise<Facts> {
  const child = spawn(ffmpeg.path, ['-hide_banner', '-nostdin', ...inputOf(file)], { stdio: ['ignore', 'ignore', 'pipe'], signal })
  const stderr = textOf(child.stderr)
  try {
    const [, crash] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    if (crash !== null) throw new SiamError('ERR_DATA', `this is no video that can be decoded: ffmpeg ended by ${crash} on it`, { file })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
  return factsOf(await stderr, file)
}

/** @internal what ffmpeg prints about a file → facts. @throws ERR_DATA when it names no video stream */
export function factsOf(text: string, file: string): Facts {
  // A cover picture of a sound file is a video stream too, of one frame.
  const stream = /Stream #\d+:\d+[^\n]*: Video: (?![^\n]*attached pic)[^\n]*/.exec(text)?.[0]
  const size = stream === undefined ? null : /[ ,](\d{1,5})x(\d{1,5})[ ,]/.exec(stream.slice(stream.indexOf('Video:')))
  if (stream === undefined || size === null) {
    const reason = /Stream #/.test(text) ? 'it has no video stream' : lastWords(text)
    throw new SiamError('ERR_DATA', `this is no video that can be decoded${reason === '' ? '' : `: ${reason}`}`, { file, hint: 'a common video file (.mp4, .webm, .mkv, .avi, .mov, .gif), or a folder of images' })
  }
  const turned = Math.round(Math.abs(Number(/rotation of (-?[\d.]+) degrees/.exec(text)?.[1] ?? 0)) / 90) % 2 === 1
  const [width, height] = turned ? [Number(size[2]), Number(size[1])] : [Number(size[1]), Number(size[2])]
  const rate = Number(/([\d.]+k?) fps/.exec(stream)?.[1]?.replace(/k$/, '000') ?? Number.NaN)
  const [, hours, minutes, seconds] = /Duration: (\d+):(\d+):([\d.]+)/.exec(text) ?? []
  const duration = hours === undefined ? Number.NaN : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  const fps = rate > 0 ? rate : undefined
  const frames = Math.round(duration * rate)
  return { width, height, fps, estimatedFrames: frames > 0 ? frames : undefined }
}

async function* decode(ffmpeg: Ffmpeg, file: string, { signal, onWarning }: VideoOptions): AsyncGenerator<PixelFrame, void, undefined> {
  signal?.throwIfAborted()
  const args = ['-hide_banner', '-nostdin', '-loglevel', 'error', ...inputOf(file), '-map', '0:V:0', ...ffmpeg.keepFrames, '-f', 'image2pipe', '-c:v', 'ppm', '-pix_fmt', 'rgb24', 'pipe:1']
  const child = spawn(ffmpeg.path, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const stderr = textOf(child.stderr)
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  closed.catch(() => {}) // a spawn that fails also ends the loop below
  const stop = (): void => void child.kill('SIGKILL')
  signal?.addEventListener('abort', stop, { once: true })
  try {
    let frames = 0
    let cut: unknown
    try {
      for await (const frame of ppmFrames(child.stdout)) {
        yield frame
        frames += 1
      }
    } catch (error) {
      cut = error
    }
    const [code, crash] = await closed
    signal?.throwIfAborted()
    if (code !== 0 || frames === 0) throw new SiamError('ERR_DATA', `the video cannot be decoded after ${frames} frames: ${lastWords(await stderr) || `ffmpeg ended ${crash === null ? `with ${code}` : `by ${crash}`}`}`, { file })
    if (cut !== undefined) throw cut
    const complaints = lastWords(await stderr)
    if (complaints !== '') onWarning?.(`the video is damaged; ${frames} frames were decoded: ${complaints}`)
  } finally {
    signal?.removeEventListener('abort', stop)
    stop()
  }
}

/** The end of a stream's text: a damaged video makes ffmpeg complain about every frame. */
async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text = (text + chunk.toString('utf8')).slice(-20_000)
  return text
}
