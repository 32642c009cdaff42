/**
 * Frames into a video file, encoded by ffmpeg.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { removeStaleTemporaries, temporaryBeside } from '../../checkpoint/atomic-file.ts'
import { SiamError } from '../../errors.ts'
import type { Picture } from '../draw.ts'
import { findFfmpeg, lastWords } from './ffmpeg.ts'

export interface VideoWriterOptions {
  width: number
  height: number
  /** Frames a second. */
  fps: number
}

/** Takes BGR pictures of one size. The file is there when close() came back, whole; before that, or after abort(), it is not. */
export class VideoWriter {
  readonly file: string
  readonly #temporary: string
  readonly #child: ChildProcessByStdio<Writable, null, Readable>
  readonly #options: VideoWriterOptions
  readonly #closed: Promise<number | null>
  #stderr = ''

  private constructor(file: string, temporary: string, child: ChildProcessByStdio<Writable, null, Readable>, options: VideoWriterOptions) {
    this.file = file
    this.#temporary = temporary
    this.#child = child
    this.#options = options
    child.stderr.on('data', (chunk: Buffer) => (this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-20_000)))
    child.stdin.on('error', () => {}) // ffmpeg ended early: close() and write() say why
    this.#closed = once(child, 'close').then(([code]) => code as number | null, () => null)
  }

  /** @param file its extension chooses the format: .mp4, .webm, .mkv, …     @throws ERR_SETUP without ffmpeg */
  static async create(file: string, options: VideoWriterOptions): Promise<VideoWriter> {
    const ffmpeg = await findFfmpeg()
    const full = path.resolve(file)
    // What a killed process left of a video; a folder that cannot be listed is ffmpeg's to complain about.
    await removeStaleTemporaries(path.dirname(full)).catch(() => {})
    const temporary = temporaryBeside(full, path.extname(full))
    const { width, height, fps } = options
    const args = ['-hide_banner', '-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'bgr24', '-s', `${width}x${height}`, '-r', String(fps), '-i', 'pipe:0']
    // Even sides and 4:2:0 are what every player takes.
    args.push('-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', '-pix_fmt', 'yuv420p', `file:${temporary}`)
    const child = spawn(ffmpeg.path, args, { stdio: ['pipe', 'ignore', 'pipe'] })
    return new VideoWriter(file, temporary, child, options)
  }

  /** Waits where ffmpeg is slower. @throws ERR_DATA for another size, ERR_IO when the file cannot be written */
  async write({ data, width, height }: Picture): Promise<void> {
    if (width !== this.#options.width || height !== this.#options.height) {
      throw new SiamError('ERR_DATA', `Expected frames of ${this.#options.width}x${this.#options.height} as the first one but received ${width}x${height}`, { file: this.file })
    }
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw this.#failed()
    if (!this.#child.stdin.write(data)) await Promise.race([once(this.#child.stdin, 'drain').catch(() => {}), this.#closed])
  }

  /** @throws ERR_IO when ffmpeg failed */
  async close(): Promise<void> {
    this.#child.stdin.end()
    if ((await this.#closed) !== 0) {
      await rm(this.#temporary, { force: true })
      throw this.#failed()
    }
    try {
      await rename(this.#temporary, this.file)
    } catch (cause) {
      await rm(this.#temporary, { force: true })
      throw new SiamError('ERR_IO', `the video cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { file: this.file, cause })
    }
  }

  /** Leaves no file. */
  async abort(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
    await rm(this.#temporary, { force: true })
  }

  #failed(): SiamError {
    return new SiamError('ERR_IO', `the video cannot be written: ${lastWords(this.#stderr) || 'ffmpeg ended early'}`, { file: this.file })
  }
}
