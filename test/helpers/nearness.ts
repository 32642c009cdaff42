/** Numbers checked against limits, and how near they came: one line a quantity shows what a limit leaves. */
import { expect } from 'vitest'

export class Nearness {
  readonly #worst = new Map<string, { value: number; limit: number }>()

  /**
   * Inside of a test: expects `value` < `limit`; goes on where it is not, so that one run shows all that is off.
   * @param quantity  under which the worst is remembered     @param detail  what exactly, for the message
   */
  below(quantity: string, value: number, limit: number, detail = quantity): void {
    const worst = this.#worst.get(quantity)
    // A NaN stays.
    if (worst === undefined || !(value / limit <= worst.value / worst.limit)) this.#worst.set(quantity, { value, limit })
    // oxlint-disable-next-line vitest/no-standalone-expect -- called by tests
    expect.soft(value, detail).toBeLessThan(limit)
  }

  /** Prints what came nearest to its limit, a quantity each. */
  print(title: string): void {
    const parts = Array.from(this.#worst, ([quantity, { value, limit }]) => `${quantity} ${value.toExponential(1)} of ${limit.toExponential(1)}`)
    process.stdout.write(`${title}: ${parts.join(', ')}\n`)
  }
}
