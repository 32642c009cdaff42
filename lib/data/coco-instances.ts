/**
 * COCO's instances JSON: which of its annotations count, as columns of numbers while the file streams by (860,000 objects), then picture
 * by picture.
 */
import path from 'node:path'
import { jsonItemError, type JsonPlace, readJsonItems } from './json-items.ts'
import { boxProblem } from './picture-box.ts'
import type { ProblemKind, ProblemLog } from './problems.ts'

/** A picture and those of its objects that can be used. */
export interface CocoPicture {
  id: number | string
  fileName: string
  /** [objects × 4] left, top, width, height; none where no object's box can be used. */
  boxes: Float32Array
  /** Of its entry in the file. */
  line: number
  byte: number
}

export interface CocoInstancesOptions {
  /** Leave out objects without a segmentation. */
  withMask: boolean
  /** Leave out objects with iscrowd. */
  skipCrowd: boolean
  /** Name of the data set, for messages. */
  name: string
  problems: ProblemLog
  onProgress?: (pictures: number) => void
  signal?: AbortSignal
}

interface ImageEntry {
  fileName: string
  /** 0: not known. */
  width: number
  height: number
  line: number
  byte: number
}

/**
 * Reads `{"images": […], "annotations": […]}`.
 *
 * As in the original: polygons of fewer than 3 points or with an odd number of coordinates do not count, an object whose polygons all do not
 * count is left out, one without any segmentation stays (unless `withMask`), crowds stay (unless `skipCrowd`), pictures without an object are
 * left out. Reported as bad and left out: entries of the wrong form, `ignore` set, objects of no listed picture, boxes that are not finite,
 * have no area or lie outside of their picture; a picture of which only such boxes remain is there without objects.
 *
 * @returns pictures in the order of their ids, to be iterated once; bad boxes are reported meanwhile
 * @throws ERR_DATA for what {@link readJsonItems} refuses, a picture or an object listed twice, no "images" or no "annotations"
 */
export async function readCocoInstances(file: string, options: CocoInstancesOptions): Promise<Iterable<CocoPicture>> {
  const reader = new InstancesReader(file, options)
  const handlers = { images: reader.image, annotations: reader.annotation }
  const counts = await readJsonItems(file, handlers, { signal: options.signal, onProgress: () => options.onProgress?.(reader.pictures) })
  for (const key of ['images', 'annotations'] as const) {
    if (counts[key] === 0) throw jsonItemError(file, { byte: 0, line: 1 }, `no ${JSON.stringify(key)} in the file`, 'expected {"images": […], "annotations": […]}')
  }
  return reader.finish()
}

class InstancesReader {
  readonly #file: string
  readonly #options: CocoInstancesOptions
  /** Picture id → its slot; annotations may come before the pictures. */
  readonly #slots = new Map<unknown, number>()
  readonly #images: (ImageEntry | undefined)[] = []
  readonly #annotationIds = new Set<unknown>()
  /** Lists of valminusminival and minival name some objects twice; the original lets them pass. */
  readonly #checkIds: boolean
  readonly #slotOf = new Column(Int32Array)
  readonly #boxes = new Column(Float32Array)
  readonly #lines = new Column(Int32Array)
  readonly #bytes = new Column(Float64Array)
  pictures = 0

  constructor(file: string, options: CocoInstancesOptions) {
    this.#file = file
    this.#options = options
    this.#checkIds = !path.basename(file).includes('minival')
  }

