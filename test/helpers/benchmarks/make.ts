/** Small benchmarks in the layouts of their toolkits: few sequences, few frames. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { lasotSequences } from '../../../lib/data/lasot-split.ts'
import { uavSequences } from '../../../lib/evaluation/benchmarks/uav-sequences.ts'
import { type ExampleOptions, padded, writeLines, writeVideo, type Xywh } from '../datasets/moving-object.ts'

const boxLine = (box: readonly number[], between = ','): string => box.map((value) => value.toFixed(2)).join(between)
/** The corners of a box as VOT's polygons have them. */
export const cornersOf = ([x, y, w, h]: Xywh): number[] => [x, y, x + w, y, x + w, y + h, x, y + h]

/** Sequences of GOT-10k's val, or of test with the first box only. */
export function makeGot10kPart(root: string, subset: 'val' | 'test', options: ExampleOptions & { sequences?: number } = {}): string[] {
  const names = Array.from({ length: options.sequences ?? 2 }, (_, s) => `GOT-10k_${subset === 'val' ? 'Val' : 'Test'}_${padded(s + 1, 6)}`)
  for (const [s, name] of names.entries()) {
    const dir = path.join(root, subset, name)
    // Lengths differ, so that the order of work is not the order of names.
    const boxes = writeVideo(s, { ...options, frames: (options.frames ?? 6) + s }, (k) => path.join(dir, `${padded(k + 1, 8)}.jpg`))
    writeLines(path.join(dir, 'groundtruth.txt'), (subset === 'test' ? boxes.slice(0, 1) : boxes).map((box) => boxLine(box)))
    if (subset === 'val') {
      writeLines(path.join(dir, 'absence.label'), boxes.map((_, k) => (k === 2 ? 1 : 0)))
      writeLines(path.join(dir, 'cover.label'), boxes.map((_, k) => (k === 2 ? 0 : 8)))
      writeLines(path.join(dir, 'meta_info.ini'), ['[METAINFO]', 'anno_fps: 10Hz', `resolution: (${options.width ?? 160}, ${options.height ?? 120})`])
    }
  }
  writeLines(path.join(root, subset, 'list.txt'), names)
  return names
}

/**
 * Folders of OTB. Annotations are between commas or tabs, by turns; Jogging has two targets, Human4's first annotation file is empty.
 * @param more  frames that a folder has before and behind the annotated ones
 */
export function makeOtb(root: string, folders: readonly string[], options: ExampleOptions & { more?: Record<string, [before: number, behind: number]> } = {}): void {
  for (const [s, folder] of folders.entries()) {
    const dir = path.join(root, folder)
    const [before, behind] = options.more?.[folder] ?? [0, 0]
    const count = options.frames ?? 6
    const boxes = writeVideo(s, { ...options, frames: before + count + behind }, (k) => path.join(dir, 'img', `${padded(k + 1, 4)}.jpg`)).slice(before, before + count)
    const lines = boxes.map((box) => boxLine(box, s % 2 === 0 ? ',' : '\t'))
    if (folder === 'Jogging') {
      writeLines(path.join(dir, 'groundtruth_rect.1.txt'), lines)
      writeLines(path.join(dir, 'groundtruth_rect.2.txt'), lines.toReversed())
    } else if (folder === 'Human4') {
      writeLines(path.join(dir, 'groundtruth_rect.1.txt'), [''])
      writeLines(path.join(dir, 'groundtruth_rect.2.txt'), lines)
    } else writeLines(path.join(dir, 'groundtruth_rect.txt'), lines)
  }
}

/** @param frameFolder  'color', or '' for frames beside the annotations */
export function makeVot(root: string, names: readonly string[], options: ExampleOptions & { frameFolder?: string; tags?: boolean } = {}): void {
  for (const [s, name] of names.entries()) {
    const dir = path.join(root, name)
    const boxes = writeVideo(s, options, (k) => path.join(dir, options.frameFolder ?? 'color', `${padded(k + 1, 8)}.jpg`))
    writeLines(path.join(dir, 'groundtruth.txt'), boxes.map((box) => cornersOf(box).map((value) => value.toFixed(3)).join(',')))
    // Shorter than the sequence, as the toolkit's may be.
    if (options.tags === true) writeLines(path.join(dir, 'occlusion.tag'), [0, 1])
  }
  writeLines(path.join(root, 'list.txt'), names)
}

