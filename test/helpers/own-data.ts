/** What a user brings to a trainer: data of his own that can seek, and a monitor that keeps the losses. */
import type { TensorDict } from '../../lib/engine/losses.ts'
import type { DataPosition } from '../../lib/engine/trainer-types.ts'
import { Monitor, type EngineData } from '../../lib/monitors/monitor.ts'
import { tinyBatch } from './tiny-model.ts'

/** Batch i of epoch e follows from (e, i). */
export class OwnData implements AsyncIterable<TensorDict> {
  cursor: DataPosition = { epoch: 0, sample: 0 }
  readonly #samples: number

  /** @param perEpoch  batches of two pairs */
  constructor(perEpoch: number) {
    this.#samples = 2 * perEpoch
  }

  seek(position: DataPosition): void {
    this.cursor = { ...position }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TensorDict> {
    for (;;) {
      const { epoch, sample } = this.cursor
      const next = sample + 2
      this.cursor = next === this.#samples ? { epoch: epoch + 1, sample: 0 } : { epoch, sample: next }
      yield tinyBatch(epoch * 100 + sample)
    }
  }
}

/** The sum of each iteration's losses. */
export class Losses extends Monitor {
  readonly totals: number[] = []

  override update({ training_losses }: EngineData): void {
    this.totals.push(Object.values(training_losses).reduce((sum, value) => sum + value, 0))
  }
}
