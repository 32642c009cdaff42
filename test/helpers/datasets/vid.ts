/** A small ILSVRC2015 VID: videos with two followed objects, of which one is away for a while, and one seen only once. */
import path from 'node:path'
import { type Rect, Scene, cornersOf, ilsvrcXml, writeText } from './pictures.ts'

export interface VidExample {
  subset?: 'train' | 'val'
  videos?: number
  frames?: number
  jpeg?: 'real' | 'none'
}

/** The folder of video v below Data or Annotations. */
export function vidFolder(root: string, kind: 'Data' | 'Annotations', v: number, subset: 'train' | 'val' = 'train'): string {
  return path.join(root, kind, relative(v, subset))
}

function relative(v: number, subset: 'train' | 'val'): string {
  const number = String(v).padStart(8, '0')
  return subset === 'train' ? `VID/train/ILSVRC2015_VID_train_000${v % 2}/ILSVRC2015_train_${number}` : `VID/val/ILSVRC2015_val_${number}`
}

/** Box of object t in frame k where no picture is drawn. */
export const vidBox = (t: number, k: number): Rect => [20 + 160 * t + k, 15 + t, 40, 30]

/** Writes the subset; object 0 is in every frame, object 1 not in frames 3 and 4, object 10 in frame 0 only. Returns root. */
export function makeVidExample(root: string, options: VidExample = {}): string {
  const { subset = 'train', videos = 2, frames = 8, jpeg = 'real' } = options
  for (let v = 0; v < videos; v += 1) {
    const scene = jpeg === 'real' ? new Scene(70 + v, 2, frames) : null
    for (let k = 0; k < frames; k += 1) {
      const name = String(k).padStart(6, '0')
      const picture = path.join(vidFolder(root, 'Data', v, subset), `${name}.JPEG`)
      if (scene === null) writeText(picture, 'never decoded')
      const [a, b] = (scene?.write(picture, k) ?? [vidBox(0, k), vidBox(1, k)]) as [Rect, Rect]
      const objects = [{ corners: cornersOf(b), trackId: '1' }, { corners: cornersOf(a), trackId: '0' }, { corners: [1, 2, 30, 40], trackId: '10' }].filter(({ trackId }) => trackId === '0' || (trackId === '1' ? k !== 3 && k !== 4 : k === 0))
      const xml = ilsvrcXml({ folder: relative(v, subset).slice(4), filename: name, width: scene?.width ?? 320, height: scene?.height ?? 120 }, objects)
      writeText(path.join(vidFolder(root, 'Annotations', v, subset), `${name}.xml`), xml)
    }
  }
  return root
}

/** Settings of the example in a configuration. */
export const vidParams = (root: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({ dataset_root: root, subset: 'train', ...more })
