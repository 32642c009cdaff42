/** Monitors run on rank 0 alone: one that takes longer than ranks wait for an answer (a validation, a reader of --json that pauses) ends no run. */
import { afterAll, expect, it } from 'vitest'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { runRanks } from '../helpers/ranks.ts'

const folder = temporaryFolder('distributed-monitor')
afterAll(() => removeFolder(folder))

it('waits for a monitor that is slower than the time-out, inside of an epoch and at its end', async () => {
  const ends = await runRanks([['slowMonitor', { seconds: 7, folder }]], { timeoutSeconds: 4 })
  expect(ends.map(({ code, error }) => ({ code, error }))).toEqual([{ code: 0 }, { code: 0 }])
  const [first, second] = ends.map(({ results }) => results[0] as { sha: string; seen: string })
  expect([first?.seen, second?.seen]).toEqual(['0 1 2 end', ''])
  expect(second?.sha).toBe(first?.sha)
}, 120_000)
