/** A small COCO-style video JSON with frames: two videos, a track in each and a second one with a gap. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type ExampleOptions, padded, writeVideo } from './moving-object.ts'

export interface CocoVideoJson {
  videos: Record<string, unknown>[]
  images?: Record<string, unknown>[]
  annotations: Record<string, unknown>[]
  categories: Record<string, unknown>[]
}

export interface CocoVideoOptions extends ExampleOptions {
  form?: 'coco-vid' | 'youtube-vis'
  /** Frame of the second track of video 1 that has no box; default 2. */
  gap?: number
  /** Changes the JSON before it is written. */
  edit?: (json: CocoVideoJson) => void
}

/** File name of frame k of video v (0-based), from the root on. */
export const cocoVideoFrame = (v: number, k: number): string => `videos/v${v + 1}/${padded(k, 6)}.jpg`

export function makeCocoVideo(root: string, options: CocoVideoOptions = {}): string {
  const { form = 'coco-vid', frames = 6, gap = 2 } = options
  const boxes = [0, 1].map((v) => writeVideo(v, options, (k) => path.join(root, cocoVideoFrame(v, k))))
  const json = form === 'coco-vid' ? cocoVid(boxes, frames, gap) : youtubeVis(boxes, frames, gap)
  options.edit?.(json)
  writeFileSync(path.join(root, 'annotations.json'), JSON.stringify(json, null, 1))
  return root
}

/** Tracks: the object of each video, and in video 1 one more that is the same shifted by a pixel. */
function tracksOf(boxes: number[][][], gap: number): { video: number; track: number; boxes: (number[] | null)[] }[] {
  const shifted = (boxes[0] ?? []).map(([x = 0, y = 0, w = 0, h = 0], k) => (k === gap ? null : [x + 1, y + 1, w, h]))
  return [
    { video: 1, track: 7, boxes: boxes[0] ?? [] },
    { video: 1, track: 8, boxes: shifted },
    { video: 2, track: 7, boxes: boxes[1] ?? [] },
  ]
}

function cocoVid(boxes: number[][][], frames: number, gap: number): CocoVideoJson {
  const imageId = (video: number, k: number): number => video * 1000 + k
  // The images in no order: their frame_id tells it.
  const images = [1, 2].flatMap((video) =>
    Array.from({ length: frames }, (_, k) => frames - 1 - k).map((k) => ({ id: imageId(video, k), video_id: video, frame_id: k, file_name: cocoVideoFrame(video - 1, k), width: 160, height: 120 })),
  )
  const annotations = tracksOf(boxes, gap).flatMap(({ video, track, boxes: own }) =>
    own.flatMap((box, k) => (box === null ? [] : [{ id: 0, image_id: imageId(video, k), video_id: video, instance_id: track, category_id: 1, bbox: box, area: (box[2] ?? 0) * (box[3] ?? 0), iscrowd: 0 }])),
  )
  for (const [i, annotation] of annotations.entries()) annotation.id = i + 1
  return { videos: [{ id: 1, name: 'v1' }, { id: 2, name: 'v2' }], images, annotations, categories: [{ id: 1, name: 'thing' }] }
}

function youtubeVis(boxes: number[][][], frames: number, gap: number): CocoVideoJson {
  const videos = [1, 2].map((id) => ({ id, width: 160, height: 120, length: frames, file_names: Array.from({ length: frames }, (_, k) => cocoVideoFrame(id - 1, k)) }))
  const annotations = tracksOf(boxes, gap).map(({ video, boxes: own }, i) => ({ id: i + 1, video_id: video, category_id: 1, iscrowd: 0, bboxes: own }))
  return { videos, annotations, categories: [{ id: 1, name: 'thing' }] }
}
