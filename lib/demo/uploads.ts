/**
 * Uploads, from the announcement of what is to come over each file's bytes to a source: {@link UploadStore.announce},
 * {@link UploadStore.receive}, {@link UploadStore.finish}. What is refused or breaks off leaves nothing behind.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { SiamError } from '../errors.ts'
import { videoFile } from '../tracking/frame-files.ts'
import { HttpProblem } from './http-problem.ts'
import { ImageSource } from './image-source.ts'
import { bytesText, type DemoLimits } from './limits.ts'
import { hasImageName } from './media-kind.ts'
import { notKept, receiveFile, wrongWay } from './receive-file.ts'
import type { DemoSource } from './source.ts'
import type { StoredBytes } from './stored-bytes.ts'
import { VideoSource, type OpenVideo } from './video-source.ts'

const announcement = z.strictObject({
  name: z.string().min(1).max(255),
  files: z.array(z.strictObject({ name: z.string().min(1).max(1024), size: z.int().min(0) })).min(1),
})

/** 2.jpg before 10.jpg, whatever the locale. */
const inOrder = new Intl.Collator('en', { numeric: true }).compare

interface Upload {
  id: string
  name: string
  kind: 'images' | 'video'
  folder: string
  files: { name: string; size: number; state: 'awaited' | 'arriving' | 'there' }[]
  bytes: number
  timer: NodeJS.Timeout | undefined
  /** Stops what is still arriving when the upload is dropped. */
  dropped: AbortController
}

export interface UploadStoreOptions {
  folder: string
  limits: DemoLimits
  stored: StoredBytes
  openVideo: OpenVideo
  /** An upload of which nothing more comes for this long is dropped. */
  idleMs?: number
}

export class UploadStore {
  readonly #options: UploadStoreOptions
  readonly #uploads = new Map<string, Upload>()
  #kept = 0

  constructor(options: UploadStoreOptions) {
    this.#options = options
  }

