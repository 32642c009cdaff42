/** ILSVRC2015 DET: pictures in ROOT/Data/DET and an XML file for each in ROOT/Annotations/DET. Each picture is a still with its objects. */
import path from 'node:path'
import { SiamError, invalidArgument } from '../errors.ts'
import { booleanParam, pathParam, textParam } from './dataset-params.ts'
import { describeRoot, isDirectory, requireRoot } from './files.ts'
import { patternOf } from './frames.ts'
import { foldersIn, isProblem, namesIn, objectProblem, readAnnotations, stems } from './ilsvrc.ts'
import type { IlsvrcFile } from './ilsvrc.ts'
import type { DataProblem } from './problems.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

const layout = 'a folder with Data/DET/train/ILSVRC2013_train/n01443537/*.JPEG (or Data/DET/val/*.JPEG) and the same below Annotations with .xml'

/**
 * Opens ILSVRC2015 DET.
 *
 * Settings: `dataset_root`, `subset` (train or val), and ours: `skip_empty` (leave out pictures without an object; the original draws them
 * like the others and then draws again, so that the data set gives fewer samples than its ratio says).
 *
 * @returns a still for each picture that has an annotation, in the order of the paths. Of `train` that are, as in the original, the pictures
 *   exactly two folders deep.
 * @throws ERR_CONFIG for a bad setting, ERR_DATA when the root or the subset's folders are missing
 */
export async function openDet(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = pathParam(params, 'dataset_root', 'datasets/ILSVRC2015', context)
  const subset = textParam(params, 'subset', 'train', context)
  if (subset !== 'train' && subset !== 'val') throw invalidArgument('train or val', `${context.configPath}.subset`, subset, 'ERR_CONFIG')
  const skipEmpty = booleanParam(params, 'skip_empty', false, context)
  const rootDir = await requireRoot(root, layout, context)
  for (const kind of ['Data', 'Annotations']) {
    const dir = path.join(rootDir, kind, 'DET', subset)
    context.dependsOn?.(dir)
    if (!(await isDirectory(dir))) throw new SiamError('ERR_DATA', `the data root has no folder ${kind}/DET/${subset} (${describeRoot(root, context)})`, { file: dir, hint: `expected ${layout}` })
  }
  const folders = subset === 'val' ? ['DET/val'] : await trainFolders(rootDir, context)
  return readFolders(rootDir, folders, skipEmpty, context)
}

/** train/PART/CLASS, of the pictures and of the annotations. */
async function trainFolders(rootDir: string, context: DatasetContext): Promise<string[]> {
  const found = new Set<string>()
  for (const kind of ['Data', 'Annotations']) {
    for (const part of await foldersIn(path.join(rootDir, kind, 'DET/train'), '')) {
      context.dependsOn?.(path.join(rootDir, kind, 'DET/train', part))
      for (const name of await foldersIn(path.join(rootDir, kind, 'DET/train', part), '')) found.add(`DET/train/${part}/${name}`)
    }
  }
  return [...found].sort((a, b) => (`${a}/` < `${b}/` ? -1 : 1))
}

async function* readFolders(rootDir: string, folders: readonly string[], skipEmpty: boolean, context: DatasetContext): AsyncGenerator<SequenceRecord> {
  let done = 0
  const report = (problem: Omit<DataProblem, 'dataset'>): void => context.problems.add({ ...problem, dataset: context.name })
  for (const folder of folders) {
    const [pictures, annotations] = [path.join(rootDir, 'Data', folder), path.join(rootDir, 'Annotations', folder)]
    // All entries of a folder as one, as there are hundreds of thousands.
    for (const file of [pictures, `${annotations}/*`]) context.dependsOn?.(file)
    const there = new Set(stems(await namesIn(pictures), '.JPEG'))
    const names = stems(await namesIn(annotations), '.xml')
    for (const name of names) if (!there.has(name)) report({ kind: 'missing_frame', scope: 'sequence', sequence: name, file: path.join(annotations, `${name}.xml`), message: `its picture ${path.join(pictures, `${name}.JPEG`)} is not there` })
    const annotated = new Set(names)
    for (const name of there) if (!annotated.has(name)) report({ kind: 'missing_groundtruth', scope: 'sequence', sequence: name, file: path.join(annotations, `${name}.xml`), message: 'the annotation of the picture is missing' })
    const usable = names.filter((name) => there.has(name))
    // A folder may hold all of the 20,000 pictures of val: in parts, so that progress and signal are not kept waiting.
    for (let i = 0; i < usable.length; i += partSize) {
      context.signal?.throwIfAborted()
      const part = usable.slice(i, i + partSize)
      const files = part.map((name) => path.join(annotations, `${name}.xml`))
      for (const [k, annotation] of (await readAnnotations(files)).entries()) {
        const record = still(part[k] as string, pictures, files[k] as string, annotation, report)
        if (record !== null && !(skipEmpty && record.boxes.length === 0)) yield record
      }
      done += part.length
      context.onProgress?.(done, undefined)
    }
  }
}

const partSize = 1024

function still(name: string, dir: string, file: string, annotation: IlsvrcFile, report: (problem: Omit<DataProblem, 'dataset'>) => void): SequenceRecord | null {
  if (isProblem(annotation)) {
    report({ ...annotation, scope: 'sequence', sequence: name, file })
    return null
  }
  const boxes: number[] = []
  for (const object of annotation.objects) {
    const problem = objectProblem(object, annotation)
    const [x1, y1, x2, y2] = object.corners
    // Width and height as the original computes them, in float64, before all becomes float32.
    if (problem === null) boxes.push(x1, y1, x2 - x1 + 1, y2 - y1 + 1)
    else report({ ...problem, scope: 'frame', sequence: name, file })
  }
  const pattern = patternOf([`${name}.JPEG`])
  return { name, frames: pattern === null ? [path.join(dir, `${name}.JPEG`)] : { dir, ...pattern }, boxes, still: true, annotationFile: file }
}
