/**
 * A COCO-style JSON of videos: each track of each video becomes a sequence. Two forms are in use and both are read: CocoVID (images with
 * `video_id` and `frame_id`, a box for each annotation) and YouTube-VIS (videos with `file_names`, an annotation with `bboxes` for each track).
 */
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { booleanParam, pathParam } from './dataset-params.ts'
import { isFile, requireRoot } from './files.ts'
import { type Json, describeJson, isObject, readJsonObject } from './json-file.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

const layout = 'a folder of frames, and a JSON file with videos, images {id, video_id, frame_id, file_name} and annotations {image_id, instance_id, bbox: [x, y, w, h]}'

type Id = number | string

interface Video {
  id: Id
  name: string
  /** Frames in their order: file names below the root. */
  frames: { file: string; order: number }[]
}

/** Frame (its place in the video) → box and where it stands, for messages. */
interface Track {
  video: Video
  name: string
  boxes: Map<number, { box: readonly number[]; where: string }>
}

/**
 * Opens a COCO-style video JSON.
 *
 * Settings: `dataset_root`, the folder that `file_name` starts from; `annotation_file`, relative to it (default annotations.json);
 * `check_integrity` (true: the first frame of every video has to be there; false: it is not looked for). A sequence holds the frames in which
 * its track has a box, in the order of `frame_id` (or `frame_index`); frames between them without one are passed over. `iscrowd` and
 * `ignore` leave an annotation out.
 *
 * @returns sequences in the order in which the tracks first appear
 * @throws ERR_CONFIG for a bad setting, ERR_DATA for a missing file or one that is not of this form, with the path of the wrong value
 */
export async function openCocoVideo(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = pathParam(params, 'dataset_root', '', context)
  const annotationFile = pathParam(params, 'annotation_file', 'annotations.json', context)
  const checkIntegrity = booleanParam(params, 'check_integrity', true, context)
  const rootDir = await requireRoot(root, layout, context)
  const file = path.resolve(rootDir, annotationFile)
  const json = new Reader(file, await readJsonObject(file, `expected ${layout}; ${context.configPath}.annotation_file names the JSON file`))
  const tracks = json.tracks((track, message) => {
    context.problems.add({ kind: 'bad_annotation', scope: 'frame', dataset: context.name, sequence: track, file, message })
  })
  return sequencesOf(tracks, rootDir, file, checkIntegrity, context)
}

async function* sequencesOf(tracks: readonly Track[], rootDir: string, file: string, checkIntegrity: boolean, context: DatasetContext): AsyncGenerator<SequenceRecord> {
  const there = new Map<Video, boolean>()
  let done = 0
  for (const { video, name, boxes } of tracks) {
    context.signal?.throwIfAborted()
    const places = [...boxes.keys()].sort((a, b) => a - b)
    const frames = places.map((place) => path.resolve(rootDir, video.frames[place]?.file ?? ''))
    if (checkIntegrity && !there.has(video)) there.set(video, await isFile(path.resolve(rootDir, video.frames[0]?.file ?? '')))
    done += 1
    context.onProgress?.(done, tracks.length)
    if (there.get(video) === false) {
      context.problems.add({ kind: 'missing_sequence', scope: 'sequence', dataset: context.name, sequence: name, file: path.resolve(rootDir, video.frames[0]?.file ?? ''), message: 'the first frame of its video is missing' })
      continue
    }
    const values = new Float64Array(places.length * 4)
    for (const [k, place] of places.entries()) values.set(boxes.get(place)?.box ?? [], k * 4)
    yield { name, frames, boxes: values, annotationFile: file }
  }
}

type Report = (track: string, message: string) => void

/** Finds its way in the JSON; every error has the file and the path of the value. */
class Reader {
  readonly file: string
  readonly json: Json
  readonly videos = new Map<Id, Video>()

  constructor(file: string, json: Json) {
    this.file = file
    this.json = json
  }

