/** The processes of a distributed run, as the addon gives them (native/binding/distributed). Types only. */
import type { NativeModel, NativeTensor } from './addon.ts'

export interface ProcessGroupSpec {
  rank: number
  size: number
  /** Of rank 0. */
  address: string
  port: number
  /** What carries gradients and buffers. */
  backend: 'gloo' | 'nccl'
  /** Where gradients lie. */
  device: string
  /** This process keeps the ranks' store; else it is there already (torchrun's agent) or another rank's. */
  keepsStore: boolean
  /** Sets this run apart from others in a store that outlives it. */
  storePrefix: string
  startTimeoutMs: number
  timeoutMs: number
  /** Name or address of this machine; '': found from the route. */
  host: string
}

/**
 * Every rank makes the same calls in the same order. Rejections of the exchanges are ERR_DISTRIBUTED, and end the group's use.
 */
export interface NativeProcessGroup {
  readonly disposed: boolean
  /** Rank 0's parameters and buffers (or buffers alone) on all ranks, in place. */
  broadcastModel(model: NativeModel, buffersOnly: boolean): Promise<void>
  /** Rank 0's bytes on all ranks; what others give is passed over. */
  broadcastBytes(bytes: Uint8Array): Promise<Uint8Array>
  /** Means and maxima over ranks, value by value; as many on all of them. */
  average(values: Float64Array): Promise<Float64Array>
  maximum(values: Float64Array): Promise<Float64Array>
  barrier(): Promise<void>
  /** As barrier(), with the long time-out and a message that names who is missing; each place once. Rejects with ERR_DISTRIBUTED, ERR_ABORTED. */
  gatherAt(place: string): Promise<void>
  /** Queued: whether BatchNorm in training takes its statistics over all ranks from now on, in all models of this environment. */
  syncStatistics(on: boolean): void
  /** Leaves word of why this rank ends; never rejects. */
  leaveFailed(reason: string): Promise<void>
  /** What a rank has left, '' where none has within `waitMs`. */
  failure(waitMs: number): Promise<string>
  /** Ends the group's connections. Rank 0 stays for up to `waitMs`, until all have left: it keeps what they may still read. */
  leave(waitMs: number): Promise<void>
  dispose(): void
}

/** Averages the gradients of a model over the ranks during backward; for the parameters that train now. */
export interface NativeGradientReducer {
  readonly disposed: boolean
  /** The next backward from `loss` averages; without it gradients stay this rank's own. */
  expect(loss: NativeTensor): Promise<void>
  dispose(): void
}

export interface DistributedAddon {
  /**
   * Meets the other ranks. Rejects with ERR_DISTRIBUTED when they do not come in time, ERR_CONFIG where they expect different numbers of ranks,
   * ERR_ABORTED after cancelMeetings(), ERR_DEVICE for a backend that is not there.
   */
  createProcessGroup(spec: ProcessGroupSpec): Promise<NativeProcessGroup>
  /** Ends the waits for ranks that have not come yet, now and for good: the process is to end. */
  cancelMeetings(): void
  /** @param dynamic  which parameters the loss depends on may differ between ranks and iterations */
  createGradientReducer(group: NativeProcessGroup, model: NativeModel, dynamic: boolean): Promise<NativeGradientReducer>
}
