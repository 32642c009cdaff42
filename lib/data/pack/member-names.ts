/**
 * What the members of a pack's tar files are called: `SEQUENCE/FRAME.jpg`. Every name is relative, leads nowhere else, and is there once; it
 * depends on the data set's index alone.
 */
import type { IndexSections } from '../../native/addon.ts'
import { SectionsBuilder, type SequenceNames, rowWords } from '../compact-index.ts'

/** Words of a row, and kinds of naming (native/data/index_sections.h). */
const [dirAt, patternAt, firstAt, namingAt, extraAt] = [0, 1, 2, 3, 5]
const [byNumbers, byNames] = [1, 2]

/**
 * The index that a pack holds: the same sequences, frames and boxes, with the members' names in place of the frames' paths. Folders are the
 * sequences' own, without what all of them begin with. Objects of a still picture share its name here; native/data/pack/shard_check.cc adds ~1, ~2
 * and so on to those after the first, which no other name can hold.
 */
export function packIndexSections(sections: IndexSections, still: boolean): IndexSections {
  const { start, rows, numbers, nameOffsets, nameBytes, textOffsets, textBytes } = sections
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const text = (i: number): string => decoder.decode(textBytes.subarray(textOffsets[i], textOffsets[i + 1]))
  const name = (i: number): string => decoder.decode(nameBytes.subarray(nameOffsets[i], nameOffsets[i + 1]))
  const folders = foldersOf(rows, text)
  const builder = new SectionsBuilder()
  const takenFolders = new Set<string>()
  const folderOfText = new Map<number, string>()
  const takenStills = new Set<string>()
  const noBoxes = new Float32Array(0)
  for (let s = 0; s * rowWords < rows.length; s += 1) {
    const row = rows.subarray(s * rowWords, (s + 1) * rowWords)
    const [dir, naming, extra] = [row[dirAt]!, row[namingAt]!, row[extraAt]!]
    // Stills of one folder stay together; sequences that share one (tracks of one video) are told apart.
    const known = still ? folderOfText.get(dir) : undefined
    const folder = known ?? unique(folders.get(dir)!, takenFolders)
    folderOfText.set(dir, folder)
    const count = still ? 1 : start[s + 1]! - start[s]!
    let names: SequenceNames
    if (naming === byNames) {
      const taken = still ? takenStills : new Set<string>()
      const prefix = still ? `${folder}/` : ''
      names = { names: Array.from({ length: count }, (_, k) => unique(prefix + jpegName(name(extra + k)), taken).slice(prefix.length)) }
    } else {
      const pattern = jpegName(text(row[patternAt]!))
      const own = numbers.subarray(extra, extra + count)
      if (naming !== byNumbers) names = { pattern, first: row[firstAt]! | 0 }
      else names = new Set(own).size === own.length ? { pattern, numbers: own } : repeatedNumbers(pattern, own)
    }
    builder.append(folder, names, noBoxes)
  }
  return { ...builder.take(), boxes: sections.boxes, start: sections.start }
}

/** A frame that a sequence lists twice has a number behind its name. */
function repeatedNumbers(pattern: string, numbers: Int32Array): SequenceNames {
  const taken = new Set<string>()
  return { names: Array.from(numbers, (number) => unique(pattern.replace(/%0?(\d*)d/, (_, width: string) => String(number).padStart(Number(width), '0')).replaceAll('%%', '%'), taken)) }
}

/** Relative folders by the number of their text. */
function foldersOf(rows: Uint32Array, text: (i: number) => string): Map<number, string> {
  const parts = new Map<number, string[]>()
  for (let at = dirAt; at < rows.length; at += rowWords) {
    const dir = rows[at]!
    if (!parts.has(dir)) parts.set(dir, safe(text(dir)))
  }
  let shared: readonly string[] | undefined
  let shortest = Infinity
  for (const path of parts.values()) {
    const before = shared ?? path
    const differs = before.findIndex((part, i) => part !== path[i])
    shared = differs === -1 ? before : before.slice(0, differs)
    shortest = Math.min(shortest, path.length)
  }
  // The last part is a sequence's own name, also where there is only one sequence.
  const cut = Math.max(0, Math.min(shared?.length ?? 0, shortest - 1))
  return new Map(Array.from(parts, ([dir, path]) => [dir, path.slice(cut).join('/') || '_']))
}

/** The parts of a path as names that lead nowhere else. The tilde is left to us. */
function safe(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .map((part) => (part === '..' ? '_' : part.replace(/[\p{Cc}\\~\ufffd]/gu, '_')))
}

function jpegName(name: string): string {
  const plain = safe(name).join('_') || '_'
  return /\.jpe?g$/i.test(plain) ? plain : `${plain}.jpg`
}

/** The name, or with _2, _3, … in front of its ending where it is taken; takes it. */
function unique(name: string, taken: Set<string>): string {
  let candidate = name
  const dot = name.lastIndexOf('.') > name.lastIndexOf('/') + 1 ? name.lastIndexOf('.') : name.length
  for (let n = 2; taken.has(candidate); n += 1) candidate = `${name.slice(0, dot)}_${n}${name.slice(dot)}`
  taken.add(candidate)
  return candidate
}