  /** @param report  told of annotations that cannot be used; throws when strict */
  tracks(report: Report): Track[] {
    const videos = this.#list(this.json, 'videos')
    for (const [i, video] of videos.entries()) this.#readVideo(this.#object(video, `videos[${i}]`), `videos[${i}]`)
    const images = this.#readImages()
    for (const { frames } of this.videos.values()) frames.sort((a, b) => a.order - b.order)
    const places = this.#placesOf(images)
    const tracks = new Map<string, Track>()
    for (const [i, value] of this.#list(this.json, 'annotations').entries()) {
      const where = `annotations[${i}]`
      const annotation = this.#object(value, where)
      if (isSet(annotation['iscrowd']) || isSet(annotation['ignore'])) continue
      if (annotation['bboxes'] === undefined) this.#readBox(annotation, where, places, tracks, report)
      else this.#readBoxes(annotation, where, tracks, report)
    }
    return [...tracks.values()].filter(({ boxes }) => boxes.size > 0)
  }

  #readVideo(video: Json, where: string): void {
    const id = this.#id(video, 'id', where)
    if (this.videos.has(id)) throw this.#error(`${where}.id`, 'an id that no other video has', id)
    const frames: Video['frames'] = []
    // Files with both kinds of lists exist; the images are then what the annotations speak of.
    if (video['file_names'] !== undefined && this.#imageKey === undefined) {
      for (const [k, name] of this.#list(video, 'file_names', where).entries()) {
        if (typeof name !== 'string' || name === '') throw this.#error(`${where}.file_names[${k}]`, 'a file name', name)
        frames.push({ file: name, order: k })
      }
    }
    this.videos.set(id, { id, name: typeof video['name'] === 'string' ? video['name'] : `video ${id}`, frames })
  }

  /** The list of images; `frames` in some files. */
  get #imageKey(): 'images' | 'frames' | undefined {
    return this.json['images'] !== undefined ? 'images' : this.json['frames'] !== undefined ? 'frames' : undefined
  }

  /** Image id → its video and its entry there. */
  #readImages(): Map<Id, { video: Video; frame: Video['frames'][number] }> {
    const images = new Map<Id, { video: Video; frame: Video['frames'][number] }>()
    const key = this.#imageKey ?? 'images'
    if (this.json[key] === undefined && [...this.videos.values()].some(({ frames }) => frames.length > 0)) return images
    const taken = new Map<Video, Set<number>>()
    for (const [i, value] of this.#list(this.json, key).entries()) {
      const where = `${key}[${i}]`
      const image = this.#object(value, where)
      const id = this.#id(image, 'id', where)
      if (images.has(id)) throw this.#error(`${where}.id`, 'an id that no other image has', id)
      const video = this.videos.get(this.#id(image, 'video_id', where))
      if (video === undefined) throw this.#error(`${where}.video_id`, 'the id of one of the videos', image['video_id'])
      const orderKey = image['frame_id'] === undefined && image['frame_index'] !== undefined ? 'frame_index' : 'frame_id'
      const order = image[orderKey]
      if (typeof order !== 'number' || !Number.isFinite(order)) throw this.#error(`${where}.${orderKey}`, 'the number of the frame in its video', order)
      const orders = taken.get(video) ?? new Set()
      if (orders.has(order)) throw this.#error(`${where}.${orderKey}`, `a number that no other frame of ${JSON.stringify(video.name)} has`, order)
      taken.set(video, orders.add(order))
      const file = image['file_name']
      if (typeof file !== 'string' || file === '') throw this.#error(`${where}.file_name`, 'a file name', file)
      const frame = { file, order }
      video.frames.push(frame)
      images.set(id, { video, frame })
    }
    return images
  }

  #placesOf(images: ReadonlyMap<Id, { video: Video; frame: Video['frames'][number] }>): Map<Id, { video: Video; place: number }> {
    const placeOf = new Map<Video['frames'][number], number>()
    for (const { frames } of this.videos.values()) for (const [k, frame] of frames.entries()) placeOf.set(frame, k)
    const places = new Map<Id, { video: Video; place: number }>()
    for (const [id, { video, frame }] of images) places.set(id, { video, place: placeOf.get(frame) ?? 0 })
    return places
  }

  /** CocoVID: one box of a track. */
  #readBox(annotation: Json, where: string, places: ReadonlyMap<Id, { video: Video; place: number }>, tracks: Map<string, Track>, report: Report): void {
    const imageId = this.#id(annotation, 'image_id', where)
    const trackKey = annotation['instance_id'] === undefined && annotation['track_id'] !== undefined ? 'track_id' : 'instance_id'
    const trackId = this.#id(annotation, trackKey, where)
    const at = places.get(imageId)
    if (at === undefined) return report(`track ${trackId}`, `${where}.image_id: there is no image ${describeJson(imageId)}`)
    const track = this.#track(tracks, at.video, trackId)
    if (track.boxes.has(at.place)) return report(track.name, `${where}: the track has a box in this frame already, in ${track.boxes.get(at.place)?.where}`)
    this.#addBox(track, at.place, annotation['bbox'], `${where}.bbox`, report)
  }

  /** YouTube-VIS: all boxes of a track, null where it is not seen. */
  #readBoxes(annotation: Json, where: string, tracks: Map<string, Track>, report: Report): void {
    const video = this.videos.get(this.#id(annotation, 'video_id', where))
    if (video === undefined) return report(where, `${where}.video_id: there is no video ${describeJson(annotation['video_id'])}`)
    const boxes = this.#list(annotation, 'bboxes', where)
    const track = this.#track(tracks, video, this.#id(annotation, 'id', where))
    if (boxes.length !== video.frames.length) return report(track.name, `${where}.bboxes: expected a box or null for each of ${video.frames.length} frames but found ${boxes.length}`)
    for (const [k, box] of boxes.entries()) if (box !== null) this.#addBox(track, k, box, `${where}.bboxes[${k}]`, report)
  }

  #addBox(track: Track, place: number, value: unknown, where: string, report: Report): void {
    const box = Array.isArray(value) ? (value as unknown[]) : []
    if (box.length !== 4 || !box.every((number) => typeof number === 'number')) return report(track.name, `${where}: expected [x, y, w, h] but found ${describeJson(value)}`)
    const numbers = box as number[]
    if (!((numbers[2] ?? 0) > 0 && (numbers[3] ?? 0) > 0)) return report(track.name, `${where}: the box ${describeJson(value)} has no area: width and height must be above 0`)
    track.boxes.set(place, { box: numbers, where })
  }

  #track(tracks: Map<string, Track>, video: Video, id: Id): Track {
    const key = JSON.stringify([video.id, id])
    const track = tracks.get(key) ?? { video, name: `${video.name}, track ${id}`, boxes: new Map() }
    tracks.set(key, track)
    return track
  }

  #id(holder: Json, key: string, where: string): Id {
    const value = holder[key]
    if ((typeof value === 'number' && Number.isFinite(value)) || (typeof value === 'string' && value !== '')) return value
    throw this.#error(`${where}.${key}`, 'a number or a text', value)
  }

  #list(holder: Json, key: string, where = ''): readonly unknown[] {
    const value = holder[key]
    if (!Array.isArray(value)) throw this.#error(where === '' ? key : `${where}.${key}`, 'a list', value)
    return value
  }

  #object(value: unknown, where: string): Json {
    if (!isObject(value)) throw this.#error(where, 'an object', value)
    return value
  }

  #error(where: string, expected: string, found: unknown): SiamError {
    return new SiamError('ERR_DATA', `${where}: expected ${expected} but found ${describeJson(found)}`, { file: this.file, hint: `expected ${layout}` })
  }
}

/** `"iscrowd": 1`, also as true. */
function isSet(value: unknown): boolean {
  return value === 1 || value === true
}
