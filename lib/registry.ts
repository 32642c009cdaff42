/**
 * Named things that a configuration may ask for (monitors, trainers, data sets, …) and that a user's own code may add to.
 */
import { invalidArgument, SiamError } from './errors.ts'

/** A map from the names used in YAML files to what they stand for, with errors that help. */
export class Registry<T> {
  /** What the entries are, as error messages call them ('monitor'). */
  readonly kind: string
  readonly #entries = new Map<string, T>()

  constructor(kind: string) {
    this.kind = kind
  }

  /**
   * Adds `value` under `name`.
   * @returns the value, so that a class can be registered where it is exported
   * @throws ERR_ARGUMENT when the name is empty or taken by something else (registering the same value twice is fine)
   */
  register(name: string, value: T): T {
    if (typeof name !== 'string' || name === '') throw invalidArgument('a non-empty string', `the name of a ${this.kind}`, name)
    const present = this.#entries.get(name)
    if (present !== undefined && present !== value) {
      throw new SiamError('ERR_ARGUMENT', `The ${this.kind} ${JSON.stringify(name)} is registered already`)
    }
    this.#entries.set(name, value)
    return value
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  /** @throws ERR_CONFIG when nothing has that name; the hint names the nearest one */
  get(name: string): T {
    const value = this.#entries.get(name)
    if (value !== undefined) return value
    const nearest = nearestName(name, this.names())
    throw new SiamError('ERR_CONFIG', `Unknown ${this.kind} ${JSON.stringify(name)}; known are ${this.names().join(', ') || 'none'}`, {
      hint: nearest === undefined ? undefined : `did you mean ${JSON.stringify(nearest)}?`,
    })
  }

  /** All names in alphabetical order. */
  names(): string[] {
    return [...this.#entries.keys()].sort()
  }
}

/** @returns the candidate with the fewest edits from `name` (case aside), where that is at most a third of its length */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Infinity
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best !== undefined && bestDistance <= Math.max(1, Math.floor(Math.max(name.length, best.length) / 3)) ? best : undefined
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (previous[j] as number) + 1, (row[j - 1] as number) + 1))
    }
    previous = row
  }
  return previous[b.length] as number
}
