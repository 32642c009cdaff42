/** The search: who goes on, that a stopped one ends like one that was never stopped, and what is told of it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseXml } from '@rgrove/parse-xml'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { searchChart } from '../../lib/hpo/chart.ts'
import { searchCsv, searchJson, searchTable, shortNames, type SearchReport } from '../../lib/hpo/report.ts'
import { searchHyperParameters, type SearchOptions, type SearchProgress, type SearchResult, type TrialRequest } from '../../lib/hpo/search.ts'
import type { SearchParameter } from '../../lib/hpo/space.ts'
import { madeEvaluation } from '../helpers/made-evaluation.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hpo-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const parameters: SearchParameter[] = [
  { path: ['pipeline', 'SiamFCppTracker', 'test_lr'], range: { kind: 'uniform', low: 0, high: 1 }, origin: {} },
  { path: ['pipeline', 'SiamFCppTracker', 'x_size'], range: { kind: 'integer', low: 290, high: 310 }, origin: {} },
]
const sequences = Array.from({ length: 18 }, (_, i) => `s${i}`)
const evaluation = madeEvaluation(['x'], 1)

/** The best test_lr is 0.6, whatever the sequences. */
function scoreOf({ overrides }: Pick<TrialRequest, 'overrides'>): number {
  return 1 - Math.abs(Number(overrides[0]!.split('=')[1]) - 0.6)
}

type Asked = Pick<TrialRequest, 'trial' | 'sequences' | 'workers'>

function optionsOf(more: Partial<SearchOptions> = {}, asked: Asked[] = []): SearchOptions {
  return {
    parameters,
    method: 'random',
    trials: 12,
    seed: 1,
    eta: 3,
    sequences,
    workers: 1,
    journal: path.join(folder, 'journal.jsonl'),
    identity: { benchmark: 'made' },
    evaluate: async (request) => {
      asked.push({ trial: request.trial, sequences: request.sequences, workers: request.workers })
      return { score: scoreOf(request), evaluation }
    },
    ...more,
  }
}

const search = (more?: Partial<SearchOptions>, asked?: Asked[]): Promise<SearchResult> => searchHyperParameters(optionsOf(more, asked))
const journalLines = (): string[] => readFileSync(path.join(folder, 'journal.jsonl'), 'utf8').split('\n')

function reportOf(result: SearchResult, method = 'random'): SearchReport {
  return { benchmark: 'GOT-10k val', method, seed: 1, sequences: sequences.length, parameters, result }
}

describe('random search', () => {
  it('scores every trial on every sequence and ranks them', async () => {
    const asked: Asked[] = []
    const { trials, best } = await search({}, asked)
    expect(asked.map(({ trial }) => trial)).toEqual(Array.from({ length: 12 }, (_, i) => i))
    expect(asked.every((one) => one.sequences.length === 18)).toBe(true)
    const scores = trials.map(({ score }) => score as number)
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
    expect(best).toBe(trials[0])
    expect(best!.score).toBe(Math.max(...scores))
    expect(best!.overrides).toEqual([`test.track.pipeline.SiamFCppTracker.test_lr=${best!.values[0]}`, `test.track.pipeline.SiamFCppTracker.x_size=${best!.values[1]}`])
  })

  it('gives the same with any number of trials at a time, whichever ends first', async () => {
    const one = await search()
    for (const workers of [2, 5, 40]) {
      rmSync(path.join(folder, 'journal.jsonl'))
      // Trials end in another order than they begin.
      const evaluate: SearchOptions['evaluate'] = async (request) => {
        for (let turn = 0; turn < (request.trial * 7) % 5; turn++) await new Promise((resolve) => setImmediate(resolve))
        return { score: scoreOf(request), evaluation }
      }
      expect(await search({ workers, evaluate })).toEqual(one)
    }
  })

  it('runs so many trials at a time, and shares the workers out where fewer are left', async () => {
    let [now, most] = [0, 0]
    const shares: number[] = []
    const evaluate: SearchOptions['evaluate'] = async (request) => {
      most = Math.max(most, ++now)
      shares.push(request.workers)
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      now--
      return { score: scoreOf(request), evaluation }
    }
    await search({ workers: 4, evaluate })
    expect(most).toBe(4)
    expect(new Set(shares)).toEqual(new Set([1]))
    shares.length = 0
    await search({ workers: 7, trials: 2, evaluate, journal: path.join(folder, 'other.jsonl') })
    expect(shares.toSorted()).toEqual([3, 4])
  })

  it('goes on with more trials of the same seed', async () => {
    await search({ trials: 5 })
    const asked: Asked[] = []
    const more = await search({ trials: 12 }, asked)
    expect(asked.map(({ trial }) => trial)).toEqual([5, 6, 7, 8, 9, 10, 11])
    rmSync(path.join(folder, 'journal.jsonl'))
    expect(more).toEqual(await search({ trials: 12 }))
    expect((await search({ trials: 5 })).trials.map(({ trial }) => trial).toSorted()).toEqual([0, 1, 2, 3, 4])
  })
})

