/**
 * What a data set has to give: sequences of frames with a box each. Our own data sets and users' registered ones share this form.
 */
import type { ProblemLog } from './problems.ts'

/** Frames whose file names count up: frame k is `dir/sprintf(pattern, first + k)`. */
export interface FramePattern {
  dir: string
  /** One `%0Nd` or `%d` and nothing else of printf: '%08d.jpg'. */
  pattern: string
  first: number
  count: number
}

/** One sequence: frames in their order and a box for each. */
export interface SequenceRecord {
  name: string
  /** File paths (absolute, or relative to the working directory), or a pattern: the pattern keeps no string a frame. */
  frames: readonly string[] | FramePattern
  /** Flat (4 a frame) or nested; see {@link boxFormat}. Pixels, 0-based. */
  boxes: ArrayLike<number> | readonly (readonly number[])[]
  /** 'xywh' (default): left, top, width, height. 'xyxy': both corners belong to the box (x2 = x1 + w − 1). */
  boxFormat?: 'xywh' | 'xyxy'
  /**
   * true: one picture with any number of objects: `frames` is one file, `boxes` are the objects' (none: the picture is drawn and refused,
   * as in the original). A pair is then one object twice. All sequences of a data set are stills, or none is.
   */
  still?: boolean
  /** Truthy where the target is not in the picture: an empty box is then no mistake, the frame is just not used. */
  absent?: ArrayLike<number | boolean>
  /** Where the boxes were read from, for messages. */
  annotationFile?: string
  /** Frame k's box is line `annotationLine + k` of that file (default 1). */
  annotationLine?: number
  /** Why frame k has no box that could be read (its box is then ignored). */
  unparsable?: ReadonlyMap<number, string>
}

/** Handed to a data set when it is opened. */
export interface DatasetContext {
  /** The name under which it was registered. */
  name: string
  /** Relative paths are taken from here: the process's working directory. */
  cwd: string
  /** Dotted path of this data set's settings in the YAML, for messages. */
  configPath: string
  /** Where a sequence that cannot be used is reported; throws when strict. */
  problems: ProblemLog
  /** Called now and then with the number of sequences read and, where it is known, of all. */
  onProgress?: (done: number, total: number | undefined) => void
  /**
   * Names a file or folder that decides what the data set gives (a list, a folder whose entries are the sequences): when it changes, a
   * cached index is not used any more. A path that ends in `/*` stands for all entries of a folder, edits in place included, where there are
   * too many to name. `annotationFile`s and the folders of frames count without being named. A data set of ours that
   * names none is not cached; a registered one is cached when it was registered with a fingerprint.
   */
  dependsOn?: (path: string) => void
  signal?: AbortSignal
}

export type SequenceIterable = Iterable<SequenceRecord> | AsyncIterable<SequenceRecord>

/** A data set: an object with `sequences()`, or just something to iterate over. */
export type DatasetSource = SequenceIterable | { sequences(): SequenceIterable | Promise<SequenceIterable> }

/** The settings of a data set in the YAML, snake_case as they stand there. */
export type DatasetParams = Readonly<Record<string, unknown>>
