/**
 * A video: its frames are read in order, only as far as somebody has looked, and kept as JPEG files. The tracker reads the same files, so
 * that going back and tracking again from a frame gives the same boxes, and the page shows exactly what the tracker saw.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'
import type { PixelFrame } from '../tracking/frame.ts'
import type { Video } from '../tracking/video/index.ts'
import type { DemoSource } from './source.ts'
import type { StoredBytes } from './stored-bytes.ts'

/** openVideo() of lib/tracking/video; tests have videos of their own. */
export type OpenVideo = (file: string, options: { signal?: AbortSignal }) => Promise<Omit<Video, 'file'>>
type OpenedVideo = Awaited<ReturnType<OpenVideo>>

export interface VideoSourceOptions {
  name: string
  openVideo: OpenVideo
  /** Made and removed by the source. */
  folder: string
  stored: StoredBytes
  uploaded?: boolean
  /** Bytes of the video itself, if it goes with the source. */
  fileBytes?: number
  /** Called once: when the source closes, or cannot be opened. */
  onClose?: () => Promise<void>
}

interface Reading {
  video: OpenedVideo
  iterator: AsyncIterator<PixelFrame>
  controller: AbortController
  /** Frames taken so far. */
  taken: number
}

export class VideoSource implements DemoSource {
  readonly id: string = randomBytes(9).toString('hex')
  readonly kind: 'images' | 'video' = 'video'
  readonly name: string
  readonly uploaded: boolean
  readonly #file: string
  readonly #options: VideoSourceOptions
  readonly #size: { width: number; height: number }
  readonly #fps: number | undefined
  readonly estimatedFrames: number | undefined
  /** Frames that are there as files; all in front of it are. */
  #kept = 0
  #keptBytes = 0
  #ended = false
  #reading: Reading | undefined
  #users = 0
  #closed = false
  /** One frame after the other, whoever asks. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(file: string, options: VideoSourceOptions, video: OpenedVideo) {
    this.#file = file
    this.#options = options
    this.name = options.name
    this.uploaded = options.uploaded ?? false
    this.#size = { width: video.width, height: video.height }
    this.#fps = video.fps
    this.estimatedFrames = video.estimatedFrames
  }

  /**
   * @throws ERR_DATA when its first frame cannot be read, ERR_SETUP when nothing is there to read videos with
   */
  static async open(file: string, options: VideoSourceOptions): Promise<VideoSource> {
    const controller = new AbortController()
    let video: OpenedVideo
    try {
      video = await options.openVideo(file, { signal: controller.signal })
    } catch (error) {
      await options.onClose?.()
      throw error
    }
    const source = new VideoSource(file, options, video)
    source.#reading = { video, iterator: video[Symbol.asyncIterator](), controller, taken: 0 }
    try {
      await mkdir(options.folder, { recursive: true })
      if ((await source.frame(0)) === undefined) throw new SiamError('ERR_DATA', 'there is no frame in the video', { file })
    } catch (error) {
      await source.close()
      throw error
    }
    await source.#stop()
    return source
  }

  get frames(): number | undefined {
    return this.#ended ? this.#kept : undefined
  }

  get fps(): number | undefined {
    return this.#fps
  }

  get storedBytes(): number {
    return (this.#options.fileBytes ?? 0) + this.#keptBytes
  }

  async size(): Promise<{ width: number; height: number }> {
    return this.#size
  }

  frame(index: number): Promise<string | undefined> {
    if (index < this.#kept) return Promise.resolve(this.#path(index))
    const found = this.#turn.then(() => this.#readThrough(index))
    this.#turn = found.catch(() => {})
    return found
  }

  nameOf(): string {
    return this.name
  }

  use(): () => void {
    this.#users += 1
    let used = true
    return () => {
      if (!used) return
      used = false
      this.#users -= 1
      // Whoever decodes is a process of its own, which need not wait for nobody.
      if (this.#users === 0) this.#turn = this.#turn.then(() => (this.#users === 0 ? this.#stop() : undefined)).catch(() => {})
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#reading?.controller.abort(new SiamError('ERR_ABORTED', 'the video was closed'))
    await this.#turn.catch(() => {})
    await this.#stop()
    await rm(this.#options.folder, { recursive: true, force: true })
    this.#options.stored.give(this.#keptBytes)
    await this.#options.onClose?.()
  }

  #path(index: number): string {
    return path.join(this.#options.folder, `${String(index + 1).padStart(8, '0')}.jpg`)
  }

  async #readThrough(index: number): Promise<string | undefined> {
    while (index >= this.#kept && !this.#ended) {
      if (this.#closed) throw new SiamError('ERR_ABORTED', 'the video was closed', { file: this.#file })
      const reading = this.#reading ?? (await this.#start())
      let step: IteratorResult<PixelFrame>
      try {
        step = await reading.iterator.next()
      } catch (error) {
        await this.#stop()
        throw error
      }
      if (step.done === true) {
        this.#ended = true
        await this.#stop()
        break
      }
      reading.taken += 1
      if (reading.taken <= this.#kept) continue
      try {
        await this.#keep(step.value)
      } catch (error) {
        // The frame is gone from this reading: whoever asks again has to get it, not the one behind it.
        await this.#stop()
        throw error
      }
    }
    return index < this.#kept ? this.#path(index) : undefined
  }

  async #start(): Promise<Reading> {
    const controller = new AbortController()
    const video = await this.#options.openVideo(this.#file, { signal: controller.signal })
    this.#reading = { video, iterator: video[Symbol.asyncIterator](), controller, taken: 0 }
    return this.#reading
  }

  async #keep(frame: PixelFrame): Promise<void> {
    const { data, width, height, channels, format } = frame
    if (channels !== 3) throw new SiamError('ERR_INTERNAL', `Expected frames of 3 channels from the video but received ${channels}`)
    const bytes = loadAddon().encodeJpeg(data, width, height, { quality: 95, subsampling: '444', format })
    this.#options.stored.take(bytes.length)
    const file = this.#path(this.#kept)
    try {
      await writeFile(file, bytes)
    } catch (cause) {
      this.#options.stored.give(bytes.length)
      throw new SiamError('ERR_IO', `a frame of the video cannot be kept: ${cause instanceof Error ? cause.message : String(cause)}`, { file, hint: 'TMPDIR chooses another place', cause })
    }
    this.#keptBytes += bytes.length
    this.#kept += 1
  }

  async #stop(): Promise<void> {
    const reading = this.#reading
    this.#reading = undefined
    if (reading === undefined) return
    reading.controller.abort(new SiamError('ERR_ABORTED', 'the video was closed'))
    await reading.iterator.return?.().catch(() => {})
  }
}
