/**
 * The sources that the page offers: those of the command line and those that were uploaded. Clients name them by id alone.
 */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { frameFiles, videoFile } from '../tracking/frame-files.ts'
import { HttpProblem } from './http-problem.ts'
import { ImageSource } from './image-source.ts'
import { summaryOf, type DemoSource, type SourceSummary } from './source.ts'

export class Catalog {
  readonly #sources = new Map<string, DemoSource>()

  add(source: DemoSource): void {
    this.#sources.set(source.id, source)
  }

  list(): SourceSummary[] {
    return [...this.#sources.values()].map(summaryOf)
  }

  /** @throws HttpProblem 404 */
  get(id: string): DemoSource {
    const source = this.#sources.get(id)
    if (source === undefined) throw new HttpProblem(404, 'ERR_ARGUMENT', 'There is no such source (any more)', 'choose another one from the list')
    return source
  }

  /** Takes an uploaded source off the list and its files off the disk. @throws HttpProblem 404, 403 for one of the command line */
  async remove(id: string): Promise<void> {
    const source = this.get(id)
    if (!source.uploaded) throw new HttpProblem(403, 'ERR_ARGUMENT', 'Only uploads can be removed')
    this.#sources.delete(id)
    await source.close()
  }

  async close(): Promise<void> {
    const sources = [...this.#sources.values()]
    this.#sources.clear()
    await Promise.allSettled(sources.map((source) => source.close()))
  }
}

/**
 * Turns the command line's sources into entries: a folder, a pattern and a video make one each, image files that are named one by one
 * (a pattern that the shell has expanded) make one together.
 * @param openVideo opens a video's file as an entry of that name
 * @throws ERR_DATA when there is no such file or no frame in it, and what openVideo throws
 */
export async function sourcesOf(names: readonly string[], openVideo: (file: string, name: string) => Promise<DemoSource>): Promise<DemoSource[]> {
  const sources: DemoSource[] = []
  const single: string[] = []
  for (const name of names) {
    const label = path.basename(path.resolve(name))
    const info = await stat(name).catch(() => undefined)
    if (info?.isFile() === true && videoFile.test(name)) sources.push(await openVideo(name, label))
    else if (info?.isFile() === true) single.push(name)
    else sources.push(new ImageSource(await frameFiles([name]), { name: label }))
  }
  if (single.length > 0) {
    const files = await frameFiles(single)
    sources.push(new ImageSource(files, { name: files.length === 1 ? path.basename(files[0] as string) : `${path.basename(path.dirname(path.resolve(files[0] as string)))} (${files.length} files)` }))
  }
  return sources
}
