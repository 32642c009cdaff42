/**
 * The typed contract of the C++ addon (native/binding). Types only.
 *
 * Conventions: a method that returns a promise runs on the engine thread (FIFO per environment); methods that return nothing are queued
 * there too and report a failure at the next promise. Everything in here takes arguments that TypeScript has already validated.
 * Rejections carry `code` (see lib/errors.ts) and are turned into SiamError by lib/native/load.ts.
 */
import type { CropAddon, DeviceCopyAddon } from './addon-crops.ts'
import type { CudaKernelAddon } from './addon-cuda-kernels.ts'
import type { CudaAddon, DeviceMemory } from './addon-cuda.ts'
import type { DistributedAddon } from './addon-distributed.ts'
import type { FrameDecoding } from './addon-frames.ts'
import type { GraphAddon } from './addon-graph.ts'
import type { NativeIndexFile, NativePack, LoaderSpec, NativeFrameCache, DecodeLimitRun, NativeLoader } from './addon-loader.ts'
import type { NativePackAddon } from './addon-pack.ts'
import type { NativeGuardedSteps } from './addon-step.ts'

export type { GridAxis, PicturePlace, PixelGrid } from './addon-crops.ts'
export type { IndexSections, FileStateInfo, NativeIndexFile, NativePack, NativeDatasetIndex, LoaderSpec, NativeFrameCache, SkippedSample, LoaderStats, DecodeLimitRun, NativeLoader } from './addon-loader.ts'

export type DType = 'float32' | 'float64' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'int16' | 'int8' | 'uint8' | 'bool'

/** A tensor's contents: little endian, row-major, contiguous. */
export interface RawTensor {
  dtype: DType
  shape: number[]
  data: Uint8Array
}

export interface NamedRawTensor extends RawTensor {
  name: string
}

/** Handle on a tensor that lives on the engine thread. */
export interface NativeTensor {
  readonly shape: number[]
  readonly dtype: DType
  readonly device: string
  readonly disposed: boolean
  toBytes(): Promise<Uint8Array>
  /** The gradient of a leaf made with `requiresGrad`; null before a backward pass reached it. */
  gradient(): Promise<RawTensor | null>
  dispose(): void
}

export interface BackboneSpec {
  name: 'AlexNet' | 'TinyConv' | 'Inception3' | 'ShuffleNetV2_x0_5' | 'ShuffleNetV2_x1_0' | 'TorchScript'
  /** Inception3, ShuffleNetV2: cells cut off at each side of the features; default 4. */
  cropPad?: number
  /** Inception3: accepted, no effect, as in the original. */
  pruned?: boolean
  /** ShuffleNetV2: channels of its features; default 256. */
  headWidth?: number
  /** TorchScript: the file. */
  path?: string
  /** TorchScript: side of the template in pixels, that the module is tried on; default 127. */
  zSize?: number
}

export interface HeadSpec {
  totalStride: number
  scoreSize: number
  xSize: number
  numConv3x3: number
  headConvBn: boolean[]
  headWidth: number
  /** Standard deviation of the initial weights. */
  convWeightStd: number
  inputSizeAdapt: boolean
}

export interface ModelSpec {
  backbone: BackboneSpec
  head: HeadSpec
  headWidth: number
  /** Standard deviation of the adjustment convolutions' initial weights. */
  convWeightStd: number
  corrFeaOutput: boolean
  /** 'fp32', or 'bf16', or (CUDA) 'fp16': convolutions and activations in 16 bits; parameters, BatchNorm sums, the head's outputs and losses in float32. */
  precision: 'fp32' | 'bf16' | 'fp16'
  memoryFormat: 'contiguous' | 'channels_last'
  device: string
  /** Seeds the random initialisation of the weights (torch's generator). */
  seed: number
}

export interface ParameterInfo {
  name: string
  shape: number[]
  dtype: DType
  kind: 'parameter' | 'buffer'
  requiresGrad: boolean
  /** Another name of the same tensor, which comes before; only the first of them is trained. TorchScript modules may share weights so. */
  aliasOf?: string
}

