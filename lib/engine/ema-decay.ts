/** How much of a moving average stays at each update; apart from lib/engine/ema.ts, which needs the addon. */

/**
 * The decay of update t (0-based): min(decay, (1 + t) / (warmup + t)). So the average forgets the random weights that it began with, which
 * would have a share of decay^t otherwise.
 */
export function emaDecayAt(t: number, decay: number, warmup: number): number {
  return warmup <= 1 ? decay : Math.min(decay, (1 + t) / (warmup + t))
}
