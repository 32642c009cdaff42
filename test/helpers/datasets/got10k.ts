/** A small GOT-10k: ROOT/train with list.txt, frames, boxes, all three label files and meta_info.ini. */
import path from 'node:path'
import { type ExampleOptions, padded, writeLines, writeVideo } from './moving-object.ts'

export const got10kName = (s: number): string => `GOT-10k_Train_${padded(s + 1, 6)}`

/** @param unfixed  names for ROOT/unfixed_got10k_list.txt, which is written only when there are any */
export function makeGot10k(root: string, options: ExampleOptions & { sequences?: number; unfixed?: readonly string[] } = {}): string {
  const { sequences = 3, unfixed = [] } = options
  const names = Array.from({ length: sequences }, (_, s) => got10kName(s))
  for (const [s, name] of names.entries()) {
    const dir = path.join(root, 'train', name)
    const boxes = writeVideo(s, options, (k) => path.join(dir, `${padded(k + 1, 8)}.jpg`))
    writeLines(path.join(dir, 'groundtruth.txt'), boxes.map((box) => box.map((value) => value.toFixed(4)).join(',')))
    writeLines(path.join(dir, 'absence.label'), boxes.map(() => 0))
    writeLines(path.join(dir, 'cover.label'), boxes.map(() => 8))
    writeLines(path.join(dir, 'cut_by_image.label'), boxes.map(() => 0))
    writeLines(path.join(dir, 'meta_info.ini'), ['[METAINFO]', `url: https://example.org/${name}`, 'anno_fps: 10Hz', 'object_class: thing'])
  }
  writeLines(path.join(root, 'train/list.txt'), names)
  if (unfixed.length > 0) writeLines(path.join(root, 'unfixed_got10k_list.txt'), unfixed)
  return root
}