export interface NativeModel {
  /** Parameters and buffers in the original's state_dict order. */
  describe(): ParameterInfo[]
  /** im_z [N,3,Hz,Wz], im_x [N,3,Hx,Wx], uint8 or float32, BGR 0..255 → cls_pred [N,S²,1], ctr_pred [N,S²,1], box_pred [N,S²,4] xyxy, corr_fea? */
  forward(imZ: NativeTensor, imX: NativeTensor): Promise<Record<string, NativeTensor>>
  stateDict(): Promise<NamedRawTensor[]>
  /** Copies by name; every entry must exist with the same shape (checked, ERR_CHECKPOINT); entries not given stay. */
  loadStateDict(entries: NamedRawTensor[]): Promise<void>
  /** Seconds that images took so far from a batch's uint8 to what the first layer takes: to the device, to floating point, to the memory format. */
  copySeconds(): number
  /** Gradients of the named parameters; null where none is there. */
  gradients(names: string[]): Promise<(RawTensor | null)[]>
  setTraining(training: boolean): void
  setRequiresGrad(names: string[], requiresGrad: boolean): void
  dispose(): void
}

export type LossSpec =
  | { type: 'FocalLoss' | 'SigmoidCrossEntropyRetina'; weight: number; alpha: number; gamma: number; ignoreLabel: number }
  | { type: 'SigmoidCrossEntropyCenterness'; weight: number }
  | { type: 'IOULoss'; weight: number }

export interface NativeLoss {
  /** @param inputs predictions and targets by the data dictionaries' names: cls_pred/cls_gt, ctr_pred/ctr_gt/cls_gt, box_pred/box_gt/cls_gt */
  forward(inputs: Record<string, NativeTensor>): Promise<{ loss: NativeTensor; extras: Record<string, NativeTensor> }>
  dispose(): void
}

export interface SgdGroupSpec {
  parameters: string[]
  lr: number
  momentum: number
  weightDecay: number
  dampening: number
  nesterov: boolean
}

export interface NativeSgd extends NativeGuardedSteps {
  /** Queued: holds from the next step on. */
  setLr(group: number, lr: number): void
  /** Momentum buffers by parameter name; absent where none was made yet. */
  momentumBuffers(): Promise<NamedRawTensor[]>
  loadMomentumBuffers(entries: NamedRawTensor[]): Promise<void>
  /** Total L2 norm of the gradients of all groups (float64 accumulation). */
  gradNorm(): Promise<number>
  /** Scales the gradients of all groups to a total L2 norm of at most maxNorm, as torch's clip_grad_norm_. @returns the norm before, a scalar */
  clipGradNorm(maxNorm: number): Promise<NativeTensor>
  /** Queued: limits each element of the gradients to [−maxValue, maxValue], as torch's clip_grad_value_. */
  clipGradValue(maxValue: number): void
  dispose(): void
}

export interface GradScalerState {
  scale: number
  growth_factor: number
  backoff_factor: number
  growth_interval: number
  _growth_tracker: number
}

export interface NativeGradScaler {
  scale(loss: NativeTensor): Promise<NativeTensor>
  /** Divides the optimizer's gradients by the scale and notes whether any was not finite. */
  unscale(optimizer: NativeSgd): Promise<void>
  /** Unscales if that has not been done, and steps unless a gradient was not finite. @returns whether it stepped */
  step(optimizer: NativeSgd): Promise<boolean>
  update(): Promise<void>
  stateDict(): Promise<GradScalerState>
  loadStateDict(state: GradScalerState): Promise<void>
  dispose(): void
}

/** A moving average of a model's parameters and buffers (native/core/ema.h). */
export interface NativeEma {
  /** Queued: the average begins with the state as it is then; nothing happens where it has begun. */
  begin(): void
  /** shadow += (1 − decay) · (value − shadow); integers are copied. */
  update(decay: number): Promise<void>
  /** Queued: how many updates went into the average, from where a device counts on. */
  setUpdates(updates: number): void
  /** Queued: forgets the average. */
  reset(): void
  /** In the original's state_dict order; the model's own state before begin(). */
  stateDict(): Promise<NamedRawTensor[]>
  /** Every entry of the model must be there with its shape (ERR_CHECKPOINT). */
  loadStateDict(entries: NamedRawTensor[]): Promise<void>
  dispose(): void
}


/** Arithmetic of the network while tracking. */
export type TrackPrecision = 'fp32' | 'bf16' | 'fp16' | 'int8'

