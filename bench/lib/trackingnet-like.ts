/**
 * Annotations in TrackingNet's layout, fabricated, and a data set that reads them without looking for frames: what its index costs does not
 * depend on pictures.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { parseGroundTruth } from '../../lib/data/groundtruth.ts'
import { mapOrdered } from '../../lib/data/parallel.ts'
import { registerDataset } from '../../lib/data/registry.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from '../../lib/data/source.ts'

const chunks = 12
/** Texts of annotations that the sequences share: writing 14 million different lines would take longer than all that is measured. */
const differentTexts = 97

/** Writes ROOT/TRAIN_0 … TRAIN_11/anno/NAME.txt. */
export function fabricateAnnotations(root: string, sequences: number, frames: number): void {
  const texts = Array.from({ length: differentTexts }, (_, t) => {
    const lines = Array.from({ length: frames }, (_, k) => [100 + ((t * 37 + k * 3) % 500) + (k % 4) / 4, 50 + ((t * 53 + k) % 300), 40 + ((t + k) % 90) + 0.5, 30 + (t % 60)].join(','))
    return `${lines.join('\n')}\n`
  })
  for (let chunk = 0; chunk < chunks; chunk += 1) mkdirSync(path.join(root, `TRAIN_${chunk}`, 'anno'), { recursive: true })
  for (let s = 0; s < sequences; s += 1) {
    // Names as long as TrackingNet's: the start of a video's identifier and a number.
    writeFileSync(path.join(root, `TRAIN_${s % chunks}`, 'anno', `v${String((s * 2654435761) % 4294967296).padStart(10, '0')}_${s % 7}.txt`), texts[s % differentTexts]!)
  }
}

export const trackingNetLike = 'TrackingNetLike'

/** Makes it known under {@link trackingNetLike}; its setting is `dataset_root`. */
export function registerTrackingNetLike(): void {
  registerDataset(trackingNetLike, open, { fingerprint: () => '1' })
}

async function* open(params: DatasetParams, context: DatasetContext): AsyncGenerator<SequenceRecord> {
  const root = String(params['dataset_root'])
  const files: string[] = []
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const dir = path.join(root, `TRAIN_${chunk}`, 'anno')
    context.dependsOn?.(dir)
    files.push(...(await readdir(dir)).sort().map((name) => path.join(dir, name)))
  }
  let done = 0
  for await (const text of mapOrdered(files, 32, (file) => readFile(file, 'utf8'))) {
    const annotationFile = files[done] as string
    const name = path.basename(annotationFile, '.txt')
    done += 1
    context.onProgress?.(done, files.length)
    const { values, count } = parseGroundTruth(text)
    yield { name, frames: { dir: path.join(annotationFile, '../../frames', name), pattern: '%d.jpg', first: 0, count }, boxes: values, annotationFile }
  }
}
