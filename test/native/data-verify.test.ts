import { appendFileSync, existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openGot10k } from '../../lib/data/got10k.ts'
import { registerDataset } from '../../lib/data/registry.ts'
import { detectDatasets } from '../../lib/data/survey/detect.ts'
import { statsChart } from '../../lib/data/survey/stats-chart.ts'
import { statsText } from '../../lib/data/survey/stats-text.ts'
import { datasetStats } from '../../lib/data/survey/stats.ts'
import { type VerifyOptions, verifyDatasets } from '../../lib/data/survey/verify.ts'
import { damage, frameFile, makeTinyDataset, removeFolder, sequenceDir, temporaryFolder } from '../helpers/make-dataset.ts'

const folders: string[] = []
function dataset(options = {}): string {
  const root = temporaryFolder('verify')
  folders.push(root)
  return makeTinyDataset(root, options)
}
afterAll(() => folders.forEach(removeFolder))

async function verify(root: string, options: VerifyOptions = {}) {
  return verifyDatasets(await detectDatasets(root), { threads: 2, ...options })
}

describe('data verify', () => {
  it('finds nothing wrong in a sound data set, and counts what it saw', async () => {
    const root = dataset({ sequences: 3, frames: 20 })
    const report = await verify(root)
    expect(report).toMatchObject({ ok: true, counts: {}, problems: [], problemsLeftOut: 0, resumedSequences: 0 })
    const bytes = [0, 1, 2].flatMap((s) => Array.from({ length: 20 }, (_, k) => readFileSync(frameFile(root, s, k)).length)).reduce((a, b) => a + b)
    expect(report.datasets).toEqual([{ name: 'GOT10kDataset', params: { dataset_root: root, subset: 'train' }, sequences: 3, frames: 60, bytes }])
  })

  it.each([
    ['a truncated frame', (root: string) => damage.truncatedJpeg(root, 1, 2), 'undecodable_frame', 'seq_002/00000003.jpg', undefined],
    ['text named .jpg', (root: string) => damage.textNamedJpg(root, 1, 2), 'undecodable_frame', 'seq_002/00000003.jpg', undefined],
    ['a link to nowhere', (root: string) => damage.danglingLink(root, 1, 2), 'missing_frame', 'seq_002/00000003.jpg', undefined],
    ['a frame of another size', (root: string) => damage.otherSize(root, 0, 5), 'other_size', 'seq_001/00000006.jpg', undefined],
    ['a box outside of its frame', (root: string) => damage.line(root, 0, 3, '160,0,10,10'), 'box_outside', 'seq_001/groundtruth.txt', 4],
    ['an empty box', (root: string) => damage.line(root, 0, 3, '1,2,0,10'), 'empty_box', 'seq_001/groundtruth.txt', 4],
    ['a box that is no number', (root: string) => damage.line(root, 0, 3, 'nan,2,3,4'), 'not_finite', 'seq_001/groundtruth.txt', 4],
    ['a line that cannot be read', (root: string) => damage.line(root, 0, 3, '1,2,3'), 'unparsable_line', 'seq_001/groundtruth.txt', 4],
    ['a sequence without annotations', (root: string) => damage.noGroundTruth(root, 2), 'missing_groundtruth', 'seq_003/groundtruth.txt', undefined],
  ])('%s', async (_, harm, kind, file, line) => {
    const root = dataset()
    harm(root)
    const report = await verify(root)
    const first = report.problems.find((problem) => problem.kind === kind)
    expect(report.ok).toBe(false)
    expect(first).toMatchObject({ kind, file: path.join(root, 'train', file) })
    expect(first?.line).toBe(line)
    // A frame of another size has a box that does not fit it, either.
    expect(Object.keys(report.counts).filter((other) => other !== kind && other !== 'box_outside')).toEqual([])
    expect(report.counts[kind]).toBe(1)
  })

  it('an absent target needs no box', async () => {
    const root = dataset()
    damage.line(root, 0, 3, '0,0,0,0')
    writeFileSync(path.join(sequenceDir(root, 0), 'absence.label'), '0\n0\n0\n1\n0\n0\n')
    expect(await verify(root)).toMatchObject({ ok: true })
  })

  it('keeps so many problems and counts the rest', async () => {
    const root = dataset()
    for (let k = 0; k < 6; k += 1) damage.textNamedJpg(root, 0, k)
    const report = await verify(root, { keptProblems: 2 })
    expect(report.problems).toHaveLength(2)
    expect(report.problemsLeftOut).toBe(4)
    expect(report.counts).toEqual({ undecodable_frame: 6 })
  })

  it('goes on where it was stopped, looks again at what changed since, and forgets when it is done', async () => {
    const root = dataset({ sequences: 12, frames: 4 })
    damage.textNamedJpg(root, 0, 1)
    const journal = path.join(root, 'verify.jsonl')
    const stop = new AbortController()
    const reason = new Error('enough')
    const stopped = verify(root, { journal, threads: 1, signal: stop.signal, onProgress: (done) => done === 9 && stop.abort(reason) })
    await expect(stopped).rejects.toBe(reason)
    const kept = readFileSync(journal, 'utf8').trim().split('\n').length - 1
    expect(kept).toBeLessThan(12)

    appendFileSync(journal, '{"dataset":"half a li') // as a machine that went down leaves it
    const again = await verify(root, { journal })
    expect(again).toMatchObject({ ok: false, resumedSequences: kept, counts: { undecodable_frame: 1 }, datasets: [{ sequences: 12, frames: 48 }] })
    expect(existsSync(journal)).toBe(false)
  })

  it('verifies a sequence anew whose annotations or folder changed, and all of them with fresh', async () => {
    const root = dataset({ sequences: 3, frames: 4 })
    const journal = path.join(root, 'verify.jsonl')
    const stop = async (): Promise<void> => {
      const controller = new AbortController()
      // Stops when all three are in the journal (a line each below its header), before the run can end.
      beforeEnd = async () => {
        while (readFileSync(journal, 'utf8').split('\n').length < 5) await setTimeout(5)
        controller.abort(new Error('stop'))
      }
      await expect(verifyDatasets([slow], { journal, signal: controller.signal })).rejects.toThrow('stop')
      beforeEnd = async () => undefined
    }
    let beforeEnd = async (): Promise<void> => undefined
    registerDataset('VerifyTestDataset', async function* (params, context) {
      yield* await openGot10k(params, { ...context, name: 'GOT10kDataset' })
      await beforeEnd()
    })
    const slow = { name: 'VerifyTestDataset', params: { dataset_root: root }, configPath: root }
    await stop()
    expect((await verifyDatasets([slow], { journal })).resumedSequences).toBe(3)
    await stop()
    utimesSync(path.join(sequenceDir(root, 0), 'groundtruth.txt'), new Date(2020, 1), new Date(2020, 1))
    expect((await verifyDatasets([slow], { journal })).resumedSequences).toBe(2)
    await stop()
    damage.danglingLink(root, 1, 3)
    expect(await verifyDatasets([slow], { journal })).toMatchObject({ resumedSequences: 2, counts: { missing_frame: 1 } })
    await stop()
    expect((await verifyDatasets([slow], { journal, fresh: true })).resumedSequences).toBe(0)
  })

  it('does not use a journal about something else', async () => {
    const root = dataset()
    const journal = path.join(root, 'verify.jsonl')
    writeFileSync(journal, 'something else\n')
    expect(await verify(root, { journal })).toMatchObject({ ok: true, resumedSequences: 0 })
  })

  it('says where the journal cannot be written', async () => {
    const root = dataset()
    await expect(verify(root, { journal: path.join(root, 'train', 'list.txt', 'journal') })).rejects.toMatchObject({ code: 'ERR_IO' })
  })
})