/** What all trackers of the family share. */
export interface SiamFCppSpec {
  totalStride: number
  contextAmount: number
  testLr: number
  penaltyK: number
  windowInfluence: number
  windowing: 'cosine' | 'uniform'
  zSize: number
  xSize: number
  numConv3x3: number
  minW: number
  minH: number
  precision: TrackPrecision
  /** For tests: on the CPU, too, the network of a GPU; `recorded` with graphs that give out the work anew. */
  network?: 'device' | 'recorded'
}

export interface MultiTempSpec extends SiamFCppSpec {
  kind: 'multi-temp'
  memStep: number
  memLen: number
  memCoef: number
  memSinkIdx: number
  memRenew: boolean
}

export interface LongTermSpec extends SiamFCppSpec {
  kind: 'lt'
  lostScoreThLow: number
  lostScoreThHigh: number
  lostSearchSize: number
}

export interface OnlineActivation {
  name: 'none' | 'relu' | 'elu' | 'mlu'
  /** Of mlu: x above 0, knee · (exp(x / knee) − 1) below. */
  knee: number
}

type Pair = [rows: number, columns: number]

/** The classifier that is learned while tracking; docs/online-tracker.md says what each does. Steps are of conjugate gradients. */
export interface OnlineSpec {
  seed: number
  scoreWeight: number
  useProjection: boolean
  learnProjection: boolean
  compressedDim: number
  pca: boolean
  projectionReg: number
  projectionActivation: OnlineActivation
  useAttention: boolean
  channelAttention: boolean
  spatialAttention: boolean
  attentionActivation: OnlineActivation
  filterReg: number
  kernelRows: number
  kernelColumns: number
  randomFilter: boolean
  responseActivation: OnlineActivation
  featureSide: number
  augmentation: {
    enabled: boolean
    expansion: number
    randomShift: number
    /** Pixels. */
    shifts: Pair[]
    /** In half search images. */
    relativeShifts: Pair[]
    flip: boolean
    /** Standard deviations, pixels. */
    blurs: Pair[]
    scales: number[]
    /** Degrees. */
    rotations: number[]
    dropoutSamples: number
    dropoutRate: number
  }
  learningRate: number
  initSamplesMinimumWeight: number
  memorySize: number
  sigmaFactor: number
  initSteps: number[]
  initStepsWithoutProjection: number
  postInitSteps: number
  trainSkipping: number
  updateSteps: number
  fletcherReeves: boolean
  directionForgetFactor: number
  advancedLocalization: boolean
  hardNegativeLearningRate: number
  hardNegativeSteps: number
  targetNotFoundThreshold: number
  targetNeighborhoodScale: number
  distractorThreshold: number
  displacementScale: number
  hardNegativeThreshold: number
}

export interface OnlineTrackerSpec extends SiamFCppSpec {
  kind: 'online'
  online: OnlineSpec
}

export type TrackerSpec = OnlineTrackerSpec | (SiamFCppSpec & { kind: 'siamfcpp' | 'one-shot' }) | MultiTempSpec | LongTermSpec

/** Pixels, or a file or bytes that the native decoder reads (JPEG, PNG, WebP). */
export type NativeFrame =
  | { kind: 'path'; path: string }
  | { kind: 'bytes'; data: Uint8Array }
  | { kind: 'pixels'; data: Uint8Array; width: number; height: number; channels: number; format: 'rgb' | 'bgr' }

export interface TrackStep {
  /** x, y, w, h in pixels (0-based left-top). */
  box: [number, number, number, number]
  score: number
  bestIndex: number
  pscore: number
  penalty: number
  scaleX: number
  boxInCrop: [number, number, number, number]
}

export interface NativeTracker {
  init(frame: NativeFrame, box: [number, number, number, number]): Promise<void>
  /** @param prior x,y,w,h to use instead of the tracker's own state (frame-by-frame evaluation) */
  update(frame: NativeFrame, prior?: [number, number, number, number]): Promise<TrackStep>
  /** The last crops and score map, for tests and debugging. */
  debug(): Promise<Record<string, NativeTensor>>
  dispose(): void
}

/** Several targets in the frames of one sequence; each call runs after the ones before it. */
export interface NativeMultiTracker {
  /** Forgets all targets. @returns ids, 0, 1, … */
  init(frame: NativeFrame, boxes: [number, number, number, number][]): Promise<number[]>
  add(frame: NativeFrame, boxes: [number, number, number, number][]): Promise<number[]>
  /** @returns false when there is no such target */
  remove(id: number): Promise<boolean>
  /** In the order of the ids. */
  update(frame: NativeFrame): Promise<(TrackStep & { id: number })[]>
  dispose(): void
}

