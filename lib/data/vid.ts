/**
 * ILSVRC2015 VID: videos in ROOT/Data/VID and an XML file a frame in ROOT/Annotations/VID; each object that is followed (`trackid`) is a
 * sequence of the frames that show it.
 */
import path from 'node:path'
import { SiamError, invalidArgument } from '../errors.ts'
import { pathParam, textParam } from './dataset-params.ts'
import { describeRoot, isDirectory, requireRoot } from './files.ts'
import { patternOf } from './frames.ts'
import { foldersIn, isProblem, namesIn, objectProblem, readAnnotations, stems } from './ilsvrc.ts'
import type { DataProblem } from './problems.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

const layout = 'a folder with Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/{000000.JPEG, …} and the same below Annotations with .xml'

interface Video {
  name: string
  frames: string
  annotations: string
}

/** One object of a video: the frames that show it, by their number in the list of the video's annotations. */
interface Track {
  frames: number[]
  corners: number[]
  /** Objects with that id, bad ones too. */
  count: number
}

/**
 * Opens ILSVRC2015 VID.
 *
 * Settings: `dataset_root`, `subset` (train, val, or train_val: both).
 *
 * @returns a sequence VIDEO.TRACKID for each object that is annotated at least twice in its video: videos in the order of their paths, objects
 *   in the order of their ids as text, as in the original. max_diff counts the frames that show the object.
 * @throws ERR_CONFIG for a bad setting, ERR_DATA when the root or a subset's folders are missing
 */
export async function openVid(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = pathParam(params, 'dataset_root', 'datasets/ILSVRC2015', context)
  const subset = textParam(params, 'subset', 'train', context)
  const parts = subset.split('_').map((part) => part.trim())
  if (!parts.every((part) => part === 'train' || part === 'val')) throw invalidArgument('train, val or train_val', `${context.configPath}.subset`, subset, 'ERR_CONFIG')
  const rootDir = await requireRoot(root, layout, context)
  const videos: Video[] = []
  for (const part of ['train', 'val'] as const) {
    if (!parts.includes(part)) continue
    for (const kind of ['Data', 'Annotations']) {
      const dir = path.join(rootDir, kind, 'VID', part)
      context.dependsOn?.(dir)
      if (!(await isDirectory(dir))) throw new SiamError('ERR_DATA', `the data root has no folder ${kind}/VID/${part} (${describeRoot(root, context)})`, { file: dir, hint: `expected ${layout}` })
    }
    videos.push(...(part === 'train' ? await trainVideos(rootDir, context) : await videosIn(rootDir, 'VID/val', 'ILSVRC2015_val_')))
  }
  if (videos.length === 0) throw new SiamError('ERR_DATA', `the data set is empty: no video in Data/VID of the subset ${subset} (${describeRoot(root, context)})`, { file: rootDir, hint: `expected ${layout}` })
  return readVideos(videos, context)
}

async function trainVideos(rootDir: string, context: DatasetContext): Promise<Video[]> {
  const videos: Video[] = []
  for (const part of await foldersIn(path.join(rootDir, 'Data/VID/train'), 'ILSVRC')) {
    context.dependsOn?.(path.join(rootDir, 'Data/VID/train', part))
    videos.push(...(await videosIn(rootDir, `VID/train/${part}`, 'ILSVRC')))
  }
  return videos
}

async function videosIn(rootDir: string, relative: string, prefix: string): Promise<Video[]> {
  const names = await foldersIn(path.join(rootDir, 'Data', relative), prefix)
  return names.map((name) => ({ name, frames: path.join(rootDir, 'Data', relative, name), annotations: path.join(rootDir, 'Annotations', relative, name) }))
}

async function* readVideos(videos: readonly Video[], context: DatasetContext): AsyncGenerator<SequenceRecord> {
  for (const [done, video] of videos.entries()) {
    context.signal?.throwIfAborted()
    // All entries of a folder as one: a million files are too many to name.
    for (const file of [`${video.annotations}/*`, video.frames]) context.dependsOn?.(file)
    yield* await readVideo(video, (problem) => context.problems.add({ ...problem, dataset: context.name }))
    context.onProgress?.(done + 1, videos.length)
  }
}

async function readVideo(video: Video, report: (problem: Omit<DataProblem, 'dataset'>) => void): Promise<SequenceRecord[]> {
  const names = stems(await namesIn(video.annotations), '.xml')
  if (names.length === 0) {
    report({ kind: 'missing_groundtruth', scope: 'sequence', sequence: video.name, file: video.annotations, message: 'no .xml annotation of the video' })
    return []
  }
  const there = new Set(await namesIn(video.frames))
  const files = names.map((name) => path.join(video.annotations, `${name}.xml`))
  const tracks = new Map<string, Track>()
  for (const [f, annotation] of (await readAnnotations(files)).entries()) {
    const at = { scope: 'frame', sequence: video.name, file: files[f] as string } as const
    if (isProblem(annotation)) report({ ...at, ...annotation })
    else if (annotation.objects.length > 0 && !there.has(`${names[f]}.JPEG`)) report({ ...at, kind: 'missing_frame', message: `its picture ${path.join(video.frames, `${names[f]}.JPEG`)} is not there` })
    else {
      for (const object of annotation.objects) {
        if (object.trackId === null) {
          report({ ...at, kind: 'bad_annotation', line: object.line, message: 'the object has no trackid' })
          continue
        }
        const track = tracks.get(object.trackId) ?? { frames: [], corners: [], count: 0 }
        tracks.set(object.trackId, track)
        track.count += 1
        const problem = objectProblem(object, annotation)
        if (problem !== null) report({ ...at, ...problem, message: `object ${object.trackId}: ${problem.message}` })
        else {
          track.frames.push(f)
          track.corners.push(...object.corners)
        }
      }
    }
  }
  return [...tracks]
    .filter(([, track]) => track.count >= 2 && track.frames.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, track]) => recordOf(video, id, track, names))
}

/** A pattern with gaps where the object is not to be seen; names where the video's files do not count up or a frame shows an id twice. */
function recordOf(video: Video, id: string, track: Track, names: readonly string[]): SequenceRecord {
  const [first, last] = [track.frames[0] ?? 0, track.frames.at(-1) ?? 0]
  const record = { name: `${video.name}.${id}`, boxFormat: 'xyxy', annotationFile: video.annotations } as const
  const pattern = patternOf(names.slice(first, last + 1).map((name) => `${name}.JPEG`))
  const repeated = track.frames.some((frame, i) => i > 0 && frame === track.frames[i - 1])
  if (pattern === null || repeated) return { ...record, frames: track.frames.map((frame) => path.join(video.frames, `${names[frame]}.JPEG`)), boxes: track.corners }
  const boxes = new Float64Array(pattern.count * 4).fill(Number.NaN)
  const absent = new Uint8Array(pattern.count).fill(1)
  for (const [i, frame] of track.frames.entries()) {
    boxes.set(track.corners.slice(i * 4, i * 4 + 4), (frame - first) * 4)
    absent[frame - first] = 0
  }
  return { ...record, frames: { dir: video.frames, ...pattern }, boxes, absent }
}
