/** A small LaSOT: ROOT/CLASS/CLASS-N/{img/00000001.jpg, …, groundtruth.txt, full_occlusion.txt, out_of_view.txt, nlp.txt}. */
import path from 'node:path'
import { type ExampleOptions, padded, writeLines, writeVideo } from './moving-object.ts'

/** Two training sequences and a testing one of the real division. */
export const lasotNames = ['airplane-2', 'person-3', 'airplane-1'] as const

export interface LasotOptions extends ExampleOptions {
  names?: readonly string[]
  /** true: sequences lie in the root, without class folders. */
  flat?: boolean
  /** This frame of every sequence is out of view: its box is 0,0,0,0, as in LaSOT. */
  outOfView?: number
}

export function lasotDir(root: string, name: string, flat = false): string {
  return flat ? path.join(root, name) : path.join(root, name.slice(0, name.lastIndexOf('-')), name)
}

export function makeLasot(root: string, options: LasotOptions = {}): string {
  const { names = lasotNames, flat = false, outOfView = -1 } = options
  for (const [s, name] of names.entries()) {
    const dir = lasotDir(root, name, flat)
    const boxes = writeVideo(s, options, (k) => path.join(dir, 'img', `${padded(k + 1, 8)}.jpg`))
    writeLines(path.join(dir, 'groundtruth.txt'), boxes.map((box, k) => (k === outOfView ? '0,0,0,0' : box.map(Math.round).join(','))))
    // One line of labels between commas, without a line end, as in LaSOT.
    writeLines(path.join(dir, 'full_occlusion.txt'), [boxes.map(() => 0).join(',')])
    writeLines(path.join(dir, 'out_of_view.txt'), [boxes.map((_, k) => (k === outOfView ? 1 : 0)).join(',')])
    writeLines(path.join(dir, 'nlp.txt'), ['a thing that moves about'])
  }
  return root
}