export type JpegSubsampling = '444' | '422' | '420' | '440' | 'gray'

export interface JpegRegion {
  x: number
  y: number
  width: number
  height: number
}

/** A frame's pixels from (x, y) on. */
export interface DecodedJpeg extends JpegRegion {
  data: Uint8Array
}

export interface NativeAddon extends CropAddon, CudaAddon, CudaKernelAddon, DeviceCopyAddon, DistributedAddon, FrameDecoding, GraphAddon, NativePackAddon {
  /** Raised with every incompatible change of this contract. */
  readonly abi: number
  versions(): { libtorch: string; libtorchPath: string; turbojpeg: string; cxxCompiler: string; simd: string }
  /** Threads of libtorch's own team on the engine thread; 0: as many as there are cores. */
  setThreads(threads: number): Promise<number>
  tensorFrom(raw: RawTensor, device: string, options?: { requiresGrad?: boolean; memoryFormat?: 'contiguous' | 'channels_last' }): NativeTensor
  /** Sum of scalars, as Python's sum(losses.values()). */
  sum(scalars: NativeTensor[]): Promise<NativeTensor>
  /** Runs backward and frees the graph; `gradient` is what to start from, 1 for a scalar when left out. */
  backward(tensor: NativeTensor, gradient?: NativeTensor): Promise<void>
  /** One packed copy of many scalars. */
  readScalars(scalars: NativeTensor[]): Promise<Float64Array>
  /** Depthwise cross-correlation, for tests and users' own heads: x [N,C,Hx,Wx], k [N,C,Hk,Wk]. */
  xcorrDepthwise(x: NativeTensor, k: NativeTensor): Promise<NativeTensor>
  createModel(spec: ModelSpec): Promise<NativeModel>
  createLoss(spec: LossSpec): NativeLoss
  /** @param options.deferred the CPU tells the outcome of steps late, as a device does, for tests */
  createSgd(model: NativeModel, groups: SgdGroupSpec[], options?: { deferred: boolean }): NativeSgd
  createEma(model: NativeModel): NativeEma
  createGradScaler(init: GradScalerState & { enabled: boolean }): NativeGradScaler
  createLoader(spec: LoaderSpec): NativeLoader
  /** @param limitBytes bound on its memory */
  createFrameCache(limitBytes: number): NativeFrameCache
  /**
   * Reads the frames of `samples` samples from the spec's start on into memory, and decodes their regions over and over for `seconds` with as
   * many threads: the limit that decoding alone sets (native/data/decode_limit.h). Rejects with ERR_DATA when none of the samples is good.
   */
  measureDecodeLimit(spec: LoaderSpec, options: { samples: number; threads: number; seconds: number }): Promise<DecodeLimitRun>
  /**
   * Opens a cached index: reads all of it once to check it, then maps it.
   * Rejects with ERR_IO when it cannot be read, ERR_DATA when it is damaged, of another version, or no index.
   */
  openIndexFile(path: string): Promise<NativeIndexFile>
  /**
   * What stat() says of many paths (UTF-8, path i is bytes [offsets[i], offsets[i + 1])): 32 bytes each, little endian: u64 bytes, i64
   * modified and i64 changed in ns since 1970, u32 kind (0 missing, 1 file, 2 folder, 3 other, 4 unreadable, 5 entries of
   * a folder, for a path that ends in `/*`), u32 0.
   */
  fileStates(offsets: Uint32Array, bytes: Uint8Array): Promise<Uint8Array>
  /**
   * Opens a pack: reads its table once to check it, and looks at the shards' sizes.
   * Rejects with ERR_IO when a file cannot be read, ERR_DATA when the table is damaged, or a shard is missing or of another size.
   */
  openPack(table: string, shards: readonly { path: string; bytes: number }[]): Promise<NativePack>
  createTracker(model: NativeModel, spec: TrackerSpec): NativeTracker
  createMultiTracker(model: NativeModel, spec: TrackerSpec, options: { shareWindows: boolean }): NativeMultiTracker
  /**
   * The online classifier on given features, for tests and tools. In: features [N,C,H,W], shifts [N,2] and target [4] (cx, cy, w, h) of the
   * first frame; frames [M,C,H,W] and targets [M,4] of those after it; start_* (filter [taps,C], fc1, fc2, projection) to begin with instead
   * of drawn ones; direction_* to try the derivatives with. Out: what was learned, and the maps, findings, weights and filters of each frame.
   * @param scale search crop pixels for each frame pixel
   */
  replayOnline(spec: OnlineSpec, xSize: number, scale: number, tensors: Record<string, NativeTensor>): Promise<Record<string, NativeTensor>>
  /** image [1,3,E,E] → images [N,3,side,side] and shifts [N,2], as the first frame of the online tracker is augmented. */
  augmentOnline(spec: OnlineSpec, side: number, tensors: { image: NativeTensor }): Promise<{ images: NativeTensor; shifts: NativeTensor }>
  /** State of torch's CPU generator (weight initialisation and anything random a user adds). */
  rngState(): Promise<Uint8Array>
  setRngState(state: Uint8Array): Promise<void>
  /**
   * Handles of this environment that are not disposed. Of the whole process: bytes that CPU tensors hold now, the most that they held since
   * {@link resetPeakMemory}, and bytes that are mapped for big tensors, those that wait for the next one included; and of each device in use.
   */
  memory(): { liveHandles: number; hostBytes: number; hostPeakBytes: number; hostMappedBytes: number; devices: DeviceMemory[] }
  /** Begins a new peak, in the order of the stages. */
  resetPeakMemory(): Promise<void>

