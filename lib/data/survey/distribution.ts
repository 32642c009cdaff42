/** A distribution of positive numbers in little memory: counted in bins whose width is 1.1 % of the value. */

const binsPerOctave = 64
const lowestOctave = -24
const octaves = 56
const mostBars = 48

export interface DistributionSummary {
  count: number
  min: number
  /** Percentiles, to 1.1 % of their value. */
  p5: number
  p25: number
  median: number
  p75: number
  p95: number
  max: number
  mean: number
  /** Counts between `from` (included) and `to`; bins of equal width on a logarithmic scale, at most 48. Bins without a count are left out. */
  histogram: { from: number; to: number; count: number }[]
}

export class Distribution {
  readonly #bins = new Float64Array(octaves * binsPerOctave)
  #count = 0
  #sum = 0
  #min = Infinity
  #max = 0

  /** Counts a value; what is not finite or not above 0 is left out. */
  add(value: number): void {
    if (!(value > 0) || value === Infinity) return
    const bin = Math.floor((Math.log2(value) - lowestOctave) * binsPerOctave)
    const at = Math.min(Math.max(bin, 0), this.#bins.length - 1)
    this.#bins[at] = (this.#bins[at] ?? 0) + 1
    this.#count += 1
    this.#sum += value
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
  }

  /** @returns null when nothing was counted */
  summary(): DistributionSummary | null {
    if (this.#count === 0) return null
    const at = (share: number): number => this.#percentile(share)
    return { count: this.#count, min: this.#min, p5: at(0.05), p25: at(0.25), median: at(0.5), p75: at(0.75), p95: at(0.95), max: this.#max, mean: this.#sum / this.#count, histogram: this.#coarse() }
  }

  /** The middle of the bin in which the share is reached, and never beyond the smallest and largest value. */
  #percentile(share: number): number {
    let seen = 0
    for (const [bin, count] of this.#bins.entries()) {
      seen += count
      if (seen >= share * this.#count && count > 0) return Math.min(Math.max(2 ** (lowestOctave + (bin + 0.5) / binsPerOctave), this.#min), this.#max)
    }
    return this.#max
  }

  #coarse(): DistributionSummary['histogram'] {
    const octavesUsed = Math.log2(this.#max / this.#min)
    const perBin = [2, 4, 8, 16, 32].find((width) => (octavesUsed * binsPerOctave) / width <= mostBars - 1) ?? binsPerOctave
    const histogram: DistributionSummary['histogram'] = []
    for (let bin = 0; bin < this.#bins.length; bin += perBin) {
      const count = this.#bins.subarray(bin, bin + perBin).reduce((sum, n) => sum + n, 0)
      if (count > 0) histogram.push({ from: 2 ** (lowestOctave + bin / binsPerOctave), to: 2 ** (lowestOctave + (bin + perBin) / binsPerOctave), count })
    }
    return histogram
  }
}
