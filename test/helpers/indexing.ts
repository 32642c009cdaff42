/** Indexing one data set in a test, and looking at what came out. */
import path from 'node:path'
import { expect } from 'vitest'
import { nameFromPattern } from '../../lib/data/frames.ts'
import { ProblemLog } from '../../lib/data/problems.ts'
import { openDataset } from '../../lib/data/registry.ts'
import type { DatasetParams, SequenceRecord } from '../../lib/data/source.ts'
import { SiamError } from '../../lib/errors.ts'

export interface Opened {
  records: SequenceRecord[]
  problems: ProblemLog
  /** Files that the data set said it depends on. */
  dependencies: string[]
  progress: [number, number | undefined][]
}

/** Opens a registered data set and gathers its sequences. */
export async function openAll(name: string, params: DatasetParams, options: { strict?: boolean; cwd?: string } = {}): Promise<Opened> {
  const problems = new ProblemLog(options.strict ?? false)
  const dependencies: string[] = []
  const progress: [number, number | undefined][] = []
  const context = {
    name,
    cwd: options.cwd ?? '/',
    configPath: `dataset.${name}`,
    problems,
    onProgress: (done: number, total: number | undefined) => void progress.push([done, total]),
    dependsOn: (file: string) => void dependencies.push(file),
  }
  const records: SequenceRecord[] = []
  for await (const record of await openDataset(params, context)) records.push(record)
  return { records, problems, dependencies, progress }
}

/** Paths of a sequence's frames. */
export function framePaths({ frames }: SequenceRecord): string[] {
  if (!('pattern' in frames)) return [...frames]
  return Array.from({ length: frames.count }, (_, k) => path.join(frames.dir, nameFromPattern(frames, k)))
}

/** Its boxes, four numbers each. */
export function boxesOf({ boxes }: SequenceRecord): number[][] {
  const flat = Array.from(boxes as ArrayLike<number>)
  return Array.from({ length: flat.length / 4 }, (_, k) => flat.slice(k * 4, k * 4 + 4))
}

/** The SiamError that `work` fails with. */
export async function failure(work: Promise<unknown>): Promise<SiamError> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  )
  expect(error).toBeInstanceOf(SiamError)
  return error as SiamError
}