  /**
   * @param body { name, files: [{ name, size }] } in any order: one video, or images; their order is that of their names
   * @returns id of the upload, and for each file in the body's order the number to send it under
   * @throws HttpProblem 400, 413, 415
   */
  async announce(body: unknown): Promise<{ upload: string; numbers: number[] }> {
    const parsed = announcement.safeParse(body)
    if (!parsed.success) throw new HttpProblem(400, 'ERR_ARGUMENT', `Expected { name, files: [{ name, size }] }: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`)
    const { name, files } = parsed.data
    const { limits, stored } = this.#options
    const bytes = files.reduce((sum, file) => sum + file.size, 0)
    if (bytes > limits.uploadBytes) throw new HttpProblem(413, 'ERR_ARGUMENT', `The upload has ${bytesText(bytes)}; at most ${bytesText(limits.uploadBytes)} are taken`, 'name the file or folder on the command line instead: siamtrain demo PATH …')
    if (files.length > limits.uploadFiles) throw new HttpProblem(413, 'ERR_ARGUMENT', `The upload has ${files.length} files; at most ${limits.uploadFiles} are taken`, 'name the folder on the command line instead: siamtrain demo PATH …')
    const kind = kindByNames(files.map((file) => file.name))
    const empty = files.find((file) => file.size === 0)
    if (empty !== undefined) throw new HttpProblem(415, 'ERR_DATA', `${empty.name} is empty`, wrongWay)
    if (this.#uploads.size + this.#kept >= limits.uploads) throw new HttpProblem(413, 'ERR_ARGUMENT', `The demo keeps at most ${limits.uploads} uploads`, 'remove one first')
    stored.take(bytes)
    const id = randomBytes(9).toString('hex')
    const order = files.map((_, i) => i).sort((a, b) => inOrder((files[a] as { name: string }).name, (files[b] as { name: string }).name))
    const upload: Upload = { id, name, kind, folder: path.join(this.#options.folder, id), files: order.map((i) => ({ ...(files[i] as { name: string; size: number }), state: 'awaited' })), bytes, timer: undefined, dropped: new AbortController() }
    this.#uploads.set(id, upload)
    try {
      await mkdir(upload.folder)
    } catch (cause) {
      await this.drop(id)
      throw notKept(cause)
    }
    this.#rest(upload)
    const numbers: number[] = []
    order.forEach((i, place) => (numbers[i] = place))
    return { upload: id, numbers }
  }

  /**
   * Takes the bytes of one file. An upload one of whose files breaks off or is not what was announced is dropped whole.
   * @throws HttpProblem 404, 409, 413, 415; ERR_IO
   */
  async receive(id: string, number: number, body: Readable): Promise<void> {
    const upload = this.#get(id)
    const file = upload.files[number]
    if (file === undefined) throw new HttpProblem(404, 'ERR_ARGUMENT', 'No such file was announced for this upload')
    if (file.state !== 'awaited') throw new HttpProblem(409, 'ERR_ARGUMENT', `${file.name} was sent already`)
    file.state = 'arriving'
    clearTimeout(upload.timer)
    try {
      await receiveFile(body, fileOf(upload, number), file, upload.kind, upload.dropped.signal)
    } catch (error) {
      await this.drop(id)
      throw error
    }
    file.state = 'there'
    if (upload.files.every(({ state }) => state !== 'arriving')) this.#rest(upload)
  }

  /**
   * @returns the source that the upload makes
   * @throws HttpProblem 404, 409 when files are missing; ERR_DATA when the first frame cannot be read, ERR_SETUP when nothing reads videos.
   *   The upload is dropped then.
   */
  async finish(id: string): Promise<DemoSource> {
    const upload = this.#get(id)
    const missing = upload.files.find((file) => file.state !== 'there')
    if (missing !== undefined) throw new HttpProblem(409, 'ERR_ARGUMENT', `${missing.name} has not arrived`)
    clearTimeout(upload.timer)
    this.#uploads.delete(id)
    this.#kept += 1
    const { stored, openVideo } = this.#options
    const onClose = async (): Promise<void> => {
      this.#kept -= 1
      stored.give(upload.bytes)
      await rm(upload.folder, { recursive: true, force: true })
    }
    if (upload.kind === 'video') {
      const named = path.join(upload.folder, `video${path.extname((upload.files[0] as { name: string }).name).replaceAll(/[^.\w]/g, '')}`)
      await rename(fileOf(upload, 0), named)
      return VideoSource.open(named, { name: upload.name, uploaded: true, fileBytes: upload.bytes, openVideo, stored, folder: path.join(upload.folder, 'frames'), onClose })
    }
    const source = new ImageSource(upload.files.map((_, i) => fileOf(upload, i)), { name: upload.name, names: upload.files.map((file) => file.name), uploaded: true, storedBytes: upload.bytes, onClose })
    try {
      await source.size()
    } catch (error) {
      await source.close()
      throw error instanceof SiamError ? new HttpProblem(415, error.code, `${(upload.files[0] as { name: string }).name}: ${error.message}`, wrongWay) : error
    }
    return source
  }

  /** Forgets an upload that is not finished, and its files. */
  async drop(id: string): Promise<void> {
    const upload = this.#uploads.get(id)
    if (upload === undefined) return
    this.#uploads.delete(id)
    clearTimeout(upload.timer)
    upload.dropped.abort()
    await rm(upload.folder, { recursive: true, force: true, maxRetries: 3 })
    this.#options.stored.give(upload.bytes)
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#uploads.keys()].map((id) => this.drop(id)))
  }

  #get(id: string): Upload {
    const upload = this.#uploads.get(id)
    if (upload === undefined) throw new HttpProblem(404, 'ERR_ARGUMENT', 'There is no such upload (any more)', 'start it again')
    return upload
  }

  /** A page that was closed in the middle says nothing. */
  #rest(upload: Upload): void {
    clearTimeout(upload.timer)
    upload.timer = setTimeout(() => void this.drop(upload.id), this.#options.idleMs ?? 120_000)
    upload.timer.unref()
  }
}

function fileOf(upload: Upload, number: number): string {
  return path.join(upload.folder, String(number + 1).padStart(8, '0'))
}

function kindByNames(names: readonly string[]): 'images' | 'video' {
  const strange = names.find((name) => !hasImageName(name) && !videoFile.test(name))
  if (strange !== undefined) throw new HttpProblem(415, 'ERR_DATA', `${strange} is neither a video nor an image that can be read (JPEG, PNG, WebP)`, wrongWay)
  const videos = names.filter((name) => videoFile.test(name))
  if (videos.length === 0) return 'images'
  if (names.length > 1) throw new HttpProblem(415, 'ERR_DATA', `${videos[0]} is a video, and ${names.length - 1} more ${names.length === 2 ? 'file was' : 'files were'} chosen with it`, wrongWay)
  return 'video'
}
