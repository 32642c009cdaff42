/** What bench/data.ts is to show, and whether it did. */

export interface Target {
  frames: string
  targets: 'large' | 'small'
  what: string
  wanted: number
  seen: number
}

/** Figures of one case that targets are set for, by processor time. */
export interface CaseFigures {
  frames: string
  targets: 'large' | 'small'
  /** To Python's speed. */
  ratioMeansKnown: number
  shareOfLimit: number
  twoThreads: number
  packPairsPerSecond: number
  packRatio: number
}

/** Times the speed of the original's way; a pack's speed is wanted in pairs/s, and from 720p on also as a ratio. */
const wanted: Record<string, { ratio: number; packRatio?: number; shareOfLimit?: number }> = {
  '480x360': { ratio: 6 },
  '1280x720': { ratio: 8, packRatio: 15 },
  '1920x1080': { ratio: 10, packRatio: 28, shareOfLimit: 0.8 },
}
const packPairsPerSecond = 600
const twoThreads = 1.75

/** The targets of a case, each with what was seen. */
export function targetsOf(figures: CaseFigures): Target[] {
  const { frames, targets } = figures
  const goal = wanted[frames]
  if (goal === undefined) return []
  const list: [what: string, wanted: number | undefined, seen: number][] = [
    ['times Python, from frames', goal.ratio, figures.ratioMeansKnown],
    ['of the decode limit', goal.shareOfLimit, figures.shareOfLimit],
    ['times one thread, with two', twoThreads, figures.twoThreads],
    ['pairs/s from a pack', packPairsPerSecond, figures.packPairsPerSecond],
    ['times Python, from a pack', goal.packRatio, figures.packRatio],
  ]
  return list.flatMap(([what, least, seen]) => (least === undefined ? [] : [{ frames, targets, what, wanted: least, seen }]))
}

export function missed(targets: readonly Target[]): Target[] {
  // NaN, too, is no target reached.
  return targets.filter(({ wanted: least, seen }) => !(seen >= least))
}

export function describeTarget({ frames, targets, what, wanted: least, seen }: Target): string {
  return `${frames}, ${targets} targets: ${Number(seen.toFixed(2))} ${what}, wanted ${least}`
}
