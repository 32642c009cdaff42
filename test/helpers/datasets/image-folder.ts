/** A user's own folders of images: GOT-10k's style, or VOT's with polygons and a folder `color`. */
import path from 'node:path'
import { type ExampleOptions, type Xywh, padded, writeLines, writeVideo } from './moving-object.ts'

export interface ImageFolderOptions extends ExampleOptions {
  /** Names of the sequences; '' is the root itself. Default: clip_a, clip_b. */
  names?: readonly string[]
  style?: 'xywh' | 'polygon'
  /** Folder of the frames below the sequence's; default '', beside groundtruth.txt. */
  frameFolder?: string
}

export function makeImageFolder(root: string, options: ImageFolderOptions = {}): string {
  const { names = ['clip_a', 'clip_b'], style = 'xywh', frameFolder = '' } = options
  for (const [s, name] of names.entries()) {
    const dir = path.join(root, name)
    const boxes = writeVideo(s, options, (k) => path.join(dir, frameFolder, `img_${padded(k, 4)}.jpg`))
    writeLines(path.join(dir, 'groundtruth.txt'), boxes.map((box) => (style === 'polygon' ? polygonOf(box) : box).join(',')))
  }
  return root
}

/** The corners of the upright box: its area is that of w − 1 by h − 1, to which the rule for polygons adds a pixel each. */
function polygonOf([x, y, w, h]: Xywh): number[] {
  const [right, bottom] = [x + w - 1, y + h - 1]
  return [x, y, right, y, right, bottom, x, bottom]
}
