/** A user's own videos with a COCO-style JSON: each track of each video is a sequence. */
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { type CocoTrack, cocoVideoLayout, readCocoTracks } from './coco-tracks.ts'
import { booleanParam, pathParam } from './dataset-params.ts'
import { isFile, requireRoot } from './files.ts'
import { readSequences } from './sequence-folder.ts'
import type { DatasetContext, DatasetParams, SequenceRecord } from './source.ts'

/**
 * Opens a COCO-style video JSON, in CocoVID's or YouTube-VIS's form.
 *
 * Settings: `dataset_root` (needed), the folder that file names start from; `annotation_file`, relative to it (default annotations.json);
 * `check_integrity` (true: the first frame of each video has to be there, else its tracks are left out and reported; false: it is not
 * looked for). A sequence holds the frames in which its track has a box, in the order of `frame_id` or `frame_index`; frames between them
 * without one are passed over, so that `max_diff` counts annotated frames.
 *
 * @returns sequences in the order in which the tracks first appear in the file
 * @throws ERR_CONFIG for a bad setting, ERR_DATA for a missing file or one of another form, with the line
 */
export async function openCocoVideo(params: DatasetParams, context: DatasetContext): Promise<AsyncIterable<SequenceRecord>> {
  const root = pathParam(params, 'dataset_root', '', context)
  const annotationFile = pathParam(params, 'annotation_file', 'annotations.json', context)
  const checkIntegrity = booleanParam(params, 'check_integrity', true, context)
  const rootDir = await requireRoot(root, `a folder of frames, and a JSON file ${cocoVideoLayout}`, context)
  const file = path.resolve(rootDir, annotationFile)
  context.dependsOn?.(file)
  if (!(await isFile(file))) {
    throw new SiamError('ERR_DATA', 'the annotation file is missing', { file, hint: `${context.configPath}.annotation_file names it, from dataset_root on; expected ${cocoVideoLayout}` })
  }
  const tracks = await readCocoTracks(file, {
    signal: context.signal,
    report: (sequence, line, message) => context.problems.add({ kind: 'bad_annotation', scope: 'frame', dataset: context.name, sequence, file, line, message }),
  })
  return readSequences(tracks, async (track) => sequenceOf(track, rootDir, file, checkIntegrity), context, checkIntegrity, ({ firstOfVideo }) => [path.resolve(rootDir, firstOfVideo)])
}

async function sequenceOf({ name, firstOfVideo, fileNames, boxes }: CocoTrack, rootDir: string, annotationFile: string, checkIntegrity: boolean) {
  if (checkIntegrity) {
    const first = path.resolve(rootDir, firstOfVideo)
    if (!(await isFile(first))) return { kind: 'missing_sequence' as const, sequence: name, file: first, message: 'the first frame of its video is missing' }
  }
  return { name, frames: fileNames.map((frame) => path.resolve(rootDir, frame)), boxes, annotationFile }
}