describe('successive halving', () => {
  it('keeps the best of each rung, on sequences that contain those before', async () => {
    const asked: Asked[] = []
    const { trials, best, rungs } = await search({ method: 'halving' }, asked)
    expect(rungs).toEqual([{ trials: 12, sequences: 2 }, { trials: 4, sequences: 6 }, { trials: 1, sequences: 18 }])
    const steps = rungs.map((rung) => asked.filter((one) => one.sequences.length === rung.sequences))
    expect(steps.map((step) => step.length)).toEqual([12, 4, 1])
    const byScore = (await search({ journal: path.join(folder, 'random.jsonl') })).trials.map(({ trial }) => trial)
    expect(steps[1]!.map(({ trial }) => trial)).toEqual(byScore.slice(0, 4).toSorted((a, b) => a - b))
    expect(steps[2]!.map(({ trial }) => trial)).toEqual(byScore.slice(0, 1))
    expect(best!.trial).toBe(byScore[0])
    const [small, middle, whole] = steps.map((step) => step[0]!.sequences) as [string[], string[], string[]]
    expect(small.every((name) => middle.includes(name))).toBe(true)
    expect(whole).toEqual(sequences)
    // A rung's sequences are in the benchmark's order, and the same for each of its trials.
    expect(middle).toEqual(sequences.filter((name) => middle.includes(name)))
    expect(steps[0]!.every((one) => one.sequences.join() === small.join())).toBe(true)
    expect(trials).toHaveLength(12)
    expect(trials.map(({ rung }) => rung)).toEqual([2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  it('takes of equals the trial that was drawn first', async () => {
    const { trials } = await search({ method: 'halving', evaluate: async () => ({ score: 0.5, evaluation }) })
    expect(trials.map(({ trial }) => trial)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  })

  it('is another search with another number of trials', async () => {
    await search({ method: 'halving', trials: 6 })
    await expect(search({ method: 'halving', trials: 12 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('trials was 6 and is 12') })
  })
})

describe('a stopped search', () => {
  it.each(['random', 'halving'] as const)('(%s) started again ends like one that was never stopped, wherever its journal was cut', async (method) => {
    const whole = await search({ method })
    const report = [searchTable(reportOf(whole), 99), searchCsv(reportOf(whole)), JSON.stringify(searchJson(reportOf(whole)))]
    const file = path.join(folder, 'journal.jsonl')
    const bytes = readFileSync(file)
    const lines = bytes.toString().split('\n').slice(0, -1)
    // After each line, in the middle of each, and one byte before its end.
    let at = 0
    const cuts: [cut: number, wholeLines: number][] = [[0, 0]]
    for (const [i, line] of lines.entries()) {
      cuts.push([at + Math.floor(line.length / 2), i], [at + line.length, i], [at + line.length + 1, i + 1])
      at += line.length + 1
    }
    for (const [cut, wholeLines] of cuts) {
      writeFileSync(file, bytes.subarray(0, cut))
      const asked: Asked[] = []
      const again = await search({ method }, asked)
      expect(again).toEqual(whole)
      expect(asked).toHaveLength(lines.length - Math.max(1, wholeLines))
      expect([searchTable(reportOf(again), 99), searchCsv(reportOf(again)), JSON.stringify(searchJson(reportOf(again)))]).toEqual(report)
      expect(readFileSync(file).equals(bytes)).toBe(true)
    }
  })

  it('is stopped by its signal, keeps what was done and throws its reason', async () => {
    const controller = new AbortController()
    const reason = new SiamError('ERR_ABORTED', 'stopped by SIGINT')
    const evaluate: SearchOptions['evaluate'] = async (request) => {
      if (request.trial === 4) controller.abort(reason)
      request.signal.throwIfAborted()
      return { score: scoreOf(request), evaluation }
    }
    await expect(search({ evaluate, signal: controller.signal })).rejects.toBe(reason)
    expect(journalLines()).toHaveLength(1 + 4 + 1)
    const asked: Asked[] = []
    const result = await search({}, asked)
    expect(asked.map(({ trial }) => trial)).toEqual([4, 5, 6, 7, 8, 9, 10, 11])
    expect(result.trials).toHaveLength(12)
  })

  it('ended by a failure of one trial stops the others and says why', async () => {
    const seen: boolean[] = []
    const evaluate: SearchOptions['evaluate'] = async ({ trial, signal }) => {
      if (trial === 1) throw new SiamError('ERR_DATA', 'a corrupt frame')
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      seen.push(signal.aborted)
      signal.throwIfAborted()
      throw new Error('not reached')
    }
    await expect(search({ evaluate, workers: 3 })).rejects.toMatchObject({ code: 'ERR_DATA', message: 'a corrupt frame' })
    expect(seen).toEqual([true, true])
    expect(journalLines()).toHaveLength(2)
  })
})

describe('a trial without numbers', () => {
  it('is a trial without a score: last in the table, and never the best', async () => {
    const evaluate: SearchOptions['evaluate'] = async (request) => {
      if (request.trial === 0) throw new SiamError('ERR_NONFINITE', 'the box became NaN')
      return { score: request.trial === 1 ? Number.NaN : scoreOf(request), evaluation }
    }
    const result = await search({ evaluate })
    expect(result.trials.slice(-2).map(({ trial, score }) => [trial, score])).toEqual([[0, null], [1, null]])
    expect(result.trials.at(-2)!.error).toBe('the box became NaN')
    expect(searchTable(reportOf(result), 99).split('\n').slice(-3)).toEqual([expect.stringMatching(/failed$/), expect.stringMatching(/–$/), ''])
    expect(searchCsv(reportOf(result)).split('\n')[1]).toMatch(/^0,[\d.]+,\d+,$/)
    expect(await search({ evaluate })).toEqual(result)
  })

  it('leaves no best where there is no other', async () => {
    const result = await search({ evaluate: async () => ({ score: Number.NaN, evaluation }) })
    expect(result.best).toBeUndefined()
    expect(searchJson(reportOf(result))['best']).toBeNull()
    parseXml(searchChart(reportOf(result)))
  })
})

describe('the journal', () => {
  it('of another search is refused, saying what differs, and is left alone', async () => {
    await search()
    const before = journalLines()
    for (const [more, words] of [[{ seed: 2 }, 'seed was 1 and is 2'], [{ identity: { benchmark: 'other' } }, 'benchmark was "made" and is "other"'], [{ sequences: sequences.slice(1) }, 'sequences was'], [{ method: 'halving' }, 'method was "random"'], [{ parameters: parameters.slice(1) }, 'parameters was']] as const) {
      await expect(search(more as Partial<SearchOptions>)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', file: path.join(folder, 'journal.jsonl'), message: expect.stringContaining(words) })
    }
    expect(journalLines()).toEqual(before)
  })

  it('damaged in the middle is refused with its line', async () => {
    await search()
    const file = path.join(folder, 'journal.jsonl')
    const lines = journalLines()
    for (const bad of ['{"rung":0,"tri', '{"rung":0}', '[]', '', 'null', lines[2]!.replace('"values":[0.', '"values":[1.'), lines[2]!.replace('"sequences":18', '"sequences":17')]) {
      writeFileSync(file, lines.with(2, bad).join('\n'))
      await expect(search()).rejects.toMatchObject({ code: 'ERR_DATA', file })
      expect(readFileSync(file, 'utf8')).toBe(lines.with(2, bad).join('\n'))
    }
    writeFileSync(file, lines.with(2, '{').join('\n'))
    await expect(search()).rejects.toMatchObject({ line: 3 })
  })

  it("that is someone's text is refused and left alone", async () => {
    const file = path.join(folder, 'journal.jsonl')
    for (const text of ['dear diary', 'dear diary\nall is well\n', '{"a":1}\n']) {
      writeFileSync(file, text)
      await expect(search()).rejects.toMatchObject({ code: 'ERR_DATA', file })
      expect(readFileSync(file, 'utf8')).toBe(text)
    }
  })

  it('without a folder is ERR_IO', async () => {
    await expect(search({ journal: path.join(folder, 'none', 'journal.jsonl') })).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(existsSync(path.join(folder, 'none'))).toBe(false)
  })
})

describe('what is told', () => {
  it('progress: what was kept, each trial, and the best so far', async () => {
    await search({ trials: 3 })
    const told: SearchProgress[] = []
    await search({ trials: 6, onProgress: (progress) => told.push(progress) })
    expect(told.map(({ done, total, kept }) => [done, total, kept])).toEqual([[3, 6, 3], [4, 6, 3], [5, 6, 3], [6, 6, 3]])
    expect(told.map(({ latest }) => latest?.trial)).toEqual([undefined, 3, 4, 5])
    const scores = (await search({ trials: 6 })).trials.toSorted((a, b) => a.trial - b.trial).map(({ score }) => score as number)
    expect(told.map(({ best }) => best!.score)).toEqual([3, 4, 5, 6].map((n) => Math.max(...scores.slice(0, n))))
  })

  it('the table has the best first, with as much of the names as tells them apart', async () => {
    const result = await search()
    const [head, first, ...rest] = searchTable(reportOf(result), 3).split('\n')
    expect(head!.trim().split(/ {2,}/)).toEqual(['trial', 'test_lr', 'x_size', 'AUC'])
    expect(first!.trim().split(/ {2,}/).map(Number)).toEqual([result.best!.trial, Number((result.best!.values[0] as number).toPrecision(6)), result.best!.values[1], Number(result.best!.score!.toFixed(4))])
    expect(rest).toEqual([expect.any(String), expect.any(String), '… and 9 more', ''])
    const twins = ['A', 'B'].map((tracker): SearchParameter => ({ ...parameters[0]!, path: ['pipeline', tracker, 'test_lr'] }))
    expect(shortNames([...twins, parameters[1]!])).toEqual(['A.test_lr', 'B.test_lr', 'x_size'])
  })

  it("CSV has the original's columns", async () => {
    const result = await search({ trials: 2 })
    const rows = searchCsv(reportOf(result)).split('\n')
    expect(rows[0]).toBe('hpo_id,pipeline/SiamFCppTracker/test_lr,pipeline/SiamFCppTracker/x_size,main_performance')
    const [zero] = result.trials.filter(({ trial }) => trial === 0)
    expect(rows[1]).toBe(`0,${zero!.values.join(',')},${zero!.score}`)
    expect(rows).toHaveLength(4)
  })

  it('CSV and table of successive halving say on how many sequences', async () => {
    const result = await search({ method: 'halving' })
    const rows = searchCsv(reportOf(result, 'halving')).trimEnd().split('\n').map((row) => row.split(','))
    expect(rows[0]!.at(-1)).toBe('sequences')
    expect(rows.slice(1).map((row) => Number(row.at(-1))).toSorted((a, b) => b - a)).toEqual([18, 6, 6, 6, 2, 2, 2, 2, 2, 2, 2, 2])
    expect(searchTable(reportOf(result, 'halving'), 99)).toContain('18/18')
  })

  it('JSON has everything by its key in the configuration, and no speed', async () => {
    const result = await search({ trials: 3 })
    const json = JSON.parse(JSON.stringify(searchJson(reportOf(result)))) as { best: { values: Record<string, number>; scores: object }; trials: unknown[]; sequence_runs: number }
    expect(json.best.values).toEqual({ 'test.track.pipeline.SiamFCppTracker.test_lr': result.best!.values[0], 'test.track.pipeline.SiamFCppTracker.x_size': result.best!.values[1] })
    expect(Object.keys(json.best.scores)).toEqual(['auc', 'precision', 'norm_precision'])
    expect(json.trials).toHaveLength(3)
    expect(json.sequence_runs).toBe(3 * 18)
  })

  it('the plot has a panel a parameter, a mark a trial in each, and one that stands out', async () => {
    const random = searchChart(reportOf(await search()))
    parseXml(random)
    expect(random.match(/<title>trial \d+:/g)).toHaveLength(24)
    expect(random.match(/Z" fill="#d55e00"/g)).toHaveLength(2 + 1) // the legend has one, too
    expect(random).not.toContain('on fewer')
    rmSync(path.join(folder, 'journal.jsonl'))
    const halving = searchChart(reportOf(await search({ method: 'halving' }), 'halving'))
    parseXml(halving)
    expect(halving).toContain('on fewer')
    expect(halving.match(/class="hollow"/g)).toHaveLength(2 * 11 + 1)
  })
})
