/** What ILSVRC2015's VID and DET share: folders, small files read fast, and what is wrong with a box of theirs. */
import { readFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { type IlsvrcAnnotation, type IlsvrcObject, IlsvrcXmlError, parseIlsvrc } from './ilsvrc-xml.ts'
import { errorCode } from './files.ts'
import { boxProblem } from './picture-box.ts'
import type { ProblemKind } from './problems.ts'

/** Something wrong with an annotation file or one of its objects. */
export interface IlsvrcProblem {
  kind: ProblemKind
  line?: number
  message: string
}

/** A file's annotation, or why there is none. */
export type IlsvrcFile = IlsvrcAnnotation | IlsvrcProblem

/** Names in a folder; none where it is missing or cannot be read. */
export async function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch(() => [])
}

/** Folders below `dir` whose names begin with `prefix`, in the order of their paths (`a-b/` before `a/`), as the original's sorted glob. */
export async function foldersIn(dir: string, prefix: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => [])
  const key = (name: string): string => `${name}/`
  return entries
    .filter((entry) => entry.name.startsWith(prefix) && !entry.name.startsWith('.') && (entry.isDirectory() || entry.isSymbolicLink()))
    .map((entry) => entry.name)
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** Names that end in `extension`, without it, in their order. */
export function stems(names: readonly string[], extension: string): string[] {
  return names
    .filter((name) => name.endsWith(extension) && !name.startsWith('.'))
    .sort()
    .map((name) => name.slice(0, -extension.length))
}

/** A file on a local disk takes some 10 µs; a share takes milliseconds and gains from many at a time. */
const slowDisk = 200
const [groupSize, parallelReads] = [64, 24]

/**
 * Reads annotation files, in their order. Files of a fast disk are read at once, group by group, which costs a fifth of asynchronous calls;
 * where a group was slow the rest is read in parallel.
 * @param slowMicroseconds  a file, from which on a disk counts as slow
 */
export async function readAnnotations(files: readonly string[], slowMicroseconds = slowDisk): Promise<IlsvrcFile[]> {
  const results: IlsvrcFile[] = []
  while (results.length < files.length) {
    const start = performance.now()
    const group = files.slice(results.length, results.length + groupSize)
    for (const file of group) results.push(parse(() => readFileSync(file, 'utf8')))
    if (((performance.now() - start) * 1000) / group.length > slowMicroseconds) break
    await setImmediate()
  }
  let next = results.length
  const rest = async (): Promise<void> => {
    for (let i = next++; i < files.length; i = next++) {
      const text = await readFile(files[i] as string, 'utf8').catch((error: unknown) => error as Error)
      results[i] = parse(() => {
        if (text instanceof Error) throw text
        return text
      })
    }
  }
  await Promise.all(Array.from({ length: parallelReads }, rest))
  return results
}

function parse(read: () => string): IlsvrcFile {
  try {
    return parseIlsvrc(read())
  } catch (error) {
    if (error instanceof IlsvrcXmlError) return { kind: 'bad_annotation', line: error.line, message: error.message }
    return { kind: 'unreadable', message: `cannot be read (${errorCode(error)})` }
  }
}

export function isProblem(file: IlsvrcFile): file is IlsvrcProblem {
  return 'kind' in file
}

/** What is wrong with an object's box, or null. */
export function objectProblem(object: IlsvrcObject, annotation: IlsvrcAnnotation): IlsvrcProblem | null {
  if (object.problem !== null) return { kind: 'bad_annotation', line: object.line, message: object.problem }
  const [x1, y1, x2, y2] = object.corners
  const [kind, message] = boxProblem(x1, y1, x2 - x1 + 1, y2 - y1 + 1, annotation.width, annotation.height) ?? []
  return kind === undefined ? null : { kind, line: object.line, message: `the box [${object.corners.join(', ')}] (xmin, ymin, xmax, ymax) ${message}` }
}
