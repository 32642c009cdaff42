/** NaN in the batch of one rank: the averaged gradients are NaN on all ranks, and all skip the same step without a word between them. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { runRanks, type RankEnd } from '../helpers/ranks.ts'

interface Trained {
  sha: string
  losses: string[]
  skipped: number
}

const folder = temporaryFolder('distributed-nonfinite')
let ends: RankEnd[] = []
beforeAll(async () => {
  ends = await runRanks([['accident', { kind: 'nan', iterations: 5, folder }], ['accident', { kind: 'leftOut', iterations: 4, folder }]])
}, 120_000)
afterAll(() => removeFolder(folder))

const results = (i: number): Trained[] => ends.map(({ results }) => results[i] as unknown as Trained)

describe('NaN in one rank\'s third batch', () => {
  it('ends nothing', () => {
    expect(ends.map(({ code, error }) => ({ code, error }))).toEqual([{ code: 0 }, { code: 0 }])
  })

  it('leaves both ranks as if neither had had its third batch', () => {
    const [first, second] = results(0)
    expect(second?.sha).toBe(first?.sha)
    expect(results(1).map(({ sha }) => sha)).toEqual([first?.sha, first?.sha])
  })

  it('is counted once, seen in the mean losses of that iteration alone, and written down by the rank that had it', () => {
    const [first] = results(0)
    expect(first?.skipped).toBe(1)
    const byIteration = Array.from({ length: 5 }, (_, i) => first?.losses.slice(3 * i, 3 * i + 3).includes('NaN'))
    expect(byIteration).toEqual([false, false, true, false, false])
    const lines = readFileSync(path.join(folder, 'nan', 'nonfinite.rank1.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as object)
    expect(lines).toMatchObject([{ epoch: 0, iteration: 2, wrong: 'the loss ctr is NaN' }])
    expect(existsSync(path.join(folder, 'nan', 'nonfinite.jsonl'))).toBe(false)
  })
})
