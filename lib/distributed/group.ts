/**
 * The processes ("ranks") of one distributed run, and what they tell each other. The addon does the talking (native/distributed): here are the
 * rules of who waits for whom, for how long, and what becomes of the others when one fails.
 */
import { invalidArgument, SiamError } from '../errors.ts'
import type { Model } from '../engine/model.ts'
import type { NativeProcessGroup } from '../native/addon-distributed.ts'
import { checkedDevice } from '../native/device.ts'
import { loadAddon } from '../native/load.ts'
import { stopNumber, stoppedByOthers } from './stop.ts'

export interface ProcessGroupOptions {
  /** 0-based number of this process, and how many there are. */
  rank: number
  worldSize: number
  /** Number of this process on its machine; default: rank. */
  localRank?: number
  /** Host name or address of rank 0's machine, and a port there that is free. */
  masterAddr: string
  masterPort: number
  /** Where the model will be: 'cpu' (default), 'cuda:N'. */
  device?: string
  /** What carries gradients and buffers: 'gloo' (default; CPU, and CUDA by way of the CPU) or 'nccl' (CUDA, where the build has it). */
  backend?: 'gloo' | 'nccl'
  /** How long an exchange waits for the other ranks. Default 20: a rank whose machine is lost ends the others within 30 s. */
  timeoutSeconds?: number
  /** The same at the start, where machines may come one by one. Default 600. */
  startTimeoutSeconds?: number
  /** Whether this process keeps the store where ranks meet. Default: rank 0 does. false on all where torchrun's agent keeps it. */
  keepsStore?: boolean
  /** Sets this run, and this attempt at it, apart in a store that outlives it. */
  storePrefix?: string
  /** Name or address of this machine that the others reach it by. Default: found from its host name. */
  host?: string
}

/** How much of the time-out a rank that is still busy lets pass before it says so. */
const patience = 0.1
/** Rank 0 waits so long for the others to read what it keeps, once it has nothing more to do. */
const goodbyeMs = 3000
/** A rank that fails says why before it ends its connections, so that what others look for is there already. */
const reasonMs = 500

export class ProcessGroup implements AsyncDisposable {
  readonly rank: number
  readonly worldSize: number
  readonly localRank: number
  readonly backend: 'gloo' | 'nccl'
  readonly device: string
  readonly timeoutSeconds: number
  readonly #native: NativeProcessGroup
  #ended = false

  private constructor(native: NativeProcessGroup, options: Required<Pick<ProcessGroupOptions, 'rank' | 'worldSize' | 'localRank' | 'backend' | 'device' | 'timeoutSeconds'>>) {
    this.#native = native
    this.rank = options.rank
    this.worldSize = options.worldSize
    this.localRank = options.localRank
    this.backend = options.backend
    this.device = options.device
    this.timeoutSeconds = options.timeoutSeconds
  }

  /**
   * Meets the other ranks; returns when all are there.
   * @throws ERR_ARGUMENT for an option out of range; ERR_DISTRIBUTED when rank 0 cannot be reached, its port is taken, or a rank does not come
   *   in time; ERR_CONFIG when ranks expect different numbers of ranks; ERR_DEVICE for a backend that this build lacks
   */
  static async create(options: ProcessGroupOptions): Promise<ProcessGroup> {
    const { masterAddr, backend = 'gloo', host = '', storePrefix = 'siamfcpp' } = options
    const worldSize = integer('worldSize', options.worldSize, 1, 65_536)
    const rank = integer('rank', options.rank, 0, worldSize - 1)
    const localRank = integer('localRank', options.localRank ?? rank, 0, worldSize - 1)
    const port = integer('masterPort', options.masterPort, 1, 65_535)
    if (typeof masterAddr !== 'string' || masterAddr === '') throw invalidArgument('a host name or address', 'masterAddr', masterAddr)
    if (backend !== 'gloo' && backend !== 'nccl') throw invalidArgument("'gloo' or 'nccl'", 'backend', backend)
    const device = checkedDevice(options.device ?? 'cpu')
    const timeoutSeconds = seconds('timeoutSeconds', options.timeoutSeconds ?? 20)
    const startTimeoutSeconds = seconds('startTimeoutSeconds', options.startTimeoutSeconds ?? 600)
    const native = await loadAddon().createProcessGroup({
      rank,
      size: worldSize,
      address: masterAddr,
      port,
      backend,
      device,
      keepsStore: options.keepsStore ?? rank === 0,
      storePrefix,
      startTimeoutMs: Math.ceil(startTimeoutSeconds * 1000),
      timeoutMs: Math.ceil(timeoutSeconds * 1000),
      host,
    })
    return new ProcessGroup(native, { rank, worldSize, localRank, backend, device, timeoutSeconds })
  }

