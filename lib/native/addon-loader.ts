/** Parts of the addon's contract (addon.ts): indexes, packs as data, and the loader of batches. */
import type { KeptMeans } from './addon-frames.ts'
import type { NativeTensor } from './addon.ts'

/**
 * The parts of an index without a string a frame (native/data/index_sections.h). Texts (folders, patterns) are kept once each; text i is
 * bytes [textOffsets[i], textOffsets[i + 1]), UTF-8, and so are the names of frames that follow no pattern.
 */
export interface IndexSections {
  /** [frames × 4] x1, y1, x2, y2 in pixels, x2 = x1 + w − 1. */
  boxes: Float32Array
  /** [sequences + 1], prefix sums of the number of frames. */
  start: Uint32Array
  /** [sequences × 8] folder (text), pattern (text), first number (int32), naming (0 counting, 1 numbers, 2 names), flags, first row in numbers or names, 0, 0. */
  rows: Uint32Array
  numbers: Int32Array
  nameOffsets: Uint32Array
  nameBytes: Uint8Array
  textOffsets: Uint32Array
  textBytes: Uint8Array
}

export interface FileStateInfo {
  /** 'entries': all of a folder, for a path that ends in `/*`. */
  kind: 'missing' | 'file' | 'folder' | 'other' | 'unreadable' | 'entries'
  /** Of a file. */
  bytes: number
  modifiedMs: number
}

/** Handle on a cached index that is mapped into memory. Loaders made from it keep the mapping when the handle is disposed. */
export interface NativeIndexFile extends KeptMeans {
  readonly sequences: number
  readonly frames: number
  /** Size of the file. */
  readonly bytes: number
  /** JSON of lib/data/index-cache.ts. */
  readonly meta: string
  readonly still: boolean
  readonly emptyStills: number
  /** Copies of everything; the loader does not need them. */
  sections(): IndexSections
  /** The first file or folder that is not as it was when the index was built; null where all are. */
  firstChange(): Promise<{ path: string; before: FileStateInfo; now: FileStateInfo } | null>
  dispose(): void
}

/** Handle on a pack's table and shards. Loaders made from it keep them open when the handle is disposed. */
export interface NativePack {
  readonly rows: number
  /** Rows that have a picture. */
  readonly stored: number
  /** CRC-32C of the rows, which hold a checksum of each picture: it stands for the pack's contents. */
  readonly rowsCrc: number
  dispose(): void
}

/** All sequences of one data set, flat. Frame k of sequence s is row `sequenceStart[s] + k`. */
export interface NativeDatasetIndex {
  name: string
  ratio: number
  maxDiff: number
  /** The loader takes the sequences from here where it is set, else from `sections`, else from the arrays below. */
  readonly file?: NativeIndexFile
  readonly sections?: IndexSections
  /** Where the pictures are read from instead of the frames' files; wants `file` or `sections`, with as many frames as it has rows. */
  readonly pack?: NativePack
  /** true: each sequence is one still picture, with one name, and its "frames" are the objects on it. Default false. */
  still?: boolean
  /** Stills without an object, which are drawn and refused (they have no sequence). Default 0. */
  emptyStills?: number
  /** Folder of each sequence (absolute). */
  sequenceDirs: string[]
  /** printf-like file name of each sequence's frames ('%08d.jpg'), or '' where `frameNames` holds them. */
  framePatterns: string[]
  /** Number of the first frame for the pattern. */
  firstNumbers: Int32Array
  frameNames: (string[] | null)[]
  /** [sequences + 1], prefix sums of the number of frames. */
  sequenceStart: Uint32Array
  /** [frames × 4] x1, y1, x2, y2 in pixels, x2 = x1 + w − 1. */
  boxes: Float32Array
}

