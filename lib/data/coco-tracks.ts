/**
 * Tracks out of a COCO-style video JSON. Two forms are in use and both are read: CocoVID (images with `video_id` and `frame_id`, an
 * annotation for each box of a track) and YouTube-VIS (videos with `file_names`, an annotation with `bboxes` for each track).
 */
import { SiamError } from '../errors.ts'
import { type JsonPlace, readJsonItems } from './json-items.ts'

export const cocoVideoLayout = '{"videos": [{id, name}, …], "images": [{id, video_id, frame_id, file_name}, …], "annotations": [{image_id, instance_id, bbox: [x, y, w, h]}, …]}'

/** One object through one video. */
export interface CocoTrack {
  name: string
  /** File name of the video's first frame. */
  firstOfVideo: string
  /** Of the frames that have a box, in the order of the video. */
  fileNames: string[]
  /** [frames × 4] left, top, width, height; above 0 both. */
  boxes: Float64Array
}

export interface CocoTracksOptions {
  /** Told of annotations that are left out; what it throws ends the reading. */
  report: (track: string, line: number, message: string) => void
  signal?: AbortSignal
}

type Id = number | string
type Json = Readonly<Record<string, unknown>>

interface Frame {
  file: string
  /** Its number in the video; the place in `frames` once all are read and sorted. */
  order: number
  line: number
}

interface Video {
  id: Id
  name: string
  frames: Frame[]
  line: number
}

interface Track {
  name: string
  video: Video
  /** Place in the video → box and its line in the file. */
  boxes: Map<number, { box: readonly number[]; line: number }>
}

/**
 * Reads the whole file, item by item.
 *
 * Left out: annotations with `iscrowd` or `ignore`. Left out and reported: boxes that are no four numbers or have no area, annotations of
 * images or videos that are not listed, a second box of a track in one frame.
 *
 * @returns tracks that have a box, in the order in which they first appear
 * @throws ERR_DATA with file and line: what {@link readJsonItems} refuses, a list that is missing, an entry of another form, an id or a frame
 *   number that comes twice, an image of no listed video
 */
export async function readCocoTracks(file: string, options: CocoTracksOptions): Promise<CocoTrack[]> {
  const reader = new Reader(file, options.report)
  // Lists may come in any order: images and annotations wait until all is read.
  const images: [Json, number][] = []
  const annotations: [Json, number][] = []
  const image = (item: unknown, place: Readonly<JsonPlace>): void => void images.push([reader.object(item, place.line, 'an image'), place.line])
  const counts = await readJsonItems(
    file,
    {
      videos: (item, place) => reader.addVideo(reader.object(item, place.line, 'a video'), place.line),
      images: image,
      frames: image,
      annotations: (item, place) => {
        const annotation = reader.object(item, place.line, 'an annotation')
        if (!isSet(annotation['iscrowd']) && !isSet(annotation['ignore'])) annotations.push([slim(annotation), place.line])
      },
    },
    options,
  )
  for (const key of ['videos', 'annotations'] as const) {
    if (counts[key] === 0) throw new SiamError('ERR_DATA', `expected a list ${JSON.stringify(key)} but it is missing or empty`, { file, hint: `expected ${cocoVideoLayout}` })
  }
  reader.addImages(images)
  for (const [annotation, line] of annotations) reader.addAnnotation(annotation, line)
  return reader.tracks()
}

/** What is needed of an annotation: without its polygons. */
function slim({ id, video_id, image_id, instance_id, track_id, bbox, bboxes }: Json): Json {
  return { id, video_id, image_id, instance_id, track_id, bbox, bboxes }
}

class Reader {
  readonly #file: string
  readonly #report: CocoTracksOptions['report']
  readonly #videos = new Map<Id, Video>()
  /** Image id → its frame. */
  readonly #images = new Map<Id, { video: Video; frame: Frame }>()
  readonly #tracks = new Map<string, Track>()

  constructor(file: string, report: CocoTracksOptions['report']) {
    this.#file = file
    this.#report = report
  }

