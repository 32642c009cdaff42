/** The part of the addon's contract (addon.ts) that makes and verifies packs. */
import type { LoaderSpec, NativeDatasetIndex } from './addon.ts'

/** How the pictures of a pack are made (native/data/pack/picture_plan.h). */
export interface PackPictureSpec {
  crop: LoaderSpec['crop']
  contextFactor: number
  density: number
  quality: number
  subsampling: '420' | '444'
}

export interface PackEstimateSpec extends PackPictureSpec {
  frames: NativeDatasetIndex
  /** The pack's own index: the same sequences and frames, whose paths are the members' names. */
  members: NativeDatasetIndex
  /** How many frames are looked at, evenly spread; not where `rows` says which. */
  samples?: number
  rows?: Float64Array
  threads: number
}

export interface PackWriterSpec extends Omit<PackEstimateSpec, 'samples' | 'rows'> {
  /** Where shards and table are written to. */
  folder: string
  /** Where each shard's rows lie until the pack is finished. */
  workFolder: string
  shards: number
  /** The first frame that cannot be used ends the job. */
  strict: boolean
  /** More frames that cannot be used end the job with ERR_DATA. */
  maxBad: number
}

/** A frame that cannot be packed; `frame` is its number in its sequence. */
export interface NativeBadFrame {
  sequence: number
  frame: number
  code: 'ERR_DATA' | 'ERR_IO'
  file: string
  message: string
}

/** One frame that an estimate made a picture of. */
export interface PackSample {
  usable: boolean
  /** Without loss. */
  copied: boolean
  /** In a shard, header and padding included. */
  bytes: number
  /** Of the frame's own file. */
  frameBytes: number
  /** CPU time of the thread: reading, decoding, reducing, encoding. */
  cpuSeconds: number
  /** Of the picture, pixels. */
  width: number
  height: number
  /** Where it is not usable. */
  bad?: NativeBadFrame
}

export interface PackWriterResult {
  /** `reused`: an earlier run had completed it. `bad`: frames without a picture. */
  shards: { bytes: number; entries: number; bad: number; reused: boolean }[]
  /** At most 1000, in the order of their rows. */
  badFrames: NativeBadFrame[]
  tableBytes: number
}

export interface PackVerifierSpec {
  table: string
  shards: readonly { path: string; bytes: number; entries: number }[]
  members: NativeDatasetIndex
  threads: number
  /** How many problems are kept with their text. */
  keep: number
}

export interface PackVerifierResult {
  /** At most `keep`; `member` is '' where the shard as a whole is meant. */
  problems: { shard: string; member: string; message: string }[]
  /** Of all, kept or not; and those of them that are of a member. */
  problemCount: number
  memberProblemCount: number
}

/** Threads that work on a pack. */
export interface NativePackJob<Result> {
  /** Once only. Rejects with ERR_ABORTED after {@link stop}. */
  run(): Promise<Result>
  progress(): { rows: number; reused: number; bad: number; bytes: number }
  /** The threads end after the frame that they are at. */
  stop(): void
}

export interface NativePackAddon {
  /** Writes the shards of a pack that are not complete, and its table. The caller holds the lock on the folder. */
  createPackWriter(spec: PackWriterSpec): NativePackJob<PackWriterResult>
  createPackEstimate(spec: PackEstimateSpec): NativePackJob<PackSample[]>
  /** Throws ERR_DATA when the table is damaged or fits neither index nor shards, ERR_IO when it cannot be read. */
  createPackVerifier(spec: PackVerifierSpec): NativePackJob<PackVerifierResult>
  /** Whether this process has the lock on an open file now; it goes with the descriptor. */
  lockFile(descriptor: number): boolean
  /**
   * Throws ERR_ARGUMENT for another box than four numbers, an empty frame, or a subsampling that TurboJPEG does not have.
   * Which part of a frame a pack stores for a box (x1, y1, x2, y2). `x`, `y`: frame coordinate of picture pixel i is origin + step · i.
   * @param sourceSubsampling  TurboJPEG's number of the frame's own, where it is a JPEG that can be copied
   */
  packPlan(
    box: Float32Array,
    frameWidth: number,
    frameHeight: number,
    spec: PackPictureSpec,
    sourceSubsampling?: number,
  ): { reduced: boolean; width: number; height: number; x: { origin: number; step: number }; y: { origin: number; step: number }; mcus: number; restartInterval: number }
  /** What stands in front of a member of that name and size in a tar. */
  tarHeader(name: string, bytes: number): Uint8Array
}