/** VOT long-term: boxes, nan where the target is out of the picture. */
export function makeVotLongTerm(root: string, names: readonly string[], options: ExampleOptions = {}): void {
  for (const [s, name] of names.entries()) {
    const dir = path.join(root, name)
    const boxes = writeVideo(s, options, (k) => path.join(dir, 'color', `${padded(k + 1, 8)}.jpg`))
    writeLines(path.join(dir, 'groundtruth.txt'), boxes.map((box, k) => (k === 1 ? 'nan,nan,nan,nan' : boxLine(box))))
  }
  writeLines(path.join(root, 'list.txt'), names)
}

/** @returns the names of the sequences that were made: the first of the testing ones */
export function makeLasotTest(root: string, count: number, options: ExampleOptions & { classFolders?: boolean } = {}): string[] {
  const names = lasotSequences('test').slice(0, count)
  for (const [s, name] of names.entries()) {
    const dir = path.join(root, ...(options.classFolders === false ? [] : [name.slice(0, name.lastIndexOf('-'))]), name)
    const boxes = writeVideo(s, options, (k) => path.join(dir, 'img', `${padded(k + 1, 8)}.jpg`))
    writeLines(path.join(dir, 'groundtruth.txt'), boxes.map((box) => boxLine(box)))
    writeLines(path.join(dir, 'full_occlusion.txt'), [boxes.map((_, k) => (k === 1 ? 1 : 0)).join(',')])
    writeLines(path.join(dir, 'out_of_view.txt'), [boxes.map((_, k) => (k === 3 ? 1 : 0)).join(',')])
  }
  return names
}

/** The named sequences; frames are files that no one decodes. */
export function makeUav(root: string, benchmark: 'UAV123' | 'UAV20L', names: readonly string[]): void {
  for (const { name, folder, first, last } of uavSequences(benchmark).filter((sequence) => names.includes(sequence.name))) {
    const dir = path.join(root, 'data_seq', 'UAV123', folder)
    mkdirSync(dir, { recursive: true })
    for (let k = first; k <= last; k += 1) writeFileSync(path.join(dir, `${padded(k, 6)}.jpg`), '')
    writeLines(path.join(root, 'anno', benchmark, `${name}.txt`), Array.from({ length: last - first + 1 }, (_, k) => (k === 5 ? 'NaN,NaN,NaN,NaN' : `${first + k},2,30,40`)))
    writeLines(path.join(root, 'anno', benchmark, 'att', `${name}.txt`), ['1,0,0,0,0,0,0,0,0,0,1,0'])
  }
}

/** Part TEST: twelve frames, so that 10.jpg comes before 2.jpg by name. */
export function makeTrackingNetTest(root: string, names: readonly string[], options: ExampleOptions = {}): void {
  for (const [s, name] of names.entries()) {
    const boxes = writeVideo(s, { frames: 12, ...options }, (k) => path.join(root, 'TEST', 'frames', name, `${k}.jpg`))
    writeLines(path.join(root, 'TEST', 'anno', `${name}.txt`), [boxLine(boxes[0] as Xywh)])
  }
}

/** @param perFrame  annotations for each frame: 8 where those of 240 frames a second are given for 30; `extra` more at the end */
export function makeNfs(root: string, names: readonly string[], fps: 30 | 240, { perFrame = 1, extra = 0, ...options }: ExampleOptions & { perFrame?: number; extra?: number } = {}): void {
  for (const [s, name] of names.entries()) {
    const dir = path.join(root, name, String(fps))
    const boxes = writeVideo(s, options, (k) => path.join(dir, name, `${padded(k + 1, 5)}.jpg`))
    const lines = boxes.flatMap(([x, y, w, h], k) => Array.from({ length: perFrame }, (_, i) => `0 ${x + i} ${y} ${x + w + i} ${y + h} ${k} 0 0 0 "thing"`))
    writeLines(path.join(dir, `${name}.txt`), [...lines, ...Array.from({ length: extra }, () => lines.at(-1))])
  }
}

export function makeDtb70(root: string, names: readonly string[], options: ExampleOptions = {}): void {
  for (const [s, name] of names.entries()) {
    const boxes = writeVideo(s, options, (k) => path.join(root, name, 'img', `${padded(k + 1, 5)}.jpg`))
    writeLines(path.join(root, name, 'groundtruth_rect.txt'), boxes.map((box) => boxLine(box)))
  }
}

/** Frames from `first` on are annotated. */
export function makeTColor128(root: string, names: readonly string[], first: number, options: ExampleOptions = {}): void {
  for (const [s, name] of names.entries()) {
    const boxes = writeVideo(s, options, (k) => path.join(root, name, 'img', `${padded(k + 1, 4)}.jpg`)).slice(first - 1)
    writeLines(path.join(root, name, `${name}_gt.txt`), boxes.map((box) => boxLine(box)))
    writeLines(path.join(root, name, `${name}_frames.txt`), [`${first},${first - 1 + boxes.length}`])
  }
}
