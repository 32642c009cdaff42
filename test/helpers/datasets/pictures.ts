/** Real JPEGs with several annotated objects, for the examples of COCO, VID and DET: synthetic frames side by side. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { SyntheticSequence } from '../../../lib/data/synth/index.ts'
import { loadAddon } from '../../../lib/native/load.ts'

export type Rect = [x: number, y: number, width: number, height: number]

const [tileWidth, tileHeight] = [160, 120]

/** Pictures of `objects` objects each; picture k of one scene shows the same objects a moment later. */
export class Scene {
  readonly width: number
  readonly height = tileHeight
  readonly #tiles: SyntheticSequence[]

  constructor(seed: number, objects: number, frames = 16) {
    this.width = tileWidth * Math.max(1, objects)
    this.#tiles = Array.from({ length: Math.max(1, objects) }, (_, index) => new SyntheticSequence({ seed, split: 'train', index, frames, width: tileWidth, height: tileHeight }))
  }

  /** Writes picture k as JPEG. @returns the objects' boxes, 0-based, within the picture */
  write(file: string, k: number): Rect[] {
    const pixels = new Uint8Array(this.width * this.height * 3)
    const boxes = this.#tiles.map((tile, t): Rect => {
      const frame = tile.frame(k)
      const row = tileWidth * 3
      for (let y = 0; y < tileHeight; y += 1) pixels.set(frame.pixels.subarray(y * row, (y + 1) * row), (y * this.width + t * tileWidth) * 3)
      const [x, y, w, h] = frame.box
      return [x + t * tileWidth, y, w, h]
    })
    writeText(file, loadAddon().encodeJpeg(pixels, this.width, this.height, { quality: 88, subsampling: '420', format: 'rgb' }))
    return boxes
  }
}

/** Writes a file, and the folders above it. */
export function writeText(file: string, content: string | Uint8Array): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, content)
}

/** An ILSVRC2015 annotation as the real ones are written; `trackIds` for VID. */
export function ilsvrcXml(picture: { folder: string; filename: string; width: number; height: number }, objects: readonly { corners: readonly number[]; trackId?: string }[]): string {
  const lines = objects.flatMap(({ corners: [xmin, ymin, xmax, ymax], trackId }) => [
    '\t<object>',
    ...(trackId === undefined ? [] : [`\t\t<trackid>${trackId}</trackid>`]),
    '\t\t<name>n02084071</name>',
    '\t\t<bndbox>',
    // VID's order of the sides, and DET's.
    ...(trackId === undefined ? [`\t\t\t<xmin>${xmin}</xmin>`, `\t\t\t<xmax>${xmax}</xmax>`, `\t\t\t<ymin>${ymin}</ymin>`, `\t\t\t<ymax>${ymax}</ymax>`] : [`\t\t\t<xmax>${xmax}</xmax>`, `\t\t\t<xmin>${xmin}</xmin>`, `\t\t\t<ymax>${ymax}</ymax>`, `\t\t\t<ymin>${ymin}</ymin>`]),
    '\t\t</bndbox>',
    ...(trackId === undefined ? [] : ['\t\t<occluded>0</occluded>', '\t\t<generated>0</generated>']),
    '\t</object>',
  ])
  const { folder, filename, width, height } = picture
  return ['<annotation>', `\t<folder>${folder}</folder>`, `\t<filename>${filename}</filename>`, '\t<source>', '\t\t<database>ILSVRC_2015</database>', '\t</source>', '\t<size>', `\t\t<width>${width}</width>`, `\t\t<height>${height}</height>`, '\t</size>', ...lines, '</annotation>', ''].join('\n')
}

/** Both corners belong to the box, as ILSVRC counts. */
export const cornersOf = ([x, y, w, h]: Rect): number[] => [x, y, x + w - 1, y + h - 1]
