/** A user's own data: folders of images, COCO-style video files, and registered data sets beside them. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { type CocoVideoJson, cocoVideoFrame, makeCocoVideo } from '../helpers/datasets/coco-video.ts'
import { makeImageFolder } from '../helpers/datasets/image-folder.ts'
import { plainBox, writeLines } from '../helpers/datasets/moving-object.ts'
import { boxesOf, failure, framePaths, openAll } from '../helpers/indexing.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { shared } from '../helpers/shared.ts'

const folder = temporaryFolder('own')
const root = path.join(folder, 'set')
afterAll(() => removeFolder(folder))
beforeEach(() => {
  removeFolder(root)
  mkdirSync(root)
})

const names = ({ records }: Awaited<ReturnType<typeof openAll>>): string[] => records.map(({ name }) => name)
const range = (n: number): number[] => Array.from({ length: n }, (_, k) => k)

describe('ImageFolderDataset', () => {
  const open = (params = {}, options = {}) => openAll('ImageFolderDataset', { dataset_root: root, ...params }, { strict: true, ...options })

  it('the root may be the one sequence', async () => {
    makeImageFolder(root, { names: [''] })
    const { records, problems } = await open()
    expect(records).toMatchObject([{ name: 'set', frames: { dir: root, pattern: 'img_%04d.jpg', first: 0, count: 6 } }])
    expect(boxesOf(records[0]!)).toEqual(range(6).map((k) => plainBox(0, k)))
    expect(problems.total).toBe(0)
  })

  it('or hold sequences, in the order of list.txt or of their names', async () => {
    makeImageFolder(root, { names: ['b', 'a', 'c'] })
    mkdirSync(path.join(root, 'notes'))
    expect(names(await open())).toEqual(['a', 'b', 'c'])
    writeLines(path.join(root, 'list.txt'), ['c', 'a'])
    expect(names(await open())).toEqual(['c', 'a'])
  })

  it.each(['img', 'color'])('frames may lie in %s', async (frameFolder) => {
    makeImageFolder(root, { frameFolder })
    const { records, dependencies } = await open()
    expect(records.map(({ frames }) => (frames as { dir: string }).dir)).toEqual(['clip_a', 'clip_b'].map((name) => path.join(root, name, frameFolder)))
    expect(dependencies).toContain(path.join(root, 'clip_a', frameFolder))
  })

  it("reads VOT's polygons", async () => {
    makeImageFolder(root, { style: 'polygon' })
    const { records } = await open()
    for (const [k, box] of boxesOf(records[1]!).entries()) for (const [i, value] of box.entries()) expect(value).toBeCloseTo(plainBox(1, k)[i]!, 9)
  })

  it('reads the bag of real frames as it is', async () => {
    const { records, problems } = await openAll('ImageFolderDataset', { dataset_root: shared('data', 'vot-bag') }, { strict: true })
    expect(records).toHaveLength(1)
    expect(framePaths(records[0]!)).toHaveLength(196)
    expect(problems.total).toBe(0)
    // As the README of the bag's configuration has it.
    const [first] = boxesOf(records[0]!)
    expect(first!.map((value) => value.toFixed(2))).toEqual(['312.64', '146.89', '106.13', '96.41'])
  })

  it('lines of nan and absence.label say that there is no target', async () => {
    makeImageFolder(root, { names: ['a'] })
    writeLines(path.join(root, 'a/groundtruth.txt'), ['1,2,30,40', 'nan,nan,nan,nan', '0,0,0,0', '1,2,30,40', '1,2,30,40', '1,2,nan,40'])
    writeLines(path.join(root, 'a/absence.label'), [0, 0, 1, 0, 1, 0])
    const setting = (params = {}) => ({ name: 'ImageFolderDataset', configPath: 'x', params: { dataset_root: root, ...params }, ratio: 1, maxDiff: 100 })
    const { indexes, problems } = await indexDatasets({ datasets: [setting()] })
    expect([...indexes[0]!.sequenceStart]).toEqual([0, 3])
    expect([problems.absentFrames, problems.counts]).toEqual([2, { not_finite: 1 }])
    expect([...(await indexDatasets({ datasets: [setting({ exclude_absent: true })] })).indexes[0]!.sequenceStart]).toEqual([0, 2])
  })

  it.each<[string, () => void, string, string, number | undefined]>([
    ['a line too few', () => writeLines(path.join(root, 'clip_a/groundtruth.txt'), Array(5).fill('1,2,3,4')), 'short_groundtruth', 'clip_a/groundtruth.txt', 6],
    ['a line too many', () => writeLines(path.join(root, 'clip_a/groundtruth.txt'), Array(7).fill('1,2,3,4')), 'long_groundtruth', 'clip_a/groundtruth.txt', 7],
    ['no frames', () => { for (const k of range(6)) rmSync(path.join(root, `clip_a/img_000${k}.jpg`)) }, 'no_frames', 'clip_a', undefined],
    ['a listed sequence that is not there', () => { writeLines(path.join(root, 'list.txt'), ['clip_a', 'clip_b']); rmSync(path.join(root, 'clip_a'), { recursive: true }) }, 'missing_sequence', 'clip_a', undefined],
  ])('%s: the sequence is left out and reported', async (_, harm, kind, file, line) => {
    makeImageFolder(root)
    harm()
    const opened = await open({}, { strict: false })
    expect(names(opened)).toEqual(['clip_b'])
    expect(opened.problems.kept).toMatchObject([{ kind, file: path.join(root, file) }])
    expect(opened.problems.kept[0]?.line).toBe(line)
    expect((await failure(open())).code).toBe('ERR_DATA')
  })

  it('frames of another format are named', async () => {
    makeImageFolder(root, { names: ['a'], frames: 0 })
    writeLines(path.join(root, 'a/groundtruth.txt'), ['1,2,3,4'])
    writeFileSync(path.join(root, 'a/0001.bmp'), '')
    expect((await failure(open())).message).toContain('"0001.bmp": training reads JPEG, PNG and WebP')
  })

  it('no root, no annotation, wrong keys', async () => {
    expect((await failure(open({ dataset_root: '' }))).message).toContain('Expected a path for dataset.ImageFolderDataset.dataset_root')
    expect((await failure(openAll('ImageFolderDataset', {}))).code).toBe('ERR_CONFIG')
    expect(await failure(open({ dataset_root: path.join(root, 'no') }))).toMatchObject({ code: 'ERR_DATA', file: path.join(root, 'no') })
    expect(await failure(open())).toMatchObject({ code: 'ERR_DATA', file: root, hint: 'expected a folder of .jpg, .png or .webp frames with a groundtruth.txt, or a folder of such folders' })
    writeFileSync(path.join(root, 'a.jpg'), '')
    expect((await failure(open())).hint).toContain('it holds 1 frames: put a groundtruth.txt')
    expect((await failure(open({ check_integrity: 'no' }))).code).toBe('ERR_CONFIG')
  })
})

describe('CocoVideoDataset', () => {
  const open = (params = {}, options = {}) => openAll('CocoVideoDataset', { dataset_root: root, ...params }, { strict: true, ...options })
  const make = (edit?: (json: CocoVideoJson) => void, form?: 'coco-vid' | 'youtube-vis') => makeCocoVideo(root, { edit, form })
  const file = path.join(root, 'annotations.json')
  const frame = (v: number, k: number): string => path.join(root, cocoVideoFrame(v, k))
  /** Line of the n-th place (from 0) at which `text` stands. */
  const lineOf = (text: string, n: number): number => readFileSync(file, 'utf8').split(text).slice(0, n + 1).join(text).split('\n').length

  it.each(['coco-vid', 'youtube-vis'] as const)('%s: a sequence for each track, without the frames in which it has no box', async (form) => {
    make(undefined, form)
    const { records, problems, progress, dependencies } = await open()
    expect(records.map(({ name }) => name)).toEqual(form === 'coco-vid' ? ['v1, track 7', 'v1, track 8', 'v2, track 7'] : ['video 1, track 1', 'video 1, track 2', 'video 2, track 3'])
    expect(records.map((record) => framePaths(record))).toEqual([range(6).map((k) => frame(0, k)), [0, 1, 3, 4, 5].map((k) => frame(0, k)), range(6).map((k) => frame(1, k))])
    expect(boxesOf(records[0]!)).toEqual(range(6).map((k) => plainBox(0, k)))
    expect(boxesOf(records[1]!)[2]).toEqual(plainBox(0, 3).map((value, i) => (i < 2 ? value + 1 : value)))
    expect([problems.total, progress.at(-1)]).toEqual([0, [3, 3]])
    expect(dependencies).toContain(file)
  })

  it('takes frames, frame_index, track_id and text for ids; frame numbers with gaps; another file', async () => {
    make((json) => {
      const images = json.images!
      json.images = undefined
      Object.assign(json, { frames: images })
      for (const image of images) {
        Object.assign(image, { id: `img${String(image['id'])}`, frame_index: 10 * Number(image['frame_id']) + 3 })
        delete image['frame_id']
      }
      for (const annotation of json.annotations) {
        Object.assign(annotation, { image_id: `img${String(annotation['image_id'])}`, track_id: `t${String(annotation['instance_id'])}` })
        delete annotation['instance_id']
      }
    })
    mkdirSync(path.join(root, 'json'))
    writeFileSync(path.join(root, 'json/train.json'), readFileSync(file))
    rmSync(file)
    const { records } = await open({ annotation_file: 'json/train.json' })
    expect(records.map(({ name }) => name)).toEqual(['v1, track t7', 'v1, track t8', 'v2, track t7'])
    expect(framePaths(records[0]!)).toEqual(range(6).map((k) => frame(0, k)))
  })

  it('leaves out crowds and ignored annotations without a word', async () => {
    make(({ annotations }) => {
      annotations[0]!['iscrowd'] = 1
      annotations[1]!['ignore'] = true
    })
    expect(framePaths((await open()).records[0]!)).toHaveLength(4)
  })

  it.each<[string, (json: CocoVideoJson) => void, RegExp]>([
    ['a box of three numbers', (json) => (json.annotations[2]!['bbox'] = [1, 2, 3]), /^bbox: expected \[x, y, w, h\] but found \[1,2,3\]$/],
    ['a box of words', (json) => (json.annotations[2]!['bbox'] = [1, 2, 'w', 4]), /but found \[1,2,"w",4\]/],
    ['no box', (json) => delete json.annotations[2]!['bbox'], /but found nothing/],
    ['a box of no width', (json) => (json.annotations[2]!['bbox'] = [1, 2, 0, 4]), /the box \[1,2,0,4\] has no area/],
    ['an image that is not listed', (json) => (json.annotations[2]!['image_id'] = 77), /^image_id: there is no image 77$/],
    ['two boxes of a track in a frame', (json) => (json.annotations[2]!['image_id'] = 1001), /has a box in videos\/v1\/000001\.jpg already, in line \d+$/],
  ])('%s: left out, reported with file and line', async (_, edit, message) => {
    make(edit)
    const { records, problems } = await open({}, { strict: false })
    expect(framePaths(records[0]!)).toHaveLength(5)
    expect(problems.kept).toMatchObject([{ kind: 'bad_annotation', scope: 'frame', file, line: lineOf('"instance_id"', 2) - 4 }])
    expect(problems.kept[0]?.message).toMatch(message)
    expect(await failure(open())).toMatchObject({ code: 'ERR_DATA', file, line: problems.kept[0]?.line })
  })

  it.each<[string, (json: CocoVideoJson) => void, RegExp]>([
    ['a list of another length', (json) => (json.annotations[0]!['bboxes'] = [null]), /^bboxes: expected a box or null for each of 6 frames but found 1$/],
    ['no list', (json) => (json.annotations[0]!['bboxes'] = 'none'), /but found "none"/],
    ['a video that is not listed', (json) => (json.annotations[0]!['video_id'] = 9), /^video_id: there is no video 9$/],
  ])('YouTube-VIS, %s: the track is left out and reported', async (_, edit, message) => {
    make(edit, 'youtube-vis')
    const { records, problems } = await open({}, { strict: false })
    expect([records.length, problems.kept.length]).toEqual([2, 1])
    expect(problems.kept[0]?.message).toMatch(message)
  })

  it.each<[string, (json: CocoVideoJson) => void, RegExp]>([
    ['no video_id', (json) => delete json.images![3]!['video_id'], /^video_id: expected a number or a text but found nothing$/],
    ['an unknown video', (json) => (json.images![3]!['video_id'] = 5), /^video_id: expected the id of one of the videos but found 5$/],
    ['no frame number', (json) => delete json.images![3]!['frame_id'], /^frame_id: expected the number of the frame/],
    ['a frame number twice', (json) => (json.images![3]!['frame_id'] = 5), /^frame_id: expected a number that no other frame of "v1" has but found 5$/],
    ['no file name', (json) => (json.images![3]!['file_name'] = ''), /^file_name: expected a file name but found ""$/],
    ['an image id twice', (json) => (json.images![3]!['id'] = json.images![0]!['id']), /^id: expected an id that no other image has/],
    ['a video id twice', (json) => (json.videos[1]!['id'] = 1), /^id: expected an id that no other video has but found 1$/],
    ['no track', (json) => delete json.annotations[3]!['instance_id'], /^instance_id: expected a number or a text/],
    ['a video that is a text', (json) => (json.videos[1] = 'v2' as unknown as Record<string, unknown>), /^expected a video, an object, but found "v2"$/],
    ['no annotations', (json) => (json.annotations = []), /^expected a list "annotations" but it is missing or empty$/],
    ['no videos', (json) => delete (json as Partial<CocoVideoJson>).videos, /^expected a list "videos"/],
  ])('a file with %s is refused', async (_, edit, message) => {
    make(edit)
    const error = await failure(open({}, { strict: false }))
    expect([error.code, error.file]).toEqual(['ERR_DATA', file])
    expect(error.message).toMatch(message)
    if (!message.source.includes('a list')) expect(error.line).toBeGreaterThan(1)
  })

  it('file names of a video that are none', async () => {
    make((json) => (json.videos[1]!['file_names'] = ['a.jpg', 3]), 'youtube-vis')
    expect((await failure(open())).message).toBe('file_names[1]: expected a file name but found 3')
    make((json) => (json.videos[1]!['file_names'] = 'a.jpg'), 'youtube-vis')
    expect((await failure(open())).message).toBe('file_names: expected a list of file names but found "a.jpg"')
  })

  it('check_integrity looks for the first frame of each video', async () => {
    make()
    rmSync(frame(0, 0))
    const { records, problems } = await open({}, { strict: false })
    expect([records.length, problems.counts]).toEqual([1, { missing_sequence: 2 }])
    expect(await failure(open())).toMatchObject({ code: 'ERR_DATA', file: frame(0, 0) })
    expect((await open({ check_integrity: false })).records).toHaveLength(3)
  })

  it('no file, no JSON, no root', async () => {
    expect(await failure(open())).toMatchObject({ code: 'ERR_DATA', file, message: 'the annotation file is missing' })
    writeFileSync(file, '{\n"videos": [{"id": 1},\n{"id": }]}')
    expect(await failure(open())).toMatchObject({ code: 'ERR_DATA', file, line: 3 })
    expect(await failure(open({ dataset_root: path.join(root, 'no') }))).toMatchObject({ code: 'ERR_DATA' })
    expect((await failure(open({ dataset_root: '' }))).code).toBe('ERR_CONFIG')
    expect((await failure(open({ annotation_file: 7 }))).message).toContain('dataset.CocoVideoDataset.annotation_file')
  })
})