  addVideo(video: Json, line: number): void {
    const id = this.#id(video, 'id', line)
    if (this.#videos.has(id)) throw this.#error(line, 'id', 'an id that no other video has', id)
    const names = video['file_names'] ?? []
    if (!Array.isArray(names)) throw this.#error(line, 'file_names', 'a list of file names', names)
    const frames = names.map((file: unknown, order): Frame => {
      if (typeof file !== 'string' || file === '') throw this.#error(line, `file_names[${order}]`, 'a file name', file)
      return { file, order, line }
    })
    this.#videos.set(id, { id, name: typeof video['name'] === 'string' ? video['name'] : `video ${id}`, frames, line })
  }

  addImages(images: readonly (readonly [Json, number])[]): void {
    // Some files have both kinds of lists: the images are then what the annotations speak of.
    if (images.length > 0) for (const video of this.#videos.values()) video.frames = []
    for (const [image, line] of images) this.#addImage(image, line)
    for (const { frames, name } of this.#videos.values()) {
      frames.sort((a, b) => a.order - b.order)
      let last = Number.NaN
      for (const [place, frame] of frames.entries()) {
        if (frame.order === last) throw this.#error(frame.line, 'frame_id', `a number that no other frame of ${JSON.stringify(name)} has`, frame.order)
        last = frame.order
        // From here on the number is the place: gaps are closed.
        frame.order = place
      }
    }
  }

  #addImage(image: Json, line: number): void {
    const id = this.#id(image, 'id', line)
    if (this.#images.has(id)) throw this.#error(line, 'id', 'an id that no other image has', id)
    const video = this.#videos.get(this.#id(image, 'video_id', line))
    if (video === undefined) throw this.#error(line, 'video_id', 'the id of one of the videos', image['video_id'])
    const orderKey = image['frame_id'] === undefined && image['frame_index'] !== undefined ? 'frame_index' : 'frame_id'
    const order = image[orderKey]
    if (typeof order !== 'number') throw this.#error(line, orderKey, 'the number of the frame in its video', order)
    const file = image['file_name']
    if (typeof file !== 'string' || file === '') throw this.#error(line, 'file_name', 'a file name', file)
    const frame = { file, order, line }
    video.frames.push(frame)
    this.#images.set(id, { video, frame })
  }

  addAnnotation(annotation: Json, line: number): void {
    if (annotation['bboxes'] === undefined) this.#addOne(annotation, line)
    else this.#addWhole(annotation, annotation['bboxes'], line)
  }

  /** CocoVID: one box of a track. */
  #addOne(annotation: Json, line: number): void {
    const imageId = this.#id(annotation, 'image_id', line)
    const id = this.#id(annotation, annotation['instance_id'] === undefined && annotation['track_id'] !== undefined ? 'track_id' : 'instance_id', line)
    const image = this.#images.get(imageId)
    if (image === undefined) return this.#report(`track ${id}`, line, `image_id: there is no image ${show(imageId)}`)
    const track = this.#track(image.video, id)
    const other = track.boxes.get(image.frame.order)
    if (other !== undefined) return this.#report(track.name, line, `the track has a box in ${image.frame.file} already, in line ${other.line}`)
    this.#addBox(track, image.frame.order, annotation['bbox'], 'bbox', line)
  }

  /** YouTube-VIS: all boxes of a track, null where it is not seen. */
  #addWhole(annotation: Json, boxes: unknown, line: number): void {
    const video = this.#videos.get(this.#id(annotation, 'video_id', line))
    const id = this.#id(annotation, 'id', line)
    if (video === undefined) return this.#report(`track ${id}`, line, `video_id: there is no video ${show(annotation['video_id'])}`)
    const track = this.#track(video, id)
    if (!Array.isArray(boxes) || boxes.length !== video.frames.length) {
      return this.#report(track.name, line, `bboxes: expected a box or null for each of ${video.frames.length} frames but found ${Array.isArray(boxes) ? boxes.length : show(boxes)}`)
    }
    for (const [place, box] of boxes.entries()) if (box !== null) this.#addBox(track, place, box, `bboxes[${place}]`, line)
  }

  #addBox(track: Track, place: number, value: unknown, key: string, line: number): void {
    const box = Array.isArray(value) && value.length === 4 && value.every((number) => typeof number === 'number') ? (value as number[]) : null
    if (box === null) return this.#report(track.name, line, `${key}: expected [x, y, w, h] but found ${show(value)}`)
    if (!((box[2] ?? 0) > 0 && (box[3] ?? 0) > 0)) return this.#report(track.name, line, `${key}: the box ${show(value)} has no area: width and height must be above 0`)
    track.boxes.set(place, { box, line })
  }

  #track(video: Video, id: Id): Track {
    const key = JSON.stringify([video.id, id])
    const track = this.#tracks.get(key) ?? { video, name: `${video.name}, track ${id}`, boxes: new Map() }
    this.#tracks.set(key, track)
    return track
  }

  tracks(): CocoTrack[] {
    return [...this.#tracks.values()]
      .filter(({ boxes }) => boxes.size > 0)
      .map(({ name, video, boxes }) => {
        const places = [...boxes.keys()].sort((a, b) => a - b)
        const values = new Float64Array(places.length * 4)
        for (const [k, place] of places.entries()) values.set(boxes.get(place)?.box ?? [], k * 4)
        return { name, firstOfVideo: video.frames[0]?.file ?? '', fileNames: places.map((place) => video.frames[place]?.file ?? ''), boxes: values }
      })
  }

  object(item: unknown, line: number, what: string): Json {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) throw new SiamError('ERR_DATA', `expected ${what}, an object, but found ${show(item)}`, { file: this.#file, line })
    return item as Json
  }

  #id(holder: Json, key: string, line: number): Id {
    const value = holder[key]
    if (typeof value === 'number' || (typeof value === 'string' && value !== '')) return value
    throw this.#error(line, key, 'a number or a text', value)
  }

  #error(line: number, key: string, expected: string, found: unknown): SiamError {
    return new SiamError('ERR_DATA', `${key}: expected ${expected} but found ${show(found)}`, { file: this.#file, line, hint: `expected ${cocoVideoLayout}` })
  }
}

/** `"iscrowd": 1`, also as true. */
function isSet(value: unknown): boolean {
  return value === 1 || value === true
}

/** A value as a message shows it: short. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
