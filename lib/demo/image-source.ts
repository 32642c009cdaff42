/**
 * Image files in their order.
 */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { frameSize, type DemoSource } from './source.ts'

export interface ImageSourceOptions {
  name: string
  /** Of the files, where they are not the files' own. */
  names?: readonly string[]
  uploaded?: boolean
  storedBytes?: number
  /** Takes back what the source occupies. */
  onClose?: () => Promise<void>
}

export class ImageSource implements DemoSource {
  readonly id: string = randomBytes(9).toString('hex')
  readonly kind: 'images' | 'video' = 'images'
  readonly name: string
  readonly uploaded: boolean
  readonly fps: number | undefined = undefined
  readonly estimatedFrames: number | undefined = undefined
  readonly storedBytes: number
  readonly #files: readonly string[]
  readonly #names: readonly string[] | undefined
  readonly #onClose: () => Promise<void>

  constructor(files: readonly string[], { name, names, uploaded = false, storedBytes = 0, onClose = async () => {} }: ImageSourceOptions) {
    this.#files = files
    this.name = name
    this.#names = names
    this.uploaded = uploaded
    this.storedBytes = storedBytes
    this.#onClose = onClose
  }

  get frames(): number {
    return this.#files.length
  }

  size(): Promise<{ width: number; height: number }> {
    return frameSize(this.#files[0] as string)
  }

  async frame(index: number): Promise<string | undefined> {
    return this.#files[index]
  }

  nameOf(file: string): string {
    return this.#names?.[this.#files.indexOf(file)] ?? path.basename(file)
  }

  use(): () => void {
    return () => {}
  }

  close(): Promise<void> {
    return this.#onClose()
  }
}
