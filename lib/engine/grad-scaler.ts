/**
 * Dynamic loss scaling, as torch.amp.GradScaler: same defaults, same state_dict.
 */
import { invalidArgument, SiamError } from '../errors.ts'
import { loadAddon } from '../native/load.ts'
import type { GradScalerState, NativeGradScaler, NativeSgd } from '../native/addon.ts'
import { Tensor } from '../native/tensor.ts'

export interface GradScalerOptions {
  /** First scale, 2^16 by default. */
  initScale?: number
  growthFactor?: number
  backoffFactor?: number
  /** Iterations without a non-finite gradient after which the scale grows. */
  growthInterval?: number
}

const stateKeys = ['scale', 'growth_factor', 'backoff_factor', 'growth_interval', '_growth_tracker'] as const

export class GradScaler implements Disposable {
  readonly #native: NativeGradScaler
  #disposed = false

  /** @throws ERR_ARGUMENT for factors that cannot work (growth ≤ 1, backoff outside (0, 1), interval < 1). */
  constructor(options: GradScalerOptions = {}) {
    const { initScale = 65536, growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000 } = options
    if (!(initScale > 0 && Number.isFinite(initScale))) throw invalidArgument('a positive number', 'initScale', initScale)
    if (!(growthFactor > 1)) throw invalidArgument('a number > 1', 'growthFactor', growthFactor)
    if (!(backoffFactor > 0 && backoffFactor < 1)) throw invalidArgument('a number between 0 and 1', 'backoffFactor', backoffFactor)
    if (!(Number.isSafeInteger(growthInterval) && growthInterval >= 1)) throw invalidArgument('an integer ≥ 1', 'growthInterval', growthInterval)
    this.#native = loadAddon().createGradScaler({
      enabled: true,
      scale: initScale,
      growth_factor: growthFactor,
      backoff_factor: backoffFactor,
      growth_interval: growthInterval,
      _growth_tracker: 0,
    })
  }

  /** @internal the addon's handle. @throws ERR_DISPOSED */
  get native(): NativeGradScaler {
    return this.#live()
  }

  #live(): NativeGradScaler {
    if (this.#disposed) throw new SiamError('ERR_DISPOSED', 'this GradScaler was used after dispose()')
    return this.#native
  }

  /** @returns loss × scale, to call backward() on; the caller disposes it. */
  async scale(loss: Tensor): Promise<Tensor> {
    return new Tensor(await this.#live().scale(loss.native))
  }

  /** Divides the gradients by the scale before the step, for whoever wants to look at them or change them. */
  async unscale(sgd: NativeSgd): Promise<void> {
    await this.#live().unscale(sgd)
  }

  /** Steps unless a gradient is not finite, for loops without our Optimizer: it waits for a device. @returns whether it stepped */
  async step(sgd: NativeSgd): Promise<boolean> {
    return this.#live().step(sgd)
  }

  /** Backs off after a skipped step, grows after `growthInterval` good ones. */
  async update(): Promise<void> {
    await this.#live().update()
  }

  async stateDict(): Promise<GradScalerState> {
    return this.#live().stateDict()
  }

  /** @throws ERR_CHECKPOINT if a key is missing or no number */
  async loadStateDict(state: Partial<Record<keyof GradScalerState, unknown>>): Promise<void> {
    const checked: Partial<GradScalerState> = {}
    for (const key of stateKeys) {
      const value = state[key]
      if (typeof value !== 'number' || !Number.isFinite(value)) throw invalidArgument('a finite number', `grad_scaler.${key}`, value, 'ERR_CHECKPOINT')
      checked[key] = value
    }
    await this.#live().loadStateDict(checked as GradScalerState)
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
