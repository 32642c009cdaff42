/** A small COCO: the folders and the JSON of the real one, with crowds, an object without segmentation and a picture without objects. */
import path from 'node:path'
import { Scene, writeText } from './pictures.ts'

export interface CocoImage {
  id: number
  file_name: string
  width: number
  height: number
  [key: string]: unknown
}

export interface CocoAnnotation {
  id: number
  image_id: number
  bbox: number[]
  segmentation?: unknown
  iscrowd: number
  [key: string]: unknown
}

export interface CocoInstances {
  info: Record<string, unknown>
  licenses: unknown[]
  images: CocoImage[]
  annotations: CocoAnnotation[]
  categories: unknown[]
}

export interface CocoExample {
  subset?: string
  pictures?: number
  /** 'real': decodable JPEGs; 'none': files that no one decodes. */
  jpeg?: 'real' | 'none'
  /** Changes what is written. */
  edit?: (instances: CocoInstances) => void
}

export const cocoJson = (root: string, subset = 'train2017'): string => path.join(root, 'annotations', `instances_${subset}.json`)

/**
 * Writes ROOT/SUBSET/*.jpg and ROOT/annotations/instances_SUBSET.json. Picture p (0-based) has the id 100 − 7p, so that the ids' order is not
 * the file's, and p % 3 + 1 objects; the last picture has none; the first object of picture 1 is a crowd.
 */
export function makeCocoExample(root: string, options: CocoExample = {}): string {
  const { subset = 'train2017', pictures = 6, jpeg = 'real' } = options
  const images: CocoImage[] = []
  const annotations: CocoAnnotation[] = []
  for (let p = 0; p < pictures; p += 1) {
    const objects = (p % 3) + 1
    const id = 100 - 7 * p
    const fileName = `${String(id).padStart(12, '0')}.jpg`
    const file = path.join(root, subset, fileName)
    const scene = jpeg === 'real' ? new Scene(40 + p, objects) : null
    if (scene === null) writeText(file, 'never decoded')
    const boxes = scene?.write(file, 0) ?? Array.from({ length: objects }, (_, k) => [10 + 20 * k + p, 12 + k, 30.5 + k, 40.25])
    images.push({ license: 3, file_name: fileName, coco_url: `http://images.cocodataset.org/${subset}/${fileName}`, height: scene?.height ?? 120, width: scene?.width ?? 480, date_captured: '2013-11-14 11:18:45', id })
    if (p === pictures - 1 && pictures > 1) continue
    for (const [k, [x = 0, y = 0, w = 0, h = 0]] of boxes.entries()) {
      const crowd = p === 1 && k === 0
      annotations.push({
        segmentation: crowd ? { counts: [10, 20, 30], size: [120, 480] } : [[x, y, x + w, y, x + w, y + h, x, y + h]],
        area: w * h,
        iscrowd: crowd ? 1 : 0,
        image_id: id,
        bbox: [x, y, w, h],
        category_id: 1 + k,
        // As in the real files, crowds have ids beyond 2^32.
        id: crowd ? 900_100_000_000 + id : 1000 + annotations.length,
      })
    }
  }
  // Objects of different pictures alternate, as in the real files.
  annotations.sort((a, b) => (a.id % 5) - (b.id % 5) || a.id - b.id)
  const instances: CocoInstances = { info: { description: 'COCO 2017 Dataset', year: 2017 }, licenses: [{ url: 'http://creativecommons.org/licenses/by-nc-sa/2.0/', id: 1, name: 'Attribution' }], images, annotations, categories: [{ supercategory: 'person', id: 1, name: 'person' }] }
  options.edit?.(instances)
  writeText(cocoJson(root, subset), JSON.stringify(instances))
  return root
}

/** Settings of the example in a configuration. */
export const cocoParams = (root: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({ dataset_root: root, subsets: ['train2017'], ...more })