describe('data stats', () => {
  let root: string
  beforeAll(() => {
    root = dataset({ sequences: 2, frames: 10 })
    damage.line(root, 0, 3, '0,0,0,0')
    writeFileSync(path.join(sequenceDir(root, 0), 'absence.label'), '0\n0\n0\n1\n0\n0\n0\n0\n0\n0\n')
    damage.line(root, 1, 3, '1,2,-3,4')
    damage.line(root, 1, 4, '1,2,80,20')
  })

  it('counts frames and measures boxes', async () => {
    const [found] = await detectDatasets(root)
    const stats = await datasetStats(found!)
    expect(stats).toMatchObject({ sequences: 2, frames: 20, absentFrames: 1, badFrames: 1, badSequences: 0, unknownFrameSizes: 0, frameSizes: [{ width: 160, height: 120, sequences: 2 }] })
    const { sequence_length: length, box_width: width, aspect_ratio: aspect, relative_size: relative } = stats.distributions
    expect(length).toMatchObject({ count: 2, min: 10, max: 10, mean: 10 })
    expect(width).toMatchObject({ count: 18, min: 40, max: 80 })
    expect(aspect).toMatchObject({ count: 18, min: 1, max: 4 })
    expect(relative!.max).toBeCloseTo(Math.sqrt(1600 / 19200), 12)
    expect(statsText(stats)).toContain('2 sequences, 20 frames\n  1 frame without the target\n  0 sequences and 1 frame cannot be used')
  })

  it('draws a chart with a panel for each distribution, also of what is not known', async () => {
    const blind = dataset({ jpeg: 'none' })
    const all = await Promise.all([...(await detectDatasets(root)), ...(await detectDatasets(blind))].map((one) => datasetStats(one)))
    expect(all[1]).toMatchObject({ unknownFrameSizes: 3, frameSizes: [] })
    const chart = statsChart(all)
    expect(chart.match(/<path /g)).toHaveLength(7)
    for (const title of ['Length of a sequence', 'Size of the box', 'Size relative to the frame', 'Aspect ratio']) expect(chart).toContain(title)
    expect(chart).not.toMatch(/NaN|Infinity|undefined/)
    expect(statsChart([all[1]!])).toContain('not known: no frame could be read')
  })
})
