/** A small ILSVRC2015 DET: pictures of classes with one to three objects, and one picture without any. */
import path from 'node:path'
import { type Rect, Scene, cornersOf, ilsvrcXml, writeText } from './pictures.ts'

export interface DetExample {
  subset?: 'train' | 'val'
  pictures?: number
  jpeg?: 'real' | 'none'
}

/** Picture p without its extension, below Data or Annotations. */
export function detFile(root: string, kind: 'Data' | 'Annotations', p: number, subset: 'train' | 'val' = 'train'): string {
  const file = path.join(root, kind, 'DET', relative(p, subset))
  return `${file}${kind === 'Data' ? '.JPEG' : '.xml'}`
}

function relative(p: number, subset: 'train' | 'val'): string {
  const wnid = ['n01443537', 'n02084071'][p % 2] as string
  return subset === 'train' ? `train/ILSVRC2013_train/${wnid}/${wnid}_${10 + p}` : `val/ILSVRC2012_val_${String(p + 1).padStart(8, '0')}`
}

/** Boxes of picture p where none is drawn. */
export const detBoxes = (p: number): Rect[] => Array.from({ length: (p % 3) + 1 }, (_, k) => [10 + 50 * k, 20 + p, 30 + k, 40])

/** Writes the subset; picture p (0-based) has p % 3 + 1 objects, the last one none. Returns root. */
export function makeDetExample(root: string, options: DetExample = {}): string {
  const { subset = 'train', pictures = 6, jpeg = 'real' } = options
  for (let p = 0; p < pictures; p += 1) {
    const scene = jpeg === 'real' ? new Scene(90 + p, (p % 3) + 1) : null
    const picture = detFile(root, 'Data', p, subset)
    if (scene === null) writeText(picture, 'never decoded')
    const boxes = scene?.write(picture, 0) ?? detBoxes(p)
    const name = path.basename(picture, '.JPEG')
    const objects = p === pictures - 1 && pictures > 1 ? [] : boxes.map((box) => ({ corners: cornersOf(box) }))
    writeText(detFile(root, 'Annotations', p, subset), ilsvrcXml({ folder: path.basename(path.dirname(picture)), filename: name, width: scene?.width ?? 480, height: scene?.height ?? 120 }, objects))
  }
  return root
}

/** Settings of the example in a configuration. */
export const detParams = (root: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({ dataset_root: root, subset: 'train', ...more })
