/**
 * Label files that say where the target cannot be seen: GOT-10k's `absence.label` and `cover.label`, LaSOT's `full_occlusion.txt` and
 * `out_of_view.txt`. The original trains without them. Here they tell an empty box that is meant from one that is a mistake, and with the
 * key `exclude_absent` leave such frames out.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { errorCode } from './files.ts'

/** One file of labels and what they mean. */
export interface LabelFile {
  name: string
  /** Whether a label says that nothing of the target is in the picture. */
  unseen: (label: number) => boolean
}

export interface BadLabels {
  file: string
  line?: number
  message: string
}

/**
 * Reads the labels of one sequence; a file that is not there says nothing.
 * @param count  frames of the sequence; each file has to hold as many labels, between line ends or commas
 * @returns 1 where any of the files says that the target is unseen, null when none of the files is there, or what is wrong with one
 */
export async function readUnseen(dir: string, files: readonly LabelFile[], count: number): Promise<Uint8Array | null | BadLabels> {
  const unseen = new Uint8Array(count)
  let found = false
  for (const { name, unseen: isUnseen } of files) {
    const file = path.join(dir, name)
    let text: string
    try {
      text = await readFile(file, 'utf8')
    } catch (error) {
      if (errorCode(error) === 'ENOENT') continue
      return { file, message: `cannot be read (${errorCode(error)})` }
    }
    found = true
    const bad = parseLabels(text, count, (frame, label) => {
      if (isUnseen(label)) unseen[frame] = 1
    })
    if (bad !== null) return { file, ...bad }
  }
  return found ? unseen : null
}

function parseLabels(text: string, count: number, set: (frame: number, label: number) => void): { line?: number; message: string } | null {
  let frame = 0
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    for (const token of line.split(/[\s,]+/)) {
      if (token === '') continue
      const label = Number(token)
      if (!Number.isFinite(label)) return { line: index + 1, message: `expected a number but found ${JSON.stringify(token.slice(0, 40))}` }
      if (frame < count) set(frame, label)
      frame += 1
    }
  }
  return frame === count ? null : { message: `expected one label for each of ${count} frames but found ${frame}` }
}