  /** @internal the addon's handle. @throws ERR_DISTRIBUTED once the group has ended */
  get native(): NativeProcessGroup {
    if (this.#ended) throw new SiamError('ERR_DISTRIBUTED', `rank ${this.rank} of ${this.worldSize}: this process group has ended`)
    return this.#native
  }

  /** Whether {@link fail} or {@link close} has been called, or an exchange failed. */
  get ended(): boolean {
    return this.#ended
  }

  /** The mean over ranks of each value; as many values on all ranks. @throws ERR_DISTRIBUTED */
  async average(values: readonly number[]): Promise<number[]> {
    return [...(await this.#exchange((native) => native.average(Float64Array.from(values))))]
  }

  /** The largest over ranks of each value; as many values on all ranks. @throws ERR_DISTRIBUTED */
  async maximum(values: readonly number[]): Promise<number[]> {
    return [...(await this.#exchange((native) => native.maximum(Float64Array.from(values))))]
  }

  /** Returns when all ranks have called it. @throws ERR_DISTRIBUTED */
  async barrier(): Promise<void> {
    await this.#exchange((native) => native.barrier())
  }

  /** Copies rank 0's parameters and buffers, or buffers alone, to the models of all ranks. @throws ERR_DISTRIBUTED */
  async broadcastModel(model: Model, { buffersOnly = false }: { buffersOnly?: boolean } = {}): Promise<void> {
    await this.#exchange((native) => native.broadcastModel(model.native, buffersOnly))
  }

  /**
   * Work that may take long on some ranks: returns on all of them when it is done on all, however long that is; a rank that is alive says so
   * again and again. Where it fails on one rank, that rank gets its error, and the others ERR_DISTRIBUTED with the reason.
   *
   * With `signal`: when it fires on any rank, all of them throw ERR_ABORTED in the same call, and the work is left to itself.
   * @param flags  numbers that ranks compare on the way
   * @returns what the work returned here, and the largest of each flag over ranks
   * @throws ERR_DISTRIBUTED, ERR_ABORTED, whatever the work throws
   */
  async together<T>(work: () => T | Promise<T>, { signal, flags = [] }: { signal?: AbortSignal; flags?: readonly number[] } = {}): Promise<{ value: T; flags: number[] }> {
    let result: { value: T } | { error: unknown } | undefined
    const running = (async () => work())().then(
      (value) => void (result = { value }),
      (error: unknown) => void (result = { error }),
    )
    for (;;) {
      await waitFor(running, this.timeoutSeconds * patience * 1000)
      // A loader that hears the signal fails its batch with ERR_ABORTED: that is the stop, and no failure.
      const outcome = isStop(result, signal) ? undefined : result
      if (outcome !== undefined && 'error' in outcome) await this.#native.leaveFailed(reasonOf(outcome.error))
      const failed = outcome !== undefined && 'error' in outcome ? this.rank + 1 : 0
      const [failedRank = 0, busy, stop = 0, ...agreed] = await this.maximum([failed, outcome === undefined ? 1 : 0, stopNumber(signal), ...flags])
      if (failedRank > 0) {
        const own = outcome !== undefined && 'error' in outcome ? outcome.error : await this.explained(undefined, failedRank - 1)
        await this.#leave()
        throw own
      }
      if (stop > 0) throw signal?.aborted === true ? new SiamError('ERR_ABORTED', 'training was stopped', { cause: signal.reason }) : stoppedByOthers(stop)
      if (busy === 0) return { value: (outcome as { value: T }).value, flags: agreed }
    }
  }

  /**
   * Work of rank 0 whose result all ranks get.
   * @param make  runs on rank 0 alone
   * @throws as {@link together}
   */
  async share(make: () => Uint8Array | Promise<Uint8Array>): Promise<Uint8Array> {
    const { value } = await this.together(() => (this.rank === 0 ? make() : new Uint8Array()))
    return this.#exchange((native) => native.broadcastBytes(value))
  }

  /**
   * The error of an exchange, with the reason that the rank behind it has left, if any.
   * @param error  undefined: `rank` is known to have failed
   */
  async explained(error: SiamError | undefined, rank?: number): Promise<SiamError> {
    const reason = await this.#native.failure(reasonMs)
    const here = `rank ${this.rank} of ${this.worldSize}`
    if (reason !== '') return new SiamError('ERR_DISTRIBUTED', `${here} ends because another one failed: ${reason}`, { cause: error })
    if (error === undefined) return new SiamError('ERR_DISTRIBUTED', `${here} ends because rank ${rank} failed`, { hint: 'look at its messages' })
    const other = this.worldSize === 2 ? `rank ${1 - this.rank}` : 'another rank'
    return new SiamError('ERR_DISTRIBUTED', `${error.message}`, {
      hint: `${other} has ended or is late by more than ${this.timeoutSeconds} s: look at its messages; --resume latest goes on with the run`,
      cause: error,
    })
  }

  /**
   * Ends the run on all ranks because of an error on this one: leaves word of it, and ends the connections, so that whoever waits for this rank
   * learns of it at once. Does nothing the second time.
   */
  async fail(error: unknown): Promise<void> {
    if (this.#ended) return
    await this.#native.leaveFailed(reasonOf(error))
    await this.#leave()
  }

  /** Leaves the group; no rank needs to wait for this one any more. Safe to call twice. */
  async close(): Promise<void> {
    await this.#leave()
    if (!this.#native.disposed) this.#native.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #leave(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#native.syncStatistics(false)
    await this.#native.leave(goodbyeMs)
  }

  async #exchange<T>(exchange: (native: NativeProcessGroup) => Promise<T>): Promise<T> {
    try {
      return await exchange(this.native)
    } catch (error) {
      if (this.#ended || !(error instanceof SiamError) || error.code !== 'ERR_DISTRIBUTED') throw error
      const explained = await this.explained(error)
      await this.#leave()
      throw explained
    }
  }
}

/** Returns when the promise has settled, but no later than that. */
async function waitFor(settled: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([settled, new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)))])
  clearTimeout(timer)
}

function isStop(result: { value: unknown } | { error: unknown } | undefined, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && result !== undefined && 'error' in result && result.error instanceof SiamError && result.error.code === 'ERR_ABORTED'
}

function reasonOf(error: unknown): string {
  if (error instanceof SiamError) return error.toLine()
  return error instanceof Error ? error.message : String(error)
}

function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) throw invalidArgument(`an integer from ${min} to ${max}`, name, value)
  return value
}

function seconds(name: string, value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 86_400)) throw invalidArgument('a number of seconds above 0, at most 86400,', name, value)
  return value
}
