/**
 * COCO 2017: ROOT/SUBSET/{000000000009.jpg, …} and ROOT/annotations/instances_SUBSET.json. Each picture is a still with its objects.
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { SiamError, invalidArgument } from '../errors.ts'
import { type CocoPicture, readCocoInstances } from './coco-instances.ts'
import { booleanParam, pathParam } from './dataset-params.ts'
import { describeRoot, isDirectory, isFile, requireRoot } from './files.ts'
import { patternOf } from './frames.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

const layout = 'a folder with train2017/*.jpg and annotations/instances_train2017.json'

/**
 * Opens COCO's instances.
 *
 * Settings: `dataset_root`, `subsets` (a list, one after the other), `with_mask` (only objects with a segmentation), and ours: `skip_crowd`
 * (leave out what is annotated as a crowd; the original keeps it).
 *
 * @returns a still for each picture that has an object, in the order of the picture ids within each subset
 * @throws ERR_CONFIG for a bad setting; ERR_DATA when the root, a subset's folder or its annotations are missing, and, while it is iterated,
 *   for annotations that are no JSON, or name a picture or an object twice
 */
export async function openCoco(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = pathParam(params, 'dataset_root', 'datasets/coco2017', context)
  const subsets = subsetsParam(params, context)
  const options = { withMask: booleanParam(params, 'with_mask', false, context), skipCrowd: booleanParam(params, 'skip_crowd', false, context) }
  const rootDir = await requireRoot(root, layout, context)
  for (const subset of subsets) {
    const [pictures, annotations] = [path.join(rootDir, subset), annotationFile(rootDir, subset)]
    for (const file of [pictures, annotations]) context.dependsOn?.(file)
    if (!(await isFile(annotations))) throw new SiamError('ERR_DATA', `the annotations are missing: no such file (${describeRoot(root, context)})`, { file: annotations, hint: `expected ${layout}` })
    if (!(await isDirectory(pictures))) throw new SiamError('ERR_DATA', `the pictures are missing: no such folder (${describeRoot(root, context)})`, { file: pictures, hint: `expected ${layout}` })
  }
  return readSubsets(rootDir, subsets, options, context)
}

const annotationFile = (rootDir: string, subset: string): string => path.join(rootDir, 'annotations', `instances_${subset}.json`)

function subsetsParam(params: DatasetParams, context: DatasetContext): readonly string[] {
  const value = params['subsets'] ?? ['val2017']
  const good = Array.isArray(value) && value.length > 0 && value.every((subset, i) => typeof subset === 'string' && /^[^/\\]+$/.test(subset) && subset !== '..' && subset !== '.' && value.indexOf(subset) === i)
  if (!good) throw invalidArgument('a list of different folder names such as ["train2017"]', `${context.configPath}.subsets`, value, 'ERR_CONFIG')
  return value as string[]
}

async function* readSubsets(rootDir: string, subsets: readonly string[], options: { withMask: boolean; skipCrowd: boolean }, context: DatasetContext): AsyncGenerator<SequenceRecord> {
  let done = 0
  for (const subset of subsets) {
    const file = annotationFile(rootDir, subset)
    const instances = await readCocoInstances(file, { ...options, ...context, onProgress: (pictures) => context.onProgress?.(done + pictures, undefined) })
    const folders = new FolderNames(path.join(rootDir, subset), context)
    for (const picture of instances) {
      context.signal?.throwIfAborted()
      done += 1
      if (done % 2048 === 0) {
        // From here on nothing waits for files: others get their turn.
        await setImmediate()
        context.onProgress?.(done, undefined)
      }
      const place = await folders.find(picture.fileName)
      if (place !== null) yield still(picture, place, file)
      else context.problems.add({ kind: 'missing_frame', scope: 'sequence', dataset: context.name, sequence: picture.fileName, file, line: picture.line, message: `picture ${picture.id} (byte ${picture.byte}): ${path.join(rootDir, subset, picture.fileName)} is not there` })
    }
    context.onProgress?.(done, undefined)
  }
}

function still(picture: CocoPicture, place: { dir: string; name: string }, file: string): SequenceRecord {
  const pattern = patternOf([place.name])
  return {
    name: picture.fileName,
    frames: pattern === null ? [path.join(place.dir, place.name)] : { dir: place.dir, ...pattern },
    boxes: picture.boxes,
    still: true,
    annotationFile: file,
  }
}

/** Which files are there: each folder is listed once instead of asking for 118,000 files. */
class FolderNames {
  readonly #root: string
  readonly #context: DatasetContext
  readonly #known = new Map<string, ReadonlySet<string>>()

  constructor(root: string, context: DatasetContext) {
    this.#root = root
    this.#context = context
  }

  async find(fileName: string): Promise<{ dir: string; name: string } | null> {
    const slash = fileName.lastIndexOf('/')
    const below = slash < 0 ? '' : fileName.slice(0, slash)
    const dir = below === '' ? this.#root : path.join(this.#root, below)
    let names = this.#known.get(below)
    if (names === undefined) {
      names = new Set(await readdir(dir).catch(() => []))
      this.#known.set(below, names)
      this.#context.dependsOn?.(dir)
    }
    const name = fileName.slice(slash + 1)
    return names.has(name) ? { dir, name } : null
  }
}
