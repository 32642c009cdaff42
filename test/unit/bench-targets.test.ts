/** The targets that `bench data --check` holds a run to. */
import { describe, expect, it } from 'vitest'
import { type CaseFigures, describeTarget, missed, targetsOf } from '../../bench/lib/data-targets.ts'

const good: CaseFigures = { frames: '1920x1080', targets: 'large', ratioMeansKnown: 10, shareOfLimit: 0.8, twoThreads: 1.75, packPairsPerSecond: 600, packRatio: 28 }

describe('targetsOf', () => {
  it('has those of the frame size, which just reached are reached', () => {
    expect(targetsOf(good).map(({ what }) => what)).toEqual(['times Python, from frames', 'of the decode limit', 'times one thread, with two', 'pairs/s from a pack', 'times Python, from a pack'])
    expect(missed(targetsOf(good))).toEqual([])
    expect(targetsOf({ ...good, frames: '480x360' }).map(({ what, wanted }) => [what, wanted])).toEqual([['times Python, from frames', 6], ['times one thread, with two', 1.75], ['pairs/s from a pack', 600]])
    expect(targetsOf({ ...good, frames: '64x64' })).toEqual([])
  })

  it.each(['ratioMeansKnown', 'shareOfLimit', 'twoThreads', 'packPairsPerSecond', 'packRatio'] as const)('misses %s where it is a little less, or no number', (key) => {
    for (const seen of [good[key] * 0.999, Number.NaN]) expect(missed(targetsOf({ ...good, [key]: seen }))).toHaveLength(1)
  })

  it('says what was wanted', () => {
    expect(missed(targetsOf({ ...good, shareOfLimit: 0.7531 })).map(describeTarget)).toEqual(['1920x1080, large targets: 0.75 of the decode limit, wanted 0.8'])
  })
})
