/** Writing one synthetic sequence the way GOT-10k lays sequences out. */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { loadAddon } from '../../native/load.ts'
import { type SequenceSpec, SyntheticSequence } from './sequence.ts'

export interface WrittenSequence {
  name: string
  objectClass: string
  frames: number
  bytes: number
  /** Frames in which at most 3/4 of the target is seen. */
  occludedFrames: number
}

/** GOT-10k's own naming: GOT-10k_Train_000001, GOT-10k_Val_000001. */
export function sequenceName(split: 'train' | 'val', index: number): string {
  return `GOT-10k_${split === 'train' ? 'Train' : 'Val'}_${String(index + 1).padStart(6, '0')}`
}

/**
 * Draws a sequence and writes its frames, boxes, labels and meta_info.ini into `dir`, which it makes.
 * @param quality  JPEG quality 1..100
 * @param onFrame  called after each frame; what it throws stops the work
 */
export async function writeSequence(dir: string, spec: SequenceSpec, quality: number, onFrame: () => void): Promise<WrittenSequence> {
  const addon = loadAddon()
  const sequence = new SyntheticSequence(spec)
  const objectClass = `${sequence.objectClass.pattern} ${sequence.objectClass.shape}`
  const boxes: string[] = []
  const labels = { absence: [] as number[], cover: [] as number[], cut_by_image: [] as number[] }
  let bytes = 0
  await mkdir(dir, { recursive: true })
  for (let k = 0; k < spec.frames; k += 1) {
    const frame = sequence.frame(k)
    const jpeg = addon.encodeJpeg(frame.pixels, spec.width, spec.height, { quality, subsampling: '420', format: 'rgb' })
    bytes += jpeg.byteLength
    boxes.push(frame.box.map((value) => value.toFixed(4)).join(','))
    labels.absence.push(frame.absent ? 1 : 0)
    labels.cover.push(frame.cover)
    labels.cut_by_image.push(frame.cutByImage ? 1 : 0)
    await writeFile(path.join(dir, `${String(k + 1).padStart(8, '0')}.jpg`), jpeg)
    onFrame()
  }
  await writeFile(path.join(dir, 'groundtruth.txt'), `${boxes.join('\n')}\n`)
  for (const [name, values] of Object.entries(labels)) await writeFile(path.join(dir, `${name}.label`), `${values.join('\n')}\n`)
  await writeFile(path.join(dir, 'meta_info.ini'), metaInfo(spec, sequence.objectClass.shape, objectClass))
  return { name: path.basename(dir), objectClass, frames: spec.frames, bytes, occludedFrames: labels.cover.filter((cover) => cover <= 6).length }
}

/** The keys of GOT-10k's meta_info.ini, which its toolkit reads as `key: value` after the first line. */
function metaInfo(spec: SequenceSpec, shape: string, objectClass: string): string {
  const seconds = Math.floor((spec.frames - 1) / 10)
  const end = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, '0')).join(':')
  const entries: [string, string][] = [
    ['url', `synthetic:seed=${spec.seed},split=${spec.split},index=${spec.index}`],
    ['begin', '00:00:00'],
    ['end', end],
    ['anno_fps', '10Hz'],
    ['object_class', objectClass],
    ['motion_class', 'drift'],
    ['major_class', shape],
    ['root_class', 'synthetic object'],
    ['motion_adverb', 'smoothly'],
    ['resolution', `(${spec.width}, ${spec.height})`],
  ]
  return `[METAINFO]\n${entries.map(([key, value]) => `${key}: ${value}`).join('\n')}\n`
}