  // Data primitives, for tests, tools and users' own transformers (native/data; no torch).
  /** Opens libturbojpeg (lib/native/load.ts calls it). @returns why that failed, or undefined; decoding then throws ERR_SETUP with it */
  initJpeg(path: string): string | undefined
  /** Which JPEG library is open ('' where none is) and which pixel loops this CPU runs. */
  jpegLibrary(): { path: string; apiLevel: string; pixelKernels: 'avx512' | 'avx2' | 'baseline' }
  /**
   * BGR pixels as OpenCV's imread gives them. With a region: at least that part, from (x, y) on, each pixel equal to the whole frame's.
   * Throws ERR_DATA when it is no JPEG, truncated or corrupt.
   */
  decodeJpeg(bytes: Uint8Array, region?: JpegRegion): DecodedJpeg
  /**
   * The same by one of the two decoders alone, for tests: ours gives null where it leaves the frame to libturbojpeg. With `mean`: all of the frame
   * is decoded, and its mean colour comes with the region.
   */
  decodeJpeg(bytes: Uint8Array, region: JpegRegion | undefined, options: { decoder?: 'own' | 'libjpeg'; mean?: boolean }): (DecodedJpeg & { mean?: [b: number, g: number, r: number] }) | null
  encodeJpeg(
    pixels: Uint8Array,
    width: number,
    height: number,
    options: { quality: number; subsampling: JpegSubsampling; format: 'rgb' | 'bgr'; progressive?: boolean; optimize?: boolean; restartRows?: number; restartBlocks?: number },
  ): Uint8Array
  /** Size as shown (EXIF orientation applied). */
  jpegInfo(bytes: Uint8Array): { width: number; height: number }
  /**
  /** crop_track_pair's geometry from uniforms consumed in order. Crops: cx, cy, side in frame pixels; boxes: x1, y1, x2, y2 in the crops. */
  cropGeometry(
    boxZ: Float32Array,
    boxX: Float32Array,
    spec: LoaderSpec['crop'],
    uniforms: Float64Array,
  ): { cropZ: Float64Array; cropX: Float64Array; bboxZ: Float32Array; bboxX: Float32Array; draws: number }
  /** A tracker's crop around a target of w × h: side rounded half to even, scale unrounded; `float32`: the original's arithmetic on float32 sizes. */
  trackingCrop(w: number, h: number, contextAmount: number, zSize: number, xSize: number, float32: boolean): { scale: number; sizePx: number }
  denseboxTarget(box: Float32Array, spec: LoaderSpec['target'], isNegativePair: boolean): { cls: Float32Array; ctr: Float32Array; box: Float32Array }
  /** The pairs [template, search] that samples (epoch, firstSample + 0 … count − 1, attempt) draw, before decoding. */
  samplePairs(
    spec: LoaderSpec,
    epoch: number,
    firstSample: number,
    attempt: number,
    count: number,
  ): { dataset: [number, number]; sequence: [number, number]; frame: [number, number]; negative: boolean }[]
  /** Philox4x32-10 of four counter and two key words. */
  philox(words: Uint32Array): Uint32Array
}
