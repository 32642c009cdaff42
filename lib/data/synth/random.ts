/** A small seeded generator: the same numbers on every machine, a stream of its own for every key. */

/** xoshiro128** seeded from a list of integers. */
export class Random {
  #a: number
  #b: number
  #c: number
  #d: number

  /** @param keys integers (up to 2^53); different lists give unrelated streams */
  constructor(...keys: number[]) {
    let state = 0x9e3779b9
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return z ^ (z >>> 16)
    }
    for (const key of keys) {
      state ^= key | 0
      next()
      state ^= Math.floor(key / 2 ** 32) | 0
      state = next()
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  /** 32 random bits as an unsigned integer. */
  bits(): number {
    const b = this.#b
    const mixed = Math.imul(b, 5)
    const result = Math.imul((mixed << 7) | (mixed >>> 25), 9)
    this.#c ^= this.#a
    this.#d ^= b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= b << 9
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result >>> 0
  }

  /** In [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.bits() / 2 ** 32)
  }

  /** An integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.uniform() < probability
  }

  sign(): number {
    return this.chance(0.5) ? 1 : -1
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)] as T
  }

  /** Sum of uniforms: mean 0, variance 1, within ±3.5; no libm call, so equal everywhere. */
  normal(): number {
    let sum = 0
    for (let i = 0; i < 12; i += 1) sum += this.uniform()
    return sum - 6
  }
}
