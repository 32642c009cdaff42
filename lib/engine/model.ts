/**
 * The public model: SiamTrack on the engine thread, with the losses that a trainer asks it for.
 */
import { CheckpointTensor, matchStateDict, type StateDictReport } from '../checkpoint/index.ts'
import { invalidArgument, SiamError } from '../errors.ts'
import { requireDevice } from '../native/device.ts'
import { loadAddon } from '../native/load.ts'
import type { ModelSpec, NamedRawTensor, NativeModel, ParameterInfo, RawTensor } from '../native/addon.ts'
import { Tensor } from '../native/tensor.ts'
import type { PretrainedReport } from './pretrained.ts'
import type { TensorDict, TrainableLoss } from './losses.ts'

/** Named tensors in any of the forms that they come in: from stateDict(), from a checkpoint, or put together by hand. */
export type StateTable = readonly NamedRawTensor[] | ReadonlyMap<string, RawTensor | CheckpointTensor> | Readonly<Record<string, RawTensor>>

function tableOf(table: StateTable): Map<string, CheckpointTensor> {
  const pairs: Iterable<readonly [string, RawTensor | CheckpointTensor]> = Array.isArray(table)
    ? (table as readonly NamedRawTensor[]).map((entry) => [entry.name, entry] as const)
    : table instanceof Map
      ? (table as ReadonlyMap<string, RawTensor | CheckpointTensor>)
      : Object.entries(table as Readonly<Record<string, RawTensor>>)
  return new Map(Array.from(pairs, ([name, value]) => [name, value instanceof CheckpointTensor ? value : CheckpointTensor.fromRaw(value)]))
}

/** Disposes every tensor of a dictionary. */
export function disposeAll(tensors: Iterable<Tensor> | TensorDict): void {
  for (const tensor of Symbol.iterator in tensors ? tensors : Object.values(tensors)) tensor.dispose()
}

export class Model implements Disposable {
  readonly spec: Readonly<ModelSpec>
  /** By name (cls, ctr, reg): what a trainer minimises the sum of. The model disposes them with itself. */
  losses: Record<string, TrainableLoss>
  /** What became of each file of pretrained weights that `buildModel` loaded, in its order. */
  pretrained: readonly PretrainedReport[] = []
  readonly #native: NativeModel
  readonly #described: readonly ParameterInfo[]
  #trainableChanges = 0
  #disposed = false

  private constructor(spec: ModelSpec, native: NativeModel, losses: Record<string, TrainableLoss>) {
    this.spec = spec
    this.#native = native
    this.#described = native.describe()
    this.losses = losses
  }

  /**
   * Builds the network with random weights drawn from `spec.seed`.
   * @throws ERR_CONFIG for a spec that cannot be built, ERR_ARGUMENT for no device's name, ERR_DEVICE when the device is not there
   */
  static async create(spec: ModelSpec, losses: Record<string, TrainableLoss> = {}): Promise<Model> {
    await requireDevice(spec.device)
    return new Model(spec, await loadAddon().createModel(spec), losses)
  }

  /** @internal the addon's handle. @throws ERR_DISPOSED */
  get native(): NativeModel {
    if (this.#disposed) throw new SiamError('ERR_DISPOSED', 'this Model was used after dispose()')
    return this.#native
  }

  get disposed(): boolean {
    return this.#disposed
  }

  get device(): string {
    return this.spec.device
  }

  /** Parameters and buffers, in the order of the original's state_dict. `requiresGrad` is as it is now. */
  describe(): ParameterInfo[] {
    return this.native.describe()
  }

  /** Names of the parameters (no buffers, each tensor once), in the original's order. */
  parameterNames(): string[] {
    return this.#described.filter(({ kind, aliasOf }) => kind === 'parameter' && aliasOf === undefined).map(({ name }) => name)
  }

  /**
   * The training forward (z through the backbone first, then x: two BatchNorm updates a step, as the original's).
   * @param data im_z [N,3,127,127] and im_x [N,3,303,303], uint8 or float32, BGR 0..255; other entries of a batch are ignored
   * @returns cls_pred [N,S²,1], ctr_pred [N,S²,1] (logits), box_pred [N,S²,4] (xyxy, pixels of the search crop), corr_fea where configured;
   *   the caller disposes them
   * @throws ERR_ARGUMENT when im_z or im_x is missing, ERR_SHAPE
   */
  async forward(data: TensorDict): Promise<TensorDict> {
    const { native } = this
    const { im_z: imZ, im_x: imX } = data
    if (!(imZ instanceof Tensor)) throw invalidArgument('a Tensor', 'im_z', imZ)
    if (!(imX instanceof Tensor)) throw invalidArgument('a Tensor', 'im_x', imX)
    const predicted = await native.forward(imZ.native, imX.native)
    return Object.fromEntries(Object.entries(predicted).map(([name, tensor]) => [name, new Tensor(tensor)]))
  }

  /** Seconds that {@link forward} has spent so far on bringing images to the device, to floating point and to the memory format. */
  copySeconds(): number {
    return this.native.copySeconds()
  }

  /** Copies of all parameters and buffers, in the original's order. */
  async stateDict(): Promise<NamedRawTensor[]> {
    return this.native.stateDict()
  }

  /**
   * Copies parameters and buffers from a table by name. Floating-point tensors of another precision are converted, as in torch.
   * @param options.strict true (default): every name must be on both sides with its shape; false: what fits is taken
   * @returns what was and what was not loaded
   * @throws ERR_CHECKPOINT for another model's table (strict); the model is then unchanged
   */
  async loadStateDict(table: StateTable, options: { strict?: boolean; file?: string } = {}): Promise<StateDictReport> {
    const { native } = this
    const report = matchStateDict(this.#described, tableOf(table), { strict: options.strict ?? true, file: options.file })
    await native.loadStateDict(report.loaded)
    return report
  }

  /** Gradients by parameter name; null where there is none (frozen, or no backward yet). */
  async gradients(names: string[] = this.parameterNames()): Promise<Map<string, RawTensor | null>> {
    const found = await this.native.gradients(names)
    return new Map(names.map((name, i) => [name, found[i] ?? null]))
  }

  /** Training mode: BatchNorm uses the batch's statistics and updates its running ones. */
  train(): void {
    this.native.setTraining(true)
  }

  /** Evaluation mode: BatchNorm uses its running statistics. */
  eval(): void {
    this.native.setTraining(false)
  }

  /** Freezes or thaws parameters by name. @throws ERR_ARGUMENT for a name that is no parameter */
  setRequiresGrad(names: readonly string[], requiresGrad: boolean): void {
    const known = new Set(this.parameterNames())
    for (const name of names) if (!known.has(name)) throw new SiamError('ERR_ARGUMENT', `the model has no parameter ${JSON.stringify(name)}`)
    this.native.setRequiresGrad([...names], requiresGrad)
    this.#trainableChanges++
  }

  /** How often {@link setRequiresGrad} was called: whoever depends on what trains need look again only when this has grown. */
  get trainableChanges(): number {
    return this.#trainableChanges
  }

  /** Frees the network and its losses. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    for (const loss of Object.values(this.losses)) loss.dispose()
    this.#native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