  readonly image = (item: unknown, place: Readonly<JsonPlace>): void => {
    const { id, file_name: fileName, width, height } = entry(item)
    const problem =
      !isId(id) ? 'its "id" is no number or text'
      : typeof fileName !== 'string' || fileName === '' ? 'its "file_name" is no text'
      : fileName.startsWith('/') || fileName.split('/').includes('..') ? `its "file_name" ${JSON.stringify(fileName)} leads out of the folder`
      : !isSize(width) || !isSize(height) ? 'its "width" or "height" is no number above 0'
      : null
    if (problem !== null) return this.#problem('bad_annotation', 'sequence', `picture ${shown(id)}`, place, problem)
    const slot = this.#slot(id)
    if (this.#images[slot] !== undefined) throw jsonItemError(this.#file, place, `the picture ${shown(id)} is listed twice`)
    this.pictures += 1
    this.#images[slot] = { fileName: fileName as string, width: (width as number | undefined) ?? 0, height: (height as number | undefined) ?? 0, line: place.line, byte: place.byte }
  }

  readonly annotation = (item: unknown, place: Readonly<JsonPlace>): void => {
    const { id, image_id: imageId, bbox, iscrowd, ignore, segmentation } = entry(item)
    const problem =
      !isId(id) ? 'its "id" is no number or text'
      : !isId(imageId) ? 'its "image_id" is no number or text'
      : !Array.isArray(bbox) || bbox.length !== 4 || bbox.some((value) => typeof value !== 'number') ? 'its "bbox" is not four numbers x, y, width, height'
      : ignore ? 'it has "ignore" set, which is not supported'
      : segmentation && typeof segmentation !== 'object' ? 'its "segmentation" is no list and no object'
      : null
    if (problem !== null) return this.#problem('bad_annotation', 'frame', `picture ${shown(imageId)}`, place, `object ${shown(id)}: ${problem}`)
    if (this.#checkIds) {
      if (this.#annotationIds.has(id)) throw jsonItemError(this.#file, place, `the object ${shown(id)} is listed twice`)
      this.#annotationIds.add(id)
    }
    if (this.#options.skipCrowd && iscrowd) return
    if (!hasShape(segmentation, this.#options.withMask)) return
    this.#slotOf.push(this.#slot(imageId))
    for (const value of bbox as number[]) this.#boxes.push(value)
    this.#lines.push(place.line)
    this.#bytes.push(place.byte)
  }

  #usableBoxes(objects: Int32Array, image: ImageEntry): Float32Array {
    const kept = new Float32Array(objects.length * 4)
    let end = 0
    for (const i of objects) {
      for (let k = 0; k < 4; k += 1) kept[end + k] = this.#boxes.values[i * 4 + k] as number
      const [kind, message] = boxProblem(kept[end] as number, kept[end + 1] as number, kept[end + 2] as number, kept[end + 3] as number, image.width, image.height) ?? []
      if (kind === undefined) end += 4
      else this.#problem(kind, 'frame', image.fileName, this.#placeOf(i), `the box [${Array.from(kept.subarray(end, end + 4), (value) => Number(value.toPrecision(7))).join(', ')}] ${message}`)
    }
    return kept.subarray(0, end)
  }

  *finish(): Generator<CocoPicture> {
    const count = this.#slotOf.length
    const slotOf = this.#slotOf.values
    const starts = new Int32Array(this.#images.length + 1)
    for (let i = 0; i < count; i += 1) starts[(slotOf[i] as number) + 1] = (starts[(slotOf[i] as number) + 1] as number) + 1
    for (let slot = 0; slot < this.#images.length; slot += 1) starts[slot + 1] = (starts[slot + 1] as number) + (starts[slot] as number)
    // The objects of each picture, in the order of the file.
    const order = new Int32Array(count)
    const next = starts.slice()
    for (let i = 0; i < count; i += 1) {
      const slot = slotOf[i] as number
      order[next[slot] as number] = i
      next[slot] = (next[slot] as number) + 1
    }
    for (const [id, slot] of [...this.#slots].sort(([a], [b]) => compareIds(a, b))) {
      const objects = order.subarray(starts[slot], starts[slot + 1])
      const image = this.#images[slot]
      if (objects.length === 0) continue
      if (image === undefined) for (const i of objects) this.#problem('bad_annotation', 'frame', `picture ${shown(id)}`, this.#placeOf(i), `an object of the picture ${shown(id)}, which "images" does not list`)
      else yield { id: id as number | string, fileName: image.fileName, boxes: this.#usableBoxes(objects, image), line: image.line, byte: image.byte }
    }
  }

  #slot(id: unknown): number {
    const known = this.#slots.get(id)
    if (known !== undefined) return known
    this.#slots.set(id, this.#images.length)
    return this.#images.push(undefined) - 1
  }

  #placeOf(i: number): JsonPlace {
    return { line: this.#lines.values[i] as number, byte: this.#bytes.values[i] as number }
  }

  #problem(kind: ProblemKind, scope: 'sequence' | 'frame', sequence: string, place: Readonly<JsonPlace>, message: string): void {
    this.#options.problems.add({ kind, scope, dataset: this.#options.name, sequence, file: this.#file, line: place.line, message: `${message} (byte ${place.byte})` })
  }
}

function entry(item: unknown): Record<string, unknown> {
  return typeof item === 'object' && item !== null && !Array.isArray(item) ? (item as Record<string, unknown>) : {}
}

const isId = (value: unknown): boolean => typeof value === 'number' || typeof value === 'string'
const isSize = (value: unknown): boolean => value === undefined || (typeof value === 'number' && value > 0)
const shown = (id: unknown): string => (isId(id) ? JSON.stringify(id) : 'without id')

/** Whether an object counts by its segmentation: polygons, or an object (run lengths). */
function hasShape(segmentation: unknown, required: boolean): boolean {
  const empty = typeof segmentation !== 'object' || segmentation === null || (Array.isArray(segmentation) ? segmentation.length === 0 : Object.keys(segmentation).length === 0)
  if (empty) return !required
  return !Array.isArray(segmentation) || segmentation.some((polygon) => Array.isArray(polygon) && polygon.length % 2 === 0 && polygon.length >= 6)
}

function compareIds(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [left, right] = [String(a), String(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

/** Numbers that come one by one. */
class Column<T extends Int32Array | Float32Array | Float64Array> {
  values: T
  length = 0
  readonly #make: new (length: number) => T

  constructor(make: new (length: number) => T) {
    this.#make = make
    this.values = new make(1024)
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new this.#make(this.length * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.length] = value
    this.length += 1
  }
}