export interface LoaderSpec {
  datasets: NativeDatasetIndex[]
  seed: number
  negativePairRatio: number
  symmetricWindow: boolean
  filter: { maxAreaRate: number; minAreaRate: number; maxRatio: number; applyAreaLimits: boolean } | null
  crop: { contextAmount: number; maxScale: number; maxShift: number; maxScaleTemp: number; maxShiftTemp: number; zSize: number; xSize: number }
  target: { totalStride: number; scoreSize: number; xSize: number; numConv3x3: number }
  batchSize: number
  threads: number
  queueBatches: number
  /** Samples an epoch has; sample i of epoch e depends on (seed, e, i) alone. */
  samplesPerEpoch: number
  startEpoch: number
  startSample: number
  /** true: the first bad sample rejects next(); false: it is replaced by the rule of (seed, e, i, attempt) and reported. */
  strict: boolean
  /** Batches are dealt out to `worldSize` ranks in turn. Default: rank 0 of 1. */
  rank?: number
  worldSize?: number
  /** Keep the means of frames that were decoded whole, so that it happens once a frame (default true; the batches are the same). */
  rememberMeans?: boolean
  /** Threads that read frames ahead, at most; they are started when samples wait for their frames. Default 0: none. The batches are the same. */
  readAheadThreads?: number
  /** Bound on the memory of frames that are read ahead. Default 64 MiB. */
  readAheadBytes?: number
  /** Keeps frames in memory, for this loader and for later ones of the same data sets. */
  cache?: NativeFrameCache
  /** Waits before every read of a frame: a slow disk, for tests and benches. */
  readDelayMicroseconds?: number
  /** Where the batches will be copied: they then lie in page-locked memory (default 'cpu': plain memory). Throws ERR_DEVICE where it is not there. */
  device?: string
  /** 'fast': frames of crops that are at least twice coarser than their pixels are decoded smaller (default 'exact'). */
  decode?: 'exact' | 'fast'
}

/** Memory for compressed frames. First come stays; freed when it is disposed and every loader that uses it is closed. */
export interface NativeFrameCache {
  readonly disposed: boolean
  dispose(): void
}

export interface SkippedSample {
  epoch: number
  sample: number
  attempt: number
  file: string
  reason: string
}

/** Counts since the loader was made; seconds are sums over its threads. */
export interface LoaderStats {
  /** Batches delivered. */
  batches: number
  /** Samples made, delivered or still queued. */
  samples: number
  /** Attempts at samples that failed, in delivered batches: what is drawn instead of a bad sample may be bad, too. */
  skipped: number
  /** Bad samples that were replaced, in delivered batches, however many attempts each took. */
  skippedSamples: number
  /** That the threads that make samples waited for frames, whether those came from the read-ahead, the cache or the disk. */
  readSeconds: number
  decodeSeconds: number
  /** Decoding whole frames, because a crop leaves them and their mean is not known yet; the crop's region comes out of the same pass. */
  meanSeconds: number
  warpSeconds: number
  /** That threads had on a core while they made samples; what is missing to their busy time they waited for a disk or for a core. */
  cpuSeconds: number
  /** That threads waited for room in the queue. */
  idleSeconds: number
  /** That next() waited for a batch. */
  waitSeconds: number
  bytesRead: number
  /** Frames decoded whole, and frames of which only the crop's part was. */
  wholeDecodes: number
  regionDecodes: number
  /** Batches that are ready. */
  queueDepthBatches: number
  /** Threads that make samples. */
  threads: number
  /** Of them, that ended because the loader as a whole failed (out of memory): nothing is made any more, and next() rejects. */
  failedThreads: number
  /** That they made samples, waiting for frames included: the busy share is busySeconds / (threads × seconds passed). */
  busySeconds: number
  /** Threads that read frames ahead, now; 0 while the disk is fast enough without. */
  readAheadThreads: number
  /** Frames that were read ahead and used. */
  readAheadFrames: number
  /** Memory of frames that are read ahead, now. */
  readAheadBytes: number
  /** That those threads read. */
  readAheadSeconds: number
  /** Frames found in the cache, and not found there. */
  cacheHits: number
  cacheMisses: number
  /** Frames that the cache keeps, and their memory, now. */
  cacheFrames: number
  cacheBytes: number
  /** Bound on that memory; 0 without a cache. */
  cacheLimitBytes: number
}

/** Of the regions of a spec's samples decoded from memory, and nothing else. */
export interface DecodeLimitRun {
  /** Samples whose regions were decoded. */
  pairs: number
  regions: number
  /** From the start of the first thread to the end of the last. */
  seconds: number
  /** Processor time of all threads. */
  cpuSeconds: number
}

export interface NativeLoader {
  /**
   * The next batch: im_z, im_x uint8 [N,3,S,S] BGR; bbox_z, bbox_x float32 [N,4]; cls_gt, ctr_gt float32 [N,S²,1]; box_gt float32 [N,S²,4];
   * is_negative_pair int64 [N].
   */
  next(): Promise<{ epoch: number; firstSample: number; tensors: Record<string, NativeTensor> }>
  stats(): LoaderStats
  /** Attempts that failed since the last call, at most 1000 kept. */
  takeSkipped(): SkippedSample[]
  /** Stops and joins the threads; pending next() reject with ERR_ABORTED, and so does every later one. stats() and takeSkipped() go on. */
  close(): Promise<void>
}
